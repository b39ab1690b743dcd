"""diffoscope's report, where the user has installed it (diffoscope(1)): it knows far more kinds of files.

It runs other programs on the files, outside of a container, as the user who installed it does by hand.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

_SECONDS = 300.0  # that it may take
_MEMORY = 4 << 30  # bytes of address space, of each of its processes
_REPORT = 10_000_000  # bytes
_WORDS = 300  # characters of what it says that are passed on


def diffoscope_report(
    left: Path, right: Path, to: Path, program: str, seconds: float = _SECONDS
) -> str | None:
    """Has diffoscope write to the file `to`, as text, how two files differ.

    None where it did; else why there is no report, for people.
    """
    line = [program, "--text", str(to), "--max-text-report-size", str(_REPORT), "--no-progress", "--"]
    with TemporaryDirectory(prefix="buildbox-") as scratch:
        env = {
            "PATH": f"{Path(program).parent}:{os.defpath}",
            "HOME": scratch,
            "TMPDIR": scratch,
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }
        try:
            process = subprocess.Popen(
                [*line, str(left.absolute()), str(right.absolute())],
                cwd=scratch,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # so that the programs that it runs end with it
            )
        except OSError as error:
            return f"{program} can't be started: {error.strerror}"
        resource.prlimit(process.pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        try:
            _, said = process.communicate(timeout=seconds)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            to.unlink(missing_ok=True)
            return f"diffoscope was stopped after {seconds:g} seconds"
    if process.returncode == 1 and to.is_file():
        return None
    if process.returncode == 0:
        return "diffoscope sees no difference"
    words = said.decode(errors="replace").strip().splitlines()
    return f"diffoscope failed: {(words or [f'status {process.returncode}'])[-1][:_WORDS]}"
