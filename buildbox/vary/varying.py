"""What a build depends on that it shouldn't: built again in other surroundings, and compared with itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from buildbox.comparing.compare import compare_files
from buildbox.comparing.finding import MTIME
from buildbox.vary.changes import Changes, together
from buildbox.vary.choice import Choice, Clocks
from buildbox.vary.explain import Attempt, Cause, Varied, differ
from buildbox.vary.search import find_causes
from buildbox.vary.variations import (
    CLOCK,
    CLOCK_OR_RANDOMNESS,
    RANDOMNESS,
    Unvaried,
    Variation,
    all_changes,
    unvaried,
)

_COARSEST = 2.1  # seconds: zip's times have steps of two; what is built later than this has another time
Build = Callable[[Changes], Attempt]


def vary(
    first: Attempt,
    build: Build,
    choice: Choice,
    say: Callable[[str], None],
    *,
    since: float | None = None,
    drop: Callable[[Path], None] = lambda folder: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Varied:
    """Finds out which of the variations that were chosen change what a build makes.

    `first` is a build with no changes, which passed before `since` (monotonic seconds; None: now). `drop`
    gets folders of attempts that nobody looks into any more. Raises what `build` and `drop` do.
    """
    since = time.monotonic() if since is None else since
    return _Varying(first, since, build, choice, say, drop, sleep).run()


@dataclass
class _Varying:
    """One `vary`. `base` is what others are compared with, in all but the files in `unsettled`."""

    first: Attempt
    since: float
    build: Build
    choice: Choice
    say: Callable[[str], None]
    drop: Callable[[Path], None]
    sleep: Callable[[float], None]
    base: Attempt = field(init=False)
    always: Changes = field(default_factory=Changes)  # in each build that is compared with `base`
    unsettled: frozenset[str] = frozenset()
    causes: list[Cause] = field(default_factory=list)
    unvaried: list[Unvaried] = field(default_factory=list)
    builds: int = 0
    _known: dict[frozenset[str], Attempt] = field(default_factory=dict)

    def run(self) -> Varied:
        self.base = self.first
        variations: Sequence[Variation] = self.choice.variations
        names = ", ".join(variation.title.removeprefix("the ") for variation in variations)
        self.say(f"building with all of these varied: {names}")
        self._wait_since(self.since)  # else times of files, which no variation changes, may be the same
        if self._differs(variations):
            variations = self._settle(variations)
            if self._differs(variations):
                for cause in find_causes(variations, self._differs):
                    self._note(cause)
        for variation in self.choice.apart:
            self.say(f"building with {variation.title} varied")
            if self._differs([variation]):
                self._note((variation,))
        if any(cause.how or cause.names == (CLOCK,) for cause in self.causes):
            self._doubt_the_base()
        self._doubt_the_clock()
        gone = {each.name for each in self.unvaried}
        varied = (*self.choice.variations, *self.choice.apart)
        return Varied(
            tuple(self.causes),
            tuple(each for each in varied if each.name not in gone),
            (*self.choice.unvaried, *self.unvaried),
            self.builds,
        )

    def _settle(self, variations: Sequence[Variation]) -> Sequence[Variation]:
        """Finds what differs between two builds with no changes at all; what is left to be varied."""
        self.say("building again without any change")
        again = self._built(Changes())
        moving = _changed(self.first, again)
        if not moving:
            return variations
        by_file_times = self._only_file_times(moving, self.first, again)
        clocks = self.choice.clocks
        if by_file_times == moving or clocks is None or not self._stop_the_clock(clocks, moving, again):
            self._tell_moving(by_file_times, CLOCK, again)
            self._tell_moving(moving - by_file_times, CLOCK_OR_RANDOMNESS, again)
            self._leave_out(moving)
            return variations
        return [each for each in variations if each.name != CLOCK]

    def _stop_the_clock(self, clocks: Clocks, moving: frozenset[str], again: Attempt) -> bool:
        """Tells time from chance in `moving`; from here on the clock stands still, unless builds fail so."""
        self.say("building twice while the clock stands still")
        still, begun = self._built(clocks.frozen), time.monotonic()
        self._wait_since(begun)
        still_again = self._built(clocks.frozen)
        if still.failure or still_again.failure:
            return False
        left = _changed(still, still_again)
        chance = left - self._only_file_times(left, still, still_again)
        self._tell_moving(moving - chance, CLOCK, again)
        self._tell_moving(chance, RANDOMNESS, again)
        self.base, self.always = still, clocks.frozen
        self._known.clear()
        self._leave_out(left)
        return True

    def _leave_out(self, paths: frozenset[str]) -> None:
        self.unsettled = paths
        if paths:
            why = f"{differ(sorted(paths))} each time: mend that first, then vary again"
            self.unvaried.append(Unvaried("other-causes", "other causes there", why))

    def _tell_moving(self, paths: frozenset[str], name: str, again: Attempt) -> None:
        if paths or (again.failure and name == CLOCK_OR_RANDOMNESS):
            self._add(Cause((name,), (), tuple(sorted(paths)), again.failure))

    def _only_file_times(self, paths: Iterable[str], left: Attempt, right: Attempt) -> frozenset[str]:
        """Those of `paths` in which only times of packed files differ: no clock was asked for these."""
        if left.folder is None or right.folder is None:
            return frozenset()
        both = (path for path in paths if path in left.outputs and path in right.outputs)
        pairs = ((path, left.folder / path, right.folder / path) for path in both)
        return frozenset(
            path
            for path, one, other in pairs
            if one.is_file() and other.is_file()
            if {finding.kind for finding in compare_files(one, other, path)} == {MTIME}
        )

    def _note(self, cause: tuple[Variation, ...]) -> None:
        """Notes what `cause` changes every time. What it changed only once is chance."""
        names, how = tuple(each.name for each in cause), tuple(each.how for each in cause)
        before = self._attempt(cause)
        made = self._built(together((self.always, all_changes(cause))), drop=True)
        files = self._changed(before) & self._changed(made)
        if files or (before.failure and made.failure):
            self._add(Cause(names, how, tuple(sorted(files)), before.failure))
        else:
            self._tell_moving(self._changed(before) | self._changed(made), RANDOMNESS, made)

    def _doubt_the_base(self) -> None:
        """What came out the same twice may do so by chance, too: then nothing is a cause of its changing."""
        self.say("building twice more without any change")
        made = [self._built(self.always, drop=True) for _ in range(2)]
        moving = self._changed(made[0]) | self._changed(made[1])
        if not moving:
            return
        left = (replace(each, files=tuple(sorted({*each.files} - moving))) for each in self.causes)
        self.causes = [each for each in left if each.files or each.failure]
        self._tell_moving(moving, RANDOMNESS, made[0])
        self._leave_out(self.unsettled | moving)

    def _add(self, cause: Cause) -> None:
        """The time may be told twice: once of files that differ each time, once of others."""
        before = next((each for each in self.causes if each.names == cause.names), None)
        if before:
            self.causes.remove(before)
            cause = replace(cause, files=tuple(sorted({*before.files, *cause.files})))
        self.causes.append(cause)

    def _doubt_the_clock(self) -> None:
        """A build may differ because of the library that shows another time, not because of the time."""
        clocks = self.choice.clocks
        found = next((cause for cause in self.causes if cause.names == (CLOCK,) and cause.how), None)
        if found is None or clocks is None:
            return
        self.say("building with the clock as it is, by the same library")
        made = self._built(clocks.steady, drop=True)
        if made.failure or self._changed(made):
            self.causes.remove(found)
            self.unvaried.append(
                unvaried(CLOCK, "the build heeds libfaketime itself, whatever time it shows")
            )

    def _wait_since(self, begun: float) -> None:
        """Until what is built next has other times than what was built before `begun` (monotonic seconds)."""
        self.sleep(max(0.0, begun + _COARSEST - time.monotonic()))

    def _differs(self, variations: Sequence[Variation]) -> bool:
        if not variations:
            return False
        made = self._attempt(variations)
        return bool(made.failure or self._changed(made))

    def _changed(self, made: Attempt) -> frozenset[str]:
        return _changed(self.base, made) - self.unsettled

    def _attempt(self, variations: Sequence[Variation]) -> Attempt:
        names = frozenset(variation.name for variation in variations)
        if names not in self._known:
            if self.builds:
                self.say(f"building with {', '.join(each.title for each in variations)} varied")
            self._known[names] = self._built(together((self.always, all_changes(variations))), drop=True)
        return self._known[names]

    def _built(self, changes: Changes, *, drop: bool = False) -> Attempt:
        """`drop`: nobody looks into its files."""
        self.builds += 1
        made = self.build(changes)
        if drop and made.folder:
            self.drop(made.folder)
            made = replace(made, folder=None)
        return made


def _changed(left: Attempt, right: Attempt) -> frozenset[str]:
    paths = left.outputs.keys() | right.outputs.keys()
    return frozenset(path for path in paths if left.outputs.get(path) != right.outputs.get(path))
