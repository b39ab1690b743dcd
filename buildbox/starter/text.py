"""From the parts of a starter to the text of a `.buildbox.toml`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from buildbox.starter.parts import Job, Part

_HEAD = """\
# Written by `buildbox init`; change it as you like: `buildbox check` tells what is wrong in it."""
_NOTHING = """
#
# Nothing that buildbox knows was found here, so this is only an example of how a task looks.
# A task runs in a toolchain: an image, pinned by its digest. The project is at /src in it."""
EXAMPLE = Part(
    "python",
    "3.11",
    "",
    "what your tasks need",
    (
        Job(
            "hello",
            "Say what there is",
            run="python3 --version\nls -A",
            comment='A script for the shell. A command without one is written: argv = ["make", "test"]',
        ),
    ),
)


def starter_text(parts: Sequence[Part], pins: Mapping[str, str]) -> str:
    """The file for `parts`, or an example where there are none.

    `pins` has the pinned image of a recipe (`python/3.11`), where there is one.
    """
    blocks = [_HEAD if parts else _HEAD + _NOTHING]
    parts = parts or (EXAMPLE,)
    several = len(parts) > 1
    jobs = [
        (name, job, part)
        for part in parts
        for name, job in zip(task_names(part, several), part.jobs, strict=True)
    ]
    default = [name for name, job, _ in jobs if job.name in ("test", "hello")]
    env = {name: value for part in parts for name, value in part.env.items()}
    blocks.append(f"[project]\ndefault = {_value(default)}")
    blocks += [_toolchain(part, pins.get(part.recipe)) for part in parts]
    if env:
        blocks.append(f"[defaults]\nenv = {_inline(env)}")
    blocks += [_task(name, job, part.toolchain if several else "") for name, job, part in jobs]
    return "\n\n".join(blocks) + "\n"


def task_names(part: Part, several: bool) -> tuple[str, ...]:
    """The names of the part's tasks: with the toolchain's where there are several."""
    return tuple(f"{job.name}-{part.toolchain}" if several else job.name for job in part.jobs)


def _toolchain(part: Part, pin: str | None) -> str:
    lines = [f"[toolchains.{part.toolchain}]"]
    lines += [f"# {note}" for note in part.notes]
    if pin:
        lines.append("# The tag is for people, only the digest counts. To make this image:")
        lines.append(f"#   buildbox images build {part.recipe}")
    else:
        lines.append(f"# The catalogue has none of this name yet: name an image that has {part.tools}.")
        lines.append("# `buildbox pin` then writes its digest here, without which nothing runs in it.")
    lines.append(f"image = {_value(pin or part.image)}")
    return "\n".join(lines)


def _task(name: str, job: Job, toolchain: str) -> str:
    lines = [f"[tasks.{name}]", f"description = {_value(job.description)}"]
    if toolchain:
        lines.append(f"toolchain = {_value(toolchain)}")
    if job.comment:
        lines.append(f"# {job.comment}")
    if job.argv:
        lines.append(f"argv = {_value(list(job.argv))}")
    elif "\n" in job.run:
        lines.append(f"run = '''\n{job.run}\n'''")
    else:
        lines.append(f"run = {_value(job.run)}")
    if job.env:
        lines.append(f"env = {_inline(job.env)}")
    if job.networked:
        lines.append('network = "bridge" # the other tasks have none')
    return "\n".join(lines)


def _inline(values: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f"{name} = {_value(value)}" for name, value in values.items()) + " }"


def _value(value: str | list[str]) -> str:
    """A TOML string or array; JSON's are TOML's for the plain text that starters are made of."""
    return json.dumps(value, ensure_ascii=False)
