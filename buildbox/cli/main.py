"""The `buildbox` command: reads its line, calls one verb, shows how that went."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from buildbox import __version__
from buildbox.cli.call import Call
from buildbox.cli.host import this_host
from buildbox.console import Console
from buildbox.errors import BuildboxError, Exit, UsageError
from buildbox.host import Host

VERBS = (
    "init",
    "check",
    "list",
    "graph",
    "run",
    "shell",
    "exec",
    "pin",
    "images",
    "archive",
    "doctor",
    "clean",
)
_WITH_VALUE = ("-C", "--project", "--engine", "--color")
_FLAGS = ("--offline", "-q", "--quiet", "-v", "--verbose", "--json")
_WITH_ARGS = ("run", "exec")

HELP = """Run builds and tests in toolchain containers that are pinned by digest.

Examples:

  buildbox init                  write a .buildbox.toml for this project

  buildbox run test              run a task in its pinned toolchain

  buildbox run test -- -k name   hand arguments on to the task

  buildbox shell                 a shell in the same container

  buildbox pin                   write the digests of tags into .buildbox.toml

Exit status: the task's own; 2 usage or configuration, 120 engine, 121 image, 122 difference,
123 archive, 124 timeout, 125 a bug in buildbox, 130 and 143 interrupted.
"""


class _Stopped(BaseException):
    """A signal asked buildbox to end, outside of a task."""

    def __init__(self, number: int) -> None:
        self.number = number


def main() -> NoReturn:
    """Runs the command line of this process, and ends it."""
    _open_standard_streams()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    status = run_line(sys.argv[1:])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or Exit.BROKEN_PIPE
    except OSError:
        status = status or Exit.USAGE
    os._exit(status)  # everything is closed: no need to wait for the interpreter to tidy up


def run_line(argv: Sequence[str]) -> int:
    """The exit status of one command line. Everything that can go wrong is shown here, once."""
    options, words, args = _settle(argv)
    host = this_host()
    console = _console(host, options)
    try:
        result = _app(_needed(words))(
            args=[*options, *(words or _nothing_named(options))],
            prog_name="buildbox",
            standalone_mode=False,
            obj=(host, console, args),
        )
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.TyperException as error:
        from buildbox.cli.misuse import misuse

        where = getattr(error, "ctx", None)
        console.error(misuse(error.format_message(), options, words, where and where.command_path))
        return Exit.USAGE
    except BuildboxError as error:
        console.error(error)
        return error.exit
    except (KeyboardInterrupt, typer.Abort) as error:
        return int(getattr(error, "status", Exit.INTERRUPTED))  # a run says by what signal
    except _Stopped as stopped:
        if stopped.number == signal.SIGINT:
            console.say("interrupted")
        return 128 + stopped.number
    except (BrokenPipeError, SystemExit):  # the latter is what typer makes of the former
        return Exit.BROKEN_PIPE
    except typer.Exit as ending:
        return ending.exit_code
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            console.error(UsageError("there is no space left for what buildbox has to say on stdout"))
            return Exit.USAGE
        console.error(_bug(host, argv, error))
        return Exit.BUG


def _nothing_named(options: Sequence[str]) -> Sequence[str]:
    """Help for who names no verb; but where a value is missing, that is to be told."""
    return () if options and options[-1] in _WITH_VALUE else ("--help",)


def _needed(words: Sequence[str]) -> Sequence[str]:
    """The verbs that this line can't do without: the first that it names, or all, to tell of them."""
    verb = next((word for word in words if word in VERBS), None)
    return [verb] if verb else () if "--version" in words else VERBS


def _app(verbs: Sequence[str]) -> typer.Typer:
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


def _settle(argv: Sequence[str]) -> tuple[list[str], list[str], tuple[str, ...] | None]:
    """The global options, wherever they stood; the other words; what is behind `--`, None without one."""
    words = list(argv)
    args: tuple[str, ...] | None = None
    if "--" in words and any(word in _WITH_ARGS for word in words[: words.index("--")]):
        at = words.index("--")
        words, args = words[:at], tuple(words[at + 1 :])
    options: list[str] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            rest += words[at:]
            break
        if word in _WITH_VALUE and at + 1 == len(words):
            return [*options, word], [], args  # the parser says that its value is missing
        if word in _WITH_VALUE:
            options += words[at : at + 2]
            at += 1
        elif word in _FLAGS or word.partition("=")[0] in _WITH_VALUE or word.startswith("-C"):
            options.append(word)
        else:
            rest.append(word)
        at += 1
    return options, rest, args


def _console(host: Host, options: Sequence[str]) -> Console:
    """How to show things; needed before the line is parsed, for what is wrong with it."""
    color = "auto"
    for at, word in enumerate(options):
        if word == "--color" and at + 1 < len(options):
            color = options[at + 1]
        elif word.startswith("--color="):
            color = word.partition("=")[2]
    terminal = host.env.get("TERM") != "dumb"
    capable = host.stderr_tty and terminal
    wanted = color == "auto" and not host.env.get("NO_COLOR")
    return Console(
        quiet="-q" in options or "--quiet" in options,
        verbose="-v" in options or "--verbose" in options,
        json="--json" in options,
        color=color == "always" or (wanted and capable),
        live=capable and not host.in_ci,
        color_out=color == "always" or (wanted and host.stdout_tty and terminal),
    )


def _open_standard_streams() -> None:
    """A closed stdin, stdout or stderr is an empty one: no other file may get its number."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 (for the whole process)
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names of files that are not UTF-8


def _stop(number: int, frame: FrameType | None) -> None:
    raise _Stopped(number)


def _bug(host: Host, argv: Sequence[str], error: Exception) -> BuildboxError:
    """What to say of a fault that nobody expected: the details go to a file."""
    import platform
    import traceback

    path = host.data / "bugs" / f"{int(host.now)}-{os.getpid()}.log"
    text = "".join(traceback.format_exception(error))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"buildbox {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
            f"verb: {next((word for word in argv if word in VERBS), '-')}\n\n{text}"
        )
        where = f"Please report it with the log {path}"
    except OSError:
        where = f"Please report it with this:\n{text}"
    return BuildboxError(f"this is a bug in buildbox: {type(error).__name__}: {error}", where)
