"""Capsules of real builds: made, looked into with other tools, and all that there is to make things again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from tests.integration.run.conftest import MakeProject
from tests.support.capsules import contents
from tests.support.graphs import run_well
from tests.support.project import Project
from tests.support.real import commit, git

CANT_TELL, DIFFERENT, USAGE = 119, 122, 2
TASKS = """
[tasks.gen]
hermetic = true
inputs = ["words", "lib/**"]
outputs = ["gen/"]
run = "mkdir gen; cat words lib/more | sort > gen/sorted"

[tasks.pack]
hermetic = true
needs = ["gen"]
inputs = ["README"]
outputs = ["dist/*"]
pass-env = ["LEVEL"]
run = "mkdir dist; cat README gen/sorted > dist/all; echo level ${LEVEL:-none} >> dist/all"
"""


@pytest.fixture
def made(make_project: MakeProject, tmp_path: Path) -> Project:
    """A project with a submodule, committed and built."""
    library = tmp_path / "library"
    library.mkdir()
    (library / "more").write_text("a\n")
    commit(Project(library, tmp_path))
    project = make_project(TASKS, env={"LEVEL": "7"})
    project.write({"words": "c\nb\n", "README": "all of it\n", ".gitignore": "/gen\n/dist\n"})
    git(project, "init", "-q")
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    commit(project)
    run_well(project, "pack")
    return project


def elsewhere(tmp_path: Path) -> Project:
    """A folder without a project, whose user has an empty archive."""
    for name in ("other", "other-home"):
        (tmp_path / name).mkdir()
    return Project(tmp_path / "other", tmp_path / "other-home")


def created(project: Project, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ok("--json", "capsule", "create", *args))
    return found


def sh(script: str, at: Path) -> str:
    done = subprocess.run(["sh", "-ec", script], cwd=at, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(readme: str, after: str) -> str:
    """The commands of a README that stand behind a line which begins so."""
    lines = readme.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(after)) + 2
    end = next((number for number in range(start, len(lines)) if not lines[number]), len(lines))
    return "\n".join(lines[start:end])


def test_all_of_a_project_is_made_again_where_nothing_else_is(made: Project, tmp_path: Path) -> None:
    told = created(made, "-o", "../a.tar")
    assert [build["task"] for build in told["builds"]] == ["gen", "pack"]
    assert told["left-out"] == []
    made.ok("capsule", "create", "--check", "-o", "../b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    later = elsewhere(tmp_path)
    shutil.rmtree(made.root)
    shutil.rmtree(tmp_path / "library")
    found = json.loads(later.ok("--json", "--offline", "reproduce", "--env", "LEVEL=7", "../a.tar"))
    assert (found["state"], [build["state"] for build in found["builds"]]) == ("identical", ["identical"] * 2)
    archive = Archive.open(later.home / "archive")
    assert archive.entries() == ()
    assert not list(archive.blobs.iterdir())
    assert not (archive.path / "results").exists()
    wrong = later.run("reproduce", "../a.tar")
    assert wrong.status == CANT_TELL
    assert "--env" in wrong.err


def test_other_tools_read_it(made: Project, tmp_path: Path) -> None:
    image = created(made, "-o", "../a.tar")["images"][0]
    raw = sh(f"skopeo inspect --raw 'oci-archive:a.tar:docker.io/{image}'", tmp_path)
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == image.partition("@")[2]
    sh(f"skopeo copy --preserve-digests -q 'oci-archive:a.tar:docker.io/{image}' dir:image", tmp_path)
    sh("mkdir x; tar -xf a.tar -C x; skopeo copy -q oci:x:capsule dir:capsule", tmp_path)
    manifest = json.loads((tmp_path / "capsule/manifest.json").read_text())
    titles = {each["annotations"]["org.opencontainers.image.title"] for each in manifest["layers"]}
    assert "README.md" in titles
    head = git(made, "rev-parse", "HEAD").strip()
    library = git(made, "-C", "lib", "rev-parse", "HEAD").strip()
    assert {f"source/{head}.bundle", f"source/{library}.bundle"} <= titles


def test_the_commit_is_there_for_git(made: Project, tmp_path: Path) -> None:
    created(made, "-o", "../a.tar")
    sh("mkdir x; tar -xf a.tar -C x; mkdir x/source x/lib", tmp_path)
    readme = (tmp_path / "x/README.md").read_text()
    head = git(made, "rev-parse", "HEAD").strip()
    sh(commands(readme, f"Commit {head} of the source"), tmp_path / "x/source")
    assert (tmp_path / "x/source/words").read_text() == "c\nb\n"
    assert sh("git rev-parse HEAD", tmp_path / "x/source").strip() == head
    library = git(made, "-C", "lib", "rev-parse", "HEAD").strip()
    sh(commands(readme, f"Commit {library} of the submodule lib"), tmp_path / "x/lib")
    assert (tmp_path / "x/lib/more").read_text() == "a\n"


def test_by_hand_it_is_built_as_the_readme_says(made: Project, tmp_path: Path) -> None:
    created(made, "gen", "-o", "../a.tar")
    sh("mkdir x; tar -xf a.tar -C x; mkdir x/src", tmp_path)
    readme = (tmp_path / "x/README.md").read_text()
    (load,) = [line.strip() for line in readme.splitlines() if line.strip().startswith("skopeo")]
    (inputs,) = [line.split()[2].rstrip(",") for line in readme.splitlines() if line.startswith("- inputs:")]
    run = commands(readme, "By hand, with the inputs")
    tag = f"tools:test-{os.getpid()}"
    at = tmp_path / "x"
    sh(load.replace("tools:again", tag), at)
    try:
        sh(f"tar -xf {inputs} -C src --no-same-owner", at)
        sh(run.replace("tools:again", tag), at)
    finally:
        sh(f"docker rmi {tag}", at)
    assert (at / "src/gen/sorted").read_bytes() == (made.root / "gen/sorted").read_bytes()


def test_a_signed_artifact_brings_its_signature(made: Project, tmp_path: Path) -> None:
    made.ok("keygen")
    run_well(made, "--sign", "pack")
    told = created(made, "dist/all", "-o", "../a.tar")
    assert [build["outputs"] for build in told["builds"]] == [["dist/all"]]
    shown = json.loads(made.ok("--json", "capsule", "show", "../a.tar"))
    assert [build["signed"] for build in shown["builds"]] == [True]
    assert shown["size"] == (tmp_path / "a.tar").stat().st_size
    assert (
        shown["builds"][0]["outputs"][0]["sha256"]
        == hashlib.sha256((made.root / "dist/all").read_bytes()).hexdigest()
    )
    words = made.ok("capsule", "show", "../a.tar")
    assert "pack of project, signed" in words
    assert "the caller's environment was let through: LEVEL" in words
    by_statement = created(made, "dist/all.intoto.jsonl", "-o", "../b.tar")
    assert by_statement["builds"] == told["builds"]


def test_what_has_not_run_as_it_is_now_is_listed(made: Project, tmp_path: Path) -> None:
    made.write({"words": "d\n", "README": "other\n"})
    refused = made.run("capsule", "create", "-o", "../a.tar")
    assert refused.status == CANT_TELL
    assert "gen: it hasn't run as it is now" in refused.err
    assert "buildbox run gen" in refused.err
    named = made.run("capsule", "create", "pack", "lint", "-o", "../a.tar")
    assert (named.status, "neither a file nor a task 'lint'" in named.err) == (USAGE, True)
    run_well(made, "pack")
    made.ok("capsule", "create", "-o", "../a.tar")


def test_a_capsule_in_the_project_is_none_of_its_source(make_project: MakeProject) -> None:
    project = make_project(
        '[tasks.all]\nhermetic = true\noutputs = ["out"]\nrun = "ls > out"\n', env={"LEVEL": "7"}
    )
    project.write({"file": "text"})
    commit(project)
    run_well(project, "all")
    project.ok("capsule", "create", "-o", "one.tar")
    project.ok("capsule", "create", "-o", "two.tar")
    assert (project.root / "one.tar").read_bytes() == (project.root / "two.tar").read_bytes()
    assert sorted(contents(project.root / "one.tar").members)[0] == "README.md"


def test_a_folder_that_is_not_there_is_told(made: Project) -> None:
    told = made.run("capsule", "create", "-o", "nowhere/a.tar")
    assert (told.status, "nowhere/a.tar can't be written" in told.err) == (USAGE, True)


def test_what_is_not_the_same_again_is_no_capsule(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.chance]
hermetic = true
inputs = []
outputs = ["out"]
run = "head -c 8 /dev/urandom > out"
[tasks.fetched]
hermetic = true
network = "bridge"
inputs = []
outputs = ["got"]
run = "echo 1 > got"
"""
    )
    commit(project)
    run_well(project, "chance", "fetched")
    refused = project.run("capsule", "create", "--check", "-o", "../a.tar")
    assert refused.status == DIFFERENT
    assert "chance: different" in refused.err
    assert not list(project.root.parent.glob("*a.tar*"))
    told = created(project, "-o", "../a.tar")
    assert [build["task"] for build in told["builds"]] == ["chance"]
    assert told["left-out"] == ["fetched had a network (bridge), so it can't be made again"]
    alone = project.run("capsule", "create", "fetched", "-o", "../b.tar")
    assert (alone.status, "had a network" in alone.err) == (CANT_TELL, True)


def test_what_was_never_committed_is_in_it(made: Project, tmp_path: Path) -> None:
    made.write({"README": "not committed\n"})
    run_well(made, "pack")
    created(made, "pack", "-o", "../a.tar")
    assert "with changes beside it" in contents(tmp_path / "a.tar").members["README.md"].decode()
    later = elsewhere(tmp_path)
    later.ok("reproduce", "--env", "LEVEL=7", "../a.tar", "-o", "made")
    assert (later.root / "made/dist/all").read_text() == "not committed\na\nb\nc\nlevel 7\n"
    made.write({"README": "other again\n"})
    gone = made.run("capsule", "create", "dist/all", "-o", "../b.tar")
    assert (gone.status, "doesn't give the inputs" in gone.err) == (CANT_TELL, True)
