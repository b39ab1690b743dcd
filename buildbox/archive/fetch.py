"""From a registry into the archive. Blobs come first and what points at them last, so that a manifest in the
archive means that all below it is there, and a name that all of it was verified."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from buildbox.archive.images import (
    MAX_CONFIG,
    ArchivedImage,
    Unfit,
    check_platform,
    choose,
    find_image,
    full_name,
    is_attestation,
    read_config,
    read_manifest,
)
from buildbox.archive.layout import Archive
from buildbox.archive.partial import Partial, open_partial
from buildbox.archive.places import REMOTE, Place
from buildbox.archive.remote import read_kept_index
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import MAX_MANIFEST, Descriptor, Index, Manifest, Platform, parse_manifest
from buildbox.progress import Meter, Progress, Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Dropped, OtherBytes, Registry, other_bytes
from buildbox.registry.refusal import Absent
from buildbox.units import show_size

_WORKERS = 3  # layers at a time
_STALLS = 5  # drops in a row that bring less than _STEP, before giving up
_STEP = 1 << 20  # bytes
_PATIENCE = 1.0  # seconds for stopped threads to end


class Stopped(Exception):
    """Another layer failed, or the person has had enough."""


@dataclass(frozen=True)
class _Job:
    """One fetch: what its threads share."""

    archive: Archive
    registry: Registry
    repository: str
    progress: Progress
    check: bool  # hash what is here already, rather than trust its name
    stop: threading.Event

    def has(self, digest: Digest) -> bool:
        return self.archive.claim(digest) and (not self.check or self.archive.is_sound(digest))


@dataclass(frozen=True)
class Top:
    """What a pin names, in the very bytes that hash to it."""

    descriptor: Descriptor
    data: bytes
    document: Manifest | Index


def fetch(
    archive: Archive,
    registry: Registry,
    ref: ImageRef,
    platform: Platform,
    progress: Progress,
    *,
    check: bool = False,
    place: Place | None = None,
) -> ArchivedImage:
    """Brings the image of a pinned `ref` for `platform` into the archive and names it there.

    It comes from `place`, a repository of `registry`; None: from the one that `ref` names. What is there
    already isn't fetched again; with `check` only if it still hashes right. Raises ImageError, OtherBytes
    (nothing of those is kept), ArchiveError.
    """
    if ref.digest is None:
        raise ImageError(f"the image {ref} is not pinned", "Pin it: buildbox pin")
    place = place or Place("registry", ref.registry, ref.repository)
    top = fetch_top(archive, registry, place, ref.digest, check=check)
    entry = top.descriptor
    if isinstance(top.document, Index):
        entry = choose(top.document, platform, ref.digest)
    fetch_entry(archive, registry, place, ref, top, entry, progress, platform=platform, check=check)
    image = find_image(archive, ref.digest, platform)
    if image is None:
        raise ArchiveError(f"{ref} vanished from the archive while it was fetched", "Run the command again.")
    return image


def fetch_top(archive: Archive, registry: Registry, place: Place, pin: Digest, *, check: bool = False) -> Top:
    """What `pin` names, from the archive or else from `place`; it isn't kept yet. Raises as `fetch` does."""
    job = _Job(archive, registry, place.repository, Silent(), check, threading.Event())
    try:
        data = _document(job, pin)
    except Absent:
        kept = read_kept_index(registry, place.repository, pin) if place.kind == REMOTE else None
        if kept is None:
            raise
        data = kept
    document = read_manifest(data, pin)
    return Top(Descriptor(document.media_type, pin, len(data)), data, document)


def fetch_entry(
    archive: Archive,
    registry: Registry,
    place: Place,
    ref: ImageRef,
    top: Top,
    entry: Descriptor,
    progress: Progress,
    *,
    platform: Platform | None = None,
    check: bool = False,
) -> int:
    """Brings `entry`, one of those that `top` lists or `top` itself, into the archive, and names `top` there.

    `ref` is what pins it; with `platform` the image must be for that one. Gives the bytes of the blobs that
    weren't there. Raises as `fetch` does.
    """
    job = _Job(archive, registry, place.repository, progress, check, threading.Event())
    itself = entry.digest == top.descriptor.digest
    data = top.data if itself else _document(job, entry.digest)
    manifest = _read(data, entry, top)
    count = 0
    if not job.has(manifest.config.digest):
        _fetch_blob(job, manifest.config, ())  # a few kilobytes: no meter
        count = manifest.config.size
    if not is_attestation(entry):
        document = read_config(archive.read(manifest.config, MAX_CONFIG), manifest.config.digest)
        if platform:
            check_platform(document.platform, platform, entry.digest)
    count += _fetch_blobs(job, manifest.layers, ref.tagged)
    for each in (data,) if itself else (data, top.data):
        archive.add_bytes(each)
    archive.keep(top.descriptor, full_name(ref, top.descriptor.digest))
    return count


def _read(data: bytes, entry: Descriptor, top: Top) -> Manifest:
    if is_attestation(entry):
        try:
            manifest = parse_manifest(data, entry.media_type)
        except ValueError as error:
            raise Unfit(f"the attestation {entry.digest} can't be read: {error}") from None
    else:
        manifest = read_manifest(data, entry.digest)
    if isinstance(manifest, Index):
        raise Unfit(
            f"{entry.digest} in the index {top.descriptor.digest} is an index again, which no engine can run"
        )
    if manifest.config.size > MAX_CONFIG:
        raise Unfit(
            f"the configuration of image {entry.digest} has {manifest.config.size} bytes, "
            "far more than any real one"
        )
    return manifest


def fetch_blob(
    archive: Archive, registry: Registry, repository: str, blob: Descriptor, progress: Progress
) -> None:
    """Brings one blob that isn't a manifest into the archive, which lacks it. Raises as `fetch` does."""
    job = _Job(archive, registry, repository, progress, False, threading.Event())
    with progress.meter(f"fetching {blob.digest.short}", blob.size) as meter:
        _fetch_blob(job, blob, (meter,))


def _document(job: _Job, digest: Digest) -> bytes:
    """A manifest or index, from the archive or else the registry; not kept yet."""
    if job.has(digest):
        return job.archive.read(digest, MAX_MANIFEST)
    return job.registry.manifest(job.repository, digest).data


def _fetch_blobs(job: _Job, blobs: Sequence[Descriptor], label: str) -> int:
    """Fetches what is missing of `blobs`, several at a time; gives its bytes. Raises the first failure."""
    wanted = list({blob.digest: blob for blob in blobs if not job.has(blob.digest)}.values())
    if not wanted:
        return 0
    size = sum(blob.size for blob in wanted)
    layers = f"{len(wanted)} layer{'' if len(wanted) == 1 else 's'}"
    job.progress.note(f"fetching {label}: {layers}, {show_size(size)}")
    with job.progress.meter(f"fetching {label}", size) as total:
        _in_threads(job, wanted, total)
    return size


def _in_threads(job: _Job, wanted: Sequence[Descriptor], total: Meter) -> None:
    """Daemon threads rather than an executor: an interrupted process doesn't wait for a silent registry."""
    job = replace(job, stop=threading.Event())
    todo: queue.SimpleQueue[tuple[int, Descriptor]] = queue.SimpleQueue()
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
    for item in enumerate(wanted, 1):
        todo.put(item)

    def work() -> None:
        while not job.stop.is_set():
            try:
                number, blob = todo.get_nowait()
            except queue.Empty:
                return
            try:
                label = f"layer {number}/{len(wanted)} {blob.digest.short}"
                with job.progress.meter(label, blob.size) as meter:
                    _fetch_blob(job, blob, (meter, total))
                done.put(None)
            except BaseException as error:
                done.put(error)  # before the others can say that they were stopped
                job.stop.set()

    threads = [
        threading.Thread(target=work, name="buildbox-fetch", daemon=True)
        for _ in range(min(_WORKERS, len(wanted)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in wanted:
            error = done.get()
            if error is not None:
                raise error
    finally:
        job.stop.set()
        end = time.monotonic() + _PATIENCE
        for thread in threads:  # between two chunks they look whether to stop; one that hears nothing can't
            thread.join(max(0.0, end - time.monotonic()))


def _fetch_blob(job: _Job, blob: Descriptor, meters: Sequence[Meter]) -> None:
    with open_partial(job.archive, blob) as partial:
        if job.has(blob.digest):  # another process fetched it while we waited for the lock
            partial.restart()
            _advance(meters, blob.size)
            return
        resumed = partial.size > 0
        _advance(meters, partial.size)
        try:
            _receive(job, blob, partial, meters)
        except OtherBytes:
            partial.restart()  # what came before may be theirs, too
            raise
        if partial.finish():
            return
        partial.restart()
        if resumed:  # the fault may be in what was here from before: once more, from the start
            job.progress.note(f"the interrupted download of {blob.digest.short} was damaged; starting over")
            _receive(job, blob, partial, meters)
            if partial.finish():
                return
            partial.restart()
        raise other_bytes(job.registry.host, blob.digest, f"the {blob.size} bytes hash to something else")


def _receive(job: _Job, blob: Descriptor, partial: Partial, meters: Sequence[Meter]) -> None:
    """Appends what is missing to `partial`, over as many connections as it takes."""
    stalls = 0
    while partial.size < blob.size:
        begin = partial.size
        try:
            for chunk in job.registry.blob(job.repository, blob, begin):
                partial.write(chunk)
                _advance(meters, len(chunk))
                if job.stop.is_set():
                    raise Stopped
        except Dropped as error:
            stalls = 0 if partial.size - begin >= _STEP else stalls + 1
            if stalls > _STALLS:
                raise ImageError(
                    error.reason, "Run the command again: it goes on where it stopped."
                ) from error
            done = f"{show_size(partial.size)} of {show_size(blob.size)}"
            job.progress.note(f"{error.reason}; resuming {blob.digest.short} at {done}")
            if job.stop.wait(job.registry.pause * 2**stalls):
                raise Stopped from None


def _advance(meters: Sequence[Meter], amount: int) -> None:
    for meter in meters:
        meter.advance(amount)
