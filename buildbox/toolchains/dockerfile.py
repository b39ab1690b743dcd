"""Dockerfile recipes: built by the engine from pinned images, and kept as all other images are.

Such an image is not reproducible: what its instructions do is theirs. So its pin is what lasts, and the
archive's copy of it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from buildbox.archive.images import MAX_CONFIG, ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.comparing.finding import printable
from buildbox.digest import Digest
from buildbox.engine.protocol import BuildFailed, Engine
from buildbox.errors import ConfigError, ImageError
from buildbox.images import PlacesFor, RecipeFor, RegistryFor, obtain, own_place
from buildbox.oci import DOCKER_LAYER_GZIP, OCI_LAYER_GZIP, Descriptor
from buildbox.recipes.context import IGNORE, context_tar, read_ignore
from buildbox.recipes.dockerfile import Base, Dockerfile, read_dockerfile, takes_from_elsewhere
from buildbox.recipes.layers import Layer
from buildbox.recipes.record import Built
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef
from buildbox.sources import proxies
from buildbox.toolchains.taken import take_out

_OWN = ".buildbox.Dockerfile"  # in the context: the Dockerfile as it was judged
_TAIL = 20  # lines of a failed build's log that are shown
_STEP = "Step "  # begins the line that the classic builder prints for each instruction
_CHATTER = (" ---> ", "Removing intermediate container ")  # of the builder about itself
_COLOR = re.compile(r"\x1b\[[0-9;]*m")  # the builder paints stderr red


@dataclass(frozen=True)
class ByEngine:
    """The engine that builds, and where it may have the images from that a Dockerfile takes from."""

    engine: Engine
    registry_for: RegistryFor
    recipe_for: RecipeFor
    places_for: PlacesFor = own_place


def build_dockerfile(folder: Path, shop: Workshop, by: ByEngine) -> Built:
    """Makes the image of the Dockerfile recipe in `folder` and keeps it in the archive.

    What the engine has built before is taken as it is. Without a network where the workshop is offline.
    Raises ConfigError, NotPinned for the Dockerfile; ImageError where a base can't be had or an instruction
    fails; EngineError, ArchiveError.
    """
    return _build(folder, shop, by, shop.archive, cache=True)


def rebuild_dockerfile(folder: Path, shop: Workshop, by: ByEngine, into: Archive) -> Built:
    """The same, with every instruction run again, into another archive; the engine keeps nothing of it."""
    return _build(folder, shop, by, into, cache=False)


def _build(folder: Path, shop: Workshop, by: ByEngine, into: Archive, cache: bool) -> Built:
    image = _image_name(folder)
    dockerfile = read_dockerfile(folder)
    engine = by.engine
    bases = _obtain_bases(dockerfile, shop, by)
    names = {base: image_id.removeprefix("sha256:") for base, (_, image_id) in bases.items()}
    ids = _run(folder, dockerfile, names, shop, engine, cache)
    try:
        known = _known_layers([found for found, _ in bases.values()], shop.archive)
        return take_out(engine, ids[-1], image, shop, into, known, _annotations(folder))
    finally:
        if not cache:
            taken = {image_id for _, image_id in bases.values()}
            for image_id in reversed([each for each in dict.fromkeys(ids) if each not in taken]):
                engine.drop_image(image_id)


def _image_name(folder: Path) -> ImageRef:
    name, version = folder.parent.name, folder.name
    try:
        return ImageRef.parse(f"buildbox/{name}:{version}")
    except ValueError as error:
        raise ConfigError(f"the folder's name {name}/{version} makes no image name: {error}") from None


def _annotations(folder: Path) -> dict[str, str]:
    """What the manifest says (annotations.md, and our own): the configuration is the engine's, and stays."""
    return {
        "org.opencontainers.image.title": folder.parent.name,
        "org.opencontainers.image.version": folder.name,
        "buildbox.recipe": f"{folder.parent.name}/{folder.name}",
    }


def _obtain_bases(
    dockerfile: Dockerfile, shop: Workshop, by: ByEngine
) -> dict[Base, tuple[ArchivedImage, str]]:
    """Each base, and the id by which the engine has it now."""
    platform = by.engine.platform()
    found = {}
    for base in dockerfile.bases:
        image, image_id = obtain(
            shop.archive,
            by.engine,
            base.image,
            base.platform or platform,
            offline=shop.offline,
            registry_for=by.registry_for,
            places_for=by.places_for,
            recipe_for=by.recipe_for,
            progress=shop.progress,
        )
        settings = _config(image, shop.archive).get("config") or {}
        for trigger in settings.get("OnBuild") or ():
            if takes_from_elsewhere(str(trigger)):
                raise ImageError(
                    f"the image {base.image} has an instruction for builds that takes from another image: "
                    f"ONBUILD {printable(str(trigger))}",
                    "Take from an image without it: what it names isn't pinned in the Dockerfile.",
                )
        found[base] = (image, image_id)
    return found


def _run(
    folder: Path,
    dockerfile: Dockerfile,
    names: Mapping[Base, str],
    shop: Workshop,
    engine: Engine,
    cache: bool,
) -> tuple[str, ...]:
    """The ids of the stages' images that the engine has built."""
    from buildbox.engine.docker import unignored

    # The second keeps both out of the image, as `docker build` does it with a Dockerfile from elsewhere.
    own = {_OWN: dockerfile.text(names).encode(), IGNORE: f"{IGNORE}\n{_OWN}\n".encode()}
    paths = unignored(folder, read_ignore(folder), _OWN)
    tail: deque[str] = deque(maxlen=_TAIL)

    def log(line: str) -> None:
        line = printable(_COLOR.sub("", line).rstrip().rpartition("\r")[2])
        if line.startswith(_STEP):  # with the names that the Dockerfile has
            line = reduce(lambda text, base: text.replace(names[base], str(base.image)), names, line)
        if line and not line.startswith(_CHATTER):
            tail.append(line)
        (shop.progress.note if line.startswith(_STEP) else shop.progress.detail)(line)

    try:
        return engine.build(
            context_tar(folder, paths, own),
            _OWN,
            log,
            args=proxies(shop.host.env),
            cache=cache,
            network="none" if shop.offline else "",
        )
    except BuildFailed as error:
        lines = [f"  {line}" for line in tail]
        hint = "\n".join(["The end of its log:", *lines] if lines else [])
        raise ImageError(f"{folder} can't be built: {error.reason}", hint) from None


def _known_layers(bases: list[ArchivedImage], archive: Archive) -> dict[Digest, Layer]:
    """The bases' own layers, by diff id: an image that is built on them has them as they are."""
    found: dict[Digest, Layer] = {}
    for image in bases:
        diff_ids = _config(image, archive)["rootfs"]["diff_ids"]
        for text, blob in zip(diff_ids, image.layers, strict=False):
            if blob.media_type in (OCI_LAYER_GZIP, DOCKER_LAYER_GZIP) and archive.is_sound(blob.digest):
                diff_id = Digest.parse(text)
                found[diff_id] = Layer(Descriptor(OCI_LAYER_GZIP, blob.digest, blob.size), diff_id)
    return found


def _config(image: ArchivedImage, archive: Archive) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(archive.read(image.config, MAX_CONFIG))
    return value
