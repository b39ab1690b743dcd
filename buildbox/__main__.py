"""`python -m buildbox` and the `buildbox` command."""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Runs the command line of this process, and ends it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # else Ctrl-C, while all is loaded, shows a traceback
    from buildbox.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
