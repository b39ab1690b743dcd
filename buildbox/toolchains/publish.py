"""Publishing a recipe's image: out of the archive into a registry, byte for byte, under a tag that never
moves (`3.11-0123456789ab`) and one that means the newest (`3.11`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.images import MAX_CONFIG, find_tagged, full_name
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.push import Pushed, claim_contents, contents, push_content, push_top
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError, UsageError
from buildbox.host import Host
from buildbox.oci import MAX_MANIFEST, Descriptor, Index, parse_manifest
from buildbox.progress import Progress
from buildbox.recipes.lock import read_lock
from buildbox.recipes.recipe import RECIPE, Recipe, read_recipe
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.registry.push import tag_digest, tag_taken
from buildbox.registry.refusal import TagFixed
from buildbox.toolchains.smoke import OpenSession, need_smoke, run_smoke

LOCK_LABEL = "buildbox.lock.checksum"  # of recipes/image.py


@dataclass(frozen=True)
class Published:
    """An image that is in a registry now."""

    pin: ImageRef  # REGISTRY/PATH/NAME:VERSION@DIGEST
    tags: tuple[str, ...]  # the one that never moves, then the one that does
    pushed: Pushed


@dataclass(frozen=True)
class Ready:
    """An image in the archive that may be published."""

    name: str  # of its recipe, NAME/VERSION
    recipe: Recipe | None  # None: a Dockerfile's
    pin: ImageRef  # buildbox/NAME:VERSION@DIGEST
    top: Descriptor


def find_ready(folder: Path, archive: Archive) -> Ready:
    """The newest image that the archive has of the lock of the recipe in `folder`; of a Dockerfile, which has
    no lock, the newest of its name. Raises ConfigError; ImageError where it isn't built.
    """
    name = "/".join(folder.parts[-2:])
    if (folder / RECIPE).is_file():
        recipe = read_recipe(folder)
        top = newest_image(archive, name, recipe.image, read_lock(folder, recipe).checksum)
        return Ready(name, recipe, recipe.image.pinned(top.digest), top)
    image = ImageRef.parse(f"buildbox/{folder.parent.name}:{folder.name}")
    top = newest_image(archive, name, image, None)
    return Ready(name, None, image.pinned(top.digest), top)


def try_out(ready: Ready, temp: Path, host: Host, open_session: OpenSession, progress: Progress) -> None:
    """Runs the recipe's smoke checks in the image.

    Raises SmokeFailed with the log, SmokeStopped, EngineError, ArchiveError.
    """
    if ready.recipe and ready.recipe.smoke:
        with _advised(ready):
            found = run_smoke(ready.recipe, ready.pin, temp, host, open_session, progress)
        need_smoke(ready.recipe, found)
        progress.note(f"{ready.name} passes its {len(found)} smoke check{'' if len(found) == 1 else 's'}")


def target(prefix: str, image: ImageRef) -> ImageRef:
    """What the `image` of a recipe (buildbox/NAME:VERSION) is called below `prefix`, a registry and a path.

    Raises UsageError where that makes no image's name.
    """
    name = image.repository.rpartition("/")[2]
    base = prefix.removesuffix("/")
    try:
        if "@" in base or ("/" in base and ":" in base.rpartition("/")[2]):
            raise ValueError(f"{prefix!r} has a tag or a digest, which follow from the image")
        return ImageRef.parse(f"{base}/{name}:{image.tag}")
    except ValueError as error:
        raise UsageError(
            f"can't publish to {prefix!r}: {error}",
            "Name a registry and a path in it, e.g. --to registry.example.com/toolchains",
        ) from None


def fixed_tag(version: str, digest: Digest) -> str:
    """The tag that never moves. Raises UsageError where that is too long for a tag."""
    tag = f"{version}-{digest.short}"
    if len(tag) > 128:  # distribution-spec, section "Pulling manifests"
        raise UsageError(f"the version {version} is too long to publish: its tag would be {tag}")
    return tag


def newest_image(archive: Archive, recipe: str, image: ImageRef, lock: Digest | None) -> Descriptor:
    """The newest image that the archive keeps under the name of `recipe`'s `image` and that was made from the
    lock with this checksum (None: from any), all there.

    Raises ImageError where there is none.
    """
    named = list(find_tagged(archive, image))
    for top in named:
        try:
            if lock is None or str(lock) in _labels(archive, top, LOCK_LABEL):
                contents(archive, top)
                return top
        except (BlobMissing, BlobDamaged, ValueError, AttributeError):
            continue  # as if it weren't there: it is built again
    why = "the archive has no image of its current lock" if named else "its image isn't in the archive"
    raise ImageError(
        f"recipe {recipe} can't be published: {why}", f"Build it first: buildbox images build {recipe}"
    )


def publish(
    archive: Archive, registry: Registry, ready: Ready, ref: ImageRef, progress: Progress
) -> Published:
    """Pushes the image as `ref` (see `target`), reads it back, and keeps it in the archive as that, too.

    The tag that moves does so last. Raises TagTaken before anything is sent; ImageError, OtherBytes,
    ArchiveError.
    """
    top, version = ready.top, ref.tag or ""
    fixed = fixed_tag(version, top.digest)
    with _advised(ready):
        claim_contents(archive, top)  # it gets another name at the end
    before = tag_digest(registry, ref.repository, fixed)
    if before is not None and before != top.digest:
        raise tag_taken(registry, ref.repository, fixed, before)
    with _advised(ready):
        pushed = push_content(archive, registry, ref.repository, top, progress)
        pushed += push_top(archive, registry, ref.repository, top, fixed, move=False)
        try:
            moved = push_top(archive, registry, ref.repository, top, version, move=True)
        except TagFixed as error:
            hint = f"{error.hint}\nThe image is there, pin it as {ref.name}:{fixed}@{top.digest}"
            raise TagFixed(error.reason, hint) from error
    progress.note(f"{ref.tagged} {'means it now' if moved.sent else 'meant it already'}")
    pin = ref.pinned(top.digest)
    archive.keep(top, full_name(pin, top.digest))
    return Published(pin, (fixed, version), pushed + moved)


@contextmanager
def _advised(ready: Ready) -> Iterator[None]:
    """Says of blobs that the archive has lost how to get them back: no registry has them yet."""
    try:
        yield
    except (BlobMissing, BlobDamaged) as error:
        raise ArchiveError(error.reason, f"Build it again: buildbox images build {ready.name}") from error


def _labels(archive: Archive, top: Descriptor, label: str) -> set[str]:
    """What the configurations of `top`, for one platform or several, say under `label`."""
    found = set()
    for config in _configs(archive, top):
        labels = (json.loads(archive.read(config, MAX_CONFIG)).get("config") or {}).get("Labels") or {}
        found.add(str(labels.get(label, "")))
    return found


def _configs(archive: Archive, top: Descriptor) -> Iterator[Descriptor]:
    document = parse_manifest(archive.read(top, MAX_MANIFEST), top.media_type)
    if isinstance(document, Index):
        for entry in document.manifests:
            yield from _configs(archive, entry)
    else:
        yield document.config
