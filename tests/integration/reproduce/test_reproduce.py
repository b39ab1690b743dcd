"""`buildbox reproduce` on a real engine, from a repository: what it finds, compares, and leaves."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.integration.run.conftest import MakeProject, caller
from tests.support.engines import SOCKET
from tests.support.project import Caller, Project
from tests.support.real import commit, git

__all__ = ["caller"]

TASKS = """
[tasks.gen]
hermetic = true
inputs = ["src/**"]
outputs = ["gen/"]
run = "mkdir gen; cat src/*.txt | tr a-z A-Z > gen/out.txt"
[tasks.pack]
hermetic = true
needs = ["gen"]
inputs = ["readme"]
outputs = ["dist/**", "empty/"]
run = '''
mkdir dist empty; cp gen/out.txt dist/packed; chmod 755 dist/packed; ln -s packed dist/link
cp readme "dist/a b"
'''
[tasks.moving]
hermetic = true
inputs = []
outputs = ["moving/"]
run = '''
mkdir moving; cut -d" " -f1 /proc/uptime > moving/now; echo same > moving/same
tar cf moving/all.tar moving/now
'''
[tasks.slow]
hermetic = true
inputs = []
outputs = ["slow"]
run = "echo started; echo 1 > slow; sleep 1"
[tasks.once]
hermetic = true
inputs = []
outputs = ["once"]
caches = { mark = "~/.cache/deep/mark" }
run = '''
echo 1 > once; date > ~/.cache/own
test -e ~/.cache/deep/mark/a || { echo first of all; exit 3; }
'''
[tasks.fill]
caches = { mark = "~/.cache/deep/mark" }
run = "touch ~/.cache/deep/mark/a"
"""
FILES = {"src/a.txt": "text\n", "readme": "read me\n", ".gitignore": "/gen\n/dist\n/moving\n/slow\n/once\n"}


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    made = make_project(TASKS)
    made.write(FILES)
    commit(made)
    return made


def answer(project: Project, status: int, *line: str) -> dict[str, Any]:
    """The one build of the JSON document, of a call that ends with `status`."""
    done = project.run("--json", "reproduce", *line)
    assert done.status == status, f"{done.out}\n{done.err}"
    (build,) = json.loads(done.out)["builds"]
    found: dict[str, Any] = build
    return found


def states(build: dict[str, Any]) -> dict[str, str]:
    return {output["path"]: output["state"] for output in build["outputs"]}


def leftovers(project: Project) -> list[str]:
    """What a call may not leave: containers, folders."""
    client = docker.APIClient(base_url=SOCKET)
    found = [
        str(row["Names"])
        for row in client.containers(all=True)  # what others have removed meanwhile is no matter
        if any(str(project.root) in str(mount.get("Source")) for mount in row["Mounts"])
    ]
    client.close()
    return [*found, *map(str, project.root.glob(".buildbox/state/stage/*"))]


def test_every_output_is_built_again_whoever_asks(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(TASKS, caller=caller)
    project.write(FILES)
    commit(project)
    project.ok("run", "pack")
    before = {path: path.stat().st_mtime_ns for path in project.root.glob("dist/*")}
    build = answer(project, 0, "dist/packed")
    assert states(build) == dict.fromkeys(["dist/a b", "dist/link", "dist/packed", "empty"], "identical")
    made = Path(build["folder"])
    assert made == project.root / ".buildbox/reproduced/pack"
    assert (made / "dist/packed").read_text() == "TEXT\n"
    assert (made / "dist/packed").stat().st_uid == caller.uid
    assert {path: path.stat().st_mtime_ns for path in project.root.glob("dist/*")} == before
    assert answer(project, 0, "dist")["folder"] == f"{made}-2", "never over what was built before"
    assert leftovers(project) == []


def test_what_differs_is_named_down_to_the_member(project: Project) -> None:
    project.ok("run", "moving")
    (project.root / "moving/now").unlink()  # the archive has it
    done = project.run("reproduce", "moving/same")
    assert done.status == 122
    assert done.out.startswith("moving: different: 2 of its 3 outputs\n  moving/all.tar differs:")
    assert "    all.tar: moving/now: line 1:" in done.out
    assert "    now: line 1:" in done.out
    assert done.out.endswith("  moving/same itself is identical\n")
    reports = re.findall(r"diffoscope's report is (.*)", done.err)
    assert [Path(report).read_text()[:3] for report in reports] == ["---", "---"]


def test_a_build_that_fails_now_shows_the_end_of_its_log(project: Project) -> None:
    project.ok("run", "fill")
    project.ok("run", "once")
    done = project.run("reproduce", "once")
    assert done.status == 122, done.err
    assert done.out == "once: different: the build failed with status 3, and passed when it was recorded\n"
    assert "  first of all\n" in done.err
    assert "it had caches: mark" in done.err
    assert not list(project.root.glob(".buildbox/reproduced/*"))
    project.ok("clean", "--caches")


def test_the_output_of_the_build_is_shown_to_who_asks(project: Project) -> None:
    project.ok("run", "slow")
    assert "started" not in project.run("reproduce", "slow").err
    assert "started\n" in project.run("-v", "reproduce", "slow").err


def test_the_source_is_that_of_the_commit(project: Project) -> None:
    project.ok("run", "pack")
    project.write({"src/a.txt": "changed\n", "src/b.txt": "new\n", ".buildbox.toml": "broken"})
    git(project, "add", "-A")
    git(project, "commit", "-qm", "later")
    shutil.rmtree(project.root / "src")
    build = answer(project, 0, "gen/out.txt")
    assert build["source"].startswith("commit ")


def test_a_project_in_a_folder_of_its_repository_with_a_submodule(
    make_project: MakeProject, tmp_path: Path
) -> None:
    library = Project(tmp_path / "library", tmp_path / "home")
    library.root.mkdir()
    library.write({"l.txt": "of the library\n"})
    commit(library)
    project = make_project(TASKS, root="repository/sub/project")
    top = Project(tmp_path / "repository", project.home)
    project.write(FILES)
    top.write({"README": "top\n"})
    commit(top)
    git(
        top,
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
        str(library.root),
        "sub/project/src/lib",
    )
    git(top, "commit", "-qm", "with a library")
    project.ok("run", "gen")
    assert (project.root / "gen/out.txt").read_text() == "TEXT\n"
    shutil.rmtree(project.root / "src/lib")
    assert answer(project, 0, "gen/out.txt")["source"].startswith("commit ")
    git(top, "checkout", "-q", "HEAD~1")
    assert answer(project, 0, "gen/out.txt")["source"].startswith("commit ")


def test_what_was_built_of_changed_files_takes_these_files(project: Project) -> None:
    project.write({"src/a.txt": "not committed\n"})
    project.ok("run", "gen")
    assert "working tree" in answer(project, 0, "gen/out.txt")["source"]
    git(project, "checkout", "-q", "src/a.txt")
    build = answer(project, 119, "gen/out.txt")
    assert build["state"] == "can't tell"
    (line,) = build["missing"]
    assert "the working tree wasn't as its commit has it" in line


def test_what_is_built_comes_to_the_folder_that_is_named(project: Project, tmp_path: Path) -> None:
    project.ok("run", "gen")
    project.ok("reproduce", "-o", "../elsewhere/new", "gen/out.txt")
    assert (tmp_path / "elsewhere/new/gen/out.txt").read_text() == "TEXT\n"
    done = project.run("reproduce", "-o", "../elsewhere", "gen/out.txt")
    assert done.status == 2
    assert "isn't empty" in done.err


def test_a_folder_that_is_named_may_be_in_one_of_anothers(
    make_project: MakeProject, caller: Caller, tmp_path: Path
) -> None:
    project = make_project(TASKS, caller=caller)
    project.write(FILES)
    project.ok("run", "gen")
    theirs = tmp_path / "theirs"
    (theirs / "lent").mkdir(parents=True)
    (theirs / "lent").chmod(0o777)
    theirs.chmod(0o555)
    project.ok("reproduce", "-o", "../theirs/lent", "gen/out.txt")
    assert (theirs / "lent/gen/out.txt").read_text() == "TEXT\n"


def test_it_is_built_whatever_results_there_are_and_is_none(project: Project) -> None:
    project.ok("run", "pack")
    kept = {path.name: path.read_bytes() for path in (project.home / "archive/results").iterdir()}
    assert "building gen again" in project.run("reproduce", "gen/out.txt").err
    assert {path.name: path.read_bytes() for path in (project.home / "archive/results").iterdir()} == kept


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_nothing(project: Project, number: signal.Signals, status: int) -> None:
    project.ok("run", "slow")
    running = project.start("-v", "reproduce", "slow", stderr=subprocess.STDOUT)
    assert running.stdout
    while b"started" not in running.stdout.readline():
        pass
    running.send_signal(number)
    running.communicate(timeout=60)
    assert running.returncode == status
    assert leftovers(project) == []
    assert not list(project.root.glob(".buildbox/reproduced/*"))


def test_after_a_kill_the_next_one_tidies_up(project: Project) -> None:
    project.ok("run", "slow")
    running = project.start("-v", "reproduce", "slow", stderr=subprocess.STDOUT)
    assert running.stdout
    while b"started" not in running.stdout.readline():
        pass
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    assert leftovers(project) != []
    project.ok("reproduce", "slow")
    assert leftovers(project) == []


def test_nothing_is_left_in_a_folder_that_is_no_project(project: Project, tmp_path: Path) -> None:
    project.ok("run", "slow")
    place = tmp_path / "place"
    place.mkdir()
    shutil.copy(project.root / "slow", place / "copy")
    done = project.run("reproduce", "copy", cwd=place)
    assert done.status == 0, "it takes no inputs, so it takes no repository"
    shutil.rmtree(place / ".buildbox")
    project.run("reproduce", "nothing", cwd=place)
    assert [path.name for path in place.iterdir()] == ["copy"]


def test_what_may_not_run_by_itself_is_refused(make_project: MakeProject) -> None:
    """Whoever wrote a statement isn't trusted more than who wrote a project."""
    project = make_project("""
[tasks.root]
hermetic = true
inputs = []
outputs = ["o"]
user = "root"
rootfs = "writable"
run = "id -u > o; touch /mark"
""")
    project.ok("run", "--allow", "root", "root")
    refused = project.run("reproduce", "o")
    assert refused.status == 2
    assert "root" in refused.err
    project.ok("reproduce", "--allow", "root", "o")


def test_values_and_secrets_are_given_by_name_only(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.given]
hermetic = true
inputs = []
outputs = ["o"]
pass-env = ["LEVEL"]
secrets = ["TOKEN"]
run = "echo $LEVEL > o; cat /run/secrets/TOKEN; wc -c < /run/secrets/TOKEN >> o"
""",
        env={"LEVEL": "3", "TOKEN": "hidden away"},
    )
    project.ok("run", "given")
    build = answer(project, 119, "o")
    assert build["missing"] == ["the secret TOKEN: --secret TOKEN gives it"]
    build = answer(project, 119, "o", "--secret", "TOKEN")
    assert "--env" in build["missing"][0]
    done = project.run("-v", "reproduce", "o", "--secret", "TOKEN", "--env", "LEVEL")
    assert done.status == 0, done.err
    assert "hidden" not in done.err
    assert "***" in done.err
    for line, said in (("--env=HOME=/", "HOME"), ("--secret=OTHER", "OTHER")):
        strange = project.run("reproduce", "o", line)
        assert (strange.status, said in strange.err) == (2, True)
