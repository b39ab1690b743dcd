"""What a rebuild takes, from the repository at hand and an archive."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from buildbox.archive.layout import Archive
from buildbox.config.load import load
from buildbox.config.model import FILE_NAME
from buildbox.errors import BuildboxError, CantTell
from buildbox.host import Host
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.supply import Inputs
from buildbox.stages import stages
from buildbox.tasks.plan import made_here
from buildbox.trees.checkout import checkout
from buildbox.trees.entry import tree_digest
from buildbox.trees.faults import Changed, shown
from buildbox.trees.selection import InputTree, WorkTree
from buildbox.workspace import STATE, own_folder

_NO_INPUTS = tree_digest(())


@dataclass(frozen=True)
class RepositorySupply:
    """The repository that `root` is in, and what an archive has and can get. A Supply.

    `root`: the project's folder, or any in the repository; None: there is no repository. `near`: the working
    tree is asked before the commit, for whoever wants these bytes, wherever they are from.
    """

    root: Path | None
    archive: Archive
    host: Host
    near: bool = False

    @property
    def closed(self) -> bool:
        return False

    @contextmanager
    def inputs(self, statement: Statement) -> Iterator[Inputs]:
        """A fresh clone at the statement's commit; the working tree where only that has these inputs."""
        if statement.inputs == _NO_INPUTS:
            yield Inputs(self.root or Path("/"), (), "what it needs alone")
            return
        if self.root is None:
            raise CantTell("the source isn't at hand", missing=[_wanted(statement), "no repository is here"])
        working = self._in_working_tree(statement, self.root) if self.near else None
        if working:
            yield working
            return
        with ExitStack() as stack:
            try:
                found = self._at_commit(
                    statement, self.root, stack.enter_context(_scratch(self.root, self.host))
                )
            except CantTell as gone:
                working = self._in_working_tree(statement, self.root)
                if working is None:
                    raise
                why = "; ".join(line.partition("\n")[0] for line in gone.missing or [gone.reason])
                told = f"{working.told}, which has the same files; the commit hasn't: {why}"
                found = Inputs(working.root, working.entries, told)
            yield found

    def _at_commit(self, statement: Statement, root: Path, scratch: Path) -> Inputs:
        """Raises CantTell where the commit isn't at hand, or doesn't give the inputs."""
        source = statement.source
        if source is None:
            raise CantTell("the source isn't at hand", missing=["the statement names no commit"])
        clone = scratch / "clone"
        checkout(root, source.commit, clone, self.host.env, source.submodules or {})
        project = clone / source.path
        real = Path(os.path.realpath(clone)) / source.path
        if not project.is_dir() or Path(os.path.realpath(project)) != real:
            what = f"commit {source.commit} has no folder {shown(source.path)}"
            raise CantTell("the source isn't at hand", missing=[what])
        # All that a clone has is what git tracks, so git needn't be asked again.
        tree = WorkTree(project, scratch / "memos", self.host.now, (), None)
        found = _select(tree, statement, project)
        if found is None:
            limits = "" if source.clean else "; the working tree wasn't as its commit has it"
            what = f"commit {source.commit} doesn't give the inputs {statement.inputs.short}{limits}"
            raise CantTell("the source isn't at hand", missing=[what])
        return Inputs(project, tuple(found.entries()), f"commit {source.commit[:12]} of {root}")

    def _in_working_tree(self, statement: Statement, root: Path) -> Inputs | None:
        try:
            tree = WorkTree.look(root, self.host.data, self.host.env, self.host.now)
            found = _select(tree, statement, root)
            return Inputs(root, tuple(found.entries()), f"the working tree {root}") if found else None
        except Changed:
            raise
        except BuildboxError:  # it isn't a project any more, say: the commit is what counts
            return None


def _select(tree: WorkTree, statement: Statement, folder: Path) -> InputTree | None:
    """The statement's inputs in `tree`; None where it hasn't got them. What tells is their digest alone."""
    for made in dict.fromkeys((_made_in(folder), statement.step.task.outputs, ())):
        found = tree.select(statement.step.task.inputs, tuple(made))
        if found.digest == statement.inputs:
            return found
    return None


def _made_in(folder: Path) -> Sequence[str]:
    """What the tasks of the project in `folder` make: that was no input."""
    try:
        return tuple(dict.fromkeys(made_here(load(folder / FILE_NAME))))
    except BuildboxError:
        return ()


def _wanted(statement: Statement) -> str:
    if statement.source is None:
        return f"its inputs {statement.inputs.short}, of no commit"
    return f"commit {statement.source.commit}"


@contextmanager
def _scratch(root: Path, host: Host) -> Iterator[Path]:
    """An empty folder, gone afterwards; after a kill, the next call in the same project removes it."""
    own = own_folder(root, STATE)
    if own:
        with stages(own) as folders:
            yield folders.new()
    else:
        with TemporaryDirectory(prefix="buildbox-", dir=host.env.get("TMPDIR") or "/tmp") as folder:
            yield Path(folder)
