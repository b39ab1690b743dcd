"""Hermetic tasks on a real engine: what they see, what comes back, and when they needn't run again."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.integration.run.conftest import MakeProject, caller
from tests.support.project import Caller, Project

__all__ = ["caller"]

GRAPH = """
[tasks.gen]
hermetic = true
inputs = ["src/**"]
outputs = ["gen/"]
run = "mkdir gen; cat src/*.txt | tr a-z A-Z > gen/out.txt; echo generated; echo noted >&2"
[tasks.pack]
hermetic = true
needs = ["gen"]
inputs = []
outputs = ["dist/*.txt"]
run = "mkdir dist; cp gen/out.txt dist/packed.txt; find . | sort"
"""


def states(project: Project, *line: str) -> dict[str, str]:
    done = project.run("--json", "run", *line)
    events = [json.loads(text) for text in done.out.splitlines()]
    return {event["task"]: event["state"] for event in events if event["event"] == "end"}


def test_a_task_sees_its_inputs_and_what_it_needs_and_nothing_else(
    make_project: MakeProject, caller: Caller
) -> None:
    look = """
    [tasks.look]
    hermetic = true
    needs = ["gen"]
    inputs = ["a file", "program", "link", "src/*.txt", "!src/b.txt"]
    run = '''
    find . | sort | while read -r f; do stat -c "%n %F %a %u:%g %Y" "$f"; done
    readlink link; umask; pwd
    '''
    """
    project = make_project(GRAPH + look, caller=caller)
    project.write({"a file": "a", "program": "#!", "src/a.txt": "a", "src/b.txt": "b", "other": "o"})
    (project.root / "program").chmod(0o700)
    (project.root / "link").symlink_to("src/a.txt")
    done = project.run("run", "look")
    own = f"{caller.uid}:{caller.gid} 315532800"
    assert done.out.splitlines() == [
        f". directory 755 {own}",
        f"./a file regular file 644 {own}",
        f"./gen directory 755 {own}",
        f"./gen/out.txt regular file 644 {own}",
        f"./link symbolic link 777 {own}",
        f"./program regular file 755 {own}",
        f"./src directory 755 {own}",
        f"./src/a.txt regular file 644 {own}",
        "src/a.txt",
        "0022",
        "/src",
    ], done.err


def test_outputs_come_back_and_only_they(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(GRAPH, caller=caller)
    project.write({"src/a.txt": "text\n"})
    done = project.run("run", "pack")
    assert done.status == 0, done.err
    assert done.out == ".\n./dist\n./dist/packed.txt\n./gen\n./gen/out.txt\n"
    packed = project.root / "dist/packed.txt"
    assert packed.read_text() == "TEXT\n"
    assert (packed.stat().st_uid, packed.stat().st_gid) == (caller.uid, caller.gid)
    assert stat.S_IMODE(packed.stat().st_mode) & 0o700 == 0o600
    assert list((project.root / ".buildbox/state/stage").iterdir()) == []


def test_what_has_passed_is_not_run_again(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    first = project.run("run", "pack")
    assert states(project, "pack") == {"gen": "cached", "pack": "cached"}
    again = project.run("run", "pack")
    assert (again.status, again.out) == (0, first.out)
    assert "noted" in again.err
    shutil.rmtree(project.root / "gen")
    (project.root / "dist/packed.txt").write_text("changed by hand")
    assert states(project, "pack") == {"gen": "cached", "pack": "cached"}
    assert (project.root / "dist/packed.txt").read_text() == "TEXT\n"
    assert (project.root / "gen/out.txt").read_text() == "TEXT\n"
    assert states(project, "--force", "pack") == {"gen": "passed", "pack": "passed"}


def test_only_what_a_change_affects_runs(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n", "unrelated": "1"})
    project.run("run", "pack")
    project.write({"unrelated": "2"})
    assert states(project, "pack") == {"gen": "cached", "pack": "cached"}
    project.write({"src/a.txt": "TEXT\n"})  # other inputs, the same output
    assert states(project, "pack") == {"gen": "passed", "pack": "cached"}
    project.write({"src/a.txt": "more\n"})
    assert states(project, "pack") == {"gen": "passed", "pack": "passed"}
    project.write({"src/a.txt": "text\n"})  # as it was once
    assert states(project, "pack") == {"gen": "cached", "pack": "cached"}
    assert (project.root / "dist/packed.txt").read_text() == "TEXT\n"


def test_two_folders_and_two_users_have_the_same_fingerprint(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    elsewhere = make_project(
        GRAPH, root="elsewhere", env={"USER": "somebody", "TZ": "Asia/Tokyo", "LANG": "de_DE"}
    )
    elsewhere.write({"src/a.txt": "text\n"})
    subprocess.run(["git", "init", "-q"], cwd=elsewhere.root, check=True)
    (elsewhere.root / "src/a.txt").chmod(0o600)
    os.utime(elsewhere.root / "src/a.txt", (1, 1))
    project.run("run", "pack")
    assert states(elsewhere, "pack") == {"gen": "cached", "pack": "cached"}
    assert (elsewhere.root / "dist/packed.txt").read_text() == "TEXT\n"


def test_a_failed_task_changes_nothing(make_project: MakeProject) -> None:
    project = make_project(
        """
        [tasks.make]
        hermetic = true
        inputs = ["fail"]
        outputs = ["out/"]
        run = "mkdir out; date +%N > out/a; sed -n 1p fail; exit $(cat fail)"
        """
    )
    project.write({"fail": "0"})
    assert project.run("run", "make").status == 0
    before = (project.root / "out/a").read_text()
    project.write({"fail": "7"})
    assert project.run("run", "make").status == 7
    assert (project.root / "out/a").read_text() == before
    assert project.run("run", "make").status == 7, "a failure is no result"


HOSTILE = {
    "link-out": ("ln -s /etc/passwd out/x", "out/x"),
    "link-up": ("ln -s ../../x out/x", "out/x"),
    "pipe": ("mkfifo out/x", "out/x"),
    "folder-is-link": ("rm -r out; ln -s /tmp out", "out"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_outputs_that_leave_the_tree_are_refused(make_project: MakeProject, name: str) -> None:
    script, shown = HOSTILE[name]
    project = make_project(
        '[tasks.make]\nhermetic = true\ninputs = []\noutputs = ["out/"]\n'
        f'run = "mkdir out; echo > out/fine; {script}"'
    )
    done = project.run("run", "make")
    assert done.status == 2
    assert shown in done.err
    assert not (project.root / "out").exists()


def test_a_task_that_does_not_make_its_outputs_fails(make_project: MakeProject) -> None:
    project = make_project(
        '[tasks.make]\nhermetic = true\ninputs = ["no/*"]\noutputs = ["a", "b/", "c*"]\nrun = "echo > a"'
    )
    done = project.run("run", "make")
    assert done.status == 2
    assert "didn't make its outputs: b/, c*" in done.err
    assert "'no/*' matches nothing" in done.err
    assert not (project.root / "a").exists()


def test_any_task_can_be_hermetic(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nrun = "touch made; ls -A"')
    project.write({"here": "", ".gitignore": "ignored\n", "ignored": ""})
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    done = project.run("run", "--hermetic", "t")
    assert done.out.split() == [".buildbox.toml", ".gitignore", "here", "made"], done.err
    assert not (project.root / "made").exists()


def test_a_dry_run_starts_nothing_and_says_why(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    assert "no result of it is known" in project.run("run", "-n", "pack").out
    assert not (project.root / "dist").exists()
    project.run("run", "pack")
    shown = project.run("run", "--dry-run", "pack").out.splitlines()
    assert [line.split()[:2] for line in shown] == [["gen", "cached"], ["pack", "cached"]]
    project.write({"src/a.txt": "other\n", "src/new.txt": ""})
    shown = project.run("-v", "run", "--dry-run", "pack").out.splitlines()
    assert "    inputs: src/a.txt changed" in shown
    assert "    inputs: src/new.txt is new" in shown
    document = json.loads(project.run("--json", "run", "-n", "pack").out)
    assert [(step["task"], step["cached"]) for step in document["steps"]] == [("gen", False), ("pack", False)]


def test_a_task_with_a_network_runs_unless_it_says_that_its_result_counts(make_project: MakeProject) -> None:
    task = '[tasks.{0}]\nhermetic = true\ninputs = []\nnetwork = "bridge"\nrun = "true"\n'
    project = make_project(task.format("never") + task.format("counts") + "cache = true")
    assert states(project, "never", "counts") == {"never": "passed", "counts": "passed"}
    assert states(project, "never", "counts") == {"never": "passed", "counts": "cached"}


def test_a_mounted_task_sees_no_state(make_project: MakeProject) -> None:
    project = make_project(
        GRAPH + '[tasks.spoil]\nneeds = ["pack"]\n'
        'run = "ls -A .buildbox/state; touch .buildbox/state/x || echo kept out"'
    )
    project.write({"src/a.txt": "text\n"})
    done = project.run("run", "spoil")
    assert done.out == "kept out\n", done.err


def test_outputs_of_a_mounted_task_reach_a_hermetic_one(make_project: MakeProject) -> None:
    project = make_project(
        """
        [tasks.mounted]
        outputs = ["made.txt"]
        run = "cat wish > made.txt"
        [tasks.hermetic]
        hermetic = true
        needs = ["mounted"]
        inputs = []
        run = "ls; cat made.txt"
        """
    )
    project.write({"wish": "one\n"})
    assert project.run("run", "hermetic").out == "made.txt\none\n"
    assert states(project, "hermetic") == {"mounted": "passed", "hermetic": "cached"}
    project.write({"wish": "two\n"})
    assert project.run("run", "hermetic").out == "made.txt\ntwo\n"


def test_a_result_that_is_damaged_is_made_again(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    project.run("run", "gen")
    shutil.rmtree(project.root / "gen")
    archive = project.home / "archive/blobs/sha256"
    for blob in archive.iterdir():
        if b"generated" in blob.read_bytes()[:4096] or b"out.txt" in blob.read_bytes()[:4096]:
            blob.chmod(0o600)
            blob.write_bytes(b"x" * blob.stat().st_size)
    assert states(project, "gen") == {"gen": "passed"}
    assert (project.root / "gen/out.txt").read_text() == "TEXT\n"


def test_source_date_epoch(make_project: MakeProject) -> None:
    project = make_project(
        """
        [tasks.number]
        hermetic = true
        inputs = ["f"]
        source-date-epoch = 1000000000
        run = "echo $SOURCE_DATE_EPOCH; stat -c %Y f"
        [tasks.commit]
        hermetic = true
        inputs = ["f"]
        source-date-epoch = "commit"
        run = "echo $SOURCE_DATE_EPOCH; stat -c %Y f"
        """
    )
    project.write({"f": ""})
    assert project.run("run", "number").out == "1000000000\n1000000000\n"
    assert project.run("run", "commit").status == 2
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com"]
    env = {**os.environ, "GIT_COMMITTER_DATE": "1700000000 +0000"}
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "c"], cwd=project.root, env=env, check=True)
    assert project.run("run", "commit").out == "1700000000\n1700000000\n"


def test_the_state_is_no_part_of_the_repository(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    subprocess.run(["git", "init", "-q"], cwd=project.root, check=True)
    project.run("run", "pack")
    shown = subprocess.run(
        ["git", "status", "--porcelain", "-uall"],
        cwd=project.root,
        check=True,
        capture_output=True,
        text=True,
    )
    assert ".buildbox/" not in shown.stdout
