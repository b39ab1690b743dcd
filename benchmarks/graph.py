"""How long 100 tasks of one second take, four at once, against the ideal and against make with `docker run`.

    .venv/bin/python -m benchmarks.graph [--tasks 100] [--jobs 4] [--seconds 1] [--rounds 1] [--json]

The tasks are `sleep 1`, each in a container of its own, and need nothing of each other. The ideal is what
they take where nothing else takes any time: 25 s; at most 1.15 times that is allowed. The same by `make -j4`,
whose recipes are `docker run --rm` with the same image, mount and user, is measured for comparison (with
`--peer-rounds 0` it isn't). What a task costs beyond its second is told for one slot: the whole excess,
divided by how many tasks run one after the other.

It needs an engine, a docker client on the PATH, make, and the image that demo/ pins (`scripts/demo` makes
it). The exit status is 1 where the limit is exceeded: whatever else this machine does then counts, too.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.run import ROOT, image_id, read_pin

LIMIT = 1.15  # times the ideal


@dataclass(frozen=True)
class Measured:
    """What a tool took; medians."""

    tool: str
    seconds: float
    ratio: float  # to the ideal
    overhead: float  # ms of a slot for each task


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=100, help="how many")
    parser.add_argument("--jobs", type=int, default=4, help="at once")
    parser.add_argument("--seconds", type=float, default=1.0, help="that each sleeps")
    parser.add_argument("--rounds", type=int, default=1, help="of buildbox")
    parser.add_argument("--peer-rounds", type=int, default=1, help="of make with docker run")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    docker, buildbox = shutil.which("docker"), shutil.which("buildbox", path=str(Path(sys.executable).parent))
    if docker is None or buildbox is None:
        missing = "docker client on the PATH" if docker is None else "buildbox beside this Python"
        print(f"benchmarks: there is no {missing}", file=sys.stderr)
        return 2
    deep = math.ceil(options.tasks / options.jobs)
    ideal = deep * options.seconds
    pin = read_pin(ROOT / "demo/.buildbox.toml")
    with tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as name:
        folder = Path(name)
        (folder / ".buildbox.toml").write_text(configuration(str(pin), options.tasks, options.seconds))
        ours = [buildbox, "-q", "-C", name, "run", "--jobs", str(options.jobs)]
        timed([*ours, "t0"], folder)  # the image is in the engine from here on
        lines = {"buildbox": (ours, options.rounds)}
        if shutil.which("make"):
            run = [docker, "run", "--rm", "--network", "none", "-v", f"{name}:/src", "-w", "/src"]
            run += ["-u", f"{os.getuid()}:{os.getgid()}", image_id(docker, pin)]
            (folder / "Makefile").write_text(makefile(run, options.tasks, options.seconds))
            lines["make, docker run"] = (["make", "-s", f"-j{options.jobs}"], options.peer_rounds)
        found = []
        for tool, (line, rounds) in lines.items():
            times = [timed(line, folder) for _ in range(rounds)]
            if times:
                taken = statistics.median(times)
                found.append(Measured(tool, taken, taken / ideal, (taken - ideal) / deep * 1000))
    if options.json:
        print(json.dumps({"ideal": ideal, "limit": LIMIT, "results": [asdict(each) for each in found]}))
    else:
        print(f"{options.tasks} tasks of {options.seconds:g} s, {options.jobs} at once: ideal {ideal:.1f} s")
        for each in found:
            print(
                f"{each.tool:18} {each.seconds:6.1f} s  {each.ratio:5.2f} of the ideal  "
                f"{each.overhead:5.0f} ms for each task in its slot"
            )
    return int(any(each.tool == "buildbox" and each.ratio > LIMIT for each in found))


def configuration(pin: str, tasks: int, seconds: float) -> str:
    """Tasks that sleep, all of them the default."""
    names = [f"t{number}" for number in range(tasks)]
    text = f'[project]\ndefault = {json.dumps(names)}\n\n[toolchains.it]\nimage = "{pin}"\n'
    return text + "".join(f'\n[tasks.{name}]\nargv = ["sleep", "{seconds:g}"]\n' for name in names)


def makefile(run: Sequence[str], tasks: int, seconds: float) -> str:
    """The same by `docker run`."""
    names = " ".join(f"t{number}" for number in range(tasks))
    return f"all: {names}\n{names}:\n\t@{shlex.join([*run, 'sleep', f'{seconds:g}'])}\n"


def timed(line: Sequence[str], folder: Path) -> float:
    """The seconds that a command takes, whose output goes nowhere."""
    start = time.perf_counter()
    subprocess.run(
        line,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
