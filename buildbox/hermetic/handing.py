"""Statements given into the caller's hands: beside what was built, signed if wanted, and kept for good."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result
from buildbox.archive.statements import KeptStatement, keep_statement, statements_of
from buildbox.errors import BuildboxError, CantTell, UsageError
from buildbox.provenance.form import parse_statement
from buildbox.signing.keys import PrivateKey
from buildbox.tasks.beside import artifacts
from buildbox.tasks.fingerprint import is_cacheable
from buildbox.tasks.plan import Plan, Step
from buildbox.trees.entry import FILE, PROGRAM
from buildbox.trees.faults import explained
from buildbox.trees.folders import CREATE, Folders
from buildbox.workplace import Workplace
from buildbox.workspace import STATEMENT


@dataclass(frozen=True)
class Told:
    """What it is to be told of how it was built."""

    steps: Sequence[Step]  # of a plan; hermetic ones with outputs
    key: PrivateKey | None  # that signs


@dataclass(frozen=True)
class Handed:
    """A statement that lies beside what was built."""

    step: str
    paths: tuple[str, ...]  # in the project
    statement: KeptStatement
    outdated: bool  # it tells of no commit, or of changes that none had, and now there is a commit with all


def steps_to_tell_of(plan: Plan) -> tuple[Step, ...]:
    """The targets that can have a statement. Raises UsageError where none of them can."""

    def can(step: Step) -> bool:
        return step.task.hermetic and bool(step.task.outputs)

    found = tuple(plan.steps[name] for name in plan.targets if can(plan.steps[name]))
    if found:
        return found
    others = [name for name, step in plan.steps.items() if can(step)]
    hint = f"Name those that they need: {', '.join(others)}" if others else "Give one `outputs`."
    raise UsageError(
        f"no statement can be made of {', '.join(plan.targets)}: only of hermetic tasks with outputs",
        hint,
    )


def hand_out(place: Workplace, told: Told) -> list[Handed]:
    """Writes the statements of steps that have passed beside what they made.

    Raises CantTell where there is no statement of a result, TreeError where one can't be written.
    """
    archive, now = place.ground.session.archive, place.ground.session.host.clock()
    made = [(step, result) for step in told.steps if (result := place.ground.result_of(step.name))]
    made = [(step, result) for step, result in made if files_of(result)]
    found = [(step, result, statement_of(archive, result)) for step, result in made]
    missing = [step.name for step, _, statement in found if statement is None]
    if missing:
        raise CantTell(
            f"the archive has no statement of what made {', '.join(missing)}",
            "It has more files than a statement holds (some 200,000): have it pack them into one.\n"
            "Or its arguments or the names of its files have a secret in them, which no statement may tell.",
        )
    handed = []
    for step, result, statement in found:
        if statement is None:
            continue
        kept = _keep(archive, result, statement, now, told.key)
        line = (kept.envelope or kept.data) + b"\n"
        paths = tuple(f"{path}{STATEMENT}" for path in artifacts(step.task.outputs, files_of(result)))
        for path in paths:
            _write(place.root, path, line)
        if told.key and place.sharing and is_cacheable(step):
            place.sharing.push(result)
        handed.append(Handed(step.name, paths, kept, _is_outdated(place, step, kept)))
    return handed


def files_of(result: Result) -> list[str]:
    """The paths of the files among its outputs."""
    return [entry.path for entry in result.entries if entry.mode in (FILE, PROGRAM)]


def statement_of(archive: Archive, result: Result) -> KeptStatement | None:
    """The newest one that tells of these outputs: of this very result before one of the same bytes."""
    of_it = []
    for each in statements_of(archive, result.fingerprint):
        with suppress(ValueError):
            if parse_statement(each.data).tree == result.tree:
                of_it.append(each)
    return next((each for each in of_it if each.result == result.manifest), next(iter(of_it), None))


def _is_outdated(place: Workplace, step: Step, statement: KeptStatement) -> bool:
    told = parse_statement(statement.data).source
    if told and told.clean:
        return False
    with suppress(BuildboxError):
        source = place.ground.source(step)
        return source is not None and source.clean
    return False


def _keep(
    archive: Archive, result: Result, statement: KeptStatement, now: float, key: PrivateKey | None
) -> KeptStatement:
    from buildbox.signing.envelope import sign

    return keep_statement(
        archive,
        statement.data,
        fingerprint=statement.fingerprint,
        result=result.manifest,
        now=now,
        envelope=sign(statement.data, key) if key else None,
        keep=True,
    )


def _write(root: Path, path: str, line: bytes) -> None:
    """Writes a file of the project, at once whole, and never through a link. Raises TreeError."""
    folder, _, name = path.rpartition("/")
    aside = f".buildbox-{os.urandom(8).hex()}"
    with explained("written", str(root / path)), Folders(root) as folders:
        here = folders.enter(folder)
        try:
            with open(os.open(aside, CREATE, 0o666, dir_fd=here), "wb") as file:
                file.write(line)
            os.rename(aside, name, src_dir_fd=here, dst_dir_fd=here)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(aside, dir_fd=here)
