"""Reading a recipe's TOML: one table at a time, every problem noted, none of them the last."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from buildbox.config.near import did_you_mean


@dataclass(frozen=True)
class Section:
    """A table of the file, and the list to which its problems go."""

    name: str  # "" for the file's own keys
    value: Mapping[str, Any]
    problems: list[str]

    @classmethod
    def of(cls, value: Any, name: str, known: tuple[str, ...] | None, problems: list[str]) -> Section:
        """The table `value`, which may be missing (None); `known` are its keys, where they are fixed."""
        if not isinstance(value, dict | None):
            problems.append(f"{name}: is a table")
            value = {}
        section = cls(name, value or {}, problems)
        if known is not None:
            for key in section.value:
                if key not in known:
                    section.problem(key, f"unknown key{did_you_mean(key, known)}")
        return section

    def problem(self, key: str, what: str) -> None:
        """Notes what is wrong with a key."""
        path = f"{self.name}.{key}" if self.name else key
        self.problems.append(f"{path}: {what}")

    def text(self, key: str, shape: re.Pattern[str] | None = None, default: str | None = None) -> str:
        """A string of that shape; `default` where the key may be left out."""
        text = self.value.get(key, default)
        if isinstance(text, str) and text == default:
            return text
        if not isinstance(text, str) or not text or (shape and not shape.fullmatch(text)):
            self.problem(key, f"{text!r} won't do" if key in self.value else "is missing")
            return ""
        return text

    def texts(self, key: str, shape: re.Pattern[str]) -> tuple[str, ...]:
        """A list of strings of that shape; an empty one where the key is left out."""
        items = self.value.get(key, [])
        if not isinstance(items, list):
            self.problem(key, "is a list")
            return ()
        bad = [item for item in items if not isinstance(item, str) or not shape.fullmatch(item)]
        for item in bad:
            self.problem(key, f"{item!r} won't do")
        return () if bad else tuple(items)

    def pairs(self, key: str, says: Callable[[str], str | None] = lambda name: None) -> dict[str, str]:
        """A table of strings in the file's order; `says` tells what is wrong with a name, if anything."""
        return Section.of(self.value.get(key), f"{self.name}.{key}", None, self.problems).strings(says)

    def strings(self, says: Callable[[str], str | None] = lambda name: None) -> dict[str, str]:
        """The whole table as strings; `says` tells what is wrong with a name, if anything."""
        found: dict[str, str] = {}
        for name, item in self.value.items():
            if not isinstance(item, str):
                self.problem(name, "is a string")
            elif wrong := says(name):
                self.problem(name, wrong)
            else:
                found[name] = item
        return found
