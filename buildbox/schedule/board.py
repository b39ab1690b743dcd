"""Where each step of a plan stands, and which one goes on next. No threads, no clock."""

from __future__ import annotations

from heapq import heappop, heappush

from buildbox.tasks.plan import Plan

_MOST_AHEAD = 4  # steps that wait for a slot with all made ready for their start


class Board:
    """The steps on their way to a slot, each taken once. `limit` is the number of slots.

    No more than `cpus` are being parked ahead at once: to start a container costs an engine 0.2 s of one.

    Those that may go on do so in the plan's order; but one that waits parked goes before one that doesn't.
    """

    def __init__(self, plan: Plan, limit: int, cpus: int) -> None:
        self._names = tuple(plan.steps)
        self._place = {name: place for place, name in enumerate(self._names)}
        self._limit = limit
        self._cpus = cpus
        self._blocked = {name: set(step.needs) for name, step in plan.steps.items() if step.needs}
        self._needed_by: dict[str, list[str]] = {name: [] for name in self._names}
        for name, step in plan.steps.items():
            for need in step.needs:
                self._needed_by[need].append(name)
        self._fresh = [place for name, place in self._place.items() if name not in self._blocked]
        self._ready: list[int] = []
        self._ahead: dict[str, bool] = {}  # without a slot as yet; whether it is parked already
        self._slots: set[str] = set()

    def take_fresh(self) -> str | None:
        """The next step that may be prepared: all that it needs has passed."""
        return self._names[heappop(self._fresh)] if self._fresh else None

    def ready(self, name: str) -> None:
        """The step may be parked: it is prepared, or the pause before its next attempt is over."""
        heappush(self._ready, self._place[name])

    def take_ready(self) -> str | None:
        """The next step to park: in a free slot, or ahead of one while all are taken."""
        if not self._ready:
            return None
        free = len(self._slots) < self._limit
        if free and not self._ahead:
            name = self._names[heappop(self._ready)]
            self._slots.add(name)
            return name
        busy = sum(not done for done in self._ahead.values())
        room = len(self._ahead) < min(self._limit, _MOST_AHEAD) and busy < self._cpus
        if not free and room:
            name = self._names[heappop(self._ready)]
            self._ahead[name] = False
            return name
        return None

    def parked(self, name: str) -> bool:
        """The step's command may start; whether it has a slot, and starts now."""
        if name in self._slots:
            return True
        self._ahead[name] = True
        return False

    def take_parked(self) -> str | None:
        """The next parked step to start in a slot that has become free.

        Where none is parked yet, the slot goes to one that will be.
        """
        while self._ahead and len(self._slots) < self._limit:
            parked = [name for name, done in self._ahead.items() if done]
            name = min(parked or self._ahead, key=self._place.__getitem__)
            del self._ahead[name]
            self._slots.add(name)
            if parked:
                return name
        return None

    def free(self, name: str) -> None:
        """The step gives up its slot, or its place ahead of one."""
        self._slots.discard(name)
        self._ahead.pop(name, None)

    def passed(self, name: str) -> None:
        """What the step was the last to block may go on."""
        for other in self._needed_by[name]:
            if other in self._blocked:
                self._blocked[other].discard(name)
                if not self._blocked[other]:
                    del self._blocked[other]
                    heappush(self._fresh, self._place[other])

    def cut(self, name: str) -> tuple[str, ...]:
        """All steps that can never go on without this one, in the plan's order; they leave the board."""
        without = {name}
        for other in self._names[self._place[name] + 1 :]:
            if not without.isdisjoint(self._blocked.get(other, ())):
                without.add(other)
        return tuple(other for other in self._names if other in without and self._blocked.pop(other, set()))

    def clear(self) -> tuple[str, ...]:
        """All steps that nothing is being done for, in the plan's order; they leave the board."""
        waiting = {self._names[place] for place in (*self._fresh, *self._ready)}
        waiting |= self._blocked.keys() | {name for name, done in self._ahead.items() if done}
        self._fresh, self._ready = [], []
        self._blocked.clear()
        self._ahead = {name: done for name, done in self._ahead.items() if not done}
        return tuple(name for name in self._names if name in waiting)
