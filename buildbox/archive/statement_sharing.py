"""Statements in the remote archive, beside the results that they are on (sharing.py).

    REMOTE/results, tag provenance-sha256-HEX    the statement on the result of this fingerprint

What comes from there is held against the result: it must be on this fingerprint and tell of these outputs.
Whether it is true only its signature tells, for which `buildbox verify` asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from buildbox.archive.layout import Archive
from buildbox.archive.push import Pushed, push_content, push_top
from buildbox.archive.remote import read_blob
from buildbox.archive.result_form import Result, result_tag
from buildbox.archive.statement_form import check_envelope, parse_statement_manifest
from buildbox.archive.statements import KeptStatement, keep_statement, statements_of
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import OCI_MANIFEST, Descriptor
from buildbox.progress import Progress
from buildbox.provenance.form import parse_statement
from buildbox.registry.refusal import Absent

if TYPE_CHECKING:
    from buildbox.registry.client import Registry


class UnsoundStatement(ImageError):
    """What a registry has as a statement isn't one on that result."""


def statement_tag(fingerprint: Digest) -> str:
    """The tag of the statement on a fingerprint's result."""
    return f"provenance-sha256-{fingerprint.hex}"


def pull_statement(
    archive: Archive, registry: Registry, repository: str, result: Result, now: float
) -> KeptStatement | None:
    """Brings the statement on `result` into the archive; None where the registry doesn't have one.

    Raises UnsoundStatement, OtherBytes, NoManifest where what is there isn't one on it, or can't be read by
    this version; ImageError, ArchiveError.
    """
    tag = statement_tag(result.fingerprint)
    where = f"{registry.host}/{repository}:{tag}"
    try:
        fetched = registry.manifest(repository, tag)
    except Absent:
        return None
    try:
        found = parse_statement_manifest(fetched.data)
        data = read_blob(registry, repository, found.statement)
        envelope = read_blob(registry, repository, found.envelope) if found.envelope else None
        if envelope is not None:
            check_envelope(envelope, data)
        statement = parse_statement(data)
        if statement.fingerprint != result.fingerprint or statement.tree != result.tree:
            raise ValueError("it tells of another result")
    except ValueError as error:
        raise UnsoundStatement(f"what {where} has can't be used: {error}") from None
    except Absent as error:
        raise UnsoundStatement(f"what {where} has isn't all there: {error.reason}") from None
    return keep_statement(
        archive,
        data,
        fingerprint=result.fingerprint,
        result=result.manifest,
        now=min(found.created, now),
        envelope=envelope,
    )


def push_statement(
    archive: Archive,
    registry: Registry,
    repository: str,
    result: Result,
    progress: Progress,
    *,
    replace: bool = False,
) -> Pushed | None:
    """Brings the statement on `result` to the registry, which has that result: the newest signed one, else
    the newest.

    None where there is none, or the registry's stays: one that is there makes way only with `replace` or for
    a signed one. Raises ImageError, OtherBytes; ArchiveError.
    """
    found = [kept for kept in statements_of(archive, result.fingerprint) if kept.result == result.manifest]
    if not found:
        return None
    kept = next((kept for kept in found if kept.envelope), found[0])
    if not replace and not _is_wanted(registry, repository, result, kept):
        return None
    top = Descriptor(OCI_MANIFEST, kept.manifest, archive.size(kept.manifest))
    pushed = push_content(archive, registry, repository, top, progress)
    return pushed + push_top(archive, registry, repository, top, statement_tag(result.fingerprint), move=True)


def _is_wanted(registry: Registry, repository: str, result: Result, kept: KeptStatement) -> bool:
    """Whether the registry has this very result, and no statement on it that is as good."""
    tag = statement_tag(result.fingerprint)
    if registry.has(repository, tag):
        if not kept.envelope:
            return False
        try:
            if parse_statement_manifest(registry.manifest(repository, tag).data).envelope:
                return False
        except ValueError:
            pass  # it isn't one
    return registry.manifest(repository, result_tag(result.fingerprint)).digest == result.manifest
