"""Results in an archive by what came out: the one that is asked for, or another that is the same."""

from __future__ import annotations

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result, find_result, read_result
from buildbox.archive.statements import statements_of
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.provenance.statement import Statement


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


def result_of(archive: Archive, statement: Statement) -> Result | None:
    """What the build made, as far as the archive has it. Raises ArchiveError."""
    for kept in statements_of(archive, statement.fingerprint):
        found = kept.result and needed_result(archive, kept.fingerprint, kept.result, statement.tree)
        if found:
            return found
    return needed_result(archive, statement.fingerprint, None, statement.tree)


def _parts(result: Result) -> list[Digest]:
    return [result.outputs.digest, *([result.log.digest] if result.log else [])]
