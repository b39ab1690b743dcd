"""Which builds a capsule is of: of files, by their statements; of a project's tasks, as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result, find_result, read_result
from buildbox.archive.statements import KeptStatement, find_statements, statements_of
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, CantTell, ImageError, Mismatch
from buildbox.ground import Ground, made_of
from buildbox.hermetic.weighing import weigh
from buildbox.provenance.form import parse_statement
from buildbox.provenance.statement import Statement
from buildbox.signing.files import SUFFIX
from buildbox.tasks.plan import Step
from buildbox.verifying.artifact import check_artifact, look
from buildbox.verifying.verify import Given, Trust, believe, find_near, is_statement, read_given, unknown

_ANYONE = Trust((), unsigned=True, hint="")  # whoever opens the capsule asks for signatures, or rebuilds


@dataclass(frozen=True)
class Chosen:
    """A build that a capsule is to be of."""

    statement: Statement
    data: bytes
    envelope: bytes | None


def choose_file(path: Path, archive: Archive) -> Chosen:
    """The build of an artifact, or the one that a statement is of.

    Raises UsageError where there is no such file, CantTell where nothing tells of it, Mismatch where the
    statement beside it tells of other bytes.
    """
    if path.name.endswith(SUFFIX):
        return _believed(read_given(path))
    artifact = look(path)
    problem: Mismatch | None = None
    near = find_near(artifact)
    if near:
        try:
            chosen = _believed(near)
            check_artifact(artifact, chosen.statement, near.told)
            return chosen
        except Mismatch as error:
            problem = error
    kept = find_statements(archive, artifact.subject) if artifact.subject else ()
    chosen_ones = [
        chosen for chosen in _all(kept) if artifact.folder or _has(chosen.statement, artifact.subject)
    ]
    if chosen_ones:
        check_artifact(artifact, chosen_ones[0].statement, "the archive's statement of it")
        return chosen_ones[0]
    if problem:
        raise problem
    if is_statement(path):
        return _believed(read_given(path))
    raise unknown(artifact, archive)


def choose_tasks(
    ground: Ground, wanted: Collection[str], missing: list[str], left_out: list[str], *, named: bool
) -> list[Chosen]:
    """The builds of the steps `wanted`, as the project is now; what hasn't run so is `missing`.

    `named`: the person wants just these; else what had a network is `left_out`, as a build. Nothing is
    fetched or started.
    """
    found: list[Chosen] = []
    unknown: set[str] = set()
    for step in ground.plan.steps.values():
        if not step.task.hermetic:
            unknown |= {step.name} if step.task.outputs else set()
            continue
        needs = [name for name in ground.plan.closure(step.name) if name in unknown]
        if needs:
            own = [name for name in needs if not ground.plan.steps[name].task.hermetic]
            if own:
                missing.append(
                    f"{step.name}: it needs {', '.join(own)}, which works in the project's own folder, so "
                    "nothing has kept what that made; make that hermetic"
                )
            unknown.add(step.name)
            continue
        result = _result_now(ground, step, missing)
        if result is None:
            unknown.add(step.name)
            continue
        ground.made(step.name, made_of(result.entries, result))
        if step.name in wanted:
            found += _of_result(ground.session.archive, step, result, missing, left_out, named=named)
    return found


def result_of(archive: Archive, statement: Statement, data: bytes) -> Result | None:
    """What the build made, as far as the archive has it."""
    for kept in statements_of(archive, statement.fingerprint):
        if kept.data == data and kept.result:
            return needed_result(archive, statement.fingerprint, kept.result, statement.tree)
    return needed_result(archive, statement.fingerprint, None, statement.tree)


def needed_result(
    archive: Archive, fingerprint: Digest | None, manifest: Digest | None, tree: Digest
) -> Result | None:
    """A result with these outputs, all of it there: the one that was used, or another that is the same."""
    if fingerprint is None:
        return None
    candidates: list[Result | None] = []
    if manifest:
        try:
            candidates.append(read_result(archive, fingerprint, manifest))
        except (ArchiveError, OSError, ValueError):
            pass
    candidates.append(find_result(archive, fingerprint))
    for result in candidates:
        if result and result.tree == tree and all(map(archive.has, _parts(result))):
            return result
    return None


def _parts(result: Result) -> list[Digest]:
    return [result.outputs.digest, *([result.log.digest] if result.log else [])]


def _result_now(ground: Ground, step: Step, missing: list[str]) -> Result | None:
    run = f"buildbox run {step.name}"
    try:
        weighed = weigh(ground, step, fetch=False)
    except ImageError as error:
        missing.append(f"{step.name}: {error.reason}: {run}")
        return None
    result = find_result(ground.session.archive, weighed.fingerprint)
    if result is None and step.task.outputs:
        missing.append(f"{step.name}: it hasn't run as it is now, or its result is gone: {run}")
    return result


def _of_result(
    archive: Archive,
    step: Step,
    result: Result,
    missing: list[str],
    left_out: list[str],
    *,
    named: bool,
) -> list[Chosen]:
    if step.task.network != "none":
        line = f"{step.name} had a network ({step.task.network}), so it can't be made again"
        (missing if named else left_out).append(line)
        return []
    kept = statements_of(archive, result.fingerprint)
    chosen = [each for each in _all(kept) if each.statement.tree == result.tree]
    if not chosen:
        missing.append(f"{step.name}: the archive has no statement of it: buildbox run --force {step.name}")
    return chosen[:1]


def _all(kept: Iterable[KeptStatement]) -> list[Chosen]:
    """Those that can be read: what claims most comes first, then what is signed, then the newest."""
    found = []
    for each in kept:
        try:
            found.append(Chosen(parse_statement(each.data), each.data, each.envelope))
        except ValueError:
            continue
    return sorted(found, key=lambda chosen: (len(chosen.statement.limits), chosen.envelope is None))


def _has(statement: Statement, subject: Digest | None) -> bool:
    return subject is not None and any(entry.digest == subject.hex for entry in statement.outputs)


def _believed(given: Given) -> Chosen:
    return Chosen(believe(given, _ANYONE)[0], given.data, given.envelope)


def nothing_to_choose() -> CantTell:
    """What to say of a project without a build that could be made again."""
    return CantTell(
        "no task of the project leaves anything that could be made again",
        "A capsule is of tasks with hermetic = true, outputs and no network; or name a file.",
    )
