"""The `buildbox` command, before anything of it is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import signal, sys, types
{before}
import buildbox.__main__
stand_in = types.ModuleType("buildbox.cli.main")
stand_in.main = lambda: print(signal.getsignal(signal.SIGINT).name)
sys.modules["buildbox.cli.main"] = stand_in
buildbox.__main__.main()
"""
IGNORED = "signal.signal(signal.SIGINT, signal.SIG_IGN)"


@pytest.mark.parametrize(("before", "found"), [("", "SIG_DFL"), (IGNORED, "SIG_IGN")])
def test_an_interrupt_while_it_is_loaded_ends_it_without_a_traceback(before: str, found: str) -> None:
    script = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n{SCRIPT}"
    line = [sys.executable, "-c", script.format(before=before)]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout == f"{found}\n"
