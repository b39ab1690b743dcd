"""Each verb with its options, from the parser itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer

from buildbox.cli.parser import app_with
from buildbox.cli.words import VERBS
from scripts.reference.markdown import code, table

_HEAD = """\
# Commands

`buildbox COMMAND --help` says the same. Every command takes these options, before or after its name:

"""


def commands() -> str:
    """The page."""
    root: Any = typer.main.get_command(app_with(VERBS))
    found = dict(_leaves("buildbox", root))
    index = "".join(
        f"- [{name}](#{name.replace(' ', '-')}): {_first(command)}\n" for name, command in found.items()
    )
    sections = [_section(name, command) for name, command in found.items()]
    return _HEAD + _options(root.params) + "\n" + index + "\n" + "\n".join(sections)


def _leaves(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """All commands that do something, by their full names."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for each, inner in command.commands.items():
        yield from _leaves(f"{name} {each}", inner)


def _first(command: Any) -> str:
    """The first sentence of the help, in one line."""
    return " ".join(_text(command).split("\n\n")[0].split())


def _section(name: str, command: Any) -> str:
    arguments = [_argument(each) for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([name, *arguments])
    options = _options(command.params)
    text = f"## {name}\n\n```text\n{usage}\n```\n\n{_prose(_text(command))}\n"
    return f"{text}\n{options}" if options else text


def _text(command: Any) -> str:
    return str(command.help or "").replace("\b\n", "").strip()


def _argument(argument: Any) -> str:
    metavar = argument.metavar or argument.name.upper()
    if "[" in metavar or argument.required:
        return str(metavar)
    return f"[{metavar}]"


def _options(params: Sequence[Any]) -> str:
    """Options, behind those arguments that have a help of their own."""
    arguments = [
        (code(each.metavar or each.name.upper()), each.help)
        for each in params
        if each.param_type_name == "argument" and each.help
    ]
    options = [
        (code(", ".join([*each.opts, *each.secondary_opts]) + _value(each)), each.help or "")
        for each in params
        if each.param_type_name == "option" and "--help" not in each.opts
    ]
    rows = [*arguments, *options]
    return table(("option", "does"), rows) if rows else ""


def _value(option: Any) -> str:
    return "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"


def _prose(help: str) -> str:
    """The help as Markdown: what is indented there is as it is, and stays together."""
    blocks: list[str] = []
    for block in help.split("\n\n"):
        if block.startswith("  "):
            if blocks and blocks[-1].endswith("\n```"):
                blocks[-1] = blocks[-1][: -len("```")]
            else:
                blocks.append("```text\n")
            lines = [line.removeprefix("  ") for line in block.split("\n")]
            blocks[-1] += "\n".join(lines) + "\n```"
        else:
            blocks.append(_escaped(block))
    return "\n\n".join(blocks)


def _escaped(text: str) -> str:
    """`text` with nothing in it that Markdown takes for markup, but code."""
    parts = text.split("`")
    return "`".join(part if at % 2 else re.sub(r"([*<>_])", r"\\\1", part) for at, part in enumerate(parts))
