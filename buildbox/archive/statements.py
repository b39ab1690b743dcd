"""Statements in the archive: what is known of how something was built (provenance/statement.py).

A statement is an OCI artifact (statement_form.py), found by a small file (marks.py): by the fingerprint of
what ran, or by the sha256 of what came out. One that is damaged is passed over: `archive check` tells of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from buildbox.archive.layout import Archive
from buildbox.archive.marks import Mark, all_marks, change_mark, write_mark
from buildbox.archive.statement_form import (
    EMPTY,
    MAX_ENVELOPE,
    StatementManifest,
    check_envelope,
    envelope_layer,
    parse_statement_manifest,
    statement_layer,
    statement_manifest_bytes,
    subjects,
)
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.oci import MAX_MANIFEST
from buildbox.provenance.form import MAX_STATEMENT


@dataclass(frozen=True)
class KeptStatement:
    """A statement that is in the archive."""

    manifest: Digest
    data: bytes  # the statement
    envelope: bytes | None  # that holds it, where it is signed; nobody has looked at the signatures
    fingerprint: Digest
    result: Digest | None  # the manifest of what was built; None: that wasn't kept
    created: float  # seconds since the epoch
    kept: bool  # gc leaves it, and what it needs


def keep_statement(
    archive: Archive,
    data: bytes,
    *,
    fingerprint: Digest,
    result: Digest | None,
    now: float,
    envelope: bytes | None = None,
    keep: bool = False,
) -> KeptStatement:
    """Keeps the statement `data` on what ran with this fingerprint, and the DSSE `envelope` that has it.

    `result` is the manifest of what was built, `now` seconds since the epoch; with `keep` gc leaves it, and
    what it needs. Where the same statement is there already, it loses neither its time nor envelope nor that
    it is to stay; a new envelope takes the place of an old one. Raises ArchiveError; ValueError where
    the envelope holds another statement, or one is larger than any real one.
    """
    if len(data) > MAX_STATEMENT or len(envelope or b"") > MAX_ENVELOPE:
        raise ValueError("the statement is larger than any real one")
    same = [mark for mark in all_marks(archive, fingerprint) if mark.statement == Digest.of(data)]
    before = [found for mark in same if (found := _found(archive, mark))]
    now, keep = round(now, 3), keep or any(mark.kept for mark in same)
    for old in before:
        envelope, result, now = envelope or old.envelope, result or old.result, old.created
    if envelope is not None:
        check_envelope(envelope, data)
    manifest = StatementManifest(
        fingerprint,
        result,
        now,
        statement_layer(data),
        envelope_layer(envelope) if envelope is not None else None,
    )
    for part in (data, envelope, EMPTY):
        if part is not None:
            archive.add_bytes(part)
    digest = archive.add_bytes(statement_manifest_bytes(manifest))
    mark = Mark(fingerprint, digest, manifest.statement.digest, keep, now)
    if [mark.manifest] != [old.manifest for old in before] or keep != before[0].kept:
        write_mark(archive, mark, same)
    return KeptStatement(digest, data, envelope, fingerprint, result, now, keep)


def statements_of(archive: Archive, fingerprint: Digest) -> tuple[KeptStatement, ...]:
    """The statements on what ran with this fingerprint, newest first. Raises ArchiveError."""
    marks = all_marks(archive, fingerprint)
    return tuple(found for mark in marks if (found := _found(archive, mark)))


def find_statements(archive: Archive, subject: Digest) -> tuple[KeptStatement, ...]:
    """The statements by which a file of this sha256 came out, newest first. Raises ArchiveError."""
    wanted = subject.hex.encode()
    return tuple(
        found
        for mark in all_marks(archive)
        if mark.statement and wanted in _bytes(archive, mark.statement)
        if (found := _found(archive, mark)) and subject.hex in subjects(found.data)
    )


def all_statements(archive: Archive) -> Iterator[KeptStatement]:
    """All statements, newest first; each is read when it is asked for. Raises ArchiveError."""
    for mark in all_marks(archive):
        found = _found(archive, mark)
        if found:
            yield found


def set_kept(archive: Archive, manifest: Digest, kept: bool) -> None:
    """Says whether gc is to leave a statement and what it needs. Raises ArchiveError where it isn't there."""
    if not change_mark(archive, manifest, kept):
        raise ArchiveError(
            f"the archive has no statement {manifest}", "buildbox log lists those that it has."
        )


def read_kept(archive: Archive, mark: Mark) -> KeptStatement:
    """The statement of `mark`. Raises ArchiveError where it isn't all there or damaged, ValueError where it
    isn't what it should be."""
    found = parse_statement_manifest(archive.read(mark.manifest, MAX_MANIFEST))
    if found.fingerprint != mark.fingerprint or found.statement.digest != mark.statement:
        raise ValueError("it is found by what isn't said of it")
    data = archive.read(found.statement, MAX_STATEMENT)
    subjects(data)
    envelope = archive.read(found.envelope, MAX_ENVELOPE) if found.envelope else None
    if envelope is not None:
        check_envelope(envelope, data)
    return KeptStatement(
        mark.manifest, data, envelope, found.fingerprint, found.result, found.created, mark.kept
    )


def _found(archive: Archive, mark: Mark) -> KeptStatement | None:
    with suppress(ArchiveError, ValueError):
        return read_kept(archive, mark)
    return None


def _bytes(archive: Archive, blob: Digest) -> bytes:
    """The blob as it is on disk, verified by nobody; nothing where it can't be read."""
    with suppress(OSError):
        return archive.blob_path(blob).read_bytes()
    return b""
