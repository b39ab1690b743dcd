"""What is verified: a file or all that is in a folder, held against the outputs that a statement has."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path, PurePosixPath

from buildbox.digest import CHUNK, Digest
from buildbox.errors import Mismatch, UsageError
from buildbox.provenance.statement import Statement
from buildbox.signing.files import SUFFIX
from buildbox.trees.entry import FILE, FOLDER, PROGRAM, Entry
from buildbox.trees.taking import look_at

_MOST_SHOWN = 5  # names in a message
_Contents = Mapping[str, tuple[str, str]]  # path -> kind, digest


@dataclass(frozen=True)
class Artifact:
    """Bytes to be verified. Of a file there is one entry, whose path is ""."""

    path: Path
    entries: tuple[Entry, ...]
    folder: bool = False

    @property
    def subject(self) -> Digest | None:
        """The sha256 of a file by which a statement can be looked up; None where there is none."""
        files = [entry for entry in self.entries if entry.mode in (FILE, PROGRAM)]
        files = [entry for entry in files if not entry.path.endswith(SUFFIX)]
        return Digest(max(files, key=lambda entry: entry.size).digest) if files else None

    @property
    def told(self) -> str:
        """What it is, for people."""
        return f"{self.path}{'/' if self.folder else ''}"


def look(path: Path) -> Artifact:
    """What is at `path`, hashed; links below a folder aren't followed. Raises UsageError, OutputRefused."""
    if path.is_dir():
        return Artifact(path, tuple(look_at(path, ("**",)).entries), True)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe may have no writer
        with open(handle, "rb", buffering=0) as file:
            state = os.fstat(handle)
            if not stat.S_ISREG(state.st_mode):
                raise UsageError(f"{path} is neither a file nor a folder", "Name what a task has made.")
            hasher = hashlib.sha256()
            while data := file.read(CHUNK):
                hasher.update(data)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", "Name what a task has made.") from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    return Artifact(path, (Entry("", FILE, hasher.hexdigest(), state.st_size),))


def check_artifact(artifact: Artifact, statement: Statement, told: str) -> str:
    """The output of `statement`, which is `told`, that the artifact is: a file or a folder of the project.

    Raises Mismatch with what is different.
    """
    return (_check_folder if artifact.folder else _check_file)(artifact, statement, told)


def _check_file(artifact: Artifact, statement: Statement, told: str) -> str:
    found = artifact.entries[0].digest
    files = [entry for entry in statement.outputs if entry.mode in (FILE, PROGRAM)]
    name = artifact.path.name
    same = [entry.path for entry in files if entry.digest == found]
    if same:
        return min(same, key=lambda path: (PurePosixPath(path).name != name, path))
    named = [entry for entry in files if PurePosixPath(entry.path).name == name]
    if not named:
        outputs = _some([entry.path for entry in files])
        raise Mismatch(f"{told} isn't one of {artifact.told}", f"What it tells of: {outputs}")
    lines = [
        f"sha256:{entry.digest}  {entry.path} in the statement"
        for entry in sorted(named, key=lambda entry: -_alike(entry.path, artifact.path))[:_MOST_SHOWN]
    ]
    raise Mismatch(
        f"{artifact.told} isn't the file that {told} tells of: its bytes are others",
        "\n".join([*lines, f"sha256:{found}  {artifact.told}"]),
    )


def _alike(output: str, path: Path) -> int:
    """How many parts of the two are the same, from the end."""
    pairs = zip(reversed(PurePosixPath(output).parts), reversed(path.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _check_folder(artifact: Artifact, statement: Statement, told: str) -> str:
    made = {entry.path: _content(entry) for entry in artifact.entries}
    folders = {str(parent) for entry in statement.outputs for parent in PurePosixPath(entry.path).parents}
    folders |= {entry.path for entry in statement.outputs if entry.mode == FOLDER}  # which is empty
    wanted = {folder: _below(statement.outputs, folder) for folder in folders}
    for folder in sorted(wanted, key=lambda each: (PurePosixPath(each).name != artifact.path.name, each)):
        if wanted[folder] == _without_statements(made, wanted[folder]):
            return folder
    named = [
        folder for folder in wanted if PurePosixPath(folder).name == artifact.path.name and wanted[folder]
    ]
    if not named:
        outputs = _some([entry.path for entry in statement.outputs])
        raise Mismatch(f"{told} isn't one of the folder {artifact.told}", f"What it tells of: {outputs}")
    nearest = max(named, key=lambda folder: len(wanted[folder].items() & made.items()))
    found = _without_statements(made, wanted[nearest])
    raise Mismatch(
        f"{artifact.told} isn't the folder {nearest} that {told} tells of",
        "\n".join(_differences(found, wanted[nearest])),
    )


def _without_statements(found: _Contents, wanted: _Contents) -> _Contents:
    """What is found but the statements that lie beside it: not those that the task itself has made."""
    return {path: what for path, what in found.items() if path in wanted or not path.endswith(SUFFIX)}


def _below(outputs: Sequence[Entry], folder: str) -> _Contents:
    if folder == ".":
        return {entry.path: _content(entry) for entry in outputs}
    start = f"{folder}/"
    return {
        entry.path.removeprefix(start): _content(entry) for entry in outputs if entry.path.startswith(start)
    }


def _content(entry: Entry) -> tuple[str, str]:
    """All of it but whether it can be run: copies lose that."""
    return ("file" if entry.mode in (FILE, PROGRAM) else f"{entry.mode:o}", entry.digest)


def _differences(found: _Contents, wanted: _Contents) -> list[str]:
    kinds = (
        ("different", [path for path in wanted if path in found and found[path] != wanted[path]]),
        ("missing", [path for path in wanted if path not in found]),
        ("not in the statement", [path for path in found if path not in wanted]),
    )
    return [f"{kind}: {_some(paths)}" for kind, paths in kinds if paths]


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_SHOWN} more" if len(paths) > _MOST_SHOWN else ""
    return ", ".join(paths[:_MOST_SHOWN]) + more
