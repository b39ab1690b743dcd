"""What the steps of one run stand on: the working tree as it is now, and what other steps made."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.config.model import SOURCE_DATE_EPOCH
from buildbox.digest import Digest
from buildbox.errors import BuildboxError, ConfigError
from buildbox.execute.events import in_background
from buildbox.session import Session
from buildbox.tasks.plan import Plan, Step
from buildbox.trees.entry import Entry, tree_digest

if TYPE_CHECKING:
    from buildbox.archive.results import Result
    from buildbox.provenance.statement import Source
    from buildbox.trees.selection import InputTree, WorkTree


@dataclass(frozen=True)
class Made:
    """The outputs of a step that has passed."""

    entries: Sequence[Entry]
    tree: Digest  # of the entries
    result: Result | None  # that holds them; None: they are where a mounted step made them


class Ground:
    """The working tree and the steps' outputs, for the steps of one run; any thread may ask.

    `made_here` are the patterns of all that the project's tasks make: never inputs from the working tree.
    `project` is the project's name.
    """

    def __init__(self, session: Session, plan: Plan, made_here: Sequence[str], project: str) -> None:
        self.session, self.plan, self.project = session, plan, project
        self._made_here = tuple(dict.fromkeys(made_here))
        self._made: dict[str, Made] = {}
        self._tree: WorkTree | None = None
        self._source: tuple[WorkTree, Source | None] | None = None  # of that tree
        self._selected: dict[tuple[str, ...] | None, InputTree] = {}
        self._lock = threading.Lock()
        self._asking = threading.Lock()  # for the commit, which may take longer than others can wait

    @property
    def root(self) -> Path:
        """The project's folder."""
        return self.session.bounds.root

    def look_ahead(self) -> None:
        """Begins to look at the working tree, in the background. What goes wrong is told later, again."""

        def look() -> None:
            with suppress(BuildboxError), self._lock:
                self._look()

        if any(step.task.hermetic for step in self.plan.steps.values()):
            in_background(look)

    def inputs(self, step: Step) -> InputTree:
        """The step's inputs in the working tree. Raises BuildboxError."""
        with self._lock:
            wanted = step.task.inputs
            if wanted not in self._selected:
                self._selected[wanted] = self._look().select(wanted, self._made_here)
            return self._selected[wanted]

    def changed(self) -> None:
        """The working tree may be another one now: a mounted step ran, or a file wasn't as it was seen."""
        with self._lock:
            self._tree = None
            self._selected.clear()

    def epoch(self, step: Step) -> int:
        """What the step takes for the time of its sources, in seconds. Raises ConfigError, BuildboxError."""
        given = step.task.source_date_epoch
        if given is not None:
            return given
        with self._lock:
            found = self._look().commit_time()
        if found is None:
            raise ConfigError(
                f'task {step.name!r} has source-date-epoch = "commit", but there is no commit',
                f"Commit something, or leave the key out: then it is {SOURCE_DATE_EPOCH} (1980-01-01).",
            )
        return found

    def source(self, step: Step) -> Source | None:
        """The commit that the working tree is at; None where there is none, or git can't tell.

        It isn't clean where inputs of the step are such as no commit can have. Raises TreeError, Changed.
        """
        with self._lock:
            tree = self._look()
        with self._asking:
            if self._source is None or self._source[0] is not tree:
                self._source = tree, _source(tree, self._made_here)
            found = self._source[1]
        if found and found.clean and tree.has_ignored(step.task.inputs, self._made_here):
            return replace(found, clean=False)
        return found

    def made(self, name: str, what: Made) -> None:
        """Notes what the step `name` made."""
        with self._lock:
            self._made[name] = what

    def result_of(self, name: str) -> Result | None:
        """The result of the step `name`, if it has passed and left one."""
        with self._lock:
            return self._made[name].result if name in self._made else None

    def needed(self, step: Step) -> Mapping[str, Made]:
        """The outputs of all that the step needs, by step, in the plan's order."""
        with self._lock:
            return {name: self._made[name] for name in self.plan.closure(step.name) if name in self._made}

    def _look(self) -> WorkTree:
        from buildbox.trees.selection import WorkTree

        if self._tree is None:
            host = self.session.host
            self._tree = WorkTree.look(self.root, host.data, host.env, host.now)
            self._tree.expect({step.task.inputs for step in self.plan.steps.values() if step.task.hermetic})
        return self._tree


def made_of(entries: Sequence[Entry], result: Result | None) -> Made:
    """What a step made, as Made."""
    return Made(entries, result.tree if result else tree_digest(entries), result)


def _source(tree: WorkTree, made_here: Sequence[str]) -> Source | None:
    from buildbox.provenance.statement import Source
    from buildbox.trees.git import GitFailed

    try:
        at = tree.commit(made_here)
        "".join([at.path, *at.submodules] if at else []).encode()
    except (GitFailed, UnicodeEncodeError):  # what isn't UTF-8 can't be told in JSON
        return None
    return Source(at.commit, at.tree, at.clean, at.path, at.submodules or None) if at else None
