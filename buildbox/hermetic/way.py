"""A hermetic step: its result from the archive, or its stage, its outputs, and the result that is kept."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from buildbox.archive.results import Result, ResultDamaged, extract, find_result, keep_result
from buildbox.errors import BuildboxError
from buildbox.execute import Outcome, Output
from buildbox.frames import FrameLog
from buildbox.ground import Ground, made_of
from buildbox.hermetic.hits import has_statement, record_of, take_result, tell_of_inputs
from buildbox.hermetic.last import note_last
from buildbox.hermetic.stage import Stage, stage_for
from buildbox.hermetic.telling import ask_ahead, gives_away, keep_telling
from buildbox.hermetic.weighing import Weighed, weigh
from buildbox.jobs import require_all
from buildbox.oci import canonical
from buildbox.schedule.report import Report, State
from buildbox.surroundings import View
from buildbox.tasks.fingerprint import is_cacheable
from buildbox.tasks.plan import Step
from buildbox.trees.faults import Changed
from buildbox.trees.placed import is_placed
from buildbox.trees.placing import place
from buildbox.trees.stage import remove
from buildbox.trees.taking import Taken
from buildbox.workplace import Workplace

_LOOKS = 5  # at a working tree that changes while it is copied


class Hermetic:
    """One hermetic step of a run; a buildbox.jobs.Way.

    With `force` it runs whatever the archive has; `to_tell` of it, unless the archive has a statement, too.
    """

    def __init__(self, workplace: Workplace, step: Step, *, force: bool, to_tell: bool) -> None:
        self._place, self._step, self._force, self._to_tell = workplace, step, force, to_tell
        self._weighed: Weighed | None = None
        self._stage: Stage | None = None
        self._log: FrameLog | None = None
        self._folders: list[Path] = []  # to be removed in the end

    @property
    def _ground(self) -> Ground:
        return self._place.ground

    @property
    def _fixed(self) -> Weighed:
        assert self._weighed, "it is prepared"
        return self._weighed

    @property
    def epoch(self) -> int:
        return self._fixed.epoch

    def prepare(self) -> Report | None:
        begun = time.monotonic()
        self._weigh()
        result = None if self._force or not is_cacheable(self._step) else self._find()
        try:
            if result:
                self._restore(result)
                return Report(self._step.name, State.CACHED, time.monotonic() - begun)
        except ResultDamaged as damage:
            self._place.display.note(self._step, f"{damage.reason}; it runs again")
        tell_of_inputs(self._step, self._fixed, self._place.display)
        return None

    def view(self, attempt: int) -> View:
        """A fresh stage: an attempt before this one may have changed its own."""
        self._drop_stage()
        for look in range(_LOOKS):
            again = attempt > 1 or self._shares_inputs()
            self._stage = stage_for(self._ground.session, self._step, self._new_folder(), again=again)
            try:
                self._stage.fill(self._ground.root, self._fixed)
                break
            except Changed:
                if look == _LOOKS - 1:
                    raise
                self._drop_stage()
                self._ground.changed()
                self._weigh()
        assert self._stage
        return self._stage.view

    def keeper(self) -> Output | None:
        if self._log:
            self._log.close()
        self._log = FrameLog(self._new_folder().with_suffix(".log"))
        ask_ahead(self._ground, self._step)  # inputs are settled by now, and the engine answers
        return self._log

    def finish(self, outcome: Outcome) -> None:
        assert self._stage and self._log
        ended = self._ground.session.host.clock()
        self._log.close()
        taken = self._stage.take(self._step.task.outputs, self._new_folder())
        require_all(self._step, taken.missing)
        session, weighed = self._ground.session, self._fixed
        result = keep_result(
            session.archive,
            fingerprint=weighed.fingerprint,
            document=canonical(weighed.document),
            step=self._step.name,
            entries=taken.entries,
            folder=taken.folder,
            log=self._log.path,
            seconds=outcome.seconds,
            now=session.host.now,
        )
        if gives_away(self._ground, self._step, result):
            self._place.display.note(self._step, "it leaves no statement: that would give a secret away")
        keep_telling(self._ground, self._step, weighed, result, (ended - outcome.seconds, ended))
        place(taken, self._ground.root, self._record, self._step.task.outputs)
        self._ground.made(self._step.name, made_of(taken.entries, result))
        self._note_last()
        if self._place.sharing and is_cacheable(self._step):
            self._place.sharing.push(result)

    def discard(self) -> None:
        self._drop_stage()
        if self._log:
            self._log.close()
        for folder in self._folders:
            with suppress(BuildboxError):
                remove(folder)

    def _weigh(self) -> None:
        for look in range(_LOOKS):
            try:
                self._weighed = weigh(self._ground, self._step)
                break
            except Changed:  # while it was looked at
                if look == _LOOKS - 1:
                    raise
                self._ground.changed()

    def _find(self) -> Result | None:
        fingerprint = self._fixed.fingerprint
        now = self._ground.session.host.now
        result = find_result(self._ground.session.archive, fingerprint, now)
        if result is None and self._place.sharing:
            result = self._place.sharing.pull(fingerprint, now)
        if result and self._to_tell and not has_statement(self._ground.session.archive, result):
            self._place.display.note(self._step, "nothing tells how its result was made; it runs again")
            return None
        return result

    def _restore(self, result: Result) -> None:
        """The result's outputs come into the working tree, unless they are there; its log is shown again."""
        root = self._ground.root
        if not is_placed(result.entries, root, self._record):
            folder = self._new_folder()
            extract(self._ground.session.archive, result, folder)
            place(Taken(result.entries, folder), root, self._record, self._step.task.outputs)
        take_result(self._ground, self._step, self._fixed, result, self._place.display)

    @property
    def _record(self) -> Path:
        return record_of(self._place.root, self._step.name)

    def _new_folder(self) -> Path:
        folder = self._place.new_folder()
        self._folders.append(folder)
        return folder

    def _shares_inputs(self) -> bool:
        """Whether other attempts of the run have the same inputs, or may have."""
        task, steps = self._step.task, self._ground.plan.steps.values()
        others = (step for step in steps if step is not self._step and step.task.hermetic)
        return task.retries > 0 or any(step.task.inputs == task.inputs for step in others)

    def _drop_stage(self) -> None:
        if self._stage:
            self._stage.drop()
            self._stage = None

    def _note_last(self) -> None:
        note_last(self._place.root, self._step.name, self._fixed)
