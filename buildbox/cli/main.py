"""The `buildbox` command: reads its line, calls one verb, shows how that went."""

from __future__ import annotations

import errno
import gc
import os
import signal
import stat
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from types import FrameType
from typing import NoReturn

from buildbox import __version__
from buildbox.cli.call import Call
from buildbox.cli.host import this_host
from buildbox.cli.words import FLAGS, VERBS, settle
from buildbox.console import Console
from buildbox.errors import BuildboxError, Exit, UsageError
from buildbox.host import Host


class _Stopped(BaseException):
    """A signal asked buildbox to end, outside of a task."""

    def __init__(self, number: int) -> None:
        self.number = number


def main() -> NoReturn:
    """Runs the command line of this process, and ends it."""
    gc.disable()  # what is loaded isn't garbage; whoever works for longer enables it
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
    options, words, args = settle(argv)
    host = this_host()
    console = _console(host, options)
    try:
        status = _plain_run(host, console, options, words, args)
        if status is None:
            from buildbox.cli.parser import run_parsed

            status = run_parsed(host, console, options, words, args)
        sys.stdout.flush()
        return status
    except BuildboxError as error:
        console.error(error)
        return error.exit
    except KeyboardInterrupt as error:
        return int(getattr(error, "status", Exit.INTERRUPTED))  # a run says by what signal
    except _Stopped as stopped:
        if stopped.number == signal.SIGINT:
            console.say("interrupted")
        return 128 + stopped.number
    except (BrokenPipeError, SystemExit):  # the latter is what typer makes of the former
        return Exit.BROKEN_PIPE
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            console.error(UsageError("there is no space left for what buildbox has to say on stdout"))
            return Exit.USAGE
        console.error(_bug(host, argv, error))
        return Exit.BUG


def _plain_run(
    host: Host, console: Console, options: Sequence[str], words: Sequence[str], args: tuple[str, ...] | None
) -> int | None:
    """The status of `buildbox run TASK…` with nothing but flags; None for any other line.

    Loading a parser takes longer than to find that nothing is to be done.
    """
    is_plain = all(option in FLAGS for option in options) and not any(word.startswith("-") for word in words)
    if not is_plain or words[:1] != ["run"]:
        return None
    from buildbox.cli.graph_run import run_named

    return run_named(Call(host, console, None, None, "--offline" in options, args), words[1:])


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
    shown = terminal and host.has_ci_log and _is_piped(2)
    return Console(
        quiet="-q" in options or "--quiet" in options,
        verbose="-v" in options or "--verbose" in options,
        json="--json" in options,
        color=color == "always" or (wanted and (capable or shown)),
        live=capable and not host.in_ci,
        color_out=color == "always" or (wanted and host.stdout_tty and terminal),
        github=host.env.get("GITHUB_ACTIONS") == "true",
    )


def _is_piped(descriptor: int) -> bool:
    """Whether someone reads it while it is written: a CI system, say; no file, and nobody's waste."""
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


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
