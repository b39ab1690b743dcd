"""Images out of an engine's store into the archive. The same image has the same digest there, wherever and
whenever it is taken: its configuration is the engine's, and its layers are compressed anew."""

from __future__ import annotations

from collections.abc import Mapping

from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.engine.protocol import Engine
from buildbox.errors import ImageError, UsageError
from buildbox.recipes.exported import Exported, unpack
from buildbox.recipes.layers import Layer, add_layer, add_manifest
from buildbox.recipes.record import Built
from buildbox.recipes.workplace import Workplace, room, workplace
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef


def add(name: str, called: str | None, engine: Engine, shop: Workshop) -> Built:
    """Keeps the image that the engine knows by `name`, a tag or an id, as `called` (NAME:TAG; None: `name`).

    Raises UsageError where that makes no name; ImageError where the engine has no such image or gives it out
    in a way that isn't known; EngineError, ArchiveError.
    """
    if called is not None:
        name_for(name, called)  # what is wrong with it is the first thing to say
    image_id = engine.find_image(name)
    if image_id is None:
        raise ImageError(
            f"the engine at {engine.address} has no image {name}",
            "`docker image ls` tells what it has. What a registry has is kept without an engine:\n"
            "buildbox pin, then buildbox archive save",
        )
    image = name_for(name, called, image_id)
    return take_out(engine, image_id, image, shop, shop.archive, {}, {})


def name_for(name: str, called: str | None, image_id: str | None = None) -> ImageRef:
    """What the engine's image `name` is called in the archive; `latest` where no tag is given.

    Raises UsageError, also where `name` is the beginning of `image_id`.
    """
    if called is None and image_id is not None and image_id.startswith((name, f"sha256:{name}")):
        raise UsageError(f"{name} is an image's id, not its name", "Give it one: --as NAME:TAG")
    text = name if called is None else called
    try:
        ref = ImageRef.parse(text)
    except ValueError as error:
        raise UsageError(
            f"{text!r} can't be the name of an image: {error}", "Give one: --as NAME:TAG"
        ) from None
    if ref.digest is not None:
        raise UsageError(
            f"{text} has a digest, and an image that comes out of an engine gets one here",
            "Give a name without one: --as NAME:TAG",
        )
    return ref if ref.tag else ImageRef.parse(f"{text}:latest")


def take_out(
    engine: Engine,
    image_id: str,
    image: ImageRef,
    shop: Workshop,
    into: Archive,
    known: Mapping[Digest, Layer],
    annotations: Mapping[str, str],
) -> Built:
    """Brings the engine's image `image_id` into an archive, named `image`.

    `known` are layers, by diff id, that the workshop's archive has: those stay as they are.
    Raises ImageError, EngineError, ArchiveError.
    """
    with room(shop.temp, image.tagged), workplace(shop.temp, shop.host) as place:
        shop.progress.note("taking the image out of the engine")
        exported = unpack(engine.save(image_id), image_id, place.path)
        layers = _add_layers(exported, known, place, shop, into)
    return add_manifest(image, exported.platform, exported.config, layers, annotations, into)


def _add_layers(
    exported: Exported, known: Mapping[Digest, Layer], place: Workplace, shop: Workshop, into: Archive
) -> list[Layer]:
    done = dict(known)
    for layer in known.values():
        if layer.diff_id in exported.diff_ids and not into.claim(layer.blob.digest):
            with into.ingest(layer.blob.digest, layer.blob.size) as writer:
                for chunk in shop.archive.stream(layer.blob.digest):
                    writer.write(chunk)
    for diff_id, tar in zip(exported.diff_ids, exported.layers, strict=True):
        if diff_id not in done:
            shop.progress.note(f"compressing the layer {diff_id.short}")
            done[diff_id] = add_layer(tar, place, shop.tools, into)
    return [done[diff_id] for diff_id in exported.diff_ids]
