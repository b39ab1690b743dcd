"""A rebuild in other surroundings, for `--vary`: what of them changes what comes out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from buildbox.execute import Output
from buildbox.rebuilding.build import Built, rebuild
from buildbox.rebuilding.gather import Gathered
from buildbox.trees.stage import remove
from buildbox.units import show_duration
from buildbox.vary.changes import Changes
from buildbox.vary.choice import Surroundings, choose
from buildbox.vary.explain import Attempt, Varied
from buildbox.vary.varying import vary

_PATIENCE, _TIMES = 300.0, 20.0  # seconds, and times those of a usual rebuild, that each other one has


def vary_rebuild(
    gathered: Gathered,
    first: Attempt,
    new_folder: Callable[[], Path],
    *,
    say: Callable[[str], None],
    output: Output,
) -> Varied:
    """Which of the surroundings change what is built. `first` is a usual rebuild, which passed.

    `new_folder` gives an empty folder for each rebuild. Raises as `rebuild`.
    """
    since = time.monotonic()
    limit = _PATIENCE + _TIMES * first.seconds  # some programs wait for ever for a clock that stands still
    session, step = gathered.session, gathered.step
    image, image_id = session.image(step.toolchain.image, step.toolchain.platform)
    scratch = new_folder()
    seen = session.sees(scratch)
    around = Surroundings(session.host.uid, session.rootless, session.run, scratch, seen)
    choice = choose(session.engine, image_id, tuple(image.document.environment.items()), step, around)

    task = replace(step.task, timeout=min(limit, step.task.timeout or limit))
    limited = replace(gathered, step=replace(step, task=task))

    def build(changes: Changes) -> Attempt:
        built = rebuild(limited, new_folder(), changes, say=say, output=output)
        return attempt(built, built.folder)

    return vary(first, build, choice, say, since=since, drop=remove)


def attempt(built: Built, folder: Path | None) -> Attempt:
    """What was built, whose outputs are in `folder` now, as variations are compared."""
    seconds = built.outcome.seconds
    if built.outcome.timed_out:
        return Attempt({}, failure=f"the build was stopped after {show_duration(seconds)}", seconds=seconds)
    if built.outcome.status:
        return Attempt({}, failure=f"the build failed with status {built.outcome.status}", seconds=seconds)
    if built.refused:
        return Attempt({}, failure=f"its outputs aren't taken in: {'; '.join(built.refused)}")
    outputs = {entry.path: f"{entry.mode:06o} {entry.digest}" for entry in built.entries}
    return Attempt(outputs, folder, seconds=seconds)
