"""Runs a shell script through `execute` over a FakeEngine; as a program, with the process's own streams:

python -m tests.support.executing SCRIPT [TIMEOUT]
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from buildbox.container import ContainerSpec
from buildbox.execute import Outcome, Output, Streams
from buildbox.execute.life import execute
from tests.support.fake_engine import FakeEngine

IMAGE = "sha256:" + "1" * 64


@dataclass
class Collected:
    """An Output in memory."""

    data: dict[int, bytes] = field(default_factory=lambda: {1: b"", 2: b""})

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self.data[stream] += b"".join(views)


class Direct:
    """An Output to this process's own descriptors."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        os.write(stream, b"".join(views))


def spec_of(script: str, *, stdin: bool = False) -> ContainerSpec:
    return ContainerSpec(IMAGE, ("/bin/sh", "-c", script), (), "/", "0:0", stdin=stdin)


def execute_script(
    script: str,
    output: Output,
    *,
    engine: FakeEngine | None = None,
    stdin: int | None = None,
    timeout: float | None = None,
    grace: float = 0.3,
    say: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Runs the script, and sees to it that no container is left."""
    engine = engine or FakeEngine({IMAGE: {}})
    outcome = execute(
        engine,
        spec_of(script, stdin=stdin is not None),
        Streams(output, stdin, None),
        timeout=timeout,
        grace=grace,
        say=say,
    )
    assert engine.left == [], "containers are left"
    return outcome


if __name__ == "__main__":
    limit = float(sys.argv[2]) if len(sys.argv) > 2 else None
    done = execute_script(
        sys.argv[1], Direct(), stdin=0, timeout=limit, say=lambda text: print(text, file=sys.stderr)
    )
    sys.exit(done.status)
