"""Headers of tar files: ustar, and pax where that can't say it (POSIX.1-2017, pax, "pax Interchange Format").

Written by hand since the standard library's tarfile takes five times as long, and adds a pax header for every
name that isn't ASCII, which no reader needs.
"""

from __future__ import annotations

import os

BLOCK = 512
END = bytes(2 * BLOCK)
_MOST = 8 * 1024**3  # bytes that ustar's eleven octal digits can say


def header(
    path: str, kind: bytes, mode: int, size: int, mtime: int, owner: tuple[int, int], target: str = ""
) -> bytes:
    """The header blocks of one member. `kind` is a typeflag of tarfile's; a folder's path ends with "/"."""
    name, link = os.fsencode(path), os.fsencode(target)
    records: dict[str, bytes] = {}
    parts = _split(name)
    if parts is None:
        records["path"], parts = name, (b"", name[:100])
    if len(link) > 100:
        records["linkpath"] = link
    if size >= _MOST:
        records["size"] = b"%d" % size
    for key, number in (("uid", owner[0]), ("gid", owner[1]), ("mtime", mtime)):
        if not 0 <= number < (_MOST if key == "mtime" else 8**7):
            records[key] = b"%d" % number
    uid, gid = (number if number < 8**7 else 0 for number in owner)
    time = mtime if 0 <= mtime < _MOST else 0
    plain = _block(parts, kind, mode, 0 if "size" in records else size, time, (uid, gid), link[:100])
    if not records:
        return plain
    data = _pax(records)
    start = _block((b"", b"PaxHeaders/" + name[-80:].strip(b"/")), b"x", 0o644, len(data), time, (0, 0), b"")
    return start + data + padding(len(data)) + plain


def padding(size: int) -> bytes:
    """What follows a content of `size` bytes, up to the next block."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Prefix and name as ustar has them; None where they don't fit."""
    if len(name) <= 100:
        return b"", name
    cut = name.rfind(b"/", 0, 156)
    while cut > 0:
        rest = name[cut + 1 :]
        if 0 < len(rest) <= 100:
            return name[:cut], rest
        cut = name.rfind(b"/", 0, cut) if not rest else -1
    return None


def _block(
    name: tuple[bytes, bytes],
    kind: bytes,
    mode: int,
    size: int,
    mtime: int,
    owner: tuple[int, int],
    link: bytes,
) -> bytes:
    before = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (name[1].ljust(100, b"\0"), mode, *owner, size, mtime)
    after = b"%s%s%s%s%s" % (
        kind,
        link.ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(80),
        name[0].ljust(155, b"\0"),
    )
    total = sum(before) + sum(after) + 8 * 0x20
    return (before + b"%06o\0 " % total + after).ljust(BLOCK, b"\0")


def _pax(records: dict[str, bytes]) -> bytes:
    """Records of an extended header. Names that aren't UTF-8 are announced (hdrcharset=BINARY)."""
    texts = list(records.items())
    if any(not _utf8(value) for _, value in texts):
        texts.insert(0, ("hdrcharset", b"BINARY"))
    return b"".join(_record(key.encode() + b"=" + value) for key, value in texts)


def _record(text: bytes) -> bytes:
    size = len(text) + 2  # the blank and the newline; the number counts itself, too
    digits = len(b"%d" % size)
    while len(b"%d" % (size + digits)) != digits:
        digits += 1
    return b"%d %s\n" % (size + digits, text)


def _utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
