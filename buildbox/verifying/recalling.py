"""Past builds, from the statements that the archive has of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.marks import Mark, all_marks
from buildbox.archive.statements import KeptStatement, all_statements, find_statements, read_kept
from buildbox.errors import ArchiveError, UsageError
from buildbox.provenance.form import parse_statement
from buildbox.provenance.statement import Statement
from buildbox.verifying.artifact import look
from buildbox.verifying.verify import ANYONE, Given, believe, find_near, is_statement, read_given, unknown

_ID = re.compile(r"(?:sha256:)?([0-9a-f]{6,64})")


@dataclass(frozen=True)
class Build:
    """A build, as a statement tells of it that nobody has verified."""

    statement: Statement
    data: bytes  # of the statement
    signed: bool
    kept: KeptStatement | None  # None: the archive doesn't have it


def past_builds(archive: Archive) -> Iterator[Build]:
    """All that the archive tells of, newest first; what can't be read is passed over. Raises ArchiveError."""
    for kept in all_statements(archive):
        with suppress(ValueError):
            yield Build(parse_statement(kept.data), kept.data, kept.envelope is not None, kept)


def recall(archive: Archive, name: str) -> Build:
    """The build whose statement has an id that begins with `name`; the newest of a fingerprint that does.

    Raises UsageError where there is none, or more than one; CantTell, Mismatch, ArchiveError where it can't
    be read.
    """
    mark = find_mark(archive, name)
    try:
        kept = read_kept(archive, mark)
    except ValueError as error:
        hint = "buildbox archive check tells more."
        raise ArchiveError(f"the statement {name} is damaged: {error}", hint) from None
    return _build(Given(kept.data, kept.envelope, f"the statement {name}"), kept)


def find_mark(archive: Archive, name: str) -> Mark:
    """The statement with an id that begins with `name`, or the newest of a fingerprint that does, unread.

    Raises UsageError where there is none, or more than one; ArchiveError.
    """
    found = _ID.fullmatch(name)
    if found is None:
        raise UsageError(f"there is no file {name}, and it is no id of a statement", _HOW)
    marks = all_marks(archive)
    chosen = [mark for mark in marks if mark.manifest.hex.startswith(found[1])]
    if len(chosen) > 1:
        raise UsageError(f"{len(chosen)} statements have an id that begins with {name}", "Write more of it.")
    chosen = chosen or [mark for mark in marks if mark.fingerprint.hex.startswith(found[1])]
    if not chosen:
        raise UsageError(f"the archive has no statement {name}", _HOW)
    return chosen[0]


def recall_file(archive: Archive, path: Path) -> Build:
    """The build that made the file or folder at the absolute `path`, or that the statement there tells of.

    Raises CantTell where nothing tells of it, or it is of a newer kind; Mismatch where that is damaged;
    UsageError, ArchiveError.
    """
    if is_statement(path):
        return _given(archive, read_given(path))
    artifact = look(path)
    found = find_statements(archive, artifact.subject) if artifact.subject else ()
    if found:
        kept = found[0]
        return _build(Given(kept.data, kept.envelope, f"the statement {kept.manifest.short}"), kept)
    near = find_near(artifact)
    if near is None:
        raise unknown(artifact, archive)
    return _given(archive, near)


_HOW = "buildbox log lists what there is; a file that was built, or its statement, may be named as well."


def _given(archive: Archive, given: Given) -> Build:
    kept = next((each for each in all_statements(archive) if each.data == given.data), None)
    return _build(given, kept)


def _build(given: Given, kept: KeptStatement | None) -> Build:
    return Build(believe(given, ANYONE)[0], given.data, given.envelope is not None, kept)
