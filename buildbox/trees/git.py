"""The host's git, asked about a working tree, so that nothing of the repository runs.

Without the caller's GIT_* (a hook's would lead to another index), fsmonitor, network and locks; and without
the filters of gitattributes(5), whose commands may come from the repository's own configuration. What git
then takes for changed, because it would have needed the filter, is hashed like every other change.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from buildbox.errors import UsageError

T = TypeVar("T")

_KEPT = {"GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM", "GIT_CONFIG_NOSYSTEM"}
_OWN = {
    "GIT_ALLOW_PROTOCOL": "",  # a partial clone's missing objects aren't fetched
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# git compares all that the index knows of how a file looked, whatever the repository prefers.
_ALWAYS = (
    "core.fsmonitor=false",
    "core.trustctime=true",
    "core.checkStat=default",
    "core.fileMode=true",
    "core.quotePath=false",
)
_FILTERS = r"^filter\..*\.(clean|process)$"
NOT_A_REPOSITORY = "not a git repository (or any"  # in git's words
_LONGEST_WORDS = 2000  # characters of git's that a message shows


class GitFailed(UsageError):
    """git can't answer: it isn't there, or it refuses."""


@dataclass(frozen=True)
class Git:
    """git in one working tree: at its top, or in a folder of it."""

    program: str
    folder: Path  # absolute, no link in it
    env: Mapping[str, str]
    index: Path  # the index's file, which may not be there
    inside: str  # where `folder` is in the working tree, its parts joined by "/"; "" for its top
    filters: tuple[str, ...] = ()  # names of the filters that are configured anywhere
    foreign_filters: tuple[str, ...] = ()  # those among them that the repository's own configuration has

    @property
    def top(self) -> bool:
        """Whether `folder` is the top of the working tree."""
        return not self.inside

    def run(self, *arguments: str, data: bytes = b"", user_filters: bool = False) -> bytes:
        """What git answers; with `user_filters` those of the user's configuration run. Raises GitFailed."""
        line = self._line(self.foreign_filters if user_filters else self.filters, arguments)
        done = _asked(line, self.folder, self.env, data)
        if done.returncode:
            raise _failed(self.folder, _words(done) or f"it ended with status {done.returncode}")
        return done.stdout

    def ignored(self, paths: Collection[str]) -> frozenset[str]:
        """Those of `paths`, relative to the folder, that are ignored; none that lie outside of this tree."""
        asked = {os.fsencode(f"./{path}"): path for path in paths}
        line = self._line(self.filters, ("check-ignore", "-z", "--stdin"))
        done = _asked(line, self.folder, self.env, b"".join(path + b"\0" for path in asked))
        if done.returncode not in (0, 1):  # one of them is refused: in a submodule, say
            return (
                frozenset().union(*(self.ignored([path]) for path in paths))
                if len(paths) > 1
                else frozenset()
            )
        return frozenset(asked[path] for path in done.stdout.split(b"\0") if path in asked)

    def _line(self, filters: Sequence[str], arguments: Sequence[str]) -> list[str]:
        settings = [*_ALWAYS]
        for name in filters:
            settings += [f"filter.{name}.{key}" for key in ("clean=", "process=", "required=false")]
        return [self.program, *(word for setting in settings for word in ("-c", setting)), *arguments]


def find_git_at(folder: Path, env: Mapping[str, str]) -> Git | None:
    """git for the working tree that `folder` is in; None where there is none.

    Raises GitFailed where there seems to be one, but git isn't installed or refuses.
    """
    marked = next((place for place in (folder, *folder.parents) if os.path.lexists(place / ".git")), None)
    if marked is None:
        return None
    program = _which("git", env.get("PATH") or os.defpath)
    if program is None:
        raise GitFailed(
            f"{marked} is a git repository, but there is no git on the PATH to say which files count",
            "Install git, or give the task `inputs`.",
        )
    ours = clean_environment(env)
    asked = ("--name-only", "--get-regexp", _FILTERS)
    places, filters = together(
        lambda: _asked([program, "rev-parse", "--show-toplevel", "--git-path", "index"], folder, ours),
        lambda: _asked([program, "config", "-z", "--show-scope", *asked], folder, ours),
    )
    if places.returncode:
        words = _words(places)
        if NOT_A_REPOSITORY in words:
            return None
        raise _failed(folder, words)
    text = os.fsdecode(places.stdout)
    top = next((place for place in (folder, *folder.parents) if text.startswith(f"{place}\n")), None)
    if top is None:
        raise GitFailed(
            f"git takes another folder than {folder} for the project's working tree: {text.splitlines()[0]}",
            "Look at core.worktree in the repository's configuration, or give the task `inputs`.",
        )
    index = folder / text[len(f"{top}\n") : -1]
    if filters.returncode in (0, 1):
        scopes, keys = filters.stdout.split(b"\0")[::2], filters.stdout.split(b"\0")[1::2]
    else:  # git before 2.26 can't tell where a setting is from
        keys = _asked([program, "config", "-z", *asked], folder, ours).stdout.split(b"\0")
        scopes = [b"local"] * len(keys)
    foreign = [key for scope, key in zip(scopes, keys, strict=False) if scope in (b"local", b"worktree")]
    inside = "" if top == folder else folder.relative_to(top).as_posix()
    return Git(program, folder, ours, index, inside, filter_names(keys), filter_names(foreign))


@dataclass(frozen=True)
class Head:
    """The commit that a working tree is at."""

    commit: str  # git's id of it
    tree: str  # git's id of its tree
    time: int  # when it was made, in seconds since the epoch


def read_commit(git: Git) -> Head | None:
    """HEAD's commit; None before the first one. Raises GitFailed."""
    about, _, text = git.run("cat-file", "--batch", data=b"HEAD\n").partition(b"\n")
    head = text.partition(b"\n\n")[0]
    tree = re.match(rb"tree ([0-9a-f]+)\n", head)
    time = re.search(rb"^committer .*> (-?\d+) [-+]\d+$", head, re.MULTILINE)
    return Head(about.split()[0].decode(), tree[1].decode(), int(time[1])) if tree and time else None


def _which(program: str, path: str) -> str | None:
    """As shutil.which, whose import takes longer than git's answer."""
    places = (f"{folder or '.'}/{program}" for folder in path.split(os.pathsep))
    return next((place for place in places if Path(place).is_file() and os.access(place, os.X_OK)), None)


def clean_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would lead git elsewhere."""
    kept = {
        name: value
        for name, value in env.items()
        if not name.startswith("GIT_")
        or name in _KEPT
        or (name.startswith("GIT_CONFIG_") and name != "GIT_CONFIG_PARAMETERS")
    }
    return {**kept, **_OWN}


def together(*calls: Callable[[], T]) -> list[T]:
    """The results of `calls`, which run at the same time. Raises what the first one that failed raised."""
    results: dict[int, T] = {}
    errors: dict[int, BaseException] = {}

    def run(number: int) -> None:
        try:
            results[number] = calls[number]()
        except BaseException as error:
            errors[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(1, len(calls))]
    for thread in threads:
        thread.start()
    run(0)
    for thread in threads:
        thread.join()
    for number in sorted(errors):
        raise errors[number]
    return [results[number] for number in range(len(calls))]


def filter_names(keys: Sequence[bytes]) -> tuple[str, ...]:
    """The filters that settings of the names `keys` (`filter.NAME.clean`) are of.

    Raises GitFailed for one that can't be turned off on git's command line.
    """
    names = {os.fsdecode(key)[len("filter.") :].rpartition(".")[0] for key in keys if key}
    for name in names:
        if re.search(r"[=\n]", name):
            raise GitFailed(f"git's configuration has a filter of the name {name!r}", "Give it another name.")
    return tuple(sorted(names))


def _asked(
    line: Sequence[str], folder: Path, env: Mapping[str, str], data: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(line, cwd=folder, env=env, input=data, capture_output=True, check=False)
    except OSError as error:
        raise GitFailed(f"git can't be started: {error.strerror}", "Check that `git` works here.") from error


def _words(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode(errors="replace").strip()[:_LONGEST_WORDS]


def _failed(folder: Path, words: str) -> GitFailed:
    return GitFailed(
        f"git can't say which files of {folder} count: {words}",
        "Do what git says, or give the task `inputs`: then all files are looked at.",
    )
