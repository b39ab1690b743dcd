"""Task names and arguments -> an ordered plan of steps. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from buildbox.config.model import Config, Service, Task, Toolchain
from buildbox.config.near import suggestion
from buildbox.config.variants import Variant, fill
from buildbox.errors import UsageError
from buildbox.tasks.beside import statement_patterns
from buildbox.tasks.names import Found, find_steps

_NAMES_ARGUMENTS = re.compile(r"\$[@*1]|\$\{[@*1]")
_COMMENT = re.compile(r"(^|\s)#")  # would swallow what is appended
_POSIX_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"})


@dataclass(frozen=True)
class Step:
    """One command to run in one toolchain: a task, or one variant of it."""

    name: str  # the task's, with its variant ("test[python313,DJANGO=5]"), or "shell", "exec"
    task: Task  # as the variant has it: its toolchain, its env, its outputs
    toolchain: Toolchain
    argv: tuple[str, ...]
    needs: tuple[str, ...] = ()  # names of the steps that pass before; all of them are in the plan
    services: tuple[Service, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What is to run, each step behind all that it needs."""

    steps: Mapping[str, Step]  # by name, in an order in which they could run one after the other
    targets: tuple[str, ...]  # names of the steps that were asked for; the others are needed by them

    def closure(self, name: str) -> tuple[str, ...]:
        """All that the step needs, what its needs need too, in the plan's order; without itself."""
        wanted: set[str] = set()
        left = [name]
        while left:
            new = [need for need in self.steps[left.pop()].needs if need not in wanted]
            wanted.update(new)
            left += new
        return tuple(sorted(wanted, key=self._positions.__getitem__))

    @cached_property
    def _positions(self) -> Mapping[str, int]:
        return {name: position for position, name in enumerate(self.steps)}


def plan_tasks(
    config: Config,
    names: Sequence[str],
    args: Sequence[str] = (),
    *,
    deps: bool = True,
    hermetic: bool = False,
) -> Plan:
    """The plan for the tasks and variants `names` (none: the project's default), and all that they need.

    The order is the one that was asked for, or of the file, as far as needs allow it. `args` go to the one
    target that there is. Without `deps` the targets alone run, in the order that their needs give.
    `hermetic` makes all of it hermetic, what is needed too: an engine elsewhere can then run the whole.

    Raises UsageError for a task that isn't there, for `args` that can't reach a single task, for a task
    that can't be hermetic.
    """
    targets = _targets(config, names)
    if args and len(targets) > 1:
        shown = [variant.name for _, variant in targets[:10]] + ["…"] * (len(targets) > 10)
        raise UsageError(
            f"arguments after -- go to a single task, but {len(targets)} are to run: {', '.join(shown)}",
            "Run the one that they are for by itself.",
        )
    asked = {variant.name for _, variant in targets}
    found, needs = _order(config, targets)
    between = None if deps else {name: task for name, (task, _) in found.items() if name not in asked}
    steps = {}
    for name, (task, variant) in found.items():
        if between and name in between:
            continue
        wanted = tuple(_without(needs[task], between, needs)) if between else needs[task]
        step = _step(config, config.tasks[task], variant, wanted, args if name in asked else ())
        steps[name] = _made_hermetic(step) if hermetic else step
    return Plan(steps, tuple(variant.name for _, variant in targets))


def plan_command(config: Config, toolchain: str | None, argv: Sequence[str], workdir: str) -> Step:
    """The step of `exec` (with `argv`) and `shell` (without), in the folder `workdir` of the project.

    It sees the working tree, and has no services: what the defaults say of these is for tasks.
    """
    chosen = find_toolchain(config, toolchain)
    command = tuple(argv) or (chosen.shell[0],)
    given = replace(
        config.defaults,
        workdir=workdir,
        toolchain=chosen.name,
        timeout=None,
        retries=0,
        hermetic=False,
        inputs=None,
        cache=None,
        services=(),
    )
    return Step("exec" if argv else "shell", given, chosen, command)


def find_toolchain(config: Config, name: str | None) -> Toolchain:
    """The toolchain `name`, or the only one. Raises UsageError."""
    if name is None:
        if config.defaults.toolchain:
            return config.toolchains[config.defaults.toolchain]
        if len(config.toolchains) == 1:
            return next(iter(config.toolchains.values()))
        names = ", ".join(config.toolchains) or "none: add one to .buildbox.toml"
        raise UsageError("which toolchain?", f"Name one: {names}")
    if name not in config.toolchains:
        raise UsageError(f"there is no toolchain {name!r}", suggestion(name, config.toolchains, "toolchain"))
    return config.toolchains[name]


def made_here(config: Config) -> tuple[str, ...]:
    """The patterns of all that the tasks of a project make, and of statements beside it."""
    makers = [name for name, task in config.tasks.items() if task.outputs]
    if not makers:
        return ()
    steps = plan_tasks(config, makers, deps=False).steps.values()
    return tuple(
        pattern for step in steps for pattern in (*step.task.outputs, *statement_patterns(step.task.outputs))
    )


def _targets(config: Config, names: Sequence[str]) -> tuple[Found, ...]:
    wanted = names or config.default
    if not wanted and not config.tasks:
        raise UsageError(
            f"{config.path.name} has no tasks yet", 'Add one: [tasks.NAME] with run = "COMMAND".'
        )
    if not wanted:
        raise UsageError(f"{config.path.name} names no default task", "Name one: " + ", ".join(config.tasks))
    return find_steps(config, wanted)


def _order(
    config: Config, targets: Sequence[Found]
) -> tuple[Mapping[str, Found], Mapping[str, tuple[str, ...]]]:
    """All steps, each behind what it needs; and the names of the steps that each task needs.

    All variants of a task need the same. Without recursion: a chain of needs may be of any length.
    """
    found: dict[str, Found] = {}
    needs: dict[str, tuple[str, ...]] = {}
    waiting: dict[str, Found] = {}  # by task: what waits for the steps on the stack
    stack: list[Iterator[Found]] = [iter(targets)]
    while stack:
        step = next((step for step in stack[-1] if step[1].name not in found), None)
        if step is None:
            stack.pop()
            if waiting:
                _, step = waiting.popitem()  # the last one
                found[step[1].name] = step
        elif step[0] in waiting:  # a file with such a cycle isn't loaded
            way = list(waiting)
            raise UsageError(f"a cycle: {' -> '.join([*way[way.index(step[0]) :], step[0]])}")
        elif step[0] in needs:
            found[step[1].name] = step
        else:
            wanted = find_steps(config, config.tasks[step[0]].needs)
            needs[step[0]] = tuple(variant.name for _, variant in wanted)
            waiting[step[0]] = step
            stack.append(iter(wanted))
    return found, needs


def _without(
    names: Iterable[str], between: Mapping[str, str], needs: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """`names`, where the needs of a step that won't run (`between`: it and its task) stand for it."""
    seen: set[str] = set()
    left = list(reversed(list(names)))
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in between:
            left += reversed(needs[between[name]])
        else:
            yield name


def _step(config: Config, task: Task, variant: Variant, needs: tuple[str, ...], args: Sequence[str]) -> Step:
    if task.matrix:
        task = replace(
            task,
            toolchain=task.toolchain if variant.toolchain is None else variant.toolchain,
            env={**task.env, **variant.env},
            outputs=tuple(fill(pattern, variant) for pattern in task.outputs),
            matrix=None,
        )
    toolchain = config.toolchains[task.toolchain]
    argv = _shell_argv(task, toolchain.shell, args) if task.argv is None else (*task.argv, *args)
    services = tuple(config.services[name] for name in task.services)
    return Step(variant.name, task, toolchain, argv, needs, services)


def _made_hermetic(step: Step) -> Step:
    task = step.task
    if task.hermetic:
        return step
    why = "has mounts" if task.mounts else ""
    if any(f"{target}/".startswith("/src/") for target in task.caches.values()):
        why = why or "has a cache within the source"
    if why:
        raise UsageError(
            f"task {step.name!r} can't be hermetic: it {why}",
            "A hermetic task sees its inputs and what it needs made, and nothing else. Name tasks that can do"
            " without, or leave out those that they need: --no-deps",
        )
    return replace(step, task=replace(task, hermetic=True))


def _shell_argv(task: Task, shell: tuple[str, ...], args: Sequence[str]) -> tuple[str, ...]:
    """The shell's command line: script, `$0`, then the arguments as `"$@"` (sh(1), option -c).

    Other interpreters (`python3 -c`, `perl -e`) know no `$0`: for them the arguments follow at once.
    """
    script = task.run or ""
    if not any(word.rpartition("/")[2] in _POSIX_SHELLS for word in shell):
        return (*shell, script, *args)
    if args and not _NAMES_ARGUMENTS.search(script):
        script = script.strip()
        if "\n" in script or _COMMENT.search(script):
            why = "has several lines" if "\n" in script else "has a comment"
            raise UsageError(
                f'task {task.name!r} takes no arguments: its script {why} and names no "$@"',
                'Say in the script where they go: "$@".',
            )
        script = f'{script} "$@"'
    return (*shell, script, task.name, *args)
