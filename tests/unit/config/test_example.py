"""The example documents every key that works, and nothing else: it is parsed, so it can't go stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from buildbox.config.keys import PROJECT_FILE
from buildbox.config.kinds import Kind, ListOf, MapOf, Table
from buildbox.config.load import load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXAMPLE = Path(__file__).parents[3] / ".buildbox.toml.example"


def _known(kind: Kind, path: str = "") -> set[str]:
    if isinstance(kind, Table):
        inner = [(_known(item, f"{path}.{key}") | {f"{path}.{key}"}) for key, item in kind.keys.items()]
        return set().union(*inner)
    if isinstance(kind, MapOf | ListOf):
        return _known(kind.item, f"{path}.*")
    return set()


def _used(kind: Kind, value: Any, path: str = "") -> set[str]:
    if isinstance(kind, Table):
        inner = [
            _used(kind.keys[key], item, f"{path}.{key}") | {f"{path}.{key}"} for key, item in value.items()
        ]
        return set().union(*inner)
    if isinstance(kind, MapOf | ListOf):
        items = value.values() if isinstance(kind, MapOf) else value
        return set().union(*(_used(kind.item, item, f"{path}.*") for item in items))
    return set()


def test_the_example_is_a_config() -> None:
    config = load(EXAMPLE)
    assert config.name == "hello"
    assert config.default == ("lint", "test")
    assert config.tasks["lint"].toolchain == "python"
    assert config.tasks["test"].timeout == 600
    assert config.tasks["test"].env == {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "LEVEL": "2"}


def test_the_example_has_every_key() -> None:
    document = tomllib.loads(EXAMPLE.read_text())
    shared = {path for path in _known(PROJECT_FILE) if path.startswith(".defaults.")}  # shown for tasks
    assert _known(PROJECT_FILE) - shared == _used(PROJECT_FILE, document) - shared
