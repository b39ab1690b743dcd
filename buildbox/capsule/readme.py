"""The README of a capsule, for whoever finds it, with or without buildbox. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from buildbox.capsule.form import MAGIC, Build
from buildbox.capsule.sources import Bundled
from buildbox.oci import Descriptor
from buildbox.provenance.statement import Statement
from buildbox.trees.bundle import explain_bundle
from buildbox.trees.entry import FILE, PROGRAM
from buildbox.trees.faults import shown
from buildbox.units import show_size

_MOST = 40  # outputs of a build that are listed

_START = """
This file holds all that it takes to make the files below again, byte for byte: the images of the tools, the
source, what was built before and is needed, and how it was done.

With buildbox and an engine (Docker or Podman), without any network:

    buildbox reproduce THIS-FILE

It runs the same commands in the same images and says whether the same bytes come out. Nothing runs outside of
a container. `buildbox capsule show THIS-FILE` lists what is in here.
"""

_BY_HAND = """
## Without buildbox

This file is a tar, and what is in it an OCI image layout (github.com/opencontainers/image-spec), which many
tools read:

    tar -xf THIS-FILE                   # index.json says by name what blobs/sha256/* are
    skopeo copy oci:.:NAME docker-daemon:tools:again      # an image, by its name in index.json

The artifact `capsule` in index.json lists the other files with their titles:
"""


def readme(
    statements: Sequence[Statement],
    builds: Sequence[Build],
    layers: Mapping[str, Descriptor],
    names: Iterable[str],
    bundled: Sequence[Bundled],
    left_out: Sequence[str],
) -> bytes:
    """The text. `layers` are the capsule's files by title, `names` those of index.json."""
    lines = [*_START.splitlines(), "## What can be made again"]
    for statement, build in zip(statements, builds, strict=True):
        lines += ["", *_build(statement, build)]
    lines += _BY_HAND.splitlines()
    lines += ["", *(f"    {layer.digest.hex}  {title}" for title, layer in sorted(layers.items()))]
    lines += ["", "and index.json has these names:", "", "    capsule"]
    lines += [f"    {name}" for name in sorted(names)]
    for one in bundled:
        where = f"the submodule {shown(one.path)}" if one.path else "the source"
        blob = f"blobs/sha256/{layers[one.title].digest.hex}"
        lines += ["", f"Commit {one.commit} of {where}, as a working tree of git:", ""]
        lines += [f"    {line}" for line in explain_bundle(blob, one.commit).splitlines()]
    if left_out:
        lines += ["", "## What isn't in here", ""]
        lines += [f"- {line}" for text in left_out for line in text.splitlines()[:1]]
    return MAGIC + "\n".join([*lines, ""]).encode(errors="backslashreplace")


def _build(statement: Statement, build: Build) -> Iterator[str]:
    source = statement.source
    yield f"### {shown(statement.step.name)} of {shown(statement.project)}"
    yield ""
    files = [entry for entry in statement.outputs if entry.mode in (FILE, PROGRAM)]
    for entry in files[:_MOST]:
        yield f"    {entry.digest}  {shown(entry.path)}  ({show_size(entry.size)})"
    if len(files) > _MOST:
        yield f"    and {len(files) - _MOST} more: see its statement"
    yield ""
    if source:
        yield f"- source: commit {source.commit}" + ("" if source.clean else ", with changes beside it")
    yield f"- inputs: {statement.files} files, blobs/sha256/{build.inputs.hex} is a tar of them"
    yield f"- image: {statement.image.reference} ({statement.image.platform})"
    yield from (f"- beside it: {name}, {image.reference}" for name, image in statement.services.items())
    for need in statement.needs:
        yield f"- needs: the outputs of {shown(need.step)}" + (
            f", in result@{need.fingerprint}" if need.fingerprint else ""
        )
    yield from (f"- {shown(limit)}" for limit in statement.limits)
    yield f"- statement: blobs/sha256/{build.statement.hex}"
    if build.envelope:
        yield f"- the same, signed: blobs/sha256/{build.envelope.hex}"
    yield ""
    yield "By hand, with its inputs and the outputs that it needs unpacked in ./src:"
    yield ""
    yield from (f"    {line}" for line in _command(statement))


def _command(statement: Statement) -> Iterator[str]:
    task = statement.step.task
    workdir = "/src" if task.workdir == "." else f"/src/{task.workdir}"
    yield 'docker run --rm --network none --user "$(id -u):$(id -g)" \\'
    yield f'  -v "$PWD/src:/src" -w {_quoted(workdir)} \\'
    for name, value in sorted(statement.environment.items()):
        yield f"  -e {_quoted(f'{name}={value}')} \\"
    argv = [_quoted(word) for word in statement.step.argv]
    yield f"  --entrypoint {argv[0]} tools:again {' '.join(argv[1:])}".rstrip()


def _quoted(word: str) -> str:
    """For a shell; a control character as bash's $'...' has it, so that it stays one line."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = word.encode("unicode_escape").decode().replace("'", "\\'")
    return f"$'{escaped}'"
