"""Runs a plan: the main thread decides and heeds signals, the work is done in threads of a bounded number."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue

from buildbox.errors import BuildboxError
from buildbox.execute import Outcome
from buildbox.execute.events import FORWARDED, in_background
from buildbox.execute.stop import STOPPING, caught
from buildbox.schedule.board import Board
from buildbox.schedule.job import Job
from buildbox.schedule.pauses import pause_after
from buildbox.schedule.report import Display, Report, State, Summary
from buildbox.tasks.plan import Plan, Step

_TICK = 1.0  # seconds; a signal that comes right as Python falls asleep wakes nobody
_PATIENCE = 3.0  # seconds that a stop waits for steps that are still being prepared, or parked
_DISCARDS = 2  # at once


class Interrupted(KeyboardInterrupt):
    """Signals ended the run before all that was under way could be ended in order."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number


def run_plan(
    plan: Plan,
    jobs: Callable[[Step], Job],
    *,
    limit: int,
    keep_going: bool,
    display: Display,
    prepare_ahead: int | None = None,
    patience: float = _PATIENCE,
) -> Summary:
    """Runs the steps of `plan`, each when all that it needs has passed; at most `limit` commands at once.

    In the main thread: it heeds SIGINT, SIGTERM, SIGHUP and SIGQUIT, and passes SIGUSR1 and SIGUSR2 on.
    `prepare_ahead`: steps that are prepared at once, outside of slots; else the number of CPUs, or 1 where
    `limit` is 1, so that the steps start in the plan's order. After a first failure nothing starts, unless
    `keep_going`. A step whose command failed has `retries` more attempts, after pauses of 1, 2, 4 … 30 s.

    Raises Interrupted where signals came and something doesn't end: what is prepared or parked (an image may
    be on its way) within `patience` seconds, what runs and is killed before a third signal. When all is
    cleaned up, it raises whatever a job or the display raised that is no BuildboxError.
    """
    display.plan(plan)
    summary = _Run(plan, jobs, limit, keep_going, display, prepare_ahead, patience).go()
    display.finished(summary)
    return summary


@dataclass(frozen=True)
class _Done:
    """A thread has done its work for a step."""

    name: str
    phase: str  # the method of Job that it called
    value: Report | Outcome | None = None
    error: Exception | None = None


class _Run:
    """A plan, from its first step to its last report. All but `_work` happens in the main thread."""

    def __init__(
        self,
        plan: Plan,
        jobs: Callable[[Step], Job],
        limit: int,
        keep_going: bool,
        display: Display,
        prepare_ahead: int | None,
        patience: float,
    ) -> None:
        self._steps = plan.steps
        self._job_of = jobs
        self._keep_going = keep_going
        self._display = display
        self._patience = patience
        cpus = len(os.sched_getaffinity(0))
        self._prepare_ahead = prepare_ahead or (1 if limit == 1 else cpus)
        self._board = Board(plan, limit, cpus)
        self._events: SimpleQueue[_Done | int] = SimpleQueue()  # a number is a signal's
        self._jobs: dict[str, Job] = {}  # that aren't discarded yet
        self._under_way: dict[str, str] = {}  # step -> the phase that a thread is in
        self._attempts: dict[str, int] = {}
        self._outcomes: dict[str, Outcome] = {}  # of the last attempts
        self._pauses: dict[str, float] = {}  # step -> when its next attempt may begin, by the monotonic clock
        self._unfinished: deque[str] = deque()
        self._unwanted: deque[Job] = deque()
        self._discarding = 0
        self._reports: dict[str, Report] = {}
        self._status = 0
        self._closed = ""  # why nothing starts any more
        self._cut_short = False  # by signals
        self._signals: dict[int, int] = {}  # number -> how often it came
        self._stopped_at = 0.0
        self._unclean: BuildboxError | None = None
        self._bug: Exception | None = None

    def go(self) -> Summary:
        begun = time.monotonic()
        with caught(FORWARDED, self._events.put):
            while self._open():
                try:
                    self._start()
                    self._wait()
                except Exception as error:
                    self._crash(error)
        if self._bug:
            for job in (*self._unwanted, *self._jobs.values()):
                with suppress(Exception):
                    job.discard()
            raise self._bug
        status = 128 + next(iter(self._signals)) if self._cut_short else self._status
        return Summary(tuple(self._reports.values()), time.monotonic() - begun, status, self._unclean)

    def _open(self) -> bool:
        if self._under_way or self._discarding:
            return True
        return not self._bug and (bool(self._unwanted) or len(self._reports) < len(self._steps))

    # what begins

    def _start(self) -> None:
        """Begins all that may begin now."""
        if self._bug:
            return
        while not self._closed and (name := self._board.take_parked()):
            self._run(name)
        while not self._closed and (name := self._board.take_ready()):
            self._spawn(name, "park")
        while self._unfinished and self._busy("finish") < self._prepare_ahead:
            self._spawn(self._unfinished.popleft(), "finish")
        while (
            not self._closed
            and self._busy("prepare", "finish") < self._prepare_ahead
            and (name := self._board.take_fresh())
        ):
            self._spawn(name, "prepare")
        while self._unwanted and self._discarding < _DISCARDS:
            in_background(partial(self._discard, self._unwanted[0]))
            self._unwanted.popleft()
            self._discarding += 1
        if not (self._under_way or self._pauses or self._discarding) and self._open():
            raise RuntimeError("no step can go on")  # what isn't in the plan is needed, or a cycle

    def _busy(self, *phases: str) -> int:
        return sum(phase in phases for phase in self._under_way.values())

    def _run(self, name: str) -> None:
        self._attempts[name] = self._attempts.get(name, 0) + 1
        self._display.started(self._steps[name], self._attempts[name])
        self._spawn(name, "run")

    def _spawn(self, name: str, phase: str) -> None:
        in_background(lambda: self._work(name, phase))
        self._under_way[name] = phase

    def _work(self, name: str, phase: str) -> None:
        """In a thread of its own: one call of a job's method."""
        try:
            self._events.put(_Done(name, phase, self._call(name, phase)))
        except Exception as error:  # the main thread raises what isn't expected
            self._events.put(_Done(name, phase, error=error))

    def _call(self, name: str, phase: str) -> Report | Outcome | None:
        if phase == "prepare":
            self._jobs[name] = self._job_of(self._steps[name])
            return self._jobs[name].prepare()
        job, attempts = self._jobs[name], self._attempts.get(name, 0)
        if phase == "park":
            job.park(attempts + 1)
            return None
        return job.run(attempts) if phase == "run" else job.finish(self._outcomes[name])

    def _discard(self, job: Job) -> None:
        try:
            job.discard()
            self._events.put(_Done("", "discard"))
        except Exception as error:
            self._events.put(_Done("", "discard", error=error))

    # what has happened

    def _wait(self) -> None:
        """Waits for the next event, and takes it in."""
        try:
            event = self._events.get(timeout=self._nap())
        except Empty:
            pass
        else:
            self._signalled(event) if isinstance(event, int) else self._done(event)
        now = time.monotonic()
        for name in [name for name, due in self._pauses.items() if due <= now and not self._closed]:
            del self._pauses[name]
            self._board.ready(name)
        late = self._signals and now > self._stopped_at + self._patience
        if late and self._under_way and self._busy("prepare", "park") == len(self._under_way):
            raise Interrupted(next(iter(self._signals)))

    def _nap(self) -> float:
        due = min(self._pauses.values(), default=None)
        return _TICK if due is None else min(_TICK, max(0.0, due - time.monotonic()))

    def _done(self, done: _Done) -> None:
        if done.phase == "discard":
            self._discarding -= 1
            self._discarded(done.error)
            return
        name = done.name
        del self._under_way[name]
        if done.phase != "prepare" and done.phase != "finish" and (done.phase == "run" or done.error):
            self._board.free(name)
        if self._bug:
            return
        if isinstance(done.error, BuildboxError):
            self._failed(name, done.phase, done.error)
        elif done.error:
            raise done.error
        elif isinstance(done.value, Outcome):
            self._ran(name, done.value)
        elif isinstance(done.value, Report):
            self._finished(name, done.value)
        elif self._closed:
            self._board.free(name)
            self._withhold(name)
        elif done.phase == "prepare":
            self._board.ready(name)
        elif self._board.parked(name):
            self._run(name)

    def _ran(self, name: str, outcome: Outcome) -> None:
        self._outcomes[name] = outcome
        attempt = self._attempts[name]
        if outcome.status == 0 or outcome.signal:
            self._unfinished.append(name)
        elif attempt > self._steps[name].task.retries or self._closed:
            self._note_failure(name, outcome.status)  # now: its slot is free
            self._unfinished.append(name)
        else:
            pause = pause_after(attempt)
            self._pauses[name] = time.monotonic() + pause
            self._display.retrying(self._steps[name], outcome, pause)

    def _finished(self, name: str, report: Report) -> None:
        outcome = self._outcomes.get(name)
        if outcome and outcome.signal:
            report = replace(report, state=State.STOPPED)
            self._cut_short = bool(self._signals)
        self._end(name, replace(report, attempts=self._attempts.get(name, 0)))

    def _failed(self, name: str, phase: str, error: BuildboxError) -> None:
        if self._signals and phase in ("prepare", "park"):  # it was told to end soon
            self._withhold(name)
            return
        outcome = self._outcomes.get(name)
        attempts, seconds = self._attempts.get(name, 0), outcome.seconds if outcome else 0.0
        self._end(name, Report(name, State.FAILED, seconds, attempts, outcome, error.reason, error))

    def _end(self, name: str, report: Report) -> None:
        """The step has ended, and with it those that can't go on without it."""
        self._reports[name] = report
        self._drop(name)
        self._display.ended(self._steps[name], report)
        if report.state in (State.PASSED, State.CACHED):
            self._board.passed(name)
        else:
            if report.state is State.FAILED:
                self._note_failure(name, report.status)
            word = {State.FAILED: "failed", State.STOPPED: "was stopped"}.get(report.state, "was not run")
            for other in self._board.cut(name):
                self._end(other, Report(other, State.NOT_RUN, why=f"needs {name}, which {word}"))
        if self._closed and not self._unfinished and not self._busy("finish"):
            self._clear()

    def _note_failure(self, name: str, status: int) -> None:
        self._status = self._status or status
        if not self._keep_going:
            self._closed = self._closed or f"not started after {name} failed"

    def _clear(self) -> None:
        """Ends all that would have begun later."""
        waiting = (*self._pauses, *self._board.clear())
        self._pauses.clear()
        for name in waiting:
            self._withhold(name)

    def _withhold(self, name: str) -> None:
        """The step doesn't begin any more; or its next attempt doesn't, and the last one counts."""
        self._cut_short = self._cut_short or bool(self._signals)
        if name in self._outcomes:
            self._unfinished.append(name)
        else:
            self._end(name, Report(name, State.NOT_RUN, why=self._closed))

    def _drop(self, name: str) -> None:
        if job := self._jobs.pop(name, None):
            self._unwanted.append(job)

    def _discarded(self, error: Exception | None) -> None:
        if isinstance(error, BuildboxError):
            self._unclean = self._unclean or error
        elif error:
            raise error

    # what comes from outside

    def _signalled(self, number: int) -> None:
        if number not in STOPPING:
            self._tell(number, "run")
            return
        self._signals[number] = self._signals.get(number, 0) + 1
        if self._signals[number] > 2:
            raise Interrupted(next(iter(self._signals)))
        self._stopped_at = self._stopped_at or time.monotonic()
        name = signal.Signals(number).name
        self._closed = f"not started: {name} stopped the run"
        running = self._tell(number, "prepare", "park", "run")
        if number == signal.SIGINT and running and self._signals[number] == 1:
            self._display.note(None, "interrupted; waiting for what runs to end (Ctrl-C again kills it)")
        self._clear()

    def _tell(self, number: int, *phases: str) -> int:
        """Passes a signal on to the jobs in these phases; how many of them are running."""
        told = [name for name, phase in self._under_way.items() if phase in phases]
        for name in told:
            if job := self._jobs.get(name):
                job.signal(number)
        return sum(self._under_way[name] == "run" for name in told)

    def _crash(self, error: Exception) -> None:
        """Something has a bug: all that runs is killed, and what is left of it removed; then it is raised."""
        if self._bug:
            return
        self._bug = error
        self._tell(signal.SIGKILL, "prepare", "park", "run")
