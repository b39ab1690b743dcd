"""A TOML file of the configuration: from the disk to a dict, with errors that name file and line."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from buildbox.config.reading import Problem, show_path
from buildbox.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MOST_BYTES = 1 << 20  # of a configuration file
_MOST_PROBLEMS = 100  # reported of one file
_LONGEST_PROBLEM = 400  # characters
_BOM = "\ufeff"


def read_text(path: Path) -> str:
    """The text of the file `path`, its line ends as they are. Raises ConfigError, or FileNotFoundError."""
    try:
        # Not blocking: the file may turn out to be a pipe, which would wait for a writer for ever.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ConfigError(f"{path} is not a regular file", "Put a plain text file there.")
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:  # a file stands where one of its folders should
        raise FileNotFoundError(*error.args) from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder, not a file", "Rename the folder, or remove it.") from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}", _how_to_read(error)) from None
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"{path} is larger than {MOST_BYTES >> 20} MiB, too large for a configuration",
            "Look whether it is the right file; scripts of that size belong into files of their own.",
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise broken(path.name, [(line, "not UTF-8 text")], f"Save {path} as UTF-8.", path) from None


def _how_to_read(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "Make it, and the folders that it is in, readable for you."
    return "Put a plain text file there." if error.errno == errno.ELOOP else "Check the disk that it is on."


def parse_toml(text: str, path: Path, shown: str) -> dict[str, Any]:
    """The document in `text`. Raises ConfigError, with the place where it stops being TOML."""
    try:
        document: dict[str, Any] = tomllib.loads(text.removeprefix(_BOM))
    except RecursionError:
        raise ConfigError(f"{path}: arrays or tables nested too deeply") from None
    except ValueError as error:
        message, place = _syntax_error(str(error), text)
        problem = f"{shown}:{place}: not valid TOML: {message}"
        raise ConfigError(f"{path} is not valid TOML", problems=[problem]) from None
    return document


def refuse(problems: Sequence[Problem], text: str, path: Path, shown: str) -> ConfigError:
    """The one error for all `problems` of the file, each with its line, in the file's order."""
    from buildbox.config.places import find_places, line_of, offset_of  # only where it is needed

    places = find_places(text)
    ordered = sorted(problems, key=lambda problem: offset_of(places, problem.path))
    # Counting lines takes time, so only for those that are shown.
    shown_ones = [
        (line_of(text, places, problem.path), _message(problem)) for problem in ordered[:_MOST_PROBLEMS]
    ]
    return broken(shown, shown_ones, "", path, len(problems))


def broken(
    shown: str, problems: Sequence[tuple[int, str]], hint: str, path: Path, count: int = 1
) -> ConfigError:
    """A ConfigError of `count` problems, of which these with their lines are shown."""
    texts = [f"{shown}:{line}: {text}" for line, text in problems]
    if count > len(texts):
        texts.append(f"{shown}: and {count - len(texts)} more")
    return ConfigError(f"{path} has {count} problem{'s' if count > 1 else ''}", hint, texts)


def _message(problem: Problem) -> str:
    text = f"{show_path(problem.path)}: {problem.text}" if problem.path else problem.text
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[: _LONGEST_PROBLEM - 1]}…"


def _syntax_error(message: str, text: str) -> tuple[str, str]:
    """tomllib's message without its place, and the place as `LINE:COLUMN`."""
    match = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    if match:
        place = f"{match[1]}:{match[2]}"
    else:
        lines = text.split("\n")
        place = f"{len(lines)}:{len(lines[-1]) + 1}"
    message = re.sub(r" \(at (?:line \d+, column \d+|end of document)\)$", "", message)
    if message == "Cannot overwrite a value":
        message = "a key is given twice"
    if message == "Illegal character '\\n'":
        message = "a string has no closing quote on its line"
    return message, place
