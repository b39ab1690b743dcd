"""Statements in an archive."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from buildbox.archive.layout import Archive
from buildbox.archive.statements import KeptStatement, keep_statement
from buildbox.digest import Digest
from buildbox.provenance.form import statement_bytes
from tests.support.results import NOW
from tests.support.statements import a_statement

A_FILE = Digest.of(b"a")  # is among the outputs of `a_statement`


def envelope_of(data: bytes, signature: str = "c2lnbmVk") -> bytes:
    """A DSSE envelope that nobody has really signed."""
    payload = {"payload": b64encode(data).decode(), "payloadType": "application/vnd.in-toto+json"}
    return json.dumps({**payload, "signatures": [{"keyid": "k", "sig": signature}]}).encode()


def keep(archive: Archive, now: float = NOW, **changes: Any) -> KeptStatement:
    """Keeps `a_statement`; `changes` are its or keep_statement's."""
    given = {name: changes.pop(name) for name in ("envelope", "keep", "result") if name in changes}
    statement = a_statement(**changes)
    return keep_statement(
        archive,
        statement_bytes(statement),
        fingerprint=statement.fingerprint,
        now=now,
        **{"result": None, **given},
    )
