"""From a file to the statements by which it, or what lies beside it, can be made again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.statements import find_statements
from buildbox.errors import CantTell, Mismatch
from buildbox.provenance.statement import Statement
from buildbox.signing.files import SUFFIX
from buildbox.verifying.artifact import Artifact, check_artifact, look
from buildbox.verifying.verify import ANYONE, Given, believe, find_near, is_statement, read_given, unknown


@dataclass(frozen=True)
class Chosen:
    """A statement by which something can be made again."""

    statement: Statement
    data: bytes
    envelope: bytes | None  # nobody has looked at its signatures


@dataclass(frozen=True)
class Subject:
    """What is to be made again."""

    told: str  # where the statements are from, for people
    chosen: tuple[Chosen, ...]  # of the same artifact; the first that can be rebuilt will do
    artifact: Path | None = None  # a file or folder with the original bytes, where that is known


def find_subject(path: Path, archive: Archive | None) -> Subject:
    """The statements of `path`: the one that it is, the one beside it, or those that `archive` has of it.

    Raises UsageError where there is no such file, CantTell where nothing tells of it, Mismatch where the
    statement beside it tells of other bytes, or was changed.
    """
    if path.name.endswith(SUFFIX):
        artifact = path.with_name(path.name.removesuffix(SUFFIX))
        return Subject(f"{path}", (_read(read_given(path)),), artifact if artifact.exists() else None)
    found = look(path)
    beside, contradiction = find_near(found), None
    if beside:
        try:
            chosen = _read(beside)
            check_artifact(found, chosen.statement, beside.told)
            return Subject(beside.told, (chosen,), path)
        except Mismatch as error:
            contradiction = error
    kept = _kept(found, archive)
    if kept:
        return Subject(f"the archive's statement of {found.told}", kept, path)
    if contradiction:
        raise contradiction
    if is_statement(path):
        return Subject(f"{path}", (_read(read_given(path)),))
    nothing = unknown(found, archive)
    raise CantTell(nothing.reason, "Name its statement itself, or a capsule that has it.", nothing.missing)


def _kept(artifact: Artifact, archive: Archive | None) -> tuple[Chosen, ...]:
    """What the archive has of it: the newest build first, by the statement of it that claims most.

    Several builds may make the same bytes: those count that call it most as it is called here. Of statements
    of one build that claim as much, signed ones come first, then the newest. A build that claims less isn't
    put behind others: it may be the one in which what `--vary` found was mended.
    """
    if archive is None or artifact.subject is None:
        return ()
    found: list[tuple[int, Chosen]] = []
    problem: CantTell | None = None
    for kept in find_statements(archive, artifact.subject):
        told = f"the archive's statement {kept.manifest.short}"
        try:
            chosen = _read(Given(kept.data, kept.envelope, told))
            output = check_artifact(artifact, chosen.statement, told)
            found.append((_alike(output, artifact.path), chosen))
        except Mismatch:
            continue
        except CantTell as error:
            problem = problem or error
    if problem and not found:
        raise problem
    best = max((alike for alike, _ in found), default=0)
    alike = [chosen for alike, chosen in found if alike == best]
    builds = list(dict.fromkeys(chosen.statement.fingerprint for chosen in alike))

    def rank(chosen: Chosen) -> tuple[int, int, bool]:
        statement = chosen.statement
        return builds.index(statement.fingerprint), len(statement.limits), chosen.envelope is None

    return tuple(_distinct(sorted(alike, key=rank)))


def _alike(output: str, path: Path) -> int:
    """How many names at the ends of both paths are the same."""
    ends = zip(reversed(output.split("/")), reversed(path.parts), strict=False)
    return sum(1 for _ in takewhile(lambda names: names[0] == names[1], ends))


def _distinct(several: Iterable[Chosen]) -> Iterable[Chosen]:
    """Without those that tell of the same rebuild again."""
    found: dict[object, Chosen] = {}
    for chosen in several:
        statement = chosen.statement
        commit = statement.source and statement.source.commit
        found.setdefault((statement.fingerprint, commit, statement.tree), chosen)
    return found.values()


def _read(given: Given) -> Chosen:
    return Chosen(believe(given, ANYONE)[0], given.data, given.envelope)
