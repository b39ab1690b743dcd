"""What is told of a build that went well: a Statement, kept in the archive beside its result."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from buildbox import __version__
from buildbox.archive.results import Result
from buildbox.archive.statements import KeptStatement, keep_statement
from buildbox.config.model import Service, Toolchain
from buildbox.errors import EngineError
from buildbox.execute.events import in_background
from buildbox.ground import Ground, Made
from buildbox.hermetic.weighing import Weighed, image_of
from buildbox.masking import forms_of
from buildbox.provenance.form import MAX_STATEMENT, statement_bytes
from buildbox.provenance.statement import Machine, Need, Statement, UsedImage
from buildbox.session import Session
from buildbox.tasks.fingerprint import FORMAT
from buildbox.tasks.plan import Step
from buildbox.trees.entry import FILE, PROGRAM

_CPUINFO = Path("/proc/cpuinfo")
_SHORTEST_SECRET = 6  # bytes that are looked for: fewer are found by chance
_MODEL = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)  # x86; others have numbers there


def ask_ahead(ground: Ground, step: Step) -> None:
    """Has what a statement takes looked up while the step runs. What goes wrong is met again later."""

    def ask() -> None:
        with suppress(Exception):  # the run may be over, and the connection closed
            ground.source(step)
            ground.session.engine_info()

    in_background(ask)


def keep_telling(
    ground: Ground, step: Step, weighed: Weighed, result: Result, times: tuple[float, float]
) -> KeptStatement | None:
    """Keeps what is to be told of the build of `result`; `times` are its begin and end.

    Both in seconds since the epoch. None where no output is a file, or there are too many for a statement, or
    it would give a secret away. Raises ArchiveError, BuildboxError.
    """
    if all(entry.mode not in (FILE, PROGRAM) for entry in result.entries):
        return None
    if gives_away(ground, step, result):
        return None
    data = statement_bytes(tell(ground, step, weighed, result, times))
    if len(data) > MAX_STATEMENT:
        return None
    return keep_statement(
        ground.session.archive,
        data,
        fingerprint=weighed.fingerprint,
        result=result.manifest,
        now=times[1],
    )


def tell(
    ground: Ground, step: Step, weighed: Weighed, result: Result, times: tuple[float, float]
) -> Statement:
    """The statement on the build of `result`. Raises BuildboxError."""
    session = ground.session
    return Statement(
        project=ground.project,
        step=replace(step, needs=(), task=replace(step.task, run=None, argv=step.argv)),
        epoch=weighed.epoch,
        environment=weighed.document["env"],
        fingerprint=weighed.fingerprint,
        format=FORMAT,
        source=ground.source(step),
        inputs=weighed.inputs.digest,
        files=weighed.inputs.count,
        image=_used(session, step.toolchain),
        services={service.name: _used(session, service) for service in step.services},
        needs=tuple(_need(name, made) for name, made in weighed.needed.items()),
        outputs=result.entries,
        log=result.log.digest if result.log else None,
        machine=_machine(session),
        run=f"{session.run}-{os.urandom(4).hex()}",
        started=times[0],
        finished=times[1],
    )


def gives_away(ground: Ground, step: Step, result: Result) -> bool:
    """Whether a secret's value is in the step's arguments or the names of what it made.

    One that the project's own file has in the command or its outputs is none any more.
    """
    task = step.task
    told = "\0".join([*step.argv, *(entry.path for entry in result.entries)]).encode(errors="surrogateescape")
    known = "\0".join([task.run or "", *(task.argv or ()), *task.outputs]).encode(errors="surrogateescape")
    secrets = [form for form in forms_of(ground.session.secrets.values()) if len(form) >= _SHORTEST_SECRET]
    return any(form in told and form not in known for form in secrets)


def _need(name: str, made: Made) -> Need:
    result = made.result
    return Need(name, made.tree, result.fingerprint, result.manifest) if result else Need(name, made.tree)


def _used(session: Session, by: Toolchain | Service) -> UsedImage:
    image = image_of(session, by.image, by.platform)
    return UsedImage(str(by.image), image.index, image.manifest.digest, image.config.digest, image.platform)


def _machine(session: Session) -> Machine:
    try:
        info = session.engine_info()
    except EngineError:
        return Machine(__version__, "", "")  # it was there a moment ago: no reason to lose a result
    # A socket may lead to another machine; one that has the very same kernel is most likely this one.
    cpu = _cpu() if info.address.startswith("unix://") and info.kernel == os.uname().release else ""
    return Machine(__version__, f"{info.name} {info.version}", info.store, info.kernel, cpu, info.cpus)


@cache
def _cpu() -> str:
    """The model of this machine's CPU; nothing where that isn't known."""
    with suppress(OSError), _CPUINFO.open(encoding="utf-8", errors="replace") as file:
        found = _MODEL.search(file.read(4096))
        return " ".join(found[1].split()) if found else ""
    return ""
