"""A statement in words for people: a line for each thing that it tells. Pure.

Whoever wrote it isn't trusted with a terminal: what isn't printable is written as escapes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from buildbox.comparing.finding import printable
from buildbox.provenance.statement import Need, Source, Statement, UsedImage
from buildbox.trees.entry import FILE, PROGRAM
from buildbox.units import show_duration, show_size

_MOST = 20  # outputs, or lines of a script


def describe(statement: Statement) -> Iterator[tuple[str, str]]:
    """What the statement tells: pairs of what it is and its words; "" goes on with the one before."""
    for name, lines in _told(statement):
        for number, line in enumerate(lines):
            yield ("" if number else name), printable(line)


def outputs_in_short(statement: Statement) -> str:
    """The first file of the outputs, and how many more there are."""
    files = [entry.path for entry in statement.outputs if entry.mode in (FILE, PROGRAM)]
    more = len(statement.outputs) - 1
    return printable(f"{files[0]} +{more}" if more else files[0])


def _told(statement: Statement) -> Iterator[tuple[str, list[str]]]:
    step, task = statement.step, statement.step.task
    yield "task", [f"{step.name} of {statement.project}", *filter(None, [task.description])]
    yield "took", [show_duration(statement.finished - statement.started)]
    yield "outputs", _cut([_output(path, digest, size) for path, _, digest, size in statement.outputs])
    yield "source", _source(statement.source)
    yield "inputs", [f"{statement.files} file{'' if statement.files == 1 else 's'}, {statement.inputs}"]
    yield "needs", [_need(need) for need in statement.needs]
    yield "image", _image(statement.image)
    for name, image in statement.services.items():
        yield f"service {name}", _image(image)
    yield "command", _cut(shlex.join(step.argv).splitlines())
    yield "env", [f"{name}={shlex.quote(value)}" for name, value in task.env.items()]
    for name, words in (("pass-env", task.pass_env), ("secrets", task.secrets), ("caches", (*task.caches,))):
        yield name, [", ".join(words)] if words else []
    yield "ran as", [f"{task.user}, in {task.workdir}; network: {task.network}; root: {task.rootfs}"]
    yield "log", [str(statement.log)] if statement.log else ["nothing was written"]
    machine = statement.machine
    on = [f"buildbox {machine.buildbox}", machine.engine, machine.store]
    on += [f"kernel {machine.kernel}" if machine.kernel else "", machine.cpu]
    on += [f"{machine.cpus} CPUs" if machine.cpus else ""]
    yield "machine", [", ".join(filter(None, on))]
    yield "fingerprint", [str(statement.fingerprint)]
    if statement.limits:
        yield "limits", list(statement.limits)
    else:
        yield "claims", ["these inputs alone made these bytes"]


def _output(path: str, digest: str, size: int) -> str:
    return f"{path}  {show_size(size)}  {digest}".rstrip()


def _source(source: Source | None) -> list[str]:
    if source is None:
        return ["no commit"]
    clean = "" if source.clean else ", with changes that no commit has"
    within = f", in {source.path}" if source.path else ""
    modules = (source.submodules or {}).items()
    return [f"commit {source.commit}{within}{clean}", *(f"{path}: {commit}" for path, commit in modules)]


def _need(need: Need) -> str:
    return f"{need.step}: {need.tree}" + ("" if need.manifest else ", which nothing keeps")


def _image(image: UsedImage) -> list[str]:
    return [f"{image.reference} for {image.platform}", f"manifest {image.manifest}", f"config {image.config}"]


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _MOST else [*lines[:_MOST], f"and {len(lines) - _MOST} more"]
