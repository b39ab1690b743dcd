"""From the archive to the remote archive (remote.py): every manifest tagged, layers taken over from other
repositories of the same registry rather than sent again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from buildbox.archive.images import attested, is_attestation, read_manifest
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.push import Pushed, contents, push_content, push_top
from buildbox.archive.remote import EMPTY, Held, index_tag, kept_index, remote_ref, retention_tag
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import MAX_MANIFEST, OCI_MANIFEST, Descriptor, Index
from buildbox.progress import Progress
from buildbox.reference import ImageRef
from buildbox.registry.client import OtherBytes, Registry
from buildbox.registry.push import has_blob, mount_blob, push_blob, push_tag

_ASKED = 4  # repositories, for one blob


@dataclass(frozen=True)
class Deposited:
    """A pinned image that the remote archive has now."""

    place: ImageRef  # what the remote archive calls it
    platforms: tuple[str, ...]  # of an index: those that were pushed
    missing: tuple[str, ...]  # of an index: those that the archive here lacks
    refused: str  # why the registry didn't take the index without those: it is kept as an artifact then
    pushed: Pushed


@dataclass
class Neighbours:
    """The repositories of the remote's registry that blobs can be mounted from; lives for one push."""

    archive: Archive
    registry: Registry
    remote: str
    _sure: dict[Digest, str] = field(default_factory=dict)  # where this push has put it, or found it
    _likely: dict[Digest, list[str]] | None = None  # where images with it would be
    _unwilling: set[str] = field(default_factory=set)  # from there the registry mounts nothing

    def learn(self, repository: str, top: Descriptor) -> None:
        """All that `top` points at is in `repository` now."""
        for blob in contents(self.archive, top)[1]:
            self._sure.setdefault(blob.digest, repository)

    def mount(self, blob: Descriptor, repository: str) -> bool:
        """See archive.push.Mount."""
        source = self._find(blob, repository)
        if source is None or source in self._unwilling:
            return False
        if mount_blob(self.registry, repository, blob, source):
            return True
        self._unwilling.add(source)
        return False

    def _find(self, blob: Descriptor, repository: str) -> str | None:
        """A repository that has the blob. Few are likely, and asked; those that we can't read don't count."""
        if blob.digest in self._sure:
            return self._sure[blob.digest]
        if self._likely is None:
            self._likely = _likely_places(self.archive, self.registry.host, self.remote)
        for place in self._likely.get(blob.digest, ())[:_ASKED]:
            try:
                if place in self._unwilling or place == repository:
                    continue
                if has_blob(self.registry, place, blob, push=False):
                    return place
            except ImageError:
                continue
        return None


def deposit(
    image: Held, ref: ImageRef, registry: Registry, neighbours: Neighbours, progress: Progress
) -> Deposited:
    """Brings what the archive has of the pinned `ref` to the remote archive of `neighbours`.

    Each manifest is tagged as soon as it is there, the index last. Raises ImageError, OtherBytes;
    BlobMissing, BlobDamaged.
    """
    archive, place = neighbours.archive, remote_ref(neighbours.remote, ref)
    repository, pushed = place.repository, Pushed(0, 0)
    tops = image.children if isinstance(image.document, Index) else (image.top,)
    for top in tops:
        pushed += push_content(archive, registry, repository, top, progress, neighbours.mount)
        pushed += _tag(archive, registry, repository, top)
        neighbours.learn(repository, top)
    refused = ""
    if isinstance(image.document, Index):
        try:
            pushed += _tag(archive, registry, repository, image.top)
        except OtherBytes:
            raise
        except ImageError as error:
            if not image.missing:
                raise
            refused = error.reason
            pushed += _keep_bytes(archive, registry, repository, image.top, progress)
    return Deposited(
        place,
        tuple(_name(top, image) for top in image.children),
        tuple(_name(top, image) for top in image.missing),
        refused,
        pushed,
    )


def _tag(archive: Archive, registry: Registry, repository: str, top: Descriptor) -> Pushed:
    """Gives `top` the tag that holds it. One that meant something else wasn't ours to keep: it moves."""
    return push_top(archive, registry, repository, top, retention_tag(top.digest), move=True)


def _keep_bytes(
    archive: Archive, registry: Registry, repository: str, index: Descriptor, progress: Progress
) -> Pushed:
    """Has the registry keep the bytes of an index that it doesn't take, as the layer of an artifact."""
    data = archive.read(index, MAX_MANIFEST)
    pushed = Pushed(0, 0)
    for content in (EMPTY, data):
        blob = Descriptor("", Digest.of(content), len(content))
        if has_blob(registry, repository, blob):
            pushed += Pushed(0, blob.size)
            continue
        push_blob(
            registry,
            repository,
            blob,
            lambda content=content: [content],  # type: ignore[misc]
            lambda amount: None,
            progress.note,
        )
        pushed += Pushed(blob.size, 0)
    manifest = kept_index(index.digest, len(data))
    if push_tag(registry, repository, index_tag(index.digest), manifest, OCI_MANIFEST, move=True):
        return pushed + Pushed(len(manifest), 0)
    return pushed + Pushed(0, len(manifest))


def _name(entry: Descriptor, image: Held) -> str:
    """What people call an entry of an index."""
    if is_attestation(entry):
        about = attested(entry)
        subjects = [each for each in (*image.children, *image.missing) if str(each.digest) == about]
        return f"attestation of {_name(subjects[0], image) if subjects else about}"
    return str(entry.platform or entry.digest)


def _likely_places(archive: Archive, host: str, remote: str) -> dict[Digest, list[str]]:
    """By blob: the repositories at `host` in which images that the archive has, by name, are or would be."""
    found: dict[Digest, list[str]] = {}
    for name, top in archive.refs():
        try:
            ref = ImageRef.parse(name)
            own = [ref.repository] if ref.registry == host else []
            places = [*own, remote_ref(remote, ref).repository]
            digests = list(_blobs(archive, top))
        except (ValueError, ImageError, ArchiveError):
            continue  # another tool's entry, or one that has no place there
        for digest in digests:
            known = found.setdefault(digest, [])
            known += [place for place in places if place not in known]
    return found


def _blobs(archive: Archive, top: Descriptor) -> Iterator[Digest]:
    """All blobs below `top` that manifests in the archive tell of."""
    try:
        document = read_manifest(archive.read(top, MAX_MANIFEST), top.digest, top.media_type)
    except (BlobMissing, BlobDamaged):
        return
    if isinstance(document, Index):
        for child in document.manifests:
            yield from _blobs(archive, child)
        return
    yield from (document.config.digest, *(layer.digest for layer in document.layers))
