"""How a rebuilt image differs from the pinned one: in its files, in what it says of itself, or only in how
its layers are compressed. By digests alone as far as they tell, then by the images themselves.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO, Any, cast

from buildbox.archive.chunks import ChunkFile
from buildbox.archive.images import MAX_CONFIG, ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.comparing.finding import printable
from buildbox.errors import ImageError
from buildbox.oci import DOCKER_LAYER_GZIP, MAX_MANIFEST, OCI_LAYER_GZIP, Descriptor, canonical
from buildbox.recipes.record import Built
from buildbox.toolchains.difference import SHOWN, Difference, compare_tars

IDENTICAL = "identical"
INDEX = "index"  # the same image, in another index
COMPRESSION = "compression"  # other bytes, that unpack to the same files
CONFIGURATION = "configuration"  # the same files, but the image says other things of itself
CONTENTS = "contents"  # other files
_WIDTH = 120  # characters of a value that are shown


@dataclass(frozen=True)
class LayerDifference:
    """A layer that isn't the same."""

    number: int  # 1 is the lowest
    difference: Difference


@dataclass(frozen=True)
class Comparison:
    """What a rebuilt image has come to."""

    kind: str
    layers: tuple[LayerDifference, ...] = ()
    fields: tuple[str, ...] = ()  # of configuration, manifest or index

    @property
    def identical(self) -> bool:
        """Whether it is the pinned image, byte for byte."""
        return self.kind == IDENTICAL

    def lines(self) -> list[str]:
        """The details, for people; nothing where none are known."""
        found = []
        for layer in self.layers:
            difference = layer.difference
            paths = f"{difference.count} path{'' if difference.count == 1 else 's'} differ"
            paths += "s" if difference.count == 1 else ""
            found.append(f"layer {layer.number}: {difference.note or paths}")
            found += [f"  {file.path}: {'; '.join(file.how)}" for file in difference.files]
            if difference.count > len(difference.files):
                found.append(f"  and {difference.count - len(difference.files)} more")
        return [*found, *self.fields]


def judge(recorded: Built, rebuilt: Built) -> str:
    """In what they differ at most, as far as digests tell: IDENTICAL, INDEX, ... CONTENTS."""
    if recorded.pin.digest == rebuilt.pin.digest:
        return IDENTICAL
    if recorded.manifest == rebuilt.manifest:
        return INDEX
    if recorded.diff_ids != rebuilt.diff_ids:
        return CONTENTS
    return COMPRESSION if recorded.config == rebuilt.config else CONFIGURATION


def compare_images(
    pinned: ArchivedImage, pinned_in: Archive, rebuilt: ArchivedImage, rebuilt_in: Archive, shown: int = SHOWN
) -> Comparison:
    """What differs between two images, whole in their archives: of each layer the first `shown` paths.

    Raises ArchiveError where one isn't whole.
    """
    if pinned.manifest.digest == rebuilt.manifest.digest:
        fields = _other_fields("index", _index(pinned, pinned_in), _index(rebuilt, rebuilt_in))
        return Comparison(INDEX if pinned.index != rebuilt.index else IDENTICAL, fields=fields)
    before, after = _config(pinned, pinned_in), _config(rebuilt, rebuilt_in)
    fields = (
        *_other_fields("configuration", _own(before), _own(after)),
        *_other_fields("manifest", _manifest(pinned, pinned_in), _manifest(rebuilt, rebuilt_in)),
    )
    old_ids, new_ids = _diff_ids(before), _diff_ids(after)
    if old_ids != new_ids:
        layers = []
        pairs = zip_longest(
            zip(old_ids, pinned.layers, strict=False), zip(new_ids, rebuilt.layers, strict=False)
        )
        for number, (old, new) in enumerate(pairs, 1):
            if old is None or new is None:
                where = "rebuilt" if old is None else "pinned"
                layers.append(LayerDifference(number, Difference(0, (), f"only the {where} image has it")))
            elif old[0] != new[0]:
                difference = _compare_layers(pinned_in, old[1], rebuilt_in, new[1], shown)
                layers.append(LayerDifference(number, difference))
        return Comparison(CONTENTS, tuple(layers), fields)
    compressed = tuple(
        LayerDifference(number, Difference(0, (), f"{new.size} bytes instead of {old.size}, compressed"))
        for number, (old, new) in enumerate(zip(pinned.layers, rebuilt.layers, strict=False), 1)
        if old.digest != new.digest
    )
    return Comparison(CONFIGURATION if fields else COMPRESSION, compressed, fields)


def _compare_layers(
    pinned_in: Archive, pinned: Descriptor, rebuilt_in: Archive, rebuilt: Descriptor, shown: int
) -> Difference:
    try:
        return compare_tars(lambda: _opened(pinned_in, pinned), lambda: _opened(rebuilt_in, rebuilt), shown)
    except ImageError as error:
        return Difference(0, (), f"its files can't be compared: {error.reason}")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        return Difference(0, (), f"its files can't be compared: not a good tar: {error}")


@contextmanager
def _opened(archive: Archive, layer: Descriptor) -> Iterator[IO[bytes]]:
    """The layer's tar (layer.md, section "+gzip Media Types"). Raises ImageError for other compressions."""
    chunks = archive.stream(layer.digest)
    stream = io.BufferedReader(ChunkFile(chunks))
    if layer.media_type in (OCI_LAYER_GZIP, DOCKER_LAYER_GZIP):
        yield cast(IO[bytes], gzip.GzipFile(fileobj=stream))
    elif layer.media_type.endswith("tar"):
        yield stream
    else:
        raise ImageError(f"{layer.media_type} can't be unpacked here")


def _config(image: ArchivedImage, archive: Archive) -> dict[str, Any]:
    return _object(archive.read(image.config, MAX_CONFIG))


def _own(config: dict[str, Any]) -> dict[str, Any]:
    """What an image says of itself, besides its layers: Env by the names of the variables."""
    found = {**config, "rootfs": None}
    settings = config.get("config")
    if isinstance(settings, dict) and isinstance(env := settings.get("Env"), list):
        variables = dict(str(each).partition("=")[::2] for each in env)
        found["config"] = {**settings, "Env": variables}
    return found


def _diff_ids(config: dict[str, Any]) -> list[str]:
    rootfs = config.get("rootfs")
    return [str(each) for each in rootfs.get("diff_ids") or ()] if isinstance(rootfs, dict) else []


def _manifest(image: ArchivedImage, archive: Archive) -> dict[str, Any]:
    """The manifest without what follows from config and layers."""
    found = _object(archive.read(image.manifest, MAX_MANIFEST))
    types = list(dict.fromkeys(layer.media_type for layer in image.layers))
    return {**found, "config": image.config.media_type, "layers": types}


def _index(image: ArchivedImage, archive: Archive) -> dict[str, Any]:
    return _object(archive.read(image.index, MAX_MANIFEST)) if image.index else {}


def _object(data: bytes) -> dict[str, Any]:
    value = json.loads(data)
    return value if isinstance(value, dict) else {}


def _other_fields(what: str, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, ...]:
    """A line for each property that isn't the same."""
    old, new = dict(_flat(before)), dict(_flat(after))
    return tuple(
        f"{what}: {printable(name)} is {_shown(new, name)} instead of {_shown(old, name)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Each property by its path. Lists that hold plain values only are one value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            yield from _flat(item, f"{name}[{number}]")
    else:
        yield name, canonical(value).decode(errors="backslashreplace")


def _shown(values: dict[str, str], name: str) -> str:
    text = printable(values.get(name, "not there"))
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}…"
