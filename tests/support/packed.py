"""Archives from values, for tests that compare them."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

Files = Mapping[str, bytes | str]


def zipped(files: Files, time: tuple[int, ...] = (1980, 1, 1, 0, 0, 0), **info: Any) -> bytes:
    """A zip; `info` are attributes of each ZipInfo."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, time)  # type: ignore[arg-type]
            for key, value in info.items():
                setattr(member, key, value)
            archive.writestr(member, content)
    return buffer.getvalue()


def tarred(files: Files, form: int = tarfile.USTAR_FORMAT, **info: Any) -> bytes:
    """A tar; `info` are attributes of each TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size = len(data)
            for key, value in info.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def ar(files: Files, time: int = 0, owner: str = "0", mode: str = "100644") -> bytes:
    """An ar file (ar(5)); long names as GNU has them."""
    table = b"".join(f"{name}/\n".encode() for name in files if len(name) > 15)
    found = [b"!<arch>\n"]
    if table:
        found.append(_ar_member("//", table, "", "", ""))
    at = 0
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        short = f"{name}/" if len(name) <= 15 else f"/{at}"
        at += len(name) + 2 if len(name) > 15 else 0
        found.append(_ar_member(short, data, str(time), owner, mode))
    return b"".join(found)


def _ar_member(name: str, data: bytes, time: str, owner: str, mode: str) -> bytes:
    header = f"{name:16}{time:12}{owner:6}{owner:6}{mode:8}{len(data):<10}`\n"
    return header.encode() + data + b"\n" * (len(data) % 2)
