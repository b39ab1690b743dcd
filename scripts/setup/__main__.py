"""`python3 -m scripts.setup demo|test`: set this machine up, saying first what that takes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

OLDEST_PYTHON = (3, 10)


def main(arguments: list[str]) -> int:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        return _refuse(f"Python 3.10 or later is needed, python3 here is {found}. Nothing was changed.")
    # Only now: these need that Python.
    from scripts.setup.machine import look
    from scripts.setup.plan import NEEDS, CannotSetUp, announce, decide
    from scripts.setup.work import carry_out

    if len(arguments) != 1 or arguments[0] not in NEEDS:
        return _refuse(f"usage: python3 -m scripts.setup {'|'.join(NEEDS)}")
    root = Path(__file__).resolve().parents[2]
    # Where dockerd and dpkg's own tools are, and what not every caller has.
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"
    machine = look(root, dict(os.environ), os.getuid(), os.getgid())
    try:
        plan = decide(machine, NEEDS[arguments[0]])
        print(announce(machine, plan), flush=True)
        carry_out(machine, plan)
    except CannotSetUp as problem:
        return _refuse(str(problem))
    return 0


def _refuse(message: str) -> int:
    print(f"setup: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
