"""The machine's own pip, for its indexes with their proxies and logins; only downloads are asked of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from buildbox.recipes.target import Target

_SHOWN = 12  # last lines of what pip says
_WIDTH = 200  # characters of a line of it


def download(
    requirements: Sequence[str], target: Target, folder: Path, env: Mapping[str, str], *options: str
) -> list[str]:
    """Fetches the wheels of these lines, hashes and all, into `folder`; gives pip's complaints, if any.

    pip checks each file against its hashes. On a complaint it may have left some of the files there.
    """
    platforms = [part for tag in target.platforms for part in ("--platform", tag)]
    with TemporaryDirectory(prefix="pip-", dir=folder.parent) as scratch:
        listed = Path(scratch) / "requirements.txt"
        listed.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        argv = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", *options]
        argv += ["download", "--no-deps", "--require-hashes", "--only-binary=:all:", *platforms]
        argv += ["--python-version", target.python, "--implementation", "cp", "--abi", target.abi]
        argv += ["--progress-bar", "off", "--dest", str(folder), "--requirement", str(listed)]
        done = subprocess.run(
            argv,
            env={**env, "LC_ALL": "C.UTF-8"},
            cwd=scratch,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode == 0:
        return []
    where = [line for line in done.stdout.splitlines() if line.startswith("Looking in ")]
    said = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING: Loc")]
    shown = [line[:_WIDTH] for line in [*where, *said[-_SHOWN:]]]
    return shown or [f"pip ended with status {done.returncode}"]
