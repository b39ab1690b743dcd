"""One commit, without its history, as a git bundle (gitformat-bundle(5), gitformat-pack(5)).

The pack is written by hand: each object whole, in the order of kinds and ids, and not compressed. So the same
commit is the same bytes whatever git and zlib made them, however the repository is packed, and nearly as fast
as a copy. The parents aren't in it, so whoever fetches from it says beforehand that the history ends there.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO

from buildbox.digest import CHUNK
from buildbox.errors import UsageError
from buildbox.trees.borrowed import Borrower, CommitGone, Repository, borrow

_REF = "refs/heads/source"
_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_STORED = 0xFFFF  # bytes that a block of deflate holds at most as they are (RFC 1951, section 3.2.4)
_LINE = 200  # bytes; git's line about an object is shorter


def write_bundle(repository: Repository, commit: str, to: Path, env: Mapping[str, str]) -> None:
    """Writes the new file `to`: `commit`, its tree, and all files of that, but no parents and no submodules.

    The same bytes for the same commit, always. `repository` and `commit` are as `checkout.find_parts` gives
    them. Every object is held against its id. Raises CommitGone where one isn't there or isn't right,
    UsageError where `to` can't be written.
    """
    with TemporaryDirectory(prefix="buildbox-") as scratch:
        git = borrow(repository, Path(scratch), env)
        ids = _objects(git, commit)
        try:
            with open(to, "xb") as file:
                try:
                    _write(file, git, commit, ids, repository.format)
                except BaseException:
                    to.unlink()
                    raise
        except OSError as error:
            raise UsageError(f"{to} can't be written: {error.strerror}") from error


def explain_bundle(name: str, commit: str) -> str:
    """The commands that make a working tree of a bundle, in a new folder; `name` is its path there."""
    form = "" if len(commit) == 40 else " --object-format=sha256"
    return (
        f"git init{form}\n"
        f"echo {commit} > .git/shallow   # its history isn't in the bundle\n"
        f"git fetch {name} {_REF}\n"
        f"git checkout {commit}\n"
    )


def _objects(git: Borrower, commit: str) -> Sequence[str]:
    """The ids of all that the commit needs, each once: itself, folders, files."""
    root = git.ask("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()
    trees, blobs = {root}, set()
    for row in git.ask("ls-tree", "-r", "-t", "-z", "--full-tree", commit).split(b"\0")[:-1]:
        _, kind, id_ = row.partition(b"\t")[0].decode().split(" ")  # MODE KIND ID: git-ls-tree(1)
        if kind == "tree":
            trees.add(id_)
        elif kind == "blob":
            blobs.add(id_)
    return [commit, *sorted(trees), *sorted(blobs)]


def _write(file: IO[bytes], git: Borrower, commit: str, ids: Sequence[str], form: str) -> None:
    version = "# v2 git bundle\n" if form == "sha1" else "# v3 git bundle\n@object-format=sha256\n"
    file.write(f"{version}{commit} {_REF}\n\n".encode())
    whole = hashlib.new(form, usedforsecurity=False)
    for piece in _pack(git, ids, form):
        whole.update(piece)
        file.write(piece)
    file.write(whole.digest())


def _pack(git: Borrower, ids: Sequence[str], form: str) -> Iterator[bytes]:
    yield b"PACK" + struct.pack(">II", 2, len(ids))
    with TemporaryFile() as asked:
        asked.write("".join(f"{id_}\n" for id_ in ids).encode())
        asked.seek(0)
        with git.start("cat-file", "--batch", "--buffer", stdin=asked) as process:
            assert process.stdout
            try:
                for id_ in ids:
                    yield from _object(process.stdout, id_, form)
            finally:
                process.kill()


def _object(answers: IO[bytes], id_: str, form: str) -> Iterator[bytes]:
    about = answers.readline(_LINE).split()  # ID KIND SIZE, or ID "missing": git-cat-file(1)
    if len(about) != 3 or about[0].decode() != id_ or about[1] not in _KINDS:
        raise _gone(id_)
    kind, size = about[1], int(about[2])
    hasher = hashlib.new(form, b"%s %d\0" % (kind, size), usedforsecurity=False)
    yield _start(_KINDS[kind], size) + b"\x78\x01"  # RFC 1950, section 2.2
    check, left = 1, size
    while True:
        data = answers.read(min(left, CHUNK - CHUNK % _STORED))
        left -= len(data)
        hasher.update(data)
        check = zlib.adler32(data, check)
        yield _stored(data, last=not left)
        if not left or not data:
            break
    if left or answers.read(1) != b"\n" or hasher.hexdigest() != id_:
        raise _gone(id_)
    yield struct.pack(">I", check)


def _start(kind: int, size: int) -> bytes:
    """Kind and size: four bits of the size, then seven a byte, lowest first."""
    found, size = bytearray([kind << 4 | size & 0xF]), size >> 4
    while size:
        found[-1] |= 0x80
        found.append(size & 0x7F)
        size >>= 7
    return bytes(found)


def _stored(data: bytes, *, last: bool) -> bytes:
    """As deflate has what it doesn't compress."""
    blocks = []
    for at in range(0, max(len(data), 1), _STORED):
        block = data[at : at + _STORED]
        final = last and at + _STORED >= len(data)
        blocks += [struct.pack("<BHH", final, len(block), len(block) ^ 0xFFFF), block]
    return b"".join(blocks)


def _gone(id_: str) -> CommitGone:
    what = f"git object {id_}"
    return CommitGone(f"{what} isn't in the repository, or is damaged", [what])
