"""A lock's packages, each checked against its sha256: the archive's own copies, then any mirror.

What came from a mirror is kept in the archive as an OCI artifact (image-spec 1.1, manifest.md, section
"Guidelines for Artifact Usage"), so that the next build needs no mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import OCI_MANIFEST, Descriptor, canonical
from buildbox.recipes import apt
from buildbox.recipes.kept import copy_out, take_in
from buildbox.recipes.lock import Lock, Package
from buildbox.recipes.wheels import descriptors
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef
from buildbox.units import show_size

ARTIFACT = "application/vnd.buildbox.packages.v1"  # artifactType of a lock's packages
DEBIAN_PACKAGE = "application/vnd.debian.binary-package"  # registered with IANA
_EMPTY = "application/vnd.oci.empty.v1+json"
_SHOWN = 5  # lines of a mirror's complaints that a message repeats


def gather(
    lock: Lock,
    folder: Path,
    place: Workplace,
    shop: Workshop,
) -> list[Path]:
    """Puts the lock's packages into `folder`, which is in `place`: from the archive, else from mirrors.

    Raises ImageError naming what can't be had and all that was tried.
    """
    missing = [package for package in lock.packages if not copy_out(package, shop.archive, folder)]
    if missing:
        size = show_size(sum(package.size for package in missing))
        shop.progress.note(
            f"packages not in the archive yet: {len(missing)} of {len(lock.packages)} ({size})"
        )
        _fetch(missing, lock.suite, folder, place, shop)
    return [folder / package.file for package in lock.packages]


def keep(lock: Lock, image: ImageRef, archive: Archive) -> Digest:
    """Names the lock's packages and wheels, all of them in the archive, so that they are no garbage there."""
    empty = archive.add_bytes(b"{}")
    layers = [
        Descriptor(
            DEBIAN_PACKAGE,
            package.digest,
            package.size,
            annotations={"org.opencontainers.image.title": package.file},
        )
        for package in lock.packages
    ]
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": ARTIFACT,
            "config": Descriptor(_EMPTY, empty, 2).to_json(),
            "layers": [layer.to_json() for layer in (*layers, *descriptors(lock.wheels))],
            "annotations": {"buildbox.lock.checksum": str(lock.checksum)},
        }
    )
    digest = archive.add_bytes(manifest)
    name = full_name(ImageRef.parse(f"{image.tagged}-packages"), digest)
    archive.keep(Descriptor(OCI_MANIFEST, digest, len(manifest)), name)
    return digest


def _fetch(
    missing: Sequence[Package],
    suite: str,
    folder: Path,
    place: Workplace,
    shop: Workshop,
) -> None:
    tried = [f"the archive at {shop.archive.path}: doesn't have it"]
    addresses = [] if shop.offline else apt.mirrors(suite, shop)
    if shop.offline:
        tried.append("mirrors: not asked (--offline)")
    elif not addresses:
        tried.append("mirrors: this machine's apt is set up with none")
    for address in addresses:
        total = sum(package.size for package in missing)
        with shop.progress.meter("fetching packages", total) as meter:
            complaints = apt.download(missing, address, folder, place, shop.tools, meter)
        missing = [package for package in missing if not take_in(package, shop.archive, folder)]
        if not missing:
            return
        tried.append(f"{address}:")
        tried.extend(f"  {line}" for line in complaints[:_SHOWN])
    names = ", ".join(str(package) for package in missing[:_SHOWN])
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    raise ImageError(
        f"packages of the lock can't be had: {names}{more}",
        "\n".join(
            ["Tried:", *(f"  {line}" for line in tried), "Add a mirror that has them to this machine's apt."]
        ),
    )
