"""The repository that a commit is made in, as git's hooks are told of it (githooks(5)).

git runs a hook with GIT_INDEX_FILE, which is another index for `git commit -a` and `git commit PATH`, and
with GIT_DIR where it isn't the one that is found from the folder. Both count here, and only here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.errors import UsageError
from buildbox.trees.git import NOT_A_REPOSITORY, clean_environment, filter_names, together

_LONGEST_WORDS = 2000  # characters of git's that a message shows
_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR")
# Nothing that the repository itself names runs, but for filters: see Repository.filters_off.
_SETTINGS = ("core.fsmonitor=false", f"core.hooksPath={os.devnull}", "core.quotePath=false")


@dataclass(frozen=True)
class Repository:
    """A repository with a working tree, and the index that a commit would be made of."""

    program: str
    top: Path  # of the working tree; where git is asked
    git_dir: Path  # absolute; where HEAD is
    common_dir: Path  # absolute; where objects and refs are; git_dir but in a worktree
    index: Path  # absolute; needn't be there
    env: Mapping[str, str]
    in_hook: bool  # git itself is making a commit, and says so
    filters_off: tuple[str, ...] = ()  # names of filters (gitattributes(5)) that don't run

    def ask(
        self, *arguments: str, data: bytes = b"", fine: Collection[int] = (0,), plain: bool = False
    ) -> bytes:
        """What git answers, at the top of the working tree; `plain`: by the user's settings alone.

        Raises UsageError with git's words.
        """
        done = (
            _run([self.program, *arguments], self.top, self.env, data)
            if plain
            else self.call(*arguments, data=data)
        )
        if done.returncode not in fine:
            raise UsageError(f"git can't do its part in {self.top}: {words_of(done)}", "Do as git says.")
        return done.stdout

    def call(self, *arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """git, run to its end. Raises UsageError where it can't be started."""
        settings = [*_SETTINGS]
        for name in self.filters_off:
            settings += [
                f"filter.{name}.{key}" for key in ("clean=", "smudge=", "process=", "required=false")
            ]
        line = [self.program, *(word for setting in settings for word in ("-c", setting)), *arguments]
        return _run(line, self.top, self.env, data)

    def with_places(self, folder: Path, git_dir: Path, index: Path) -> Repository:
        """git in another working tree of the same repository, with files of its own."""
        places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": folder, "GIT_INDEX_FILE": index}
        env = {name: value for name, value in self.env.items() if name not in _PLACES}
        env.update({name: str(place) for name, place in places.items()})
        return replace(self, top=folder, git_dir=git_dir, index=index, env=env)


def find_repository(cwd: Path, folder: Path, env: Mapping[str, str]) -> Repository:
    """The repository whose working tree `folder` (absolute, no link in it) is in; it may be gone.

    `cwd` and `env` are the caller's: where git runs a hook, they say which repository and which index.
    Raises UsageError where there is none, or it is bare.
    """
    program = shutil.which("git", path=env.get("PATH") or os.defpath)
    if program is None:
        raise UsageError("there is no git on the PATH", "Install git.")
    ours = {**clean_environment(env), "GIT_LITERAL_PATHSPECS": "1"}
    told = {name: env[name] for name in _PLACES if env.get(name)}
    places = _places(program, cwd, {**ours, **told}) if "GIT_DIR" in told else None
    if places is None or not folder.is_relative_to(places[0]):  # a hook of another repository calls us
        there = next(place for place in (folder, *folder.parents) if place.is_dir())
        places = _places(program, there, ours)
        told = {}
    top, git_dir, common_dir, index = places
    if not folder.is_relative_to(top):
        raise UsageError(
            f"git takes another folder than {folder} for the working tree: {top}",
            "Look at core.worktree in the repository's configuration.",
        )
    fixed = {"GIT_DIR": str(git_dir), "GIT_WORK_TREE": str(top)} if told else {}
    fixed |= {"GIT_COMMON_DIR": str(common_dir)} if "GIT_COMMON_DIR" in told else {}
    in_hook = bool(env.get("GIT_INDEX_FILE")) and Path(os.path.realpath(cwd)).is_relative_to(top)
    if in_hook:
        index = top / env["GIT_INDEX_FILE"]
    ours.update(fixed, GIT_INDEX_FILE=str(index))
    found = Repository(program, top, git_dir, common_dir, index, ours, in_hook)
    return found if in_hook else replace(found, filters_off=_own_filters(found))


def words_of(done: subprocess.CompletedProcess[bytes]) -> str:
    """What git said on stderr, or how it ended."""
    text = done.stderr.decode(errors="replace").strip()[:_LONGEST_WORDS]
    return text or f"git ended with status {done.returncode}"


def _places(program: str, at: Path, env: Mapping[str, str]) -> tuple[Path, Path, Path, Path]:
    """Top, git_dir, common_dir and index, each asked for itself: a path may have a line's end in it."""

    def ask(*what: str) -> subprocess.CompletedProcess[bytes]:
        return _run([program, "rev-parse", *what], at, env)

    answers = together(
        lambda: ask("--show-toplevel"),
        lambda: ask("--absolute-git-dir"),
        lambda: ask("--git-common-dir"),
        lambda: ask("--git-path", "index"),
    )
    failed = next((each for each in answers if each.returncode), None)
    if failed:
        words = words_of(failed)
        if NOT_A_REPOSITORY in words:
            raise UsageError(f"{at} is in no git repository", "`git init` makes one; -C DIR looks elsewhere.")
        if "must be run in a work tree" in words:
            raise UsageError(
                f"{at} has no working tree: it is a bare repository, or git's own folder",
                "Commits are made in a working tree: call it there.",
            )
        raise UsageError(f"git refuses {at}: {words}", "Do as git says.")
    top, git_dir, common, index = (os.fsdecode(each.stdout).removesuffix("\n") for each in answers)
    real = [Path(os.path.realpath(at / place)) for place in (top, git_dir, common)]
    return real[0], real[1], real[2], at / index


def _own_filters(repository: Repository) -> tuple[str, ...]:
    """Filters of the repository's own configuration: by hand, nothing of a stranger's repository runs.

    In a hook git has run them already, to stage what is staged.
    """
    asked = ("config", "--null", "--show-scope", "--name-only", "--get-regexp", r"^filter\..*\.")
    fields = repository.ask(*asked, fine=(0, 1)).split(b"\0")
    own = [
        key for scope, key in zip(fields[::2], fields[1::2], strict=False) if scope in (b"local", b"worktree")
    ]
    return filter_names(own)


def _run(
    line: list[str], folder: Path, env: Mapping[str, str], data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(line, cwd=folder, env=env, input=data, capture_output=True, check=False)
    except OSError as error:
        raise UsageError(
            f"git can't be started in {folder}: {error.strerror}", "Check that `git` works."
        ) from error
