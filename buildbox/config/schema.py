"""The format of `.buildbox.toml` and of `config.toml` as a JSON Schema, for editors.

Whatever buildbox reads is valid; what fits nothing and what doesn't fit together is found by `check`
alone. Draft 7, which editors' TOML plugins know.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from buildbox.config import values
from buildbox.config.described import described
from buildbox.config.keys import PROJECT_FILE, SERVICE, TASK, USER_FILE
from buildbox.config.kinds import Kind, ListOf, MapOf, Number, OneOf, Table, Text

_DRAFT = "http://json-schema.org/draft-07/schema#"
_DURATION = r"([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+"
_SIZE = r"[0-9]+(\.[0-9]+)?[kmgtKMGT]?([iI]?[bB])?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
_ENV_NAME = r"(?!BUILDBOX_)[A-Za-z_][A-Za-z0-9_]{0,255}"
_USER = r"root|(0|[1-9][0-9]{0,9}):(0|[1-9][0-9]{0,9})"
_DIGEST = "@sha256:[0-9a-f]{64}"


def _whole(pattern: str) -> Mapping[str, Any]:
    return {"pattern": f"^({pattern})$"}


def _one_of(*words: str) -> Mapping[str, Any]:
    return {"enum": list(words)}


_FORMS: Mapping[Callable[[Any], Any], Mapping[str, Any]] = {  # what a reader of values.py accepts at most
    values.version: {"const": values.VERSION},
    values.name: _whole(_NAME),
    values.address_of_task: _whole(rf"{_NAME}(\[[^\[\]]*\])?"),
    values.host_name: _whole("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
    values.env_name: _whole(_ENV_NAME),
    values.network: _whole("[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"),
    values.image: _whole(rf"[^@\s]+({_DIGEST})?"),
    values.pinned_image: _whole(rf"[^@\s]+{_DIGEST}"),
    values.platform: _whole("[^/]+/[^/]+(/[^/]+)?"),
    values.duration: _whole(_DURATION),
    values.age: _whole(_DURATION),
    values.size: _whole(_SIZE),
    values.room: _whole(_SIZE),
    values.rootfs: _one_of("read-only", "writable"),
    values.sharing: _one_of("off", "pull", "push"),
    values.epoch_name: _one_of("commit"),
    values.user: _whole(f"caller|{_USER}"),
    values.service_user: _whole(_USER),
    values.target: {"pattern": "^/"},
    values.cache_place: {"pattern": "^[/~]"},
    values.pattern: _whole("!?[^/](.|\n)*"),
    values.line: {"minLength": 1},
    values.script: {"minLength": 1},
    values.program: {"minLength": 1},
    values.workdir: {"minLength": 1},
    values.source: {"minLength": 1},
    values.path: {"minLength": 1},
    values.project_name: {"minLength": 1, "maxLength": 100},
    values.cpus: {"minimum": 0.01},
    values.pids: {"minimum": 1},
    values.retries: {"minimum": 0, "maximum": 100},
    values.port: {"minimum": 1, "maximum": 65535},
    values.epoch: {"minimum": 0},
}
_ONE_COMMAND = [{"required": ["run"]}, {"required": ["argv"]}]


def schema(file: Table = PROJECT_FILE) -> dict[str, Any]:
    """The JSON Schema of a file's format: PROJECT_FILE or USER_FILE."""
    title = "buildbox: config.toml" if file is USER_FILE else "buildbox: .buildbox.toml"
    return {"$schema": _DRAFT, "title": title, **_kind(file, "", file)}


def type_name(kind: Kind) -> str:
    """The type of a value, in words: `string`, `array of strings`."""
    if isinstance(kind, Text):
        return "string"
    if isinstance(kind, Number):
        return "integer" if kind.whole else "number"
    if isinstance(kind, ListOf):
        return f"array of {type_name(kind.item)}s"
    if isinstance(kind, OneOf):
        return " or ".join(map(type_name, kind.kinds))
    if isinstance(kind, MapOf):
        return f"table: name = {type_name(kind.item)}"
    return "table" if isinstance(kind, Table) else "boolean"


def _kind(kind: Kind, path: str, file: Table) -> dict[str, Any]:
    told = described(path, file)
    note = f" Default: {told.default}." if told.default else ""
    about = {"description": f"{told.means}{note}"} if told.means else {}
    return {**about, **_form(kind, path, file)}


def _form(kind: Kind, path: str, file: Table) -> dict[str, Any]:
    if isinstance(kind, Table):
        return _table(kind, path, file)
    if isinstance(kind, MapOf):
        names = _FORMS.get(kind.name, {})
        item = _kind(kind.item, f"{path}.NAME", file)
        return {"type": "object", "propertyNames": dict(names), "additionalProperties": item}
    if isinstance(kind, ListOf):
        least = {"minItems": kind.least} if kind.least else {}
        return {"type": "array", "items": _kind(kind.item, f"{path}[]", file), **least}
    if isinstance(kind, OneOf):
        return {"anyOf": [_form(each, path, file) for each in kind.kinds]}
    if isinstance(kind, Number):
        return {"type": "integer" if kind.whole else "number", **_FORMS.get(kind.read, {})}
    if isinstance(kind, Text):
        return {"type": "string", **_FORMS.get(kind.read, {})}
    return {"type": "boolean"}


def _table(kind: Table, path: str, file: Table) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "additionalProperties": False}
    found["properties"] = {
        key: _kind(item, f"{path}.{key}" if path else key, file) for key, item in kind.keys.items()
    }
    if kind.required:
        found["required"] = list(kind.required)
    if kind is TASK:
        found["oneOf"] = _ONE_COMMAND
    elif kind is SERVICE:
        found["not"] = {"anyOf": [{"required": ["run", "argv"]}, {"required": ["ready", "ready-port"]}]}
    return found
