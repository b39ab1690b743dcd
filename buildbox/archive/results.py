"""Results in the archive: what a step left that passed, found by the step's fingerprint.

A result is an OCI artifact (result_form.py), found by way of a small file (hints.py). Finding one is on the
way of every run: three small files are read and hashed. What is damaged, partial or isn't what it says counts
as no result: the step runs again and what it leaves takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.archive import files, hints
from buildbox.archive.layout import Archive
from buildbox.archive.result_form import MAX_CONFIG, Result, parse_result, parse_result_manifest
from buildbox.digest import CHUNK, Digest
from buildbox.errors import ArchiveError, BuildboxError
from buildbox.oci import MAX_MANIFEST, Descriptor

if TYPE_CHECKING:
    from buildbox.frames import Sink
    from buildbox.trees.entry import Entry

_SMALL = 1 << 20  # bytes of outputs that are packed in memory, and not written where they are there already

__all__ = ["Result", "ResultDamaged", "extract", "find_result", "keep_result", "read_result", "replay"]


class ResultDamaged(ArchiveError):
    """A result isn't whole, or isn't what it says: it counts as none, and the step is to run."""

    def __init__(self, result: Result, why: str) -> None:
        super().__init__(
            f"the result {result.fingerprint.short} of {result.step} can't be used: {why}",
            "The task has to run again: --force has it do so.",
        )


def find_result(archive: Archive, fingerprint: Digest, now: float | None = None) -> Result | None:
    """The result of `fingerprint`; None where there is none that is sound as far as small files tell.

    `now` (seconds since the epoch) notes that it is used. Outputs and log are there, but aren't read yet:
    `extract` and `replay` verify them. Raises nothing.
    """
    manifest = hints.read_hint(archive, fingerprint)
    if manifest is None:
        return None
    try:
        result = read_result(archive, fingerprint, manifest)
        if any(archive.size(blob.digest) != blob.size for blob in _layers(result)):
            return None
    except (ArchiveError, OSError, ValueError):
        return None
    if now is not None:
        hints.note_hit(archive, fingerprint, now)
    return result


def read_result(archive: Archive, fingerprint: Digest, manifest: Digest) -> Result:
    """The result of `fingerprint` that has this manifest; its layers aren't looked at.

    Raises ArchiveError where it isn't there or is damaged, ValueError where it isn't that result.
    """
    found = parse_result_manifest(archive.read(manifest, MAX_MANIFEST), fingerprint)
    return parse_result(manifest, found, archive.read(found.config, MAX_CONFIG), fingerprint)


def keep_result(
    archive: Archive,
    *,
    fingerprint: Digest,
    document: bytes,
    step: str,
    entries: Sequence[Entry],
    folder: Path,
    log: Path,
    seconds: float,
    now: float,
) -> Result:
    """Keeps what a step left that passed: its outputs `entries`, which are in `folder`, and its `log`.

    `document` is the canonical JSON that `fingerprint` is the digest of, `log` a file of frames (frames.py),
    `now` seconds since the epoch. A result of the same fingerprint is replaced; of two that are kept at once,
    one is. Raises Changed where an output isn't its entry; TreeError, ArchiveFull, ArchiveError.
    """
    import json

    from buildbox.archive.result_form import (
        CONFIG,
        check_entries,
        config_bytes,
        manifest_bytes,
    )

    if Digest.of(document) != fingerprint:
        raise ValueError(f"{fingerprint} isn't the fingerprint of the document")
    entries = sorted(entries, key=lambda entry: entry.path.encode(errors="surrogateescape"))
    outputs = _add_outputs(archive, folder, entries)
    kept_log = _add_log(archive, log) if log.stat().st_size else None
    config = config_bytes(fingerprint, json.loads(document), step, entries, seconds, now)
    part = Descriptor(CONFIG, archive.add_bytes(config), len(config))
    manifest = manifest_bytes(fingerprint, step, now, part, outputs, kept_log)
    digest = Digest.of(manifest)
    result = parse_result(digest, parse_result_manifest(manifest, fingerprint), config, fingerprint)
    check_entries(result)
    archive.add_bytes(manifest)
    hints.write_hint(archive, fingerprint, digest, now)
    return result


def extract(archive: Archive, result: Result, to: Path) -> None:
    """Writes the outputs of `result` into the folder `to`, each verified.

    It may have other results' outputs in it already. Files have the modes 0644 and 0755 whatever the umask,
    folders what it leaves. Raises ResultDamaged, after which `to` may hold a part; TreeError where `to` can't
    be written.
    """
    from buildbox.archive.result_form import check_entries
    from buildbox.trees.faults import TreeError
    from buildbox.trees.packing import unpack

    if not result.entries:
        return
    try:
        check_entries(result)
        if unpack(archive.stream(result.outputs.digest), to, packed=True) != result.entries:
            raise ValueError("its outputs aren't those of its list")
    except (ArchiveError, ValueError) as error:
        raise _spoilt(archive, result, error) from error
    except TreeError as error:
        if isinstance(error.__cause__, OSError):
            raise
        raise _spoilt(archive, result, error) from error


def replay(archive: Archive, result: Result, output: Sink) -> None:
    """Writes the log of `result` to `output`, each stream byte for byte, in the order of the writes.

    All of it is verified before. Raises ResultDamaged; and what `output` raises.
    """
    from buildbox import frames

    if result.log is None:
        return
    log = result.log.digest
    try:
        for _ in frames.read_frames(archive.stream(log)):
            pass
    except (ArchiveError, ValueError) as error:
        raise _spoilt(archive, result, error) from error
    frames.replay(archive.stream(log), output)


def _spoilt(archive: Archive, result: Result, error: Exception) -> ResultDamaged:
    """The error; the result isn't found any more, unless there is another one by now."""
    hint = hints.look_up(archive, result.fingerprint)
    if hint and hint.manifest == result.manifest:
        with suppress(ArchiveError):
            hints.forget_hints(archive, [hint])
    return ResultDamaged(result, error.reason if isinstance(error, BuildboxError) else str(error))


def _add_outputs(archive: Archive, folder: Path, entries: Sequence[Entry]) -> Descriptor:
    from buildbox.archive.result_form import most_bytes, outputs_layer
    from buildbox.trees.packing import pack

    if most_bytes(entries) <= _SMALL:
        data = b"".join(pack(folder, entries, epoch=0, owner=(0, 0)))
        return outputs_layer(archive.add_bytes(data), len(data))
    with archive.ingest() as writer:
        for chunk in pack(folder, entries, epoch=0, owner=(0, 0)):
            writer.write(chunk)
    return outputs_layer(writer.digest, writer.size)


def _add_log(archive: Archive, log: Path) -> Descriptor | None:
    from buildbox.archive.result_form import log_layer

    with archive.ingest() as writer, files.explained(log), log.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            writer.write(data)
    return log_layer(writer.digest, writer.size)


def _layers(result: Result) -> tuple[Descriptor, ...]:
    return (result.outputs, result.log) if result.log else (result.outputs,)
