"""What runs have left in the archive, results and statements, as stock (stock.py); and what statements that
are to stay need."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from buildbox.archive.hints import Hint, all_hints, result_name
from buildbox.archive.layout import REPAIR, Archive
from buildbox.archive.marks import Mark, all_marks, statement_name
from buildbox.archive.result_form import FINGERPRINT, STEP, parse_result_manifest
from buildbox.archive.statement_form import parse_statement_manifest, step_of
from buildbox.archive.statements import read_kept
from buildbox.archive.stock import RESULT, STATEMENT, Kept, blob_names
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.oci import MAX_MANIFEST, OCI_MANIFEST, Descriptor
from buildbox.provenance.form import Unknown, parse_statement

_NOTHING: frozenset[Digest] = frozenset()
_NO_LOCKS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Needs:
    """What statements that are to stay need to be reproduced, by manifest or index."""

    images: frozenset[Digest] = _NOTHING
    results: frozenset[Digest] = _NOTHING  # what was built, and what that needed

    @property
    def all(self) -> frozenset[Digest]:
        """All of it."""
        return self.images | self.results


def needs_of_kept(archive: Archive) -> Needs:
    """What all statements need that are to stay.

    Raises ArchiveError where that can't be told of one: it is damaged, or of a format that isn't known here.
    """
    images: set[Digest] = set()
    results: set[Digest] = set()
    for mark in all_marks(archive):
        if not mark.kept:
            continue
        try:
            kept = read_kept(archive, mark)
            statement = parse_statement(kept.data)
        except (ArchiveError, ValueError) as error:
            raise _untold(mark, error) from None
        for image in (statement.image, *statement.services.values()):
            images |= {image.manifest, *([image.index] if image.index else [])}
        results |= {need.manifest for need in statement.needs if need.manifest}
        results |= {kept.result} if kept.result else set()
    return Needs(frozenset(images), frozenset(results))


def take_results(archive: Archive, needed: Collection[Digest] = ()) -> tuple[Kept, ...]:
    """All results, the least recently used first; and those of the manifests `needed` that are here and that
    another of the same fingerprint has taken the place of. One that can't be used has damage.

    Raises ArchiveError.
    """
    present = blob_names(archive)
    hints = all_hints(archive)
    replaced = {digest for digest in set(needed) if digest.hex in present}
    replaced -= {hint.manifest for hint in hints if hint.manifest}
    return (
        *(_result(archive, present, hint.manifest, hint) for hint in hints),
        *(_result(archive, present, digest, None) for digest in sorted(replaced)),
    )


def take_statements(archive: Archive) -> tuple[Kept, ...]:
    """All statements, the oldest first; one that can't be read has damage. Raises ArchiveError."""
    present = blob_names(archive)
    return tuple(_statement(archive, present, mark) for mark in reversed(all_marks(archive)))


def _result(archive: Archive, present: Collection[str], manifest: Digest | None, hint: Hint | None) -> Kept:
    """`hint` is what it is found by; None where it is found no more, and stays."""
    top = Descriptor(OCI_MANIFEST, manifest or _found_by(hint), 0)
    blobs: dict[Digest, int] = {}
    since, missing, damage, step = 0.0, 0, "", ""
    try:
        if manifest is None:
            raise ValueError("what it is found by can't be read")
        data = archive.read(manifest, MAX_MANIFEST)
        top = Descriptor(OCI_MANIFEST, manifest, len(data))
        since = archive.blob_path(manifest).stat().st_mtime
        told = json.loads(data)["annotations"]
        fingerprint = hint.fingerprint if hint else Digest.parse(told[FINGERPRINT])
        document = parse_result_manifest(data, fingerprint)  # the name can be shown
        step = str(told.get(STEP, ""))
        blobs, missing = _parts(present, (top, document.config, *document.layers))
        damage = "a part of it is missing" if missing else ""
    except (ArchiveError, OSError, ValueError, LookupError, TypeError) as error:
        damage = error.reason if isinstance(error, ArchiveError) else str(error)
    names = (result_name(hint.fingerprint),) if hint else ()
    manifests = frozenset({top.digest})
    return Kept(
        top, names, RESULT, (), blobs, manifests, _NO_LOCKS, since, 0, missing, damage, hint, step=step
    )


def _found_by(hint: Hint | None) -> Digest:
    assert hint, "what isn't found by a hint is found by its manifest"
    return hint.fingerprint


def _statement(archive: Archive, present: Collection[str], mark: Mark) -> Kept:
    top = Descriptor(OCI_MANIFEST, mark.manifest, 0)
    blobs: dict[Digest, int] = {}
    since, missing, damage, step, signed = 0.0, 0, "", "", False
    try:
        data = archive.read(mark.manifest, MAX_MANIFEST)
        top = Descriptor(OCI_MANIFEST, mark.manifest, len(data))
        since = archive.blob_path(mark.manifest).stat().st_mtime
        found = parse_statement_manifest(data)
        blobs, missing = _parts(present, (top, *found.parts))
        kept = read_kept(archive, mark)
        step, signed = step_of(kept.data), kept.envelope is not None
    except (ArchiveError, OSError, ValueError) as error:
        damage = error.reason if isinstance(error, ArchiveError) else str(error)
    names, manifests = (statement_name(mark.manifest),), frozenset({top.digest})
    return Kept(
        top,
        names,
        STATEMENT,
        (),
        blobs,
        manifests,
        _NO_LOCKS,
        since,
        0,
        missing,
        damage,
        mark=mark,
        step=step,
        signed=signed,
    )


def _parts(present: Collection[str], parts: tuple[Descriptor, ...]) -> tuple[dict[Digest, int], int]:
    """Bytes of each of `parts` that is here, and how many aren't."""
    blobs = {part.digest: part.size for part in parts if part.digest.hex in present}
    return blobs, len({part.digest for part in parts}) - len(blobs)


def _untold(mark: Mark, error: Exception) -> ArchiveError:
    why = error.reason if isinstance(error, ArchiveError) else str(error)
    hint = f"Mend it first, then collect: {REPAIR}"
    if isinstance(error, Unknown):
        hint = "Collect with the buildbox that made it, or a newer one."
    hint += f"\nOr let it go: buildbox log --no-keep {mark.manifest.short}"
    return ArchiveError(f"what {statement_name(mark.manifest)} needs can't be told: {why}", hint)
