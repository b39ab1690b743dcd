"""The README of a capsule, for whoever finds it, with or without buildbox. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence

from buildbox.archive.images import full_name
from buildbox.capsule.form import MAGIC, Build
from buildbox.capsule.parts import Parts
from buildbox.capsule.sources import Bundled
from buildbox.provenance.statement import Statement, UsedImage
from buildbox.reference import ImageRef
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

## What can be made again
"""

_BY_HAND = """
## Without buildbox

This file is a tar, and what is in it an OCI image layout (github.com/opencontainers/image-spec), which many
tools read:

    tar -xf THIS-FILE
"""


def readme(
    statements: Sequence[Statement],
    builds: Sequence[Build],
    parts: Parts,
    bundled: Sequence[Bundled],
    left_out: Sequence[str],
) -> bytes:
    """The text. `parts` are all but the README itself and what the capsule says of itself."""
    lines = [*_START.splitlines(), ""]
    tags = _tags(statements)
    for statement, build in zip(statements, builds, strict=True):
        lines += [*_build(statement, build, parts, tags[_name(statement.image)]), ""]
    lines += _BY_HAND.splitlines()
    lines += _indented(f"skopeo copy oci:.:{name} docker-daemon:{tag}" for name, tag in tags.items())
    lines += ["", "The artifact `capsule` in index.json lists the other files with their titles:", ""]
    lines += _indented(f"{layer.digest.hex}  {title}" for title, layer in sorted(parts.layers.items()))
    lines += ["", "These names are in index.json:", "", *_indented(["capsule", *sorted(parts.entries)])]
    for one in bundled:
        where = f"the submodule {shown(one.path)}" if one.path else "the source"
        blob = f"../blobs/sha256/{parts.layers[one.title].digest.hex}"
        lines += ["", f"Commit {one.commit} of {where}, as a working tree of git, in a new folder:", ""]
        lines += _indented(explain_bundle(blob, one.commit).splitlines())
    if left_out:
        lines += ["", "## What isn't in here", "", *(f"- {text.splitlines()[0]}" for text in left_out)]
    return MAGIC + "\n".join([*lines, ""]).encode(errors="backslashreplace")


def _build(statement: Statement, build: Build, parts: Parts, tag: str) -> Iterator[str]:
    source = statement.source
    yield f"### {shown(statement.step.name)} of {shown(statement.project)}"
    yield ""
    files = [entry for entry in statement.outputs if entry.mode in (FILE, PROGRAM)]
    yield from _indented(
        f"{entry.digest}  {shown(entry.path)}  ({show_size(entry.size)})" for entry in files[:_MOST]
    )
    if len(files) > _MOST:
        yield f"    and {len(files) - _MOST} more: see its statement"
    yield ""
    if source:
        yield f"- source: commit {source.commit}" + ("" if source.clean else ", with changes beside it")
    count = "one file" if statement.files == 1 else f"{statement.files} files"
    yield f"- inputs: blobs/sha256/{build.inputs.hex}, a tar of {count}"
    for need in statement.needs:
        if need.fingerprint in parts.outputs:
            tar = parts.outputs[need.fingerprint]
            yield f"- outputs of {shown(need.step)}: blobs/sha256/{tar.hex}, a tar"
    yield f"- image: {statement.image.reference} ({statement.image.platform})"
    yield from (f"- beside it: {name}, {image.reference}" for name, image in statement.services.items())
    yield f"- statement: blobs/sha256/{build.statement.hex}"
    if build.envelope:
        yield f"- the same, signed: blobs/sha256/{build.envelope.hex}"
    yield from (f"- {shown(limit)}" for limit in statement.limits)
    yield ""
    yield "By hand, with the inputs and the outputs that it needs unpacked in ./src, and the image loaded:"
    yield ""
    yield from _indented(_command(statement, tag))


def _tags(statements: Iterable[Statement]) -> dict[str, str]:
    """What each image is called once it is loaded, by its name in index.json."""
    used = [image for each in statements for image in (each.image, *each.services.values())]
    names = dict.fromkeys(map(_name, used))
    return {name: f"tools:again{f'-{number}' if number else ''}" for number, name in enumerate(names)}


def _name(image: UsedImage) -> str:
    return full_name(ImageRef.parse(image.reference), image.index or image.manifest)


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)


def _command(statement: Statement, tag: str) -> Iterator[str]:
    task = statement.step.task
    workdir = "/src" if task.workdir == "." else f"/src/{task.workdir}"
    yield 'docker run --rm --network none --user "$(id -u):$(id -g)" \\'
    yield f'  -v "$PWD/src:/src" -w {_quoted(workdir)} \\'
    for name, value in sorted(statement.environment.items()):
        yield f"  -e {_quoted(f'{name}={value}')} \\"
    argv = [_quoted(word) for word in statement.step.argv]
    yield f"  --entrypoint {argv[0]} {tag} {' '.join(argv[1:])}".rstrip()


def _quoted(word: str) -> str:
    """For a shell; a control character as bash's $'...' has it, so that it stays one line."""
    if word.isprintable():
        return shlex.quote(word)
    escaped = word.encode("unicode_escape").decode().replace("'", "\\'")
    return f"$'{escaped}'"
