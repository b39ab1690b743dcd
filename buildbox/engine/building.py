"""What an engine says while it builds an image (Engine API, "Build an image": a stream of JSON objects)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from buildbox.engine.protocol import BuildFailed

_BUILT = re.compile(r"Successfully built ([0-9a-f]{12,64})")


def follow(messages: Iterable[Mapping[str, Any]], log: Callable[[str], None]) -> tuple[str, ...]:
    """Gives `log` the build's lines; then the ids of its stages' images, the result's last.

    Raises BuildFailed with the engine's words where the build fails, or ends without an image.
    """
    ids: list[str] = []
    named: str | None = None  # an id, maybe cut short, from engines that tell no other
    rest = ""
    for message in messages:
        if "error" in message:
            if rest:
                log(rest)
            raise BuildFailed(str(message["error"]).strip())
        if isinstance(message.get("aux"), Mapping) and message["aux"].get("ID"):
            ids.append(str(message["aux"]["ID"]))
        *lines, rest = (rest + str(message.get("stream", ""))).split("\n")
        for line in lines:
            log(line)
            match = _BUILT.match(line)
            named = match[1] if match else named
    if rest:
        log(rest)
    if not ids and not named:
        raise BuildFailed("it ended without an image")
    return tuple(ids) or (str(named),)
