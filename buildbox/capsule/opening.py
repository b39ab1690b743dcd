"""A capsule taken apart, whoever made it: read once, each byte accounted for before any of it is used.

It comes into a folder of its own, never into the user's archive: what a stranger says is the result of
something must not be found there by a run. Nothing is executed, and no name of its own reaches the disk:
files are named by the digests that their bytes have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive import hints
from buildbox.archive.layout import Archive
from buildbox.archive.outputs import entries_of
from buildbox.archive.result_form import FINGERPRINT, Result, check_entries, is_result
from buildbox.archive.results import read_result
from buildbox.archive.statement_form import MAX_ENVELOPE, check_envelope
from buildbox.capsule.apart import take_apart
from buildbox.capsule.form import (
    CONFIG,
    MAGIC,
    MAX_CONFIG,
    README,
    TITLE,
    Build,
    Capsule,
    Newer,
    is_capsule_manifest,
    parse_config,
)
from buildbox.capsule.members import Malformed
from buildbox.capsule.reached import Reached, check_unpacked
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, CantTell, Mismatch, UsageError
from buildbox.oci import MAX_MANIFEST, OCI_MANIFEST, Descriptor, Manifest, parse_manifest
from buildbox.provenance.form import MAX_STATEMENT, Unknown, parse_statement
from buildbox.provenance.statement import Statement
from buildbox.trees.faults import shown
from buildbox.trees.tar import BLOCK

_NEWER = "Use a newer buildbox."
_HINT = "Don't use any of it; get the capsule again from whoever made it."


@dataclass(frozen=True)
class OpenedBuild:
    """A build that can be made again."""

    statement: Statement
    data: bytes  # the statement as it was signed
    envelope: bytes | None  # nobody has looked at its signatures
    inputs: Digest  # the blob with the tar of its inputs


@dataclass(frozen=True)
class Opened:
    """A capsule whose parts are all there, are what their digests say, and no more than that."""

    path: Path
    folder: Path  # of the archive; other things may be put there
    archive: Archive  # images, needed results, what was built
    builds: tuple[OpenedBuild, ...]
    images: tuple[str, ...]  # their names
    titles: tuple[str, ...]  # of its other files, sorted
    left_out: tuple[str, ...]  # for people: what would be of use and isn't in it
    size: int  # bytes


def is_capsule(path: Path) -> bool:
    """Whether the file begins as a capsule does; a damaged one may, too. Raises UsageError."""
    try:
        with path.open("rb") as file:
            start = file.read(BLOCK + len(MAGIC))
    except OSError as error:
        raise UsageError(f"{path} can't be read: {error.strerror}") from error
    return start[:100].rstrip(b"\0") == README.encode() and start[BLOCK:] == MAGIC


def open_capsule(path: Path, into: Path) -> Opened:
    """Takes the capsule apart into the folder `into`, which is made, or is empty.

    Raises Mismatch where it is damaged, cut short, has anything more than it needs, or isn't safe; CantTell
    where it is of a newer version, or there is no room for it; UsageError where it can't be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            found = take_apart(file, into)
        archive = Archive.open(into, create=False)
        return _opened(path, into, archive, found, size)
    except Newer as error:
        raise CantTell(f"the capsule {path} can't be read: {shown(str(error))}", _NEWER) from None
    except RecursionError:
        raise _damaged(path, "a list in lists") from None
    except (Malformed, ValueError) as error:
        raise _damaged(path, str(error)) from None
    except ArchiveError as error:
        raise _damaged(path, error.reason) from error
    except OSError as error:
        raise UsageError(f"{path} can't be taken apart in {into}: {error.strerror or error}") from error


def _damaged(path: Path, why: str) -> Mismatch:
    return Mismatch(f"the capsule {path} is damaged, or was changed: {shown(why)}", _HINT)


def _opened(path: Path, into: Path, archive: Archive, blobs: Mapping[Digest, int], size: int) -> Opened:
    reached = Reached(archive, blobs)
    tops = archive.entries()
    for _, top in tops:
        reached.walk(top)
    once = list({top.digest: top for _, top in tops}.values())  # it may have a thousand names
    extra = blobs.keys() - reached.found
    if extra:
        names = ", ".join(str(digest) for digest in sorted(extra)[:3])
        raise Malformed(f"it has {len(extra)} files that nothing in it leads to: {names}")
    capsule, layers = _described(archive, once)
    check_unpacked(archive, reached.layers)
    results = dict(_results(archive, once))
    parts = {layer.digest for layer in layers}
    if len({build.statement for build in capsule.builds}) < len(capsule.builds):
        raise Malformed("it has a build twice")  # each would be read into memory
    return Opened(
        path,
        into,
        archive,
        tuple(_build(archive, build, parts, results) for build in capsule.builds),
        tuple(name for name, top in tops if top.digest in reached.images),
        tuple(sorted(layer.annotations.get(TITLE, "") for layer in layers)),
        capsule.left_out,
        size,
    )


def _described(archive: Archive, tops: Iterable[Descriptor]) -> tuple[Capsule, tuple[Descriptor, ...]]:
    """What it says of itself, and its files beside images and results."""
    found = []
    for top in tops:
        data = archive.read(top, MAX_MANIFEST)
        document = parse_manifest(data, top.media_type)
        if is_capsule_manifest(data) and isinstance(document, Manifest):
            found.append(document)
    if len(found) != 1 or found[0].config.media_type != CONFIG:
        raise Malformed("it doesn't say what it has")
    return parse_config(archive.read(found[0].config, MAX_CONFIG)), found[0].layers


def _results(archive: Archive, tops: Iterable[Descriptor]) -> Iterator[tuple[Digest, Result]]:
    """The results, by manifest; from now on they are found by their fingerprints."""
    for top in tops:
        data = archive.read(top, MAX_MANIFEST)
        if top.media_type == OCI_MANIFEST and is_result(data):
            told = json.loads(data).get("annotations")
            name = told.get(FINGERPRINT) if isinstance(told, dict) else None
            result = read_result(archive, Digest.parse(str(name)), top.digest)
            check_entries(result)
            if entries_of(archive.stream(result.outputs.digest)) != result.entries:
                raise Malformed(f"the outputs of {result.step} aren't those of their list")
            hints.write_hint(archive, result.fingerprint, top.digest, 0)
            yield top.digest, result


def _build(
    archive: Archive, build: Build, parts: set[Digest], results: Mapping[Digest, Result]
) -> OpenedBuild:
    for part in (build.statement, build.inputs, *([build.envelope] if build.envelope else [])):
        if part not in parts:
            raise Malformed(f"{part} is none of its files")
    if build.result and build.result not in results:
        raise Malformed(f"{build.result} is none of its results")
    data = archive.read(build.statement, MAX_STATEMENT)
    try:
        statement = parse_statement(data)
    except Unknown as error:
        raise Newer(f"one of its statements is of a kind that isn't known here: {error}") from None
    except ValueError as error:
        raise Malformed(f"one of its statements can't be right: {error}") from None
    envelope = archive.read(build.envelope, MAX_ENVELOPE) if build.envelope else None
    if envelope is not None:
        check_envelope(envelope, data)
    if build.result and results[build.result].fingerprint != statement.fingerprint:
        raise Malformed("it has the result of another build than it says")
    return OpenedBuild(statement, data, envelope, build.inputs)
