"""Task names and arguments -> an ordered plan of steps. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from buildbox.config.model import Config, Service, Task, Toolchain
from buildbox.config.near import suggestion
from buildbox.errors import UsageError

_NAMES_ARGUMENTS = re.compile(r"\$[@*1]|\$\{[@*1]")
_COMMENT = re.compile(r"(^|\s)#")  # would swallow what is appended
_POSIX_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "busybox"})


@dataclass(frozen=True)
class Step:
    """One command to run in one toolchain: a task, or one variant of it."""

    name: str  # the task's, with its variant ("test[python313,DJANGO=5]"), or "shell", "exec"
    task: Task  # as the variant has it: its toolchain, its env
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
        for other in reversed(list(self.steps)):
            if other == name or other in wanted:
                wanted.update(self.steps[other].needs)
        return tuple(other for other in self.steps if other in wanted)


def plan_tasks(config: Config, names: Sequence[str], args: Sequence[str] = ()) -> tuple[Step, ...]:
    """The steps for the tasks `names` (none: the project's default), in that order, each once.

    Raises UsageError for a task that isn't there, and for `args` that can't reach a single task.
    """
    wanted = tuple(dict.fromkeys(names or config.default))
    if not wanted and not config.tasks:
        raise UsageError(
            f"{config.path.name} has no tasks yet", 'Add one: [tasks.NAME] with run = "COMMAND".'
        )
    if not wanted:
        raise UsageError(f"{config.path.name} names no default task", "Name one: " + ", ".join(config.tasks))
    for name in wanted:
        if name not in config.tasks:
            raise UsageError(f"there is no task {name!r}", suggestion(name, config.tasks, "task"))
    if args and len(wanted) > 1:
        raise UsageError(
            f"arguments after -- go to a single task, but {len(wanted)} are to run: {', '.join(wanted)}",
            "Run the one that they are for by itself.",
        )
    return tuple(_step(config, config.tasks[name], args) for name in wanted)


def plan_command(config: Config, toolchain: str | None, argv: Sequence[str], workdir: str) -> Step:
    """The step of `exec` (with `argv`) and `shell` (without), in the folder `workdir` of the project."""
    chosen = find_toolchain(config, toolchain)
    command = tuple(argv) or (chosen.shell[0],)
    task = config.defaults
    given = Task(**{**vars(task), "workdir": workdir, "toolchain": chosen.name, "timeout": None})
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


def _step(config: Config, task: Task, args: Sequence[str]) -> Step:
    toolchain = config.toolchains[task.toolchain]
    if task.argv is not None:
        return Step(task.name, task, toolchain, (*task.argv, *args))
    return Step(task.name, task, toolchain, _shell_argv(task, toolchain.shell, args))


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
