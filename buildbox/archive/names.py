"""The names that an archive keeps things by, also where its list of them, index.json, is damaged: entries
that can still be read count, and every image that none of them names gets a name of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildbox.archive import files
from buildbox.archive.hashing import States
from buildbox.archive.layout import MAX_INDEX, REF_NAME, Archive
from buildbox.archive.result_form import is_result
from buildbox.archive.statement_form import is_statement
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.oci import MAX_MANIFEST, OCI_INDEX, Descriptor, Index, canonical, parse_manifest

RECOVERED = "recovered.invalid/image"  # RFC 2606: no registry is ever called so


@dataclass(frozen=True)
class Names:
    """What is kept by which name, oldest first."""

    entries: tuple[tuple[str, Descriptor], ...]
    fault: str  # why index.json couldn't be read, "" where it could


def read_names(archive: Archive, states: States) -> Names:
    """The names of `archive`; where index.json is damaged or gone, those that `rebuild` would write.

    `states` tells which blobs are there and sound.
    """
    try:
        refs = archive.refs()
        if refs or not states or (archive.path / "index.json").exists():
            return Names(refs, "")
        fault = f"the archive's list of names is gone: {archive.path / 'index.json'}"
    except ArchiveError as error:
        fault = error.reason
    named = [(_name(entry), Descriptor.from_json(entry)) for entry in _entries(archive, states, ())]
    return Names(tuple((name, top) for name, top in named if name), fault)


def rebuild(archive: Archive, states: States, known: Iterable[str], aside: Path) -> int:
    """Writes index.json anew, if it is still damaged; the damaged one is moved into `aside`.

    `known` are names that images may have (REGISTRY/REPOSITORY:TAG@DIGEST), as projects pin them. Gives how
    many names there are now. Raises ArchiveError.
    """
    path = archive.path / "index.json"
    with files.locked(archive.path / "lock"):
        if read_names(archive, states).fault:
            index = {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": list(_entries(archive, states, known)),
            }
            with files.explained(path):
                aside.mkdir(exist_ok=True)
                if path.exists():
                    path.replace(aside / path.name)
            files.put(canonical(index), path, archive.path / "ingest")
    return len(archive.refs())


def _entries(archive: Archive, states: States, known: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The entries of a new index.json."""
    old = list(_readable(_text(archive)))
    tops = dict(_tops(archive, states))
    covered = {str(entry["digest"]) for entry in old if _name(entry)}
    names = {name.rpartition("@")[2]: name for name in known}
    for digest, top in tops.items():
        if str(digest) not in covered:
            name = names.get(str(digest), f"{RECOVERED}@{digest}")
            yield {**top.to_json(), "annotations": {REF_NAME: name}}
    yield from old


def _text(archive: Archive) -> str:
    try:
        with open(archive.path / "index.json", "rb") as file:
            return file.read(MAX_INDEX).decode(errors="replace")
    except OSError:
        return ""


def _readable(text: str) -> Iterator[dict[str, Any]]:
    """Every entry that can still be read in an index.json: one wrong bit spoils one of them."""
    decoder = json.JSONDecoder()
    at = -1
    while (at := text.find("{", at + 1)) >= 0:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        if _is_entry(value):
            yield value
            at = end - 1


def _is_entry(value: Any) -> bool:
    try:
        descriptor = Descriptor.from_json(value)
    except ValueError:
        return False
    name = _name(value)
    return "\ufffd" not in name and ("@" not in name or name.endswith(f"@{descriptor.digest}"))


def _name(entry: Mapping[str, Any]) -> str:
    return str((entry.get("annotations") or {}).get(REF_NAME) or "")


def _tops(archive: Archive, states: States) -> Iterator[tuple[Digest, Descriptor]]:
    """The manifests and indexes that no other one has in it."""
    found: dict[Digest, Descriptor] = {}
    inner: set[Digest] = set()
    for digest, how in states.items():
        if how or archive.size(digest) > MAX_MANIFEST:
            continue
        with open(archive.blob_path(digest), "rb") as file:
            if file.read(1) != b"{":
                continue
        data = archive.read(digest, MAX_MANIFEST)
        try:
            document = parse_manifest(data)
        except ValueError:
            continue
        if is_result(data) or is_statement(data):
            continue  # found by their fingerprints
        found[digest] = Descriptor(document.media_type, digest, len(data))
        if isinstance(document, Index):
            inner.update(child.digest for child in document.manifests)
    return ((digest, top) for digest, top in sorted(found.items()) if digest not in inner)
