"""Our hook into a repository, and out of it again, so that all is as it was."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.errors import UsageError
from buildbox.hooking.repository import Repository
from buildbox.hooking.script import BEFORE, NAME, Script, read_script
from buildbox.trees.git import find_git_at

_LARGEST = 1 << 20  # bytes that are read of a hook; ours has far fewer
_LEGACY = f"{NAME}.legacy"  # what the pre-commit framework calls the hook that it keeps


@dataclass(frozen=True)
class Installed:
    """How a hook is, once it was put in or taken out."""

    path: Path  # of the hook's file
    before: Path | None  # the hook that was there, which ours calls
    changed: bool  # False: it was so already
    projects: tuple[str, ...]  # that it is there for


def find_hooks(repository: Repository) -> Path:
    """The folder that git looks for this repository's hooks in; it needn't be there.

    Raises UsageError where a hook there would run for other repositories, too, or would be committed.
    """
    place = os.fsdecode(repository.ask("rev-parse", "--git-path", "hooks", plain=True)).removesuffix("\n")
    folder = Path(os.path.realpath(repository.top / place))
    if folder.is_relative_to(repository.common_dir):
        return folder
    asked = ("config", "--null", "--show-scope", "--get", "core.hooksPath")
    scope, path, *_ = [*os.fsdecode(repository.ask(*asked, fine=(0, 1), plain=True)).split("\0"), "", ""]
    setting = f"core.hooksPath = {path}"
    own = shlex.quote(str(repository.common_dir / "hooks"))
    ways = [f"Give this one hooks of its own: git config core.hooksPath {own}"]
    if not path:
        setting, ways = f"{repository.common_dir / 'hooks'}, a link to {folder},", []
    elif scope not in ("local", "worktree"):
        setting += f" ({scope} configuration)"
    ways.append("Call this in the hook that is there: buildbox hook run")
    if scope not in ("local", "worktree") or not folder.is_relative_to(repository.top):
        raise UsageError(
            f"{setting} isn't this repository's alone: a hook there may run in others", "\n".join(ways)
        )
    if _is_content(repository, folder / NAME):
        raise UsageError(
            f"{setting} lies in the repository's content: a hook there would be committed", "\n".join(ways)
        )
    return folder


def install(repository: Repository, project: str, program: tuple[str, ...]) -> Installed:
    """Has git run `program`'s `hook run` for the project in the folder `project` before each commit.

    A hook that is there is kept beside it, and called first. Raises UsageError.
    """
    folder = find_hooks(repository)
    with _explained(folder):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        path, there = _ours(folder)
        known = there or Script(program, (), made)
        wanted = replace(known, program=program, projects=tuple(sorted({*known.projects, project})))
        before = folder / BEFORE
        changed = _read(path) != wanted.text() or not os.access(path, os.X_OK)
        if there is None and os.path.lexists(path):
            if os.path.lexists(before):
                raise UsageError(
                    f"{path} isn't buildbox's, and neither is {before.name} beside it: which one counts?",
                    "Remove one of them, or move the second elsewhere.",
                )
            path.rename(before)
        if changed:
            _write(path, wanted.text())
        return Installed(path, before if os.path.lexists(before) else None, changed, wanted.projects)


def uninstall(repository: Repository, project: str) -> Installed:
    """Takes the hook away for the project in the folder `project`; after the last one all is as it was.

    Raises UsageError.
    """
    folder = find_hooks(repository)
    with _explained(folder):
        path, there = _ours(folder)
        if there is None or project not in there.projects:
            return Installed(path, None, changed=False, projects=there.projects if there else ())
        left = replace(there, projects=tuple(each for each in there.projects if each != project))
        if left.projects:
            _write(path, left.text())
        elif os.path.lexists(folder / BEFORE):
            (folder / BEFORE).replace(path)
        else:
            path.unlink()
            if there.made:
                with suppress(OSError):  # others have put hooks there since
                    folder.rmdir()
        return Installed(path, None, changed=True, projects=left.projects)


def _ours(folder: Path) -> tuple[Path, Script | None]:
    """Where our hook is, or belongs, and what it does if it is there.

    The pre-commit framework keeps a hook under another name, and calls it there.
    """
    for name in (NAME, _LEGACY):
        there = read_script(_read(folder / name))
        if there:
            return folder / name, there
    return folder / NAME, None


def _is_content(repository: Repository, path: Path) -> bool:
    """Whether git tracks, or would add, a file at `path`, or tracks others beside it."""
    beside = path.parent.relative_to(repository.top).as_posix()
    if repository.ask("ls-files", "-z", "--", beside):
        return True
    git = find_git_at(repository.top, repository.env)
    return not (git and git.ignored([path.relative_to(repository.top).as_posix()]))


def _read(path: Path) -> str:
    """A hook's text; none where it can't be ours."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return "" if path.is_symlink() else file.read(_LARGEST)
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    """Puts a hook there, at once whole."""
    aside = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        aside.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        aside.chmod(0o755)
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{error.filename or folder} can't be changed: {error.strerror}",
            f"git looks for hooks in {folder}: make it writable for you.",
        ) from None
