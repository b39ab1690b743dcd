"""Root file systems of Debian releases, for engines that this machine doesn't have. Made once, by root."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".buildbox" / "engines"  # git doesn't see it


def debian_root(name: str, suite: str, packages: Sequence[str]) -> Path:
    """The folder `name` of the cache: `suite` with `packages`. To be used, never to be changed.

    Making one takes half a minute and brings 100 MB from the mirrors that this machine's apt knows, else from
    those that mmdebstrap knows. Whoever wants a newer one removes the folder.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    root, unfinished = CACHE / name, CACHE / f"{name}.unfinished"
    lock = os.open(CACHE / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            shutil.rmtree(unfinished, ignore_errors=True)
            _make(unfinished, suite, packages)
            unfinished.rename(root)
    finally:
        os.close(lock)
    return root


def _make(folder: Path, suite: str, packages: Sequence[str]) -> None:
    command = [
        *("mmdebstrap", "--quiet", "--variant=essential", f"--include={','.join(['mount', *packages])}"),
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=Acquire::Retries "3"',
        # A release that is still in the making may have a release file that is past its date.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(suite, str(folder), *_mirror()),
    ]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert not done.returncode, f"{' '.join(command)}: {done.stderr}"


def _mirror() -> list[str]:
    """The machine's own mirror of Debian's archive, as its apt has seen it."""
    ask = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian"]
    done = subprocess.run(ask, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.stdout.split()[:1]
