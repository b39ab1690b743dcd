"""No memo and no setting makes a wrong digest, and nothing of the repository runs."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from buildbox.trees.memo import Kept, read_base, read_facts, write_base
from tests.integration.trees.working import Working, names

FILES = {f"{folder}/{name}": f"{folder} {name}\n" for folder in ("a", "b", "b/c") for name in ("x", "y", "z")}


def settle() -> None:
    """Until what was written is old enough to be known by its times."""
    time.sleep(1.05 - time.time() % 1)


def rewritten(path: Path) -> None:
    """Other bytes, as many; and the time of before."""
    state = path.stat()
    path.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def replaced(path: Path) -> None:
    state = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(reversed(path.read_bytes())))
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)


def made_executable(path: Path) -> None:
    path.chmod(0o755)


def made_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("y")


CHANGES: list[Callable[[Path], None]] = [rewritten, replaced, made_executable, made_a_link, Path.unlink]


@pytest.mark.parametrize("flags", [[], ["--assume-unchanged"], ["--skip-worktree"]])
def test_no_change_is_missed(work: Working, flags: list[str]) -> None:
    work.commit(FILES)
    for flag in flags:
        work.git("update-index", flag, *FILES)
    settle()
    before = work.select()
    for name, change in zip(FILES, CHANGES, strict=False):
        change(work.root / name)
        after = work.select()
        assert after.digest != before.digest, name
        assert (name in names(after)) is os.path.lexists(work.root / name)
        before = after


def test_changes_within_one_tick_of_the_clock(work: Working) -> None:
    work.commit(FILES)
    path = work.root / "a/x"
    for number in range(40):
        path.write_text(f"{number:03}")
        assert work.look().select(None, ()).digest == work.digest(*FILES)


def test_a_clean_file_is_known_without_reading_it(work: Working) -> None:
    work.commit(FILES)
    settle()
    work.look().select(None, ())
    (memos,) = (work.data / "own/trees").iterdir()
    facts = read_facts(memos)
    assert facts is not None and facts.holes == ()
    kept = read_base(memos, facts)
    assert kept is not None
    lines = [line.replace(line[7:71], "0" * 64) if line.endswith("a/x") else line for line in kept.lines]
    write_base(memos, facts.index, Kept(lines, kept.stats), again=None, holes=(), links=())
    (memos / "selections").unlink()
    assert work.look().select(None, ()).entries()[0].digest == "0" * 64
    settle()
    rewritten(work.root / "a/x")
    work.select()


def test_files_as_new_as_the_look_are_known_later(work: Working) -> None:
    work.commit(FILES)
    digest = work.select().digest
    (memos,) = (work.data / "own/trees").iterdir()
    first = read_facts(memos)
    assert first is not None and len(first.holes) + first.count == len(FILES)
    settle()
    assert work.select().digest == digest
    second = read_facts(memos)
    assert second is not None and (second.holes, second.count) == ((), len(FILES))


@pytest.mark.parametrize("memo", ["facts", "base", "loose", "selections"])
def test_damaged_memos_are_ignored(work: Working, memo: str) -> None:
    work.commit(FILES)
    work.write({"new": "n"})
    settle()
    before = work.select().digest
    (path,) = (work.data / "own/trees").glob(f"*/{memo}")
    for damage in (b"", b"x", b"\xff\n\0"):
        path.write_bytes(path.read_bytes()[:-3] + damage)
        assert work.look().select(None, ()).digest == before
    path.unlink(missing_ok=True)
    assert work.select().digest == before


def test_memos_that_cannot_be_written(work: Working) -> None:
    work.commit(FILES)
    (work.data / "own").write_text("a file is in the way")
    assert work.look().select(None, ()).digest == work.digest(*FILES)


def test_any_sequence_of_changes(work: Working) -> None:
    chance = random.Random(5)
    work.commit(FILES)
    everything = [*FILES, "new", "b/new", "b/c/new"]
    for number in range(60):
        path = work.root / chance.choice(everything)
        there = os.path.lexists(path)
        step = chance.randrange(10)
        if step < 4 or not there:
            if there:
                path.unlink()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(chance.choice("pq"))
        elif step < 7:
            chance.choice(CHANGES)(path)
        elif step == 7:
            work.git("add", "-A")
        elif step == 8:
            work.git("commit", "-q", "--allow-empty", "-m", str(number))
        else:
            work.git("status")
        here = [name for name in everything if os.path.lexists(work.root / name)]
        assert work.look().select(None, ()).digest == work.digest(*here), number


@pytest.mark.parametrize(
    ("attributes", "setting"),
    [
        ("* text=auto\n", None),
        ("* text eol=crlf\n", None),
        ("* ident\n", None),
        ("file working-tree-encoding=UTF-16\n", None),
        ("", ("core.autocrlf", "true")),
        ("", ("core.autocrlf", "input")),
        ("* text\n", ("core.eol", "crlf")),
    ],
)
def test_the_bytes_on_the_disk_count(work: Working, attributes: str, setting: tuple[str, str] | None) -> None:
    work.git("init", "-q")
    if setting:
        work.git("config", *setting)
    work.write({".gitattributes": attributes})
    text = "one\r\n$Id: something $\r\ntwo\n"
    work.write({"file": text.encode("utf-16" if "UTF-16" in attributes else "utf-8")})
    work.git("add", "-A")
    work.git("commit", "-q", "-m", "x")
    settle()
    one = work.select().digest
    work.write({"file": text.replace("\r", "").encode("utf-16" if "UTF-16" in attributes else "utf-8")})
    work.git("add", "-A")
    assert work.select().digest != one


def test_nothing_of_the_repository_runs(work: Working, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 $@ >> {ran}\ncat\n")
    program.chmod(0o755)
    work.commit({**FILES, ".gitattributes": "* filter=mine diff=mine\n"})
    for setting in (
        "core.fsmonitor", "filter.mine.clean", "filter.mine.smudge", "filter.mine.process", "diff.external",
        "diff.mine.command", "diff.mine.textconv", "core.pager", "core.sshCommand", "core.editor",
        "core.alternateRefsCommand", "alias.status", "gpg.program", "core.askPass",
    ):  # fmt: skip
        work.git("config", setting, str(program))
    work.git("config", "filter.mine.required", "true")
    work.git("config", "log.showSignature", "true")
    hooks = work.root / ".git/hooks"
    shutil.rmtree(hooks, ignore_errors=True)
    hooks.mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        shutil.copy(program, hooks / hook)
    for path in FILES:
        rewritten(work.root / path)
    ran.unlink(missing_ok=True)
    index = (work.root / ".git/index").read_bytes()
    tree = work.look()
    assert tree.select(None, ()).digest == work.digest(".gitattributes", *FILES)
    assert tree.select(("a/**", ".git/config"), ()).digest == work.digest("a/x", "a/y", "a/z")
    commit = tree.commit()
    assert commit is not None and not commit.clean
    assert not ran.exists(), ran.read_text()
    assert (work.root / ".git/index").read_bytes() == index


def test_a_hooks_environment_leads_nowhere(work: Working, tmp_path: Path) -> None:
    work.commit(FILES)
    other = Working(tmp_path / "other", tmp_path / "home")
    other.commit({"o": "o"})
    hook = {
        **work.env,
        "GIT_DIR": str(other.root / ".git"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_INDEX_FILE": str(other.root / ".git/index"),
        "GIT_PREFIX": "x/",
        "GIT_CONFIG_PARAMETERS": "'core.bare'='true'",
        "GIT_LITERAL_PATHSPECS": "1",
    }
    assert work.look(hook).select(None, ()).digest == work.digest(*FILES)
    assert work.look(hook).commit() == work.look().commit()


def test_since_proves_that_a_file_is_unchanged(work: Working) -> None:
    work.commit(FILES)
    settle()
    tree = work.select()
    work.write({"a/x": "later"})
    late = {name for name in FILES if (work.root / name).stat().st_ctime >= tree.since}
    assert late == {"a/x"}
