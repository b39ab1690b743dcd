"""What is staged, as a folder: exactly the files that the commit will have, and nothing else.

It lies in the project's `.buildbox/state/stage`, where no task of the project sees it, and goes as stages go:
at the end, or when a later run finds that its own has died. git works there as in the working tree: it has a
git folder of its own with HEAD and index, and all else is the repository's (gitrepository-layout(5),
"commondir"). Nothing is written to the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildbox.container import SOURCE, Bind
from buildbox.errors import UsageError
from buildbox.hooking.repository import Repository, find_repository, words_of
from buildbox.hooking.staged import Row, intended, is_submodule, list_rows
from buildbox.project import GitFolder, find_git
from buildbox.sources import GIT, kept_file
from buildbox.stages import stages
from buildbox.trees.checkout import checkout
from buildbox.trees.faults import explained, shown
from buildbox.trees.folders import READ
from buildbox.trees.git import clean_environment
from buildbox.trees.memo import forget
from buildbox.workspace import FOLDER, STATE, own_folder

_OWN_GIT = "/run/buildbox/staged"  # where mounted tasks see the git folder of the snapshot
_CHANGED = ("diff-files", "--name-only", "-z", "--no-renames", "--ignore-submodules=all")


@dataclass(frozen=True)
class Snapshot:
    """A folder with what is staged."""

    top: Path  # as the top of the working tree
    git: Repository  # git in it
    repository: GitFolder | None  # what tasks may see of it; None: it isn't sure to be the project's own
    made: int  # ns; the latest ctime of what git wrote there
    objects: Mapping[str, Path]  # of submodules, by their place: where their objects are

    def binds(self, project: str, data: Path) -> tuple[Bind, ...]:
        """How mounted tasks of the project in the folder `project` see the repository: never to be written.

        Small files for that are kept in `data`. Raises ArchiveError.
        """
        modules = {
            place[len(f"{project}/") if project else 0 :]: objects
            for place, objects in self.objects.items()
            if f"{place}/".startswith(f"{project}/" if project else "")
        }
        binds = [
            Bind(str(objects), f"{SOURCE}/{place}/.git/objects", read_only=True)
            for place, objects in modules.items()
        ]
        if project or self.repository is None:
            return tuple(binds)  # as of the working tree, where the repository isn't in the project's folder
        common = kept_file(data, f"{GIT}\n")
        link = kept_file(data, f"gitdir: {_OWN_GIT}\n")
        return (
            Bind(str(self.repository.common_dir), GIT, read_only=True),
            Bind(str(self.git.git_dir), _OWN_GIT, read_only=True),
            Bind(str(common), f"{_OWN_GIT}/commondir", read_only=True),
            Bind(str(link), f"{SOURCE}/.git", read_only=True),
            *binds,
        )

    def changed(self) -> tuple[str, ...]:
        """The staged files that aren't as they were: changed or removed by a task. Raises UsageError."""
        self.git.call("update-index", "-q", "--refresh")
        found = self.git.ask(*_CHANGED).split(b"\0")[:-1]
        return tuple(path for path in map(os.fsdecode, found) if self._is_touched(path))

    def _is_touched(self, path: str) -> bool:
        """Whether it was written since: what git would store otherwise than it is stored looks changed from
        the start (line ends that .gitattributes has git convert, say)."""
        try:
            return (self.top / path).lstat().st_ctime_ns > self.made
        except OSError:
            return True


@contextmanager
def snapshot(repository: Repository, project: str, data: Path) -> Iterator[Snapshot]:
    """What is staged, as a folder; gone at the end of the context. `project`: where the project is in it.

    What was noted about it in buildbox's own folder `data` goes, too. Raises UsageError, TreeError where it
    can't be made; CommitGone where a submodule's commit isn't at hand.
    """
    home = repository.top / project
    own = own_folder(home, STATE)
    if own is None:
        raise UsageError(
            f"{home / FOLDER} can't be written",
            "What is staged is put there for the tasks. Make the project's folder writable for you; "
            f"{FOLDER} must be a folder, not a link.",
        )
    with stages(own) as places:
        made = _made(repository, places.new())
        try:
            yield made
        finally:
            for place in (project, *made.objects):
                forget(data, made.top / place)


def _made(repository: Repository, folder: Path) -> Snapshot:
    top, own = folder / "tree", folder / "git"
    with explained("made", str(folder)):
        top.mkdir()
        own.mkdir()
        _copy_git(repository, own)
        (top / ".git").write_bytes(b"gitdir: " + os.fsencode(own) + b"\n")
    git = repository.with_places(top, own, own / "index")
    listed = list(list_rows(git))
    _leave_out(git, intended(git))
    skipped = [row for row in listed if row.skipped]
    if skipped and repository.ask("config", "--bool", "core.sparseCheckout", fine=(0, 1)).strip() != b"true":
        names = b"".join(os.fsencode(row.path) + b"\0" for row in skipped)
        git.ask("update-index", "-z", "--no-skip-worktree", "--stdin", data=names)
    written = git.call("checkout-index", "--all", "--force", "--index", "--quiet")
    if written.returncode:  # git doesn't say why a file can't be written
        raise UsageError(
            f"what is staged can't be copied to {top}: {words_of(written)}",
            "The copy takes as much room there as all staged files. If there is enough, do as git says.",
        )
    objects = dict(_fill_submodules(repository.top, top, listed, repository.env))
    marker = own / "made"
    marker.touch()
    return Snapshot(top, git, _trusted(repository), marker.stat().st_ctime_ns, objects)


def _trusted(repository: Repository) -> GitFolder | None:
    """The repository, if it is the working tree's own: files in a stranger's `.git` could name another."""
    found = find_git(repository.top)
    if found and found.trusted and found.common_dir == repository.common_dir:
        return found
    return None


def _copy_git(repository: Repository, own: Path) -> None:
    _copy(repository.git_dir / "HEAD", own / "HEAD")
    (own / "commondir").write_bytes(os.fsencode(repository.common_dir) + b"\n")
    if repository.index.exists():
        _copy(repository.index, own / "index")
    for shared in repository.git_dir.glob("sharedindex.*"):  # what a split index is split from
        _copy(shared, own / shared.name)


def _copy(source: Path, target: Path) -> None:
    """Tasks see the copy, so it isn't made of what a link leads to. Raises OSError."""
    with open(os.open(source, READ), "rb") as file:
        target.write_bytes(file.read())


def _leave_out(git: Repository, paths: Sequence[str]) -> None:
    if paths:
        data = b"".join(os.fsencode(path) + b"\0" for path in paths)
        git.ask("update-index", "--force-remove", "-z", "--stdin", data=data)


def _fill_submodules(
    working: Path, top: Path, listed: Sequence[Row], env: Mapping[str, str], below: str = ""
) -> Iterator[tuple[str, Path]]:
    """Clones of submodules that are checked out in the working tree, at the commits that are staged.

    Gives each one's place, and where its objects are.
    """
    for row in listed:
        place = f"{below}{row.path}"
        if not is_submodule(row) or not os.path.lexists(working / place / ".git"):
            continue
        yield place, _own_objects(working, place)
        checkout(working / place, row.object, top / place, env, submodules={})
        clone = find_repository(top / place, top / place, clean_environment(env))
        yield from _fill_submodules(working, top, list(list_rows(clone)), env, f"{place}/")


def _own_objects(working: Path, place: str) -> Path:
    """Where the objects of the submodule at `place` are. Raises UsageError where they may be another's."""
    found = find_git(working / place)
    objects = found and found.common_dir / "objects"
    if not found or not found.trusted or not objects or Path(os.path.realpath(objects)) != objects:
        raise UsageError(
            f"the submodule {shown(place)} names a repository that isn't sure to be its own",
            f"Look at {working / place / '.git'}; `git submodule update --init` makes submodules anew.",
        )
    return objects
