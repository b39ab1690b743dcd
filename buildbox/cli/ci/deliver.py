"""A pipeline's text, brought to where it belongs; never over what somebody wrote by hand."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from buildbox.cli.ci.given import Given
from buildbox.errors import UsageError


def deliver(
    given: Given,
    body: str,
    own_place: str,
    command: Sequence[str],
    output: Path | None,
    *,
    check: bool,
    force: bool,
) -> None:
    """Writes `body`, which `command` makes, at `output` or at its `own_place` in the repository; or checks.

    Raises UsageError where the file there isn't buildbox's, or with `check` isn't what would be written.
    """
    from shlex import join

    from buildbox.pipelines.sealed import is_sealed, seal

    if check and (force or str(output) == "-"):
        raise UsageError("--check writes nothing", "Leave --force and -o - out.")
    call = given.call
    text = seal(body, join(["buildbox", "ci", *command]))
    if str(output) == "-":
        if call.console.json:
            raise UsageError("both --json and -o -", "Keep one of them.")
        call.console.lines(text.splitlines())
        return
    path = call.host.cwd / output if output else given.top / own_place
    shown = str(output or own_place)
    path = Path(os.path.realpath(path.parent)) / path.name  # "new/../file" is a file that is there
    there = _read(path, shown)
    if check:
        if there is None or there.replace("\r\n", "\n") != text:
            what = (
                "isn't there"
                if there is None
                else "isn't what the tasks, these options and this buildbox give"
            )
            raise UsageError(f"{shown} {what}", f"Write it: {join(['buildbox', 'ci', *command])}")
    elif there != text:
        if there is not None and not is_sealed(there) and not force:
            raise UsageError(
                f"{shown} was written, or edited, by somebody else; it is as it was",
                "Write elsewhere with -o FILE and compare, or over it with --force.",
            )
        if output is None:
            _refuse_outside(path, given)
        _write(path, text, shown, make_folder=output is None)
    if call.console.json:
        call.console.document({"file": str(path), "changed": not check and there != text})
    elif check:
        call.console.say(f"{shown} is what it should be")
    else:
        call.console.say(f"{shown} is as it was" if there == text else f"wrote {shown}")


def _read(path: Path, shown: str) -> str | None:
    """What is there; None where nothing is. Raises UsageError."""
    try:
        if not os.path.lexists(path):
            return None
        is_open = path.is_symlink() and path.parts[1] in ("dev", "proc")  # such as /dev/stdout
        if is_open or not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{shown} is no file that another can replace", "Name one; stdout is -o -")
        return path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UsageError(f"{shown} can't be read: {error.strerror}", "Name another file: -o FILE") from None


def _refuse_outside(path: Path, given: Given) -> None:
    """Raises UsageError where the repository's own links lead a file that nobody named out of it."""
    if not path.is_relative_to(given.top):
        raise UsageError(
            f"{path.parent} is a link that leads out of the repository", "Name the file: -o FILE"
        )


def _write(path: Path, text: str, shown: str, *, make_folder: bool) -> None:
    """Writes the file, at once whole. Raises UsageError."""
    aside = path.with_name(f".{path.name}-{os.urandom(6).hex()}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        with open(aside, "x", encoding="utf-8", newline="") as file:
            file.write(text)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise UsageError(
            f"{shown} can't be written: {error.strerror}", "Name another file: -o FILE"
        ) from None
