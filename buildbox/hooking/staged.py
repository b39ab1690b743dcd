"""What is staged: whether there is anything to commit, and of which kinds its files are."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildbox.config.model import FILE_NAME
from buildbox.errors import UsageError
from buildbox.hooking.repository import Repository
from buildbox.trees.faults import shown
from buildbox.trees.git import together

_MOST_SHOWN = 10  # files in a message
_SUBMODULE = b"160000"
_CHANGES = (
    "diff-index",
    "--cached",
    "--raw",
    "-z",
    "--no-renames",
    "--no-ext-diff",
    "--ignore-submodules=none",
)


@dataclass(frozen=True)
class Row:
    """A file of an index."""

    path: str
    mode: bytes
    object: str  # git's id
    skipped: bool  # git leaves it out of the working tree


def find_project(repository: Repository, folder: Path) -> str:
    """Where the project is in the repository that `folder` is in ("" for its top), as the index has it.

    Raises UsageError where no `.buildbox.toml` is staged there, or above.
    """
    inside = folder.relative_to(repository.top).as_posix()
    parts = [] if inside == "." else inside.split("/")
    places = ["/".join(parts[:count]) for count in range(len(parts), -1, -1)]
    names = {(f"{place}/{FILE_NAME}" if place else FILE_NAME): place for place in places}
    found = repository.ask("ls-files", "-z", "--", *names).split(b"\0")
    for name, place in names.items():
        if os.fsencode(name) in found:
            return place
    raise not_staged(repository, folder)


def not_staged(repository: Repository, folder: Path) -> UsageError:
    """That the commit has no configuration, and what to do."""
    there = next((place for place in (folder, *folder.parents) if (place / FILE_NAME).is_file()), None)
    if there and there.is_relative_to(repository.top):
        where = (there / FILE_NAME).relative_to(repository.top)
        return UsageError(
            f"{where} isn't staged, so the commit wouldn't have it", shlex.join(("git", "add", str(where)))
        )
    away = shlex.join(("buildbox", "-C", str(folder), "hook", "uninstall"))
    return UsageError(
        f"there is no {FILE_NAME} in what is staged",
        f"Add one (`buildbox init` writes it), or take the hook away: {away}\n"
        "A branch that has none is committed to without the check: git commit --no-verify",
    )


def has_changes(repository: Repository, project: str) -> bool:
    """Whether anything is staged in the project's folder that HEAD doesn't have.

    Raises UsageError where the index has conflicts.
    """
    conflicts = sorted(
        {row.rpartition(b"\t")[2] for row in repository.ask("ls-files", "-u", "-z").split(b"\0")[:-1]}
    )
    if conflicts:
        names = [shown(os.fsdecode(name)) for name in conflicts[:_MOST_SHOWN]]
        more = f" and {len(conflicts) - len(names)} more" if len(conflicts) > len(names) else ""
        raise UsageError(
            f"the index has conflicts, so there is nothing yet to commit: {', '.join(names)}{more}",
            "Resolve them, and `git add` the files.",
        )
    return bool(_changes(repository, project, "--ita-invisible-in-index"))


def intended(repository: Repository) -> tuple[str, ...]:
    """Files that are only meant to be added (`git add -N`): the index has them, the commit won't."""
    seen, unseen = together(
        lambda: _changes(repository, "", "--ita-visible-in-index"),
        lambda: _changes(repository, "", "--ita-invisible-in-index"),
    )
    return tuple(sorted(seen - unseen))


def list_rows(repository: Repository) -> Iterator[Row]:
    """All files of the index."""
    for row in repository.ask("ls-files", "-s", "-t", "-z").split(b"\0")[:-1]:
        about, _, path = row.partition(b"\t")  # TAG MODE OBJECT STAGE: git-ls-files(1)
        tag, mode, id_, _ = about.split(b" ")
        yield Row(os.fsdecode(path), mode, id_.decode(), tag == b"S")


def is_submodule(row: Row) -> bool:
    """Whether another repository belongs there."""
    return row.mode == _SUBMODULE


def _changes(repository: Repository, below: str, how: str) -> frozenset[str]:
    """The paths that the index has otherwise than HEAD."""
    where = ("--", below) if below else ("--",)
    done = repository.call(*_CHANGES, how, "HEAD", *where)
    if done.returncode:
        head = repository.call("rev-parse", "--quiet", "--verify", "HEAD")
        base = "HEAD" if head.returncode == 0 else _nothing(repository)
        return _paths(repository.ask(*_CHANGES, how, base, *where))
    return _paths(done.stdout)


def _nothing(repository: Repository) -> str:
    """The tree without files: what there is before the first commit."""
    return repository.ask("hash-object", "-t", "tree", "--stdin").decode().strip()


def _paths(answer: bytes) -> frozenset[str]:
    return frozenset(os.fsdecode(path) for path in answer.split(b"\0")[1::2])
