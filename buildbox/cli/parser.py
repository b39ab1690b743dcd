"""Any line of the `buildbox` command, taken apart by typer, and the one verb called that it names."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from buildbox import __version__
from buildbox.cli.call import Call
from buildbox.cli.words import VERBS, WITH_VALUE
from buildbox.console import Console
from buildbox.errors import Exit, UsageError
from buildbox.host import Host

HELP = """Run builds and tests in toolchain containers that are pinned by digest.

Examples:

  buildbox init                  write a .buildbox.toml for this project

  buildbox run test              run a task in its pinned toolchain

  buildbox run test -- -k name   hand arguments on to the task

  buildbox shell                 a shell in the same container

  buildbox pin                   write the digests of tags into .buildbox.toml

Exit status: the task's own; 2 usage or configuration, 119 can't tell, 120 engine, 121 image,
122 difference, 123 archive, 124 timeout, 125 a bug in buildbox, 130 and 143 interrupted.
"""


def run_parsed(
    host: Host, console: Console, options: Sequence[str], words: Sequence[str], args: tuple[str, ...] | None
) -> int:
    """The exit status of a line: its global options, its other words, and what is behind `--`."""
    gc.enable()
    try:
        result = app_with(_needed(words))(
            args=[*options, *(words or _nothing_named(options))],
            prog_name="buildbox",
            standalone_mode=False,
            obj=(host, console, args),
        )
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        from buildbox.cli.misuse import misuse

        where = getattr(error, "ctx", None)
        console.error(misuse(error.format_message(), options, words, where and where.command_path))
        return Exit.USAGE
    except typer.Abort:
        return Exit.INTERRUPTED
    except typer.Exit as ending:
        return ending.exit_code


def _nothing_named(options: Sequence[str]) -> Sequence[str]:
    """Help for who names no verb; but where a value is missing, that is to be told."""
    return () if options and options[-1] in WITH_VALUE else ("--help",)


def _needed(words: Sequence[str]) -> Sequence[str]:
    """The verbs that this line can't do without: the first that it names, or all, to tell of them."""
    verb = next((word for word in words if word in VERBS), None)
    return [verb] if verb else () if "--version" in words else VERBS


def app_with(verbs: Sequence[str]) -> typer.Typer:
    """The command line with `verbs`; a call of one verb loads no other."""
    app = typer.Typer(
        name="buildbox",
        help=HELP,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_globals)
    for verb in verbs:
        import_module(f"buildbox.cli.{verb}").add_to(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"buildbox {__version__}\n")
        raise typer.Exit


def _globals(
    ctx: typer.Context,
    project: Annotated[
        Path | None, typer.Option("--project", "-C", metavar="DIR", help="Work in this folder.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(metavar="URL", help="The engine to use, e.g. unix:///var/run/docker.sock.")
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no registry.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only what went wrong.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Answer in JSON on stdout.")] = False,
    color: Annotated[str, typer.Option(metavar="WHEN", help="auto, always or never.")] = "auto",
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end."),
    ] = False,
) -> None:
    host, console, args = ctx.obj
    if color not in ("auto", "always", "never"):
        raise UsageError(f"--color {color}: there is no such choice", "Write auto, always or never.")
    ctx.obj = Call(host, console, project, engine, offline, args)
