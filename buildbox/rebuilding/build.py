"""One rebuild: a fresh tree, a container, and what it made, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.caches import folders_above
from buildbox.container import Tmpfs
from buildbox.errors import UsageError
from buildbox.execute import Outcome, Output, Streams
from buildbox.execute.life import execute
from buildbox.hermetic.stage import LocalStage, Stage, stage_for
from buildbox.masking import Masked
from buildbox.rebuilding.gather import Gathered
from buildbox.run import Unheard
from buildbox.session import Session
from buildbox.stages import stages
from buildbox.surroundings import Ears, Seats, surrounded, user_of
from buildbox.tasks.plan import Step
from buildbox.trees.entry import Entry
from buildbox.trees.faults import OutputRefused
from buildbox.trees.stage import remove
from buildbox.trees.taking import Taken
from buildbox.vary.changes import Changes
from buildbox.vary.order import copy_reversed, memory_folder


@dataclass(frozen=True)
class Built:
    """What a rebuild came to."""

    outcome: Outcome
    entries: tuple[Entry, ...] = ()  # the outputs, sorted by path
    folder: Path | None = None  # where they are; None: it didn't come to that
    missing: tuple[str, ...] = ()  # patterns that no output matches
    refused: tuple[str, ...] = ()  # outputs that aren't taken in, and why

    @property
    def passed(self) -> bool:
        """Whether the command did, and its outputs could be taken."""
        return self.outcome.status == 0 and not self.refused


class Interrupted(KeyboardInterrupt):
    """A signal came while a rebuild ran; nothing of it is left in the engine."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.status = 128 + number  # what buildbox ends with


def rebuild(
    gathered: Gathered,
    folder: Path,
    changes: Changes = Changes(),  # noqa: B008  # a frozen value
    *,
    say: Callable[[str], None],
    output: Output,
) -> Built:
    """Builds once what was gathered, in `folder`, which is empty and stays; the outputs are in it then.

    In the main thread, whose signals go to the build. Nothing comes from caches or results, and nothing is
    kept as one. Raises Interrupted; BuildboxError for all but the build's own failure.
    """
    session, step = gathered.session, gathered.step
    if changes.user:
        step = replace(step, task=replace(step.task, user=changes.user))
    tree = folder / f"tree-{folder.name}"  # an engine elsewhere has a volume of this name
    tree.mkdir()
    masked = Masked(output, session.secrets.values())
    with ExitStack() as stack:
        stack.callback(remove, tree)
        stage = stage_for(session, step, tree, again=changes != Changes())
        stack.callback(stage.drop)
        stage.fill(gathered.inputs.root, gathered.weighed)
        if changes.reversed_order:
            stage = stack.enter_context(_reversed(session, tree))
        stack.callback(masked.flush)
        outcome = _run(gathered, step, stage, changes, masked, say)
        if outcome.signal:
            raise Interrupted(outcome.signal)
        if outcome.status:
            return Built(outcome)
        return _taken(outcome, lambda: stage.take(step.task.outputs, folder / "made"))


def _run(
    gathered: Gathered, step: Step, stage: Stage, changes: Changes, output: Masked, say: Callable[[str], None]
) -> Outcome:
    session = gathered.session
    image, image_id = session.image(step.toolchain.image, step.toolchain.platform)
    view = replace(stage.view, tmpfs=(*stage.view.tmpfs, *_empty(gathered.caches, user_of(session, step))))
    ears = Ears(say, lambda service: Unheard())
    epoch = gathered.statement.epoch
    with surrounded(session, step, view, image, image_id, epoch, Seats(), ears) as spec:
        streams = Streams(output, None, None)
        return execute(session.engine, changes.spec(spec), streams, timeout=step.task.timeout, say=say)


@contextmanager
def _reversed(session: Session, tree: Path) -> Iterator[Stage]:
    """A stage with what is in `tree`, whose folders list it the other way round. Raises UsageError."""
    memory = memory_folder(session.host.uid)
    if memory is None:
        raise UsageError("the order of files can't be varied: there is no room for them in memory")
    with stages(memory) as folders:
        folder = folders.new()
        copy_reversed(tree, folder)
        yield LocalStage(session.archive, folder, None)


def _empty(caches: Sequence[str], user: tuple[int, int]) -> tuple[Tmpfs, ...]:
    """Empty folders in memory where the step has caches."""
    uid, gid = user
    places = (Tmpfs(place, f"mode=0755,exec,uid={uid},gid={gid}") for place in caches)
    return (*folders_above(caches, user), *places)


def _taken(outcome: Outcome, take: Callable[[], Taken]) -> Built:
    try:
        taken = take()
    except OutputRefused as error:
        return Built(outcome, refused=error.problems)
    return Built(outcome, taken.entries, taken.folder, taken.missing)
