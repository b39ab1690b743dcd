"""What holds for every test."""

from __future__ import annotations

import signal

import pytest

# A shell that starts the tests in the background has SIGINT ignored in them, and in all that they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that chooses the contract suite's engines."""
    parser.addoption(
        "--engines", default="", metavar="NAMES", help="the contract suite's engines: all, or names"
    )
