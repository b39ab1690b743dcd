"""Statements in files: bare JSON, one line of JSON (JSON lines), or a DSSE envelope around one."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from buildbox.errors import UsageError
from buildbox.signing.envelope import PAYLOAD_TYPE, open_envelope
from buildbox.workspace import STATEMENT

SUFFIX = STATEMENT  # of the file beside an artifact
_MOST = 96 << 20  # bytes; base64 in an envelope takes a third more than a statement
_HINT = f"Name a statement: a file that `buildbox run --provenance` writes (*{SUFFIX})."


class NoStatement(UsageError):
    """A file holds something else than a statement."""


def beside(artifact: Path) -> Path:
    """Where the statement of an artifact, or of a folder of them, is written."""
    return artifact.with_name(artifact.name + SUFFIX)


def read_statement_file(path: Path) -> tuple[bytes, bytes | None]:
    """A statement's bytes and, where it is signed, those of its envelope; neither is verified or understood.

    Raises UsageError where the file can't be read, NoStatement where it holds none.
    """
    data = _read(path)
    value, data = _only(data, path)
    if isinstance(value, dict) and "payloadType" in value:
        if value["payloadType"] != PAYLOAD_TYPE:
            raise NoStatement(f"{path} is a signed document of another kind than a statement", _HINT)
        try:
            return open_envelope(data).payload, data
        except ValueError as error:
            raise NoStatement(f"{path} is a damaged envelope of a statement: {error}", _HINT) from None
    if isinstance(value, dict) and "_type" in value:
        return data, None
    raise NoStatement(f"{path} holds no statement", _HINT)


def _only(data: bytes, path: Path) -> tuple[Any, bytes]:
    """The one document in `data`, and its bytes."""
    try:
        return json.loads(data), data.strip()
    except (ValueError, RecursionError) as error:
        problem = error
    lines = [line for line in data.splitlines() if line.strip()]
    try:
        count = len(lines) if lines and all(isinstance(json.loads(line), dict) for line in lines[:2]) else 0
    except (ValueError, RecursionError):
        count = 0
    if count > 1:
        raise NoStatement(
            f"{path} holds {count} documents, not one statement", "Put each in a file of its own."
        )
    raise NoStatement(f"{path} isn't JSON: {problem}", _HINT)


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe may have no writer
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UsageError(f"{path} is no file", _HINT)
            data = file.read(_MOST + 1)
    except FileNotFoundError:
        raise UsageError(f"there is no file {path}", _HINT) from None
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from None
    if len(data) > _MOST:
        raise NoStatement(f"{path} is too large for a statement", _HINT)
    return data
