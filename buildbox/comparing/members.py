"""What is in an archive: zip (wheel, jar), tar, ar (deb). Each member with all that its headers say.

Sources: APPNOTE.TXT 6.3.10 (zip), Info-ZIP's extra fields (proginfo/extrafld.txt), POSIX.1-2017 (pax), ar(5).
ar is read here: libraries for it follow names in a "thin" archive to files outside of it.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, NamedTuple, Protocol, cast

from buildbox.comparing.finding import COMPRESSION, FORM, MODE, MTIME, OWNER, TYPE, date
from buildbox.comparing.limits import CHUNK, Budget, Guarded, Readable, TooMuch

COMPRESSED_SIZE = "compressed size"
_AR = b"!<arch>\n"
_AR_HEADER = 60  # bytes
_TAR_HEADERS = 1 << 20  # bytes that the headers of one member may have
_ZIP_DIRECTORY = 8 << 20  # bytes that a zip's directory may have
_ZIP_HEADER = 30  # bytes, in front of a member's name
_DOS_FOLDER = 0x10
_TIMES, _IDS = 0x5455, 0x7875  # zip's extra fields "UT" and "ux"
# Of bzip2 and lzma, zipfile unpacks 4 KB at once, which may be gigabytes. No wheel or jar has them.
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflate"}
_TAR_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a link",
    tarfile.DIRTYPE: "a folder",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a pipe",
}


class Fact(NamedTuple):
    """One thing that a header says."""

    kind: str  # of the finding, where it isn't the same
    name: str
    value: str


class Member(NamedTuple):
    """One member of an archive."""

    name: str
    facts: tuple[Fact, ...]
    digest: bytes  # of its content, unpacked; empty where it can't have any
    place: int  # where its container finds it again


class Container(Protocol):
    """An open archive."""

    def members(self, budget: Budget) -> Iterator[Member]:
        """All of them, in the archive's order. Raises TooMuch, and what the formats' readers raise."""

    def content(self, place: int) -> AbstractContextManager[Readable]:
        """What a member has in it."""


class Zip:
    """A zip file, by its directory."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(cast(IO[bytes], Guarded(file, _ZIP_DIRECTORY)))
        self._infos = self._zip.infolist()

    def members(self, budget: Budget) -> Iterator[Member]:
        for place, info in enumerate(self._infos):
            budget.spend(members=1)
            with self.content(place) as content:
                facts = (*_zip_facts(info), *_zip_times(self._local_extra(info)))
                yield Member(info.filename, facts, _digest(content, budget), place)

    def _local_extra(self, info: zipfile.ZipInfo) -> bytes:
        """The extra fields in front of the content: they say more than the directory's."""
        self._file.seek(info.header_offset)
        lengths = self._file.read(_ZIP_HEADER)[26:]
        if len(lengths) < 4:
            return b""
        name, extra = struct.unpack("<HH", lengths)
        self._file.seek(name, 1)
        return self._file.read(extra)

    @contextmanager
    def content(self, place: int) -> Iterator[Readable]:
        info = self._infos[place]
        if info.compress_type not in _METHODS:
            raise TooMuch(f"it is compressed by zip's method {info.compress_type}, which isn't read here")
        with self._zip.open(info) as file:
            yield file


class Tar:
    """A tar file. Its members aren't kept: they are found again by where their headers are."""

    def __init__(self, file: IO[bytes]) -> None:
        self._guard = Guarded(file, _TAR_HEADERS)

    def members(self, budget: Budget) -> Iterator[Member]:
        with self._opened() as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps them all
                self._guard.limit(on=False)
                budget.spend(members=1)
                content = tar.extractfile(info) if info.isreg() else None
                digest = _digest(content, budget) if content else b""
                yield Member(info.name, tuple(_tar_facts(info)), digest, info.offset)
                self._guard.limit(on=True)
        self._guard.limit(on=False)

    @contextmanager
    def content(self, place: int) -> Iterator[Readable]:
        with self._opened() as tar:
            self._guard.seek(place)
            info = tarfile.TarInfo.fromtarfile(tar)
            self._guard.limit(on=False)
            file = tar.extractfile(info) if info.isreg() else None
            if file is None:
                raise TooMuch("it isn't a file")
            with file:
                yield file

    def _opened(self) -> tarfile.TarFile:
        self._guard.seek(0)
        self._guard.limit(on=True)
        file = cast(IO[bytes], self._guard)
        return tarfile.open(fileobj=file, mode="r:", errorlevel=1, errors="surrogateescape")


class Ar:
    """An ar file: the outermost layer of a deb, or a static library."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._sizes: dict[int, int] = {}

    def members(self, budget: Budget) -> Iterator[Member]:
        at, end, table = len(_AR), self._file.seek(0, 2), b""
        while at < end:
            budget.spend(members=1)
            self._file.seek(at)
            header = self._file.read(_AR_HEADER)
            if len(header) < _AR_HEADER or header[58:] != b"`\n":
                raise ValueError(f"there is no header at byte {at}")
            size, at = int(header[48:58]), at + _AR_HEADER
            if not 0 <= size <= end - at:
                raise ValueError(f"the member at byte {at} isn't whole")
            self._sizes[at] = size
            name, table = self._name(header[:16].rstrip(), at, table)
            with self.content(at) as content:
                yield Member(name, tuple(_ar_facts(header)), _digest(content, budget), at)
            at += size + size % 2

    @contextmanager
    def content(self, place: int) -> Iterator[Readable]:
        yield _Part(self._file, place, self._sizes[place])

    def _name(self, field: bytes, at: int, table: bytes) -> tuple[str, bytes]:
        """A member's name, and the table of long names as far as it is known."""
        if field == b"//":
            self._file.seek(at)
            table = self._file.read(min(self._sizes[at], CHUNK))
        elif field.startswith(b"/") and field[1:].isdigit():
            field = table[int(field[1:]) :].partition(b"\n")[0]
        elif field.startswith(b"#1/"):  # BSD's: the name is the content's beginning
            self._file.seek(at)
            field = self._file.read(min(int(field[3:]), self._sizes[at], CHUNK)).rstrip(b"\0")
        name = field if field.strip(b"/") == b"" else field.removesuffix(b"/")
        return name.decode(errors="surrogateescape"), table


class _Part:
    """A part of a file."""

    def __init__(self, file: IO[bytes], start: int, size: int) -> None:
        self._file, self._at, self._left = file, start, size

    def read(self, size: int, /) -> bytes:
        self._file.seek(self._at)
        data = self._file.read(min(size, self._left))
        self._at += len(data)
        self._left -= len(data)
        return data


def find_container(file: IO[bytes]) -> Callable[[IO[bytes]], Container] | None:
    """What reads the file, going by its first bytes; None where it is none of these archives."""
    file.seek(0)
    start = file.read(2 * tarfile.BLOCKSIZE)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return Zip
    if start.startswith(_AR):
        return Ar
    return Tar if start[257:262] == b"ustar" else None


def _digest(content: Readable, budget: Budget) -> bytes:
    hasher = hashlib.blake2b(digest_size=16)
    while data := content.read(CHUNK):
        budget.spend(unpacked=len(data))
        hasher.update(data)
    return hasher.digest()


def _zip_facts(info: zipfile.ZipInfo) -> Iterator[Fact]:
    extra = dict(_extra_fields(info.extra))
    mode = info.external_attr >> 16
    yield Fact(TYPE, "it is", _kind(mode) if mode else "a folder" if info.is_dir() else "a file")
    yield Fact(MTIME, "time", "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*info.date_time))
    times = extra.pop(_TIMES, b"")
    if len(times) >= 5:
        yield Fact(MTIME, "time in UTC", date(struct.unpack_from("<i", times, 1)[0]))
    yield Fact(MODE, "mode", f"{stat.S_IMODE(mode):04o}")
    if _IDS in extra:
        yield Fact(OWNER, "owner", extra.pop(_IDS).hex(" "))
    yield Fact(COMPRESSION, "compressed by", _METHODS.get(info.compress_type, str(info.compress_type)))
    yield Fact(COMPRESSION, COMPRESSED_SIZE, str(info.compress_size))
    yield Fact(FORM, "made on system", str(info.create_system))
    yield Fact(FORM, "made by version", str(info.create_version))
    yield Fact(FORM, "flags", f"{info.flag_bits:#06x}")
    yield Fact(FORM, "DOS attributes", f"{info.external_attr & 0xFFFF & ~_DOS_FOLDER:#06x}")
    yield Fact(FORM, "comment", info.comment.hex())
    for tag, value in sorted(extra.items()):
        yield Fact(FORM, f"extra field {tag:#06x}", value.hex())


def _zip_times(extra: bytes) -> Iterator[Fact]:
    """The times that only the header in front of the content has."""
    times = dict(_extra_fields(extra)).get(_TIMES, b"")
    names = ("", "time of access", "time of creation")  # the first is in the directory, too
    there = [name for bit, name in enumerate(names) if times and times[0] >> bit & 1]
    for at, name in zip(range(1, len(times) - 3, 4), there, strict=False):
        if name:
            yield Fact(MTIME, name, date(struct.unpack_from("<i", times, at)[0]))


def _extra_fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= 4:
        tag, size = struct.unpack_from("<HH", data)
        yield tag, data[4 : 4 + size]
        data = data[4 + size :]


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFLNK: "a link"}
    return kinds.get(stat.S_IFMT(mode), "a file")


def _tar_facts(info: tarfile.TarInfo) -> Iterator[Fact]:
    extended = {key: value for key, value in info.pax_headers.items() if key not in _PAX_KNOWN}
    yield Fact(TYPE, "it is", "a file" if info.isreg() else _TAR_KINDS.get(info.type, f"{info.type!r}"))
    if info.islnk() or info.issym():
        yield Fact(TYPE, "it leads to", info.linkname)
    yield Fact(MTIME, "time", date(info.mtime))
    for key in ("atime", "ctime"):
        if key in extended:
            yield Fact(MTIME, key, extended.pop(key))
    yield Fact(MODE, "mode", f"{info.mode:04o}")
    yield Fact(OWNER, "owner", f"{info.uid}:{info.gid} ({info.uname}:{info.gname})")
    if info.isdev():
        yield Fact(TYPE, "device", f"{info.devmajor}:{info.devminor}")
    for key, value in sorted(extended.items()):
        yield Fact(FORM, key, value)


_PAX_KNOWN = {"path", "linkpath", "size", "mtime", "uid", "gid", "uname", "gname"}


def _ar_facts(header: bytes) -> Iterator[Fact]:
    time, uid, gid, mode = (
        header[at:end].decode(errors="replace").strip()
        for at, end in ((16, 28), (28, 34), (34, 40), (40, 48))
    )
    yield Fact(MTIME, "time", date(int(time)) if time.isdecimal() else time)
    yield Fact(OWNER, "owner", f"{uid}:{gid}")
    yield Fact(MODE, "mode", mode)
