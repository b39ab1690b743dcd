"""Whether everything that an archive keeps by name is there and is what it should be: from each name down to
index, manifests, configurations and layers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from buildbox.archive.hashing import States, state
from buildbox.archive.hints import Hint, all_hints, result_name
from buildbox.archive.images import MAX_CONFIG, read_config
from buildbox.archive.layout import Archive
from buildbox.archive.marks import Mark, all_marks, statement_name
from buildbox.archive.names import read_names
from buildbox.archive.results import read_result
from buildbox.archive.statements import read_kept
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import (
    CONFIGS,
    INDEXES,
    MANIFESTS,
    MAX_MANIFEST,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Platform,
    parse_manifest,
)

DAMAGED, MISSING, WRONG = "damaged", "missing", "wrong"
SET_ASIDE = "damaged"  # the archive's folder for what was found damaged, until a good copy is there
_DEPTH = 4  # indexes in indexes; real ones have one in none


@dataclass(frozen=True)
class Fault:
    """Something that isn't as it should be."""

    blob: Descriptor  # with the size and kind that it should have
    # index, manifest, config, layer; file of what is no image; result, provenance; blob: nothing needs it
    role: str
    state: str  # DAMAGED; MISSING; WRONG: its bytes are right, so what points at it isn't
    how: str  # in words
    names: tuple[str, ...] = ()  # what is kept by these needs it

    @property
    def title(self) -> str:
        """What it is called by what points at it: a package's file."""
        return self.blob.annotations.get("org.opencontainers.image.title", "")


@dataclass(frozen=True)
class Soundness:
    """What was found."""

    blobs: int
    size: int  # bytes of them
    names: int
    faults: tuple[Fault, ...]
    list_fault: str  # what is wrong with index.json, "" for nothing
    results: tuple[Hint, ...] = ()  # all that were looked at
    statements: tuple[Mark, ...] = ()  # the same

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults and not self.list_fault


NOTHING = Soundness(0, 0, 0, (), "")


def examine(archive: Archive, states: States, platform: Platform) -> Soundness:
    """What is wrong with all that is kept by name, and with any other blob.

    `states` is what hashing.hash_all found; blobs that aren't in it are hashed now and added. `platform` is
    the one to miss where an index is there with none of its images. Raises ArchiveError.
    """
    names = read_names(archive, states)
    found: dict[tuple[Digest, str], Fault] = {}
    results, statements = all_hints(archive), all_marks(archive)
    for name, fault in _all_faults(archive, states, names.entries, results, statements, platform):
        known = found.get((fault.blob.digest, fault.state), fault)
        if name not in known.names:
            known = replace(known, names=(*known.names, name))
        found[fault.blob.digest, fault.state] = known
    needed = {digest for digest, _ in found}
    for digest, how in states.items():
        if how and digest not in needed:
            blob = Descriptor("application/octet-stream", digest, _size(archive, digest))
            found[digest, DAMAGED] = Fault(blob, "blob", DAMAGED, how)
    size = sum(_size(archive, digest) for digest in states)
    faults = tuple(found.values())
    return Soundness(len(states), size, len(names.entries), faults, names.fault, results, statements)


def is_there(archive: Archive, states: States, digest: Digest) -> bool:
    """Whether a blob is there, sound or not; see `examine`."""
    if digest not in states:
        found = state(archive, digest)
        if found is None:
            return False
        states[digest] = found
    return True


def _all_faults(
    archive: Archive,
    states: States,
    entries: Iterable[tuple[str, Descriptor]],
    results: Iterable[Hint],
    statements: Iterable[Mark],
    platform: Platform,
) -> Iterator[tuple[str, Fault]]:
    """Each fault with the name of what it is a fault of, images first."""
    for name, top in entries:
        for fault in _below(archive, states, top, platform, _DEPTH):
            yield name, fault
    for hint in results:
        for fault in _of_result(archive, states, hint, platform):
            yield result_name(hint.fingerprint), fault
    for mark in statements:
        for fault in _of_statement(archive, states, mark, platform):
            yield statement_name(mark.manifest), fault


def _of_result(archive: Archive, states: States, hint: Hint, platform: Platform) -> Iterator[Fault]:
    manifest = hint.manifest
    if manifest is None:
        nothing = Descriptor(OCI_MANIFEST, hint.fingerprint, 0)
        yield Fault(nothing, "result", WRONG, "the file that it is found by can't be read")
        return
    top = Descriptor(OCI_MANIFEST, manifest, _size(archive, manifest))
    faults = list(_below(archive, states, top, platform, _DEPTH))
    yield from faults
    if not faults:
        try:
            read_result(archive, hint.fingerprint, manifest)
        except (ValueError, ArchiveError) as error:
            yield Fault(top, "result", WRONG, str(error))


def _of_statement(archive: Archive, states: States, mark: Mark, platform: Platform) -> Iterator[Fault]:
    top = Descriptor(OCI_MANIFEST, mark.manifest, _size(archive, mark.manifest))
    faults = list(_below(archive, states, top, platform, _DEPTH))
    yield from faults
    if not faults:
        try:
            read_kept(archive, mark)
        except (ValueError, ArchiveError) as error:
            yield Fault(top, "provenance", WRONG, str(error))


def _below(
    archive: Archive, states: States, blob: Descriptor, platform: Platform, depth: int, role: str = ""
) -> Iterator[Fault]:
    """The faults of `blob` and of all that it points at."""
    role = role or ("index" if blob.media_type in INDEXES else "manifest")
    if not is_there(archive, states, blob.digest):
        yield Fault(blob, role, MISSING, "is missing")
        return
    if states[blob.digest]:
        yield Fault(blob, role, DAMAGED, states[blob.digest])
        return
    size = _size(archive, blob.digest)
    if size != blob.size:
        yield Fault(blob, role, WRONG, f"has {size} bytes, what points at it says {blob.size}")
    elif role in ("index", "manifest"):
        yield from _below_manifest(archive, states, blob, platform, depth, role)
    elif role == "config" and (why := _config_fault(archive, blob)):
        yield Fault(blob, role, WRONG, why)


def _below_manifest(
    archive: Archive, states: States, blob: Descriptor, platform: Platform, depth: int, role: str
) -> Iterator[Fault]:
    if blob.media_type not in INDEXES | MANIFESTS:
        return  # another tool's own
    try:
        data = archive.read(blob, MAX_MANIFEST)
        found = parse_manifest(data, blob.media_type)
        if found.media_type != blob.media_type:
            raise ValueError(f"it says that it is {found.media_type}")
        if not depth:
            raise ValueError("indexes are nested too deeply")
    except (ValueError, ArchiveError) as error:
        yield Fault(blob, role, WRONG, f"isn't of the kind {blob.media_type}: {error}")
        return
    if isinstance(found, Index):
        for child in _kept(archive, states, found, platform):
            yield from _below(archive, states, child, platform, depth - 1)
        return
    image = found.config.media_type in CONFIGS and "artifactType" not in json.loads(data)
    for part, what in (
        (found.config, "config" if image else "file"),
        *((layer, "layer" if image else "file") for layer in found.layers),
    ):
        yield from _below(archive, states, part, platform, depth, what)


def _kept(archive: Archive, states: States, index: Index, platform: Platform) -> list[Descriptor]:
    """Those of an index's images that the archive has, or had: nobody needs those of all platforms."""
    aside = archive.path / SET_ASIDE
    kept = [
        child
        for child in index.manifests
        if is_there(archive, states, child.digest) or (aside / child.digest.hex).exists()
    ]
    if kept or not index.manifests:
        return kept
    suited = [child for child in index.manifests if child.platform == platform]
    return [*suited, *index.manifests][:1]


def _config_fault(archive: Archive, blob: Descriptor) -> str:
    try:
        read_config(archive.read(blob, MAX_CONFIG), blob.digest)
    except (ImageError, ArchiveError) as error:
        return error.reason
    return ""


def _size(archive: Archive, digest: Digest) -> int:
    try:
        return archive.size(digest)
    except ArchiveError:
        return 0
