"""A statement's build, made again: gathered, built, judged, and kept for whoever wants to look."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from buildbox.errors import CantTell
from buildbox.execute import Output
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.build import Built, rebuild
from buildbox.rebuilding.explaining import explain, find_originals
from buildbox.rebuilding.gather import Gathered, Pull, gather
from buildbox.rebuilding.subject import Subject
from buildbox.rebuilding.supply import Supply
from buildbox.rebuilding.varied import attempt, vary_rebuild
from buildbox.rebuilding.verdict import State, Verdict, cant_tell, judge
from buildbox.session import Session
from buildbox.trees.faults import explained
from buildbox.vary.explain import Varied


@dataclass(frozen=True)
class Wishes:
    """How something is made again, and who is told."""

    new_folder: Callable[[], Path]  # an empty one to work in; whoever gives it removes it
    place: Callable[[Statement], Path]  # an empty folder that what was built comes to
    say: Callable[[str], None]
    output: Callable[[Statement], Output]  # of its build
    env: Mapping[str, str] = field(default_factory=dict)  # values of what `pass-env` let through
    pull: Pull = lambda fingerprint: None  # as for `gather`
    vary: bool = False
    originals: Sequence[Path] = ()  # where the original outputs may be: files, folders


@dataclass(frozen=True)
class Reproduced:
    """What came of it."""

    statement: Statement
    verdict: Verdict
    source: str = ""  # where the inputs were from, for people
    folder: Path | None = None  # what was built
    originals: Mapping[str, Path] = field(default_factory=dict)  # of files that differ, as far as at hand
    failed: bool = False  # the build itself, so that its log tells more
    varied: Varied | None = None  # None: it wasn't asked for, or the build failed

    @property
    def state(self) -> State:
        """What counts: a build that comes out differently elsewhere isn't reproducible."""
        if self.varied and self.varied.causes:
            return max(State.DIFFERENT, self.verdict.state, key=list(State).index)
        return self.verdict.state


def reproduce(session: Session, supply: Supply, subject: Subject, wishes: Wishes) -> Reproduced:
    """Makes `subject` again, by the first of its statements for which nothing is missing.

    In the main thread. Raises as `gather` and `rebuild`, but for CantTell: that is a verdict.
    """
    first: Reproduced | None = None
    for statement in (chosen.statement for chosen in subject.chosen):
        with ExitStack() as stack:
            wishes.say(f"looking for what {statement.step.name} takes")
            try:
                taken = gather(session, supply, statement, env=wishes.env, pull=wishes.pull)
                gathered = stack.enter_context(taken)
            except CantTell as error:
                first = first or Reproduced(statement, cant_tell(statement, error))
                continue
            return _reproduce(gathered, wishes)
    assert first, "a subject has statements"
    return first


def _reproduce(gathered: Gathered, wishes: Wishes) -> Reproduced:
    statement, source = gathered.statement, gathered.inputs.told
    wishes.say(f"building {statement.step.name} again, from {source}")
    built = rebuild(gathered, wishes.new_folder(), say=wishes.say, output=wishes.output(statement))
    verdict = judge(statement, built)
    failed = bool(built.outcome.status)
    folder = _kept(built, wishes.place(statement)) if built.folder else None
    originals: Mapping[str, Path] = {}
    if folder and verdict.wrong:
        archive = gathered.session.archive
        originals = find_originals(verdict, statement, archive, wishes.originals, wishes.new_folder())
        verdict = explain(verdict, originals, folder)
    varied = None
    if wishes.vary and built.passed:
        output = wishes.output(statement)
        first = attempt(built, folder)
        varied = vary_rebuild(gathered, first, wishes.new_folder, say=wishes.say, output=output)
    return Reproduced(statement, verdict, source, folder, originals, failed, varied)


def _kept(built: Built, to: Path) -> Path:
    """Moves what was built into the empty folder `to`. Raises TreeError."""
    assert built.folder
    with explained("written", str(to)):
        for each in built.folder.iterdir():  # the folder may be the caller's to fill, not to replace
            shutil.move(each, to / each.name)
    return to
