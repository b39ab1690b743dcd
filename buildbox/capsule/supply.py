"""What a rebuild takes, from a capsule alone."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from buildbox.archive.layout import Archive
from buildbox.capsule.opening import Opened
from buildbox.digest import Digest
from buildbox.errors import BuildboxError, CantTell, Mismatch
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.supply import Inputs
from buildbox.trees.entry import tree_digest
from buildbox.trees.faults import TreeError
from buildbox.trees.packing import unpack
from buildbox.trees.stage import remove

_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class CapsuleSupply:
    """An open capsule as a Supply: it has all that there is, and nothing is asked for elsewhere."""

    opened: Opened

    @property
    def archive(self) -> Archive:
        return self.opened.archive

    @property
    def closed(self) -> bool:
        return True

    @contextmanager
    def inputs(self, statement: Statement) -> Iterator[Inputs]:
        """The inputs, unpacked beside the archive. Raises CantTell where the capsule has others only,
        Mismatch where what it has isn't what it says."""
        blob = self._blob(statement)
        folder = Path(mkdtemp(prefix="inputs-", dir=self.opened.folder))
        try:
            try:
                entries = unpack(self.archive.stream(blob), folder, packed=True, as_is=True)
            except TreeError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
                    raise  # it says so; that is no fault of the capsule's
                raise self._not_they(statement, error.reason) from error
            if tree_digest(entries) != statement.inputs:
                raise self._not_they(statement, "they are others")
            yield Inputs(folder, entries, f"the capsule {self.opened.path}")
        finally:
            with suppress(BuildboxError):
                remove(folder)

    def _blob(self, statement: Statement) -> Digest:
        for build in self.opened.builds:
            if build.statement.inputs == statement.inputs:
                return build.inputs
        raise CantTell(
            "the source isn't at hand",
            missing=[f"the inputs {statement.inputs.short}: the capsule {self.opened.path} hasn't got them"],
        )

    def _not_they(self, statement: Statement, why: str) -> Mismatch:
        return Mismatch(
            f"the capsule {self.opened.path} hasn't got the inputs of {statement.step.name}: {why}",
            "Don't use any of it; get the capsule again from whoever made it.",
        )
