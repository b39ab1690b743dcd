"""A capsule made: all that is missing is found before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from buildbox import images
from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.capsule.form import MAGIC, README, Build, Capsule
from buildbox.capsule.parts import TEXT, Parts
from buildbox.capsule.readme import readme
from buildbox.capsule.sources import Bundled, add_inputs, add_recipe, add_source, no_commit
from buildbox.capsule.write import aside, put, write_tar
from buildbox.config.model import Pinned
from buildbox.errors import CantTell, ImageError
from buildbox.oci import Platform
from buildbox.progress import Progress
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.gather import Pull
from buildbox.rebuilding.results import needed_result, result_of
from buildbox.rebuilding.subject import Chosen
from buildbox.rebuilding.supply import Supply
from buildbox.reference import ImageRef
from buildbox.saving import Sources, save

_STATEMENT, _ENVELOPE = "application/vnd.in-toto+json", "application/vnd.dsse.envelope.v1+json"


@dataclass(frozen=True)
class Made:
    """A capsule that was written."""

    builds: tuple[Statement, ...]
    images: tuple[str, ...]
    left_out: tuple[str, ...]
    size: int  # bytes


@dataclass(frozen=True)
class Origin:
    """Where the parts of a capsule come from."""

    supply: Supply  # of inputs; its archive has the rest
    root: Path | None  # in the repository; None: there is none
    env: Mapping[str, str]  # the caller's, for git
    catalogues: Sequence[Path]
    sources: Sources  # of images that the archive hasn't got
    pull: Pull  # of results that it hasn't got
    progress: Progress


def create(
    to: Path,
    chosen: Sequence[Chosen],
    origin: Origin,
    scratch: Path,
    *,
    left_out: Sequence[str] = (),
    missing: Sequence[str] = (),
    check: Callable[[Path], None] = lambda path: None,
) -> Made:
    """Writes the capsule `to` of these builds; `scratch` is an empty folder for a while.

    `check` is given the whole capsule before it has its name. Raises CantTell with all that is missing, and
    `missing`; UsageError where `to` can't be written; what `check` raises; ArchiveError.
    """
    parts = Parts(origin.supply.archive, scratch)
    lacking, notes = list(missing), list(left_out)
    with aside(to) as (file, path):
        builds = [found for each in chosen if (found := _add_build(parts, each, origin, lacking))]
        if lacking:
            raise CantTell("the capsule can't be made: it would lack something", missing=_lines(lacking))
        bundled = _add_sources(parts, chosen, origin, notes)
        for ref in dict.fromkeys(ref for each in chosen for ref, _ in _images(each.statement)):
            left = add_recipe(parts, ref, origin.catalogues)
            notes += [left] if left else []
        statements = tuple(each.statement for each in chosen)
        text = readme(statements, builds, parts, bundled, notes)
        assert text.startswith(MAGIC)
        parts.add_file(README, TEXT, text)
        index = parts.finish(Capsule(tuple(builds), tuple(notes)))
        total = sum(blob.size for blob in parts.blobs.values())
        with origin.progress.meter("writing the capsule", total) as meter:
            write_tar(file, text, index, parts.blobs.values(), meter)
        size = path.stat().st_size
        put(path, to, check)
    names = tuple(str(ref) for ref in dict.fromkeys(ref for each in statements for ref, _ in _images(each)))
    return Made(statements, names, tuple(notes), size)


def _add_build(parts: Parts, chosen: Chosen, origin: Origin, missing: list[str]) -> Build | None:
    """A build with all that it takes; None where something of it is missing."""
    statement, before = chosen.statement, len(missing)
    if statement.step.task.network != "none":
        missing.append(
            f"{statement.step.name} had a network ({statement.step.task.network}), which a rebuild hasn't"
        )
    for pinned, platform in _pinned(statement):
        try:
            parts.add_image(pinned.image, _image(pinned, platform, origin))
        except ImageError as error:
            missing.append("\n  ".join([error.reason, *error.hint.splitlines()]))
    for need in statement.needs:
        result = needed_result(parts.archive, need.fingerprint, need.manifest, need.tree)
        if result is None and need.fingerprint:
            pulled = origin.pull(need.fingerprint)
            result = pulled if pulled and pulled.tree == need.tree else None
        if result:
            parts.add_result(result)
        elif need.manifest is None:
            missing.append(
                f"the outputs of {need.step}, which worked in the project's own folder: nothing has kept them"
            )
        else:
            missing.append(
                f"the result of {need.step} ({need.manifest.short}), which {statement.step.name} needs"
            )
    with ExitStack() as stack:
        try:
            inputs = stack.enter_context(origin.supply.inputs(statement))
        except CantTell as error:
            missing += error.missing or [error.reason]
            return None
        if len(missing) > before:
            return None
        origin.progress.detail(f"{statement.step.name}: inputs from {inputs.told}")
        tar = add_inputs(parts, inputs)
    made = result_of(parts.archive, statement)
    if made:
        parts.add_result(made)
    name = f"statements/{_file_name(statement)}"
    data = parts.add_file(f"{name}.json", _STATEMENT, chosen.data)
    envelope = None
    if chosen.envelope is not None:
        envelope = parts.add_file(f"{name}.intoto.jsonl", _ENVELOPE, chosen.envelope)
    return Build(data, envelope, tar, made.manifest if made else None)


def _file_name(statement: Statement) -> str:
    name = "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in statement.step.name)
    return f"{name}-{statement.fingerprint.short}-{statement.run[:12]}"


def _add_sources(
    parts: Parts, chosen: Sequence[Chosen], origin: Origin, notes: list[str]
) -> tuple[Bundled, ...]:
    found: dict[str, Bundled] = {}
    for each in chosen:
        source = each.statement.source
        try:
            if source is None or origin.root is None:
                raise CantTell("there is no repository here")
            found.update((one.title, one) for one in add_source(parts, origin.root, source, origin.env))
        except CantTell as error:
            note = no_commit(source, error)
            notes += [note] if note not in notes else []
    return tuple(found.values())


def _image(pinned: Pinned, platform: Platform, origin: Origin) -> ArchivedImage:
    """The image, all of it in the archive, fetched if need be. Raises ImageError."""
    archive: Archive = origin.supply.archive
    save(archive, pinned, [platform], origin.sources, origin.progress)
    found = images.find(archive, pinned.image, platform)
    if found is None:
        raise ImageError(f"the image {pinned.image} isn't whole in the archive")
    return found


def _pinned(statement: Statement) -> Iterator[tuple[Pinned, Platform]]:
    yield statement.step.toolchain, statement.image.platform
    for service in statement.step.services:
        yield service, statement.services[service.name].platform


def _images(statement: Statement) -> Iterator[tuple[ImageRef, Platform]]:
    yield from ((pinned.image, platform) for pinned, platform in _pinned(statement))


def _lines(missing: Sequence[str]) -> list[str]:
    return [f"missing: {line}" for line in dict.fromkeys(missing)]
