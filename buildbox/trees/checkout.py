"""A fresh clone of one commit, and of its submodules, from the repositories at hand.

What comes is what the commit and its own .gitattributes say. Filters (git-lfs) don't run, so their files are
as they are stored. Whoever takes inputs from it compares their digest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from buildbox.errors import UsageError
from buildbox.trees.borrowed import Borrower, CommitGone, Repository, borrow, find_repository
from buildbox.trees.faults import shown

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")  # of an object, in full
_SUBMODULE = b"160000"
_MODULES = ("config", "--null", "--file", "-", "--get-regexp", r"^submodule\..*\.path$")


@dataclass(frozen=True)
class Part:
    """A commit of the project's repository, or of a submodule, and where it is at hand."""

    path: str  # in the project's repository; "" for itself
    commit: str
    repository: Repository


def checkout(
    repository: Path,
    commit: str,
    to: Path,
    env: Mapping[str, str],
    submodules: Mapping[str, str] | None = None,
) -> None:
    """Makes the new or empty folder `to` a clone of the repository that the folder `repository` is in.

    Its HEAD is `commit`, detached. `submodules`: path in the repository to commit, as a statement has it:
    these and no others are checked out; None: all, at the commits that the commits above them say. The clone
    borrows the repositories' objects, so it is for a short while. Nothing of their configuration runs, and no
    network is used. Raises CommitGone, which lists all that isn't at hand; UsageError where `to` can't be
    written.
    """
    for part in find_parts(repository, commit, env, submodules):
        place = to / part.path
        if part.path and Path(os.path.realpath(place)) != Path(os.path.realpath(to)) / part.path:
            raise CommitGone(f"the submodule {shown(part.path)} would lie behind a link")
        try:
            git = borrow(part.repository, place, env)
        except OSError as error:
            raise UsageError(f"{error.filename or place} can't be written: {error.strerror}") from error
        try:
            git.ask("checkout", "--quiet", "--force", "--detach", part.commit)
        except CommitGone as error:
            what = f"commit {part.commit} of {shown(part.path) or repository}"
            raise CommitGone(f"{what} can't be checked out: {error.reason}", [what]) from error


def find_parts(
    repository: Path, commit: str, env: Mapping[str, str], submodules: Mapping[str, str] | None = None
) -> tuple[Part, ...]:
    """The commit of the repository that the folder `repository` is in, and those of its submodules.

    Sorted by path. `submodules` as for `checkout`. Raises CommitGone, which lists all that isn't at hand.
    """
    found: list[Part] = []
    missing: dict[str, str] = {}  # by path
    left = [("", commit, [find_repository(repository, env)])]
    while left:
        path, wanted, places = left.pop()
        part, links = _find(path, wanted, places, env)
        if part is None:
            missing[path] = f"{_named(path, wanted)}: {_not_in(places)}"
            continue
        found.append(part)
        for link in links:
            below = f"{path}/{link.path}" if path else link.path
            if submodules is None or below in submodules:
                id_ = link.commit if submodules is None else submodules[below]
                left.append((below, id_, _candidates(part.repository, link, env)))
    for path, id_ in (submodules or {}).items():
        if path not in missing and path not in {part.path for part in found}:
            missing[path] = f"{_named(path, id_)}: commit {shown(commit)} has no such submodule"
    if missing:
        raise CommitGone("the source isn't at hand", [missing[path] for path in sorted(missing)])
    return tuple(sorted(found, key=lambda part: os.fsencode(part.path)))


@dataclass(frozen=True)
class _Link:
    """A submodule as a commit has it."""

    path: str
    commit: str
    name: str  # by .gitmodules; "" where that has none that can be used


def _find(
    path: str, commit: str, places: Sequence[Repository], env: Mapping[str, str]
) -> tuple[Part | None, tuple[_Link, ...]]:
    """The first of the places that has the commit, and the submodules that it has there."""
    for place in places if _ID.fullmatch(commit) else ():
        with TemporaryDirectory(prefix="buildbox-") as scratch:
            git = borrow(place, Path(scratch), env)
            if git.has(commit):
                return Part(path, commit, place), tuple(_links(git, commit))
    return None, ()


def _links(git: Borrower, commit: str) -> Iterator[_Link]:
    """The commit's own submodules."""
    rows = git.ask("ls-tree", "-r", "-z", "--full-tree", commit).split(b"\0")
    links = [row for row in rows if row.startswith(_SUBMODULE)]
    names = _names(git, commit) if links else {}
    for row in links:
        about, _, path = os.fsdecode(row).partition("\t")  # MODE KIND ID: git-ls-tree(1)
        yield _Link(path, about.split(" ")[2], names.get(path, ""))


def _names(git: Borrower, commit: str) -> dict[str, str]:
    """Names of submodules by their paths: a submodule that was moved keeps its name (gitmodules(5))."""
    try:
        text = git.ask("cat-file", "blob", f"{commit}:.gitmodules")
        answer = os.fsdecode(git.ask(*_MODULES, data=text))
    except CommitGone:
        return {}  # there is none, or it is broken
    pairs = (row.partition("\n")[::2] for row in answer.split("\0") if row)
    return {path: name for key, path in pairs if _may_be(name := key[len("submodule.") : -len(".path")])}


def _may_be(name: str) -> bool:
    """Whether it is a name that git itself would take for a folder: it never leads elsewhere."""
    return not any(part in ("", ".", "..") for part in name.split("/"))


def _candidates(around: Repository, link: _Link, env: Mapping[str, str]) -> list[Repository]:
    """Where a submodule may be: checked out in the working tree, or kept by the repository around it."""
    found = []
    place = around.top and around.top / link.path
    if place and os.path.lexists(place / ".git"):
        try:
            found.append(find_repository(place, env))
        except CommitGone:
            pass  # damaged; the next ones may not be
    for folder in dict.fromkeys((around.git_dir, around.objects.parent)) if link.name else ():
        kept = (
            folder / "modules" / link.name
        )  # its own core.worktree may lead to what is gone, so it isn't asked
        if (kept / "objects").is_dir():
            found.append(Repository(kept, kept / "objects", around.format, None))
    return found


def _named(path: str, commit: str) -> str:
    return f"commit {shown(commit)}" + (f" of the submodule {shown(path)}" if path else "")


def _not_in(places: Sequence[Repository]) -> str:
    if not places:
        return "no repository of it is here"
    return "not in " + ", ".join(str(place.top or place.git_dir) for place in places)
