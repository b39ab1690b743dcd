"""Rebuilds with other surroundings, which tell what a build depends on that it shouldn't."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from buildbox.execute import Output
from buildbox.rebuilding.build import Built, rebuild
from buildbox.rebuilding.gather import Gathered
from buildbox.vary.changes import Changes
from buildbox.vary.choice import Surroundings, choose
from buildbox.vary.explain import Attempt, Varied, vary

_PATIENCE, _TIMES = 300.0, 20.0  # seconds, and times what the first build took, that a varied one has


def vary_build(
    gathered: Gathered,
    first: Built,
    folder: Path,
    *,
    say: Callable[[str], None],
    output: Output,
) -> Varied:
    """Builds what was gathered again and again, in new folders in `folder`, and says what makes it differ.

    `first` is a rebuild of it without changes, which passed. In the main thread. Raises as `rebuild` does.
    """
    session, step = gathered.session, gathered.step
    limit = min(_PATIENCE + _TIMES * first.outcome.seconds, step.task.timeout or float("inf"))
    limited = replace(gathered, step=replace(step, task=replace(step.task, timeout=limit)))

    def build(changes: Changes) -> Attempt:
        own = Path(tempfile.mkdtemp(prefix="varied-", dir=folder))
        return _attempt(rebuild(limited, own, changes, say=say, output=output))

    with tempfile.TemporaryDirectory(prefix="vary-", dir=folder) as scratch:
        image, image_id = session.image(step.toolchain.image, step.toolchain.platform)
        env = tuple(sorted(image.document.environment.items()))
        around = Surroundings(session.host.uid, session.rootless, session.run, Path(scratch))
        return vary(_attempt(first), build, choose(session.engine, image_id, env, step, around), say)


def _attempt(built: Built) -> Attempt:
    if built.passed:
        return Attempt(
            {entry.path: f"{entry.mode:o} {entry.digest}" for entry in built.entries}, built.folder
        )
    outcome = built.outcome
    if outcome.timed_out:
        return Attempt({}, failure=f"the build was stopped after {outcome.seconds:.0f} s")
    if outcome.status:
        return Attempt({}, failure=f"the build fails with status {outcome.status}")
    return Attempt({}, failure=f"outputs can't be taken: {'; '.join(built.refused)}")
