"""`buildbox capsule create`."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from buildbox.cli.call import Call
from buildbox.cli.options import Allow
from buildbox.errors import CantTell, Mismatch, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from buildbox.capsule.create import Made
    from buildbox.rebuilding.subject import Chosen
    from buildbox.registry.client import Registry
    from buildbox.saving import Sources


def create(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The capsule to write.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="[FILE|TASK]...")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Build everything again from the capsule before it is done.")
    ] = False,
    allow: Allow = None,
) -> None:
    """Write one file that holds all it takes to build something again: a year later, elsewhere, offline.

    It is of artifacts, statements or tasks; of all hermetic tasks with outputs where none is named. Of tasks
    it takes what they made of the project as it is now, so all that is needed has to have run.

    It is a tar and an OCI image layout, with a README: the images, the inputs, the commit as a git bundle
    with those of submodules, what was needed and what was built, how it was done (with signatures), and for
    images of the catalogue the recipe and its packages, as far as the archive has them. The same state gives
    the same bytes. `buildbox reproduce FILE` needs nothing else but an engine.

    The whole commit is in it, and the names of its author; no secret is, but what files of yours hold.

    Prints the capsule's path. With --json: {"file", "size", "builds": [{"project", "task", "fingerprint",
    "outputs"}], "images", "left-out"}; size in bytes, "left-out" says what would be of use and wasn't to be
    had.

    Exit status: 119 where something is missing, all of it listed; 122 where --check builds something else.
    Nothing is written then.

    Examples:

      buildbox capsule create -o hello.tar

      buildbox capsule create --check -o hello.tar dist/hello-1.0-py3-none-any.whl

      buildbox capsule create -o hello.tar package
    """
    from buildbox.capsule.choosing import nothing_to_choose
    from buildbox.capsule.create import Origin
    from buildbox.capsule.create import create as make
    from buildbox.rebuilding.repository import RepositorySupply

    call: Call = ctx.obj
    to, root = call.host.cwd / output, call.project_root()
    archive = call.archive()
    missing: list[str] = []
    left_out: list[str] = []
    chosen = _chosen(call, root, to, names or [], allow or (), missing, left_out)
    if not chosen and not missing:
        raise nothing_to_choose()
    supply = RepositorySupply(root or call.host.cwd, archive, call.host, near=True)
    with ExitStack() as stack:
        new_folder = stack.enter_context(_scratch(call, root))
        sources = stack.enter_context(_sources(call))
        sharing = stack.enter_context(call.shared_results(archive))
        origin = Origin(
            supply,
            root or call.host.cwd,
            call.host.env,
            call.catalogues(),
            sources,
            lambda fingerprint: sharing.pull(fingerprint, call.host.now) if sharing else None,
            call.console,
        )
        made = make(
            to,
            chosen,
            origin,
            new_folder(),
            left_out=left_out,
            missing=missing,
            check=(lambda path: _check(call, path, new_folder(), chosen, allow or ()))
            if check
            else lambda path: None,
        )
    _tell(call, output, made, root, to)


def _chosen(
    call: Call,
    root: Path | None,
    to: Path,
    names: Sequence[str],
    allow: Sequence[str],
    missing: list[str],
    left_out: list[str],
) -> list[Chosen]:
    """The builds of what is named; each once."""
    from buildbox.config.near import suggestion
    from buildbox.rebuilding.subject import find_subject

    tasks = call.project().config.tasks if root else {}
    steps: list[str] = []
    files: list[Path] = []
    for name in names:
        if name.partition("[")[0] in tasks:
            steps.append(name)
        elif (path := call.host.cwd / name).exists():
            files.append(path)
        else:
            raise UsageError(f"there is neither a file nor a task {name!r}", suggestion(name, tasks, "task"))
    found = [find_subject(path, call.archive()).chosen[0] for path in files]
    if steps or not names:
        found += _of_tasks(call, to, steps, allow, missing, left_out)
    return list({chosen.data: chosen for chosen in found}.values())


def _of_tasks(
    call: Call,
    to: Path,
    names: Sequence[str],
    allow: Sequence[str],
    missing: list[str],
    left_out: list[str],
) -> list[Chosen]:
    from buildbox.capsule.choosing import choose_tasks
    from buildbox.ground import Ground
    from buildbox.tasks.plan import made_here, plan_tasks

    project = call.project()
    tasks = project.config.tasks.values()
    own = [task.name for task in tasks if task.hermetic and task.outputs]
    wanted = list(names) or own
    if not wanted:
        return []
    plan = plan_tasks(project.config, wanted)
    targets = [
        name for name in plan.targets if plan.steps[name].task.hermetic and plan.steps[name].task.outputs
    ]
    for name in plan.targets:
        if name not in targets:
            raise UsageError(
                f"{name} leaves nothing that can be made again",
                "A capsule is of tasks with hermetic = true and outputs.",
            )
    without = [*made_here(project.config), *_capsules(to, project.root)]
    with call.session(project.root, tuple(plan.steps.values()), allow, start=False) as session:
        ground = Ground(session, plan, without, project.config.name)
        return choose_tasks(ground, targets, missing, left_out, named=bool(names))


def _capsules(to: Path, root: Path) -> Iterator[str]:
    """Patterns of the capsules that lie where this one will, in the project: they aren't its source."""
    from buildbox.capsule.opening import is_capsule

    folder = to.parent.resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        return
    below = folder.relative_to(root).as_posix()
    for path in folder.iterdir():
        if not path.is_file() or path.is_symlink() or set("*?[]!\\") & set(path.name):
            continue
        with suppress(UsageError):  # what can't be read is no capsule of this user's
            if is_capsule(path):
                yield path.name if below == "." else f"{below}/{path.name}"


@contextmanager
def _scratch(call: Call, root: Path | None) -> Iterator[Callable[[], Path]]:
    from buildbox.cli.reproducing import work_in

    with work_in(call, root or call.host.cwd) as new_folder:
        yield new_folder


@contextmanager
def _sources(call: Call) -> Iterator[Sources]:
    from buildbox.saving import Sources

    with ExitStack() as stack:

        @cache
        def registry_for(host: str) -> Registry:
            return stack.enter_context(closing(call.registry(host)))

        yield Sources(call.offline, call.places, registry_for, call.recipe_for)


def _check(call: Call, path: Path, folder: Path, chosen: Sequence[Chosen], allow: Sequence[str]) -> None:
    """Builds everything from the capsule. Raises Mismatch, CantTell."""
    from buildbox.cli.reproducing import Wanted, reproduce_all
    from buildbox.rebuilding.verdict import State, overall

    tasks = [each.statement.step.task for each in chosen]
    env = {name for task in tasks for name in task.pass_env if name in call.host.env}
    secrets = {name for task in tasks for name in task.secrets}
    wanted = Wanted(path, folder, sorted(env), sorted(secrets), tuple(allow), vary=False)
    with reproduce_all(call, wanted) as (_, found, _logs):
        state = overall(each.state for each in found)
        wrong = [each.verdict for each in found if each.state is not State.IDENTICAL]
        lines = [f"{verdict.step}: {verdict.line}" for verdict in wrong]
        lines += [f"  {line}" for verdict in wrong for output in verdict.wrong for line in output.lines]
        if state is State.DIFFERENT:
            raise Mismatch(
                "what is built from the capsule isn't the same, so it isn't kept", "\n".join(lines)
            )
        if state is State.CANT_TELL:
            lines += [f"missing: {line}" for verdict in wrong for line in verdict.missing]
            raise CantTell("the capsule can't be checked here, so it isn't kept", missing=lines)
    for each in found:
        call.console.say(f"{each.verdict.step}: {each.verdict.line}")


def _tell(call: Call, output: Path, made: Made, root: Path | None, to: Path) -> None:
    from buildbox.units import show_size

    console = call.console
    for line in made.left_out:
        console.say(f"not in it: {line}")
    count = len(made.builds)
    what = ", ".join(dict.fromkeys(statement.step.name for statement in made.builds))
    console.say(f"{output}: {show_size(made.size)}, {count} build{'' if count == 1 else 's'}: {what}")
    if root and to.parent.resolve().is_relative_to(root):
        console.detail(f"{output} lies in the project: have git ignore it, or tasks take it for source")
    if console.json:
        builds = [
            {
                "project": statement.project,
                "task": statement.step.name,
                "fingerprint": str(statement.fingerprint),
                "outputs": [entry.path for entry in statement.outputs],
            }
            for statement in made.builds
        ]
        value = {"file": str(output), "size": made.size, "builds": builds, "images": list(made.images)}
        console.document({**value, "left-out": list(made.left_out)})
    else:
        console.lines([str(output)])
