"""`.buildbox.toml` and `config.toml`, key by key."""

from __future__ import annotations

from collections.abc import Iterator

from buildbox.config.described import described, paths
from buildbox.config.keys import PROJECT_FILE, USER_FILE
from buildbox.config.kinds import Kind, ListOf, MapOf, Table
from buildbox.config.schema import type_name
from scripts.reference.markdown import code, table

_HEAD = """\
# Configuration

Two files: `.buildbox.toml`, which the project has, and your own `config.toml`. A key that isn't known, at any
place, is an error. [.buildbox.toml.example](../../.buildbox.toml.example) shows each key of a project's file
at work; `buildbox schema` prints the format as a JSON Schema, for editors (`--user` for `config.toml`).

NAME stands for a name of your choice.

# .buildbox.toml

At the project's root; found from any folder below it, but not past the top of the repository.

"""
_USER = """
# config.toml

In `~/.config/buildbox/`, or in the folder that `BUILDBOX_HOME` names. It is yours, and needn't be there: a
project can't change it, and can't take what only this file may give.

"""
_DEFAULTS = """\
Any of these keys of a task. A task's own `env` and `caches` are added to these, name by name; any other key
that a task has replaces the one here.

"""
_WITHIN = "matrix"  # the table whose keys are told of among those of the table that it is in


def config() -> str:
    """The page."""
    return _HEAD + "\n".join(_sections(PROJECT_FILE)) + _USER + "\n".join(_sections(USER_FILE))


def _sections(file: Table) -> Iterator[str]:
    """One section for each table that has a header of its own."""
    for path, kind in [("", file), *paths(file)]:
        if not isinstance(kind, Table) or path.endswith(("[]", _WITHIN)):
            continue
        rows = list(_rows(kind, path, file))
        if not rows:
            continue
        yield (
            f"## {_header(path)}\n\n"
            + (f"{described(path, file).means}\n\n" if path else "")
            + (_defaults(kind) if path == "defaults" else table(("key", "type", "default", "means"), rows))
        )


def _defaults(kind: Table) -> str:
    return f"{_DEFAULTS}{', '.join(f'`{key}`' for key in kind.keys)}.\n"


def _rows(kind: Table, path: str, file: Table, prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """The keys that are told of in this section, with those of small tables in arrays and of the matrix."""
    for key, item in kind.keys.items():
        place = f"{path}.{key}" if path else key
        has_section = isinstance(item, Table) and key != _WITHIN
        if has_section or (isinstance(item, MapOf) and isinstance(item.item, Table)):
            continue
        yield _row(f"{prefix}{key}", item, place, file, required=key in kind.required)
        mark, inner = ("[]", item.item) if isinstance(item, ListOf) else ("", item)
        if isinstance(inner, Table):
            yield from _rows(inner, f"{place}{mark}", file, f"{prefix}{key}{mark}.")


def _row(key: str, kind: Kind, path: str, file: Table, *, required: bool) -> tuple[str, str, str, str]:
    told = described(path, file)
    default = "required" if required else _shown(told.default)
    return code(key), type_name(kind), default, told.means


def _shown(default: str) -> str:
    """A value as code, words as they are."""
    is_value = default[:1] in ('"', "[") or default in ("true", "false") or default.isdigit()
    return code(default) if is_value else default


def _header(path: str) -> str:
    if not path:
        return "At the top"
    return f"[{path.replace('allow.NAME', 'allow.FOLDER')}]"
