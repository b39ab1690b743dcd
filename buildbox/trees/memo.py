"""What was found out before, in files that may be lost, old or damaged: then it is found out again.

A memo is a line with its format's version and the sha256 of the rest, and the rest. Each working tree has a
folder in `data`/trees:

    facts       of which index `base` tells, and which tracked files it doesn't tell of (JSON)
    base        the tracked files that are as the index says
    loose       all others that were read
    selections  the digests of selections (JSON)
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.trees.seen import PATH, Seen

VERSION = 2  # of what is in these files, and of the keys of selections
_MOST_FOLDERS = 64  # projects
_MOST_SELECTIONS = 512


@dataclass(frozen=True)
class Facts:
    """Of one index."""

    index: str  # its sha256
    base: str  # sha256 of what is in `base`: another process may have written another one since
    count: int  # files in `base`
    again: int | None  # seconds since the epoch: after that, `base` can have files that were too new for it
    holes: tuple[str, ...]  # tracked files that `base` doesn't have: their content is asked of the disk
    links: tuple[str, ...]  # where other repositories belong (submodules)


@dataclass(frozen=True)
class Kept:
    """Many files as they were seen; in two parts, for what stat(2) said is seldom asked."""

    lines: list[str]  # as Seen.line, in their order
    stats: str  # in the same order: SIZE MTIME CTIME INODE, each with a NUL behind it

    @classmethod
    def of(cls, files: Iterable[Seen]) -> Kept:
        """These files."""
        rows = list(files)
        stats = "".join(f"{row[3]} {row[4]} {row[5]} {row[6]}\0" for row in rows)
        return cls([row.line for row in rows], stats)

    def seen(self) -> dict[str, Seen]:
        """By path."""
        found = {}
        for line, stat in zip(self.lines, self.stats.split("\0"), strict=False):
            size, mtime, ctime, inode = stat.split(" ")
            path = line[PATH:]
            found[path] = Seen(
                path, int(line[:6], 8), line[7:71], int(size), int(mtime), int(ctime), int(inode)
            )
        return found


def memo_folder(data: Path, root: Path) -> Path:
    """The folder of the memos of the working tree at `root`."""
    return data / "trees" / hashlib.sha256(os.fsencode(root)).hexdigest()[:32]


def read_files(path: Path) -> dict[str, Seen]:
    """Files as they were seen, by path; none where there is no sound memo."""
    kept = _kept(_read(path))
    return kept.seen() if kept else {}


def read_base(folder: Path, facts: Facts) -> Kept | None:
    """The tracked files that `facts` are about; None where they aren't there any more."""
    return _kept(_read(folder / "base", facts.base))


def _kept(text: str | None) -> Kept | None:
    """The length of the first part, the lines, the stats; each ends with NUL."""
    if text is None:
        return None
    length, _, rest = text.partition("\0")
    end = int(length)
    return Kept(rest[:end].split("\0")[:-1], rest[end:])


def write_files(path: Path, kept: Kept) -> str:
    """Keeps files as they were seen. Returns the sha256 of the memo."""
    lines = "".join(f"{line}\0" for line in kept.lines)
    return _write(path, f"{len(lines)}\0{lines}{kept.stats}")


def read_facts(folder: Path) -> Facts | None:
    """What `base` in that folder is about."""
    try:
        values = json.loads(_read(folder / "facts") or "null")
        again = None if values["again"] is None else int(values["again"])
        lists = tuple(values["holes"]), tuple(values["links"])
        return Facts(values["index"], values["base"], int(values["count"]), again, *lists)
    except (ValueError, KeyError, TypeError):
        return None


def write_base(
    folder: Path,
    index: str,
    kept: Kept,
    *,
    again: int | None,
    holes: Sequence[str],
    links: Sequence[str],
) -> Facts:
    """Keeps the tracked files of an index, and what is to be known about them. Returns that."""
    base = write_files(folder / "base", kept)
    facts = Facts(index, base, len(kept.lines), again, tuple(holes), tuple(links))
    _write(folder / "facts", json.dumps(vars(facts)))
    return facts


def forget_base(folder: Path) -> None:
    """`base` isn't what the facts say."""
    _forget(folder / "facts")


def read_selections(folder: Path) -> dict[str, Any]:
    """The selections that are known, oldest first."""
    try:
        values = json.loads(_read(folder / "selections") or "{}")
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}


def write_selections(folder: Path, selections: dict[str, Any]) -> None:
    """Keeps the newest of them."""
    newest = list(selections.items())[-_MOST_SELECTIONS:]
    _write(folder / "selections", json.dumps(dict(newest)))


def tidy(data: Path) -> None:
    """Removes the memos of projects that nobody asked about for longest."""
    try:
        folders = sorted((data / "trees").iterdir(), key=lambda folder: folder.stat().st_mtime)
    except OSError:
        return
    for folder in folders[:-_MOST_FOLDERS]:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


def forget(data: Path, root: Path) -> None:
    """Removes the memos of a working tree that was there for a while only: they would push out others'."""
    import shutil

    shutil.rmtree(memo_folder(data, root), ignore_errors=True)


def _read(path: Path, wanted: str | None = None) -> str | None:
    """What is in a memo; None where it is damaged, isn't there, or its sha256 isn't `wanted`."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    first, _, rest = data.partition(b"\n")
    found = hashlib.sha256(rest).hexdigest()
    if first.decode(errors="replace") != f"{VERSION} {found}" or wanted not in (None, found):
        return None
    return rest.decode(errors="surrogateescape")


def _write(path: Path, text: str) -> str:
    """By rename: whoever reads sees the old or the new. What can't be kept isn't. Returns the sha256."""
    data = text.encode(errors="surrogateescape")
    digest = hashlib.sha256(data).hexdigest()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(f"{VERSION} {digest}\n".encode() + data)
            Path(name).replace(path)
        except OSError:
            _forget(Path(name))
    except OSError:
        pass
    return digest


def _forget(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        pass
