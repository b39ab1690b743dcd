"""The names of the files that are committed, as arguments of a task."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.integration.precommit.conftest import MakeRepo, Repo
from tests.support.project import REPOSITORY

SHOW = """[tasks.show]\nargv = ["printf", "<%s>\\\\n"]\n"""
FILES = "  - id: buildbox-run-files\n    verbose: true\n    args: [show, --]\n"


def shown(repo: Repo, *names: str, hook: str = "buildbox-run-files") -> list[str]:
    """What the task was given, of all batches."""
    done = repo.pre_commit("run", hook, *names)
    assert done.status == 0, done.out + done.err
    return sorted(re.findall(r"^<(.*)>$", done.out, re.MULTILINE))


def test_odd_names_arrive_as_files(make_repo: MakeRepo) -> None:
    """One that begins with a dash is no option of the tool's."""
    repo = make_repo(SHOW, FILES)
    names = ["a b.txt", "grüße.txt", "--config=evil", "-x", "sub/-y", "*", "$HOME", "'q\""]
    repo.write(dict.fromkeys(names, ""))
    repo.ok("add", "-A")
    expected = [
        "./--config=evil" if name == "--config=evil" else "./-x" if name == "-x" else name for name in names
    ]
    assert shown(repo) == sorted(expected)


def test_thousands_are_given_in_batches_side_by_side(make_repo: MakeRepo) -> None:
    """One container each, and no argument list that is too long."""
    repo = make_repo('[tasks.count]\nrun = """\necho "<$#>"\n: "$@"\n"""\n', FILES.replace("show", "count"))
    repo.write({f"src/{'long' * 20}/{number:05}.txt": "" for number in range(4000)})
    repo.ok("add", "-A")
    counts = [int(text) for text in shown(repo)]
    assert sum(counts) == 4000 and 3 <= len(counts) <= 6, counts


def test_a_project_in_a_subfolder_sees_its_own(make_repo: MakeRepo, tmp_path: Path) -> None:
    """Under the names that they have for the task; where none is left, nothing runs."""
    repo = make_repo(SHOW, FILES.replace("[show", "[-C, sub, show"))
    config = (
        (repo.root / ".buildbox.toml").read_text().replace("[tasks.show]", '[tasks.show]\nworkdir = "in"')
    )
    repo.write({"sub/.buildbox.toml": config, "sub/in/a.txt": "", "sub/b.txt": "", "c.txt": ""})
    repo.ok("rm", "-q", "-f", ".buildbox.toml")
    repo.ok("add", "-A")
    assert shown(repo) == ["../.buildbox.toml", "../b.txt", "a.txt"]
    assert shown(repo, "--files", "c.txt") == []


def test_names_without_a_task_are_a_mistake_that_says_how(make_repo: MakeRepo) -> None:
    repo = make_repo(SHOW, FILES.replace("[show, --]", "[show]"))
    repo.write({"a.txt": ""})
    repo.ok("add", "-A")
    done = repo.pre_commit("run", "buildbox-run-files")
    assert "- exit code: 2" in done.out and "args: [TASK, --]" in done.out, done.out


def test_staged_content_under_given_names(make_repo: MakeRepo) -> None:
    """Without pre-commit, from a subfolder: the content is the index's."""
    repo = make_repo('[tasks.cat]\nargv = ["cat"]\n', FILES)
    repo.write({"-a.txt": "staged\n", "sub/b.txt": "too\n"})
    repo.ok("add", "-A")
    repo.write({"-a.txt": "later\n"})
    line = (sys.executable, "-m", "buildbox", "hook", "run", "--files", "cat", "--", "../-a.txt", "b.txt")
    done = repo.call(*line, cwd=repo.root / "sub", env={"PYTHONPATH": str(REPOSITORY)})
    assert (done.status, done.out) == (0, "staged\ntoo\n"), done.err
