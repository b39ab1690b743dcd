"""The commit that a working tree is at, and whether it is as the commit has it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from buildbox.trees.git import Head, read_commit
from buildbox.trees.patterns import Patterns
from buildbox.trees.view import View

_STATUS = (
    "status",
    "--porcelain",
    "-z",
    "--no-renames",
    "--ignore-submodules=dirty",
    "--untracked-files=all",
    "--",
    ".",
)


@dataclass(frozen=True)
class Committed:
    """The commit that a working tree is at."""

    commit: str  # git's id of it
    tree: str  # git's id of its tree, the repository's top
    clean: bool  # the files are as the commit has them, with no new ones
    path: str  # of the working tree's folder in the repository, parts joined by "/"; "" for its top
    submodules: Mapping[str, str]  # path in the repository -> commit; those below the folder, if checked out


def committed(views: Sequence[View], head: Head, without: Patterns) -> Committed:
    """What git says of the `views` of a working tree, the first of which is at `head`.

    What `without` chooses, outputs say, may differ from the commit. Raises GitFailed.
    """
    inside = views[0].git.inside
    modules = {f"{inside}/{path}" if inside else path: found.commit for path, found in _submodules(views)}
    return Committed(head.commit, head.tree, _is_clean(views, without), inside, modules)


def _is_clean(views: Sequence[View], without: Patterns) -> bool:
    for view in views:
        above = f"{view.git.inside}/" if view.git.inside else ""
        for row in view.git.run(*_STATUS, user_filters=True).split(b"\0")[:-1]:
            path = os.fsdecode(row)[3:].removeprefix(above)  # XY PATH, from the top: git-status(1)
            if not without.matches(f"{view.prefix}{path}"):
                return False
    return True


def _submodules(views: Sequence[View]) -> Iterator[tuple[str, Head]]:
    """Submodules that are checked out, by path; not repositories that just lie there."""
    linked = {f"{view.prefix}{link}/" for view in views for link in view.facts.links}
    for view in views[1:]:
        if view.prefix in linked and (head := read_commit(view.git)):
            yield view.prefix[:-1], head
