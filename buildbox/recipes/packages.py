"""A lock's packages, each checked against its sha256: the archive's own copies, then any mirror, then the
snapshot service that the recipe names. Whatever has come is kept in the archive: the next build needs nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import Descriptor
from buildbox.recipes import apt
from buildbox.recipes.kept import copy_out, keep_listed, listed, take_in
from buildbox.recipes.lock import Lock, Package
from buildbox.recipes.snapshot import Snapshot
from buildbox.recipes.wheels import descriptors
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef
from buildbox.units import show_size

DEBIAN_PACKAGE = "application/vnd.debian.binary-package"  # registered with IANA
_SHOWN = 5  # lines of a mirror's complaints that a message repeats


def gather(
    lock: Lock, folder: Path, place: Workplace, shop: Workshop, snapshot: Snapshot | None = None
) -> list[Path]:
    """Puts the lock's packages into `folder`, which is in `place`.

    Raises ImageError naming what can't be had and all that was tried.
    """
    among = listed(shop.archive)
    missing = [package for package in lock.packages if not copy_out(package, among, shop.archive, folder)]
    if missing:
        count = f"{len(missing)} of {len(lock.packages)}"
        size = show_size(sum(package.size for package in missing))
        shop.progress.note(f"packages not in the archive yet: {count} ({size})")
        _fetch(missing, lock.suite, folder, place, shop, snapshot)
    return [folder / package.file for package in lock.packages]


def keep(lock: Lock, image: ImageRef, archive: Archive) -> Digest:
    """Lists the lock's packages and wheels, all of them in the archive, so that they stay there."""
    return keep_listed(contents(lock), list_name(image), lock.checksum, archive)


def contents(lock: Lock) -> list[Descriptor]:
    """The lock's packages and wheels, as the list of them has them."""
    debs = [
        Descriptor(
            DEBIAN_PACKAGE,
            package.digest,
            package.size,
            annotations={"org.opencontainers.image.title": package.file},
        )
        for package in lock.packages
    ]
    return [*debs, *descriptors(lock.wheels)]


def list_name(image: ImageRef) -> ImageRef:
    """What the list of an image's packages is called."""
    return ImageRef.parse(f"{image.tagged}-packages")


def _fetch(
    missing: Sequence[Package],
    suite: str,
    folder: Path,
    place: Workplace,
    shop: Workshop,
    snapshot: Snapshot | None,
) -> None:
    tried = [f"the archive at {shop.archive.path}: doesn't have it"]
    for address in _places(suite, shop, snapshot, tried):
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
        f"packages of the lock can't be had: {names}{more}", "\n".join(_what_to_do(tried, shop, snapshot))
    )


def _places(suite: str, shop: Workshop, snapshot: Snapshot | None, tried: list[str]) -> Iterator[str]:
    """The addresses to ask, one after the other; `tried` hears of those that aren't asked."""
    if shop.offline:
        tried.append("mirrors: not asked (--offline)")
        return
    addresses = apt.mirrors(suite, shop)
    if not addresses:
        tried.append("mirrors: this machine's apt is set up with none, and neither is config.toml")
    yield from addresses
    if snapshot is None:
        tried.append("snapshot service: the recipe names none")
    elif snapshot.refused:
        tried.append(f"{snapshot.address}: not asked, for this project isn't allowed it")
    else:
        yield snapshot.address


def _what_to_do(tried: Sequence[str], shop: Workshop, snapshot: Snapshot | None) -> Iterator[str]:
    yield "Tried:"
    yield from (f"  {line}" for line in tried)
    yield (
        "Add a mirror that has them to this machine's apt, or to `mirrors` under [images] in "
        f"{shop.host.user_config}."
    )
    if snapshot and snapshot.refused and not shop.offline:
        yield f"The recipe names a snapshot service, {snapshot.address}. {snapshot.refused}"
