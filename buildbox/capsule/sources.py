"""What a capsule has of where things are from: inputs, commits, recipes and packages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.capsule.parts import TEXT, Parts
from buildbox.digest import CHUNK, Digest
from buildbox.errors import CantTell, ConfigError
from buildbox.oci import OCI_LAYER, Descriptor
from buildbox.provenance.statement import Source
from buildbox.rebuilding.supply import Inputs
from buildbox.recipes.catalogue import find_recipe, recipe_of
from buildbox.reference import ImageRef
from buildbox.trees.bundle import write_bundle
from buildbox.trees.checkout import find_parts
from buildbox.trees.entry import tree_digest
from buildbox.trees.packing import pack
from buildbox.units import show_size

_BUNDLE = "application/vnd.git.bundle"
_MOST = 8 << 20  # bytes of a recipe's file; what is larger is no recipe's


@dataclass(frozen=True)
class Bundled:
    """A commit that is in the capsule as a git bundle."""

    path: str  # of a submodule in the project's repository; "" for itself
    commit: str
    title: str  # of the bundle


def add_inputs(parts: Parts, inputs: Inputs) -> Digest:
    """The tree of inputs as a tar. Raises Changed, TreeError."""
    chunks = pack(inputs.root, inputs.entries, epoch=0, owner=(0, 0))
    return parts.add_made(f"inputs/{tree_digest(inputs.entries).short}.tar", OCI_LAYER, chunks)


def add_source(parts: Parts, root: Path, source: Source, env: Mapping[str, str]) -> tuple[Bundled, ...]:
    """The commit and those of its submodules. Raises CantTell where one isn't at hand."""
    found = []
    for part in find_parts(root, source.commit, env, source.submodules or {}):
        title = f"source/{part.commit}.bundle"
        if title not in parts.layers:
            path = parts.scratch / part.commit
            write_bundle(part.repository, part.commit, path, env)
            parts.add_made(title, _BUNDLE, _chunks(path))
            path.unlink()
        found.append(Bundled(part.path, part.commit, title))
    return tuple(found)


def add_recipe(parts: Parts, ref: ImageRef, catalogues: Sequence[Path]) -> str | None:
    """The recipe that the image `ref` can be built from, and its packages as far as the archive has them.

    Gives what is left out, for people; None where there is no recipe, or nothing is missing.
    """
    name = recipe_of(ref, catalogues)
    if name is None:
        return None
    from buildbox.recipes.kept import EMPTY, list_bytes, listed  # what reads wheels' names takes 50 ms
    from buildbox.recipes.lock import read_lock
    from buildbox.recipes.packages import contents, list_name
    from buildbox.recipes.recipe import read_recipe

    folder = find_recipe(name, catalogues)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and path.stat().st_size <= _MOST:
            parts.add_file(f"recipes/{name}/{path.relative_to(folder).as_posix()}", TEXT, path.read_bytes())
    try:
        recipe = read_recipe(folder)
        lock = read_lock(folder, recipe)
    except ConfigError as error:
        return f"the packages of {name}: {error.reason}"
    among = listed(parts.archive)
    wanted = contents(lock)
    there = [layer for layer in wanted if layer.digest in among and _is_whole(parts.archive, layer)]
    if there:
        manifest = list_bytes(there, lock.checksum)
        parts.add_artifact(full_name(list_name(recipe.image), Digest.of(manifest)), manifest, [EMPTY])
    missing = len(wanted) - len(there)
    if not missing:
        return None
    size = show_size(sum(layer.size for layer in wanted) - sum(layer.size for layer in there))
    return f"{missing} of the {len(wanted)} packages of {name}, {size}: the archive hasn't got them"


def no_commit(source: Source | None, error: CantTell) -> str:
    """What is left out where there is no commit, for people."""
    if source is None:
        return "the commit: there was none; the inputs are there as files"
    why = "; ".join(error.missing) or error.reason
    return f"the commit {source.commit}: {why}; the inputs are there as files"


def _is_whole(archive: Archive, blob: Descriptor) -> bool:
    return archive.has(blob.digest) and archive.size(blob.digest) == blob.size


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while data := file.read(CHUNK):
            yield data
