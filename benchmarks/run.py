"""How long `buildbox run` takes, measured against `docker run` with the same mount, user and image.

    .venv/bin/python -m benchmarks.run [--pairs 30] [--streams 3]

Two things are measured, in pairs that run right after each other, so that a machine that is busy for a while
slows both: a task `true`, and a task that writes 1 GB to its standard output. What counts is the median of
the pairs' ratios: at most 1.8 for `true`, at most 1.1 for the stream. It needs an engine, a docker client on
the PATH, and the image that demo/ pins (`scripts/demo` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.cli.host import this_host
from buildbox.oci import Platform
from buildbox.reference import ImageRef

ROOT = Path(__file__).parents[1]
STREAM = ("head", "-c", str(10**9), "/dev/zero")

CONFIG = """
[toolchains.python]
image = "{pin}"

[tasks.true]
argv = ["true"]

[tasks.stream]
argv = {stream}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=30, help="pairs of a task `true`")
    parser.add_argument("--streams", type=int, default=3, help="pairs of 1 GB of output")
    options = parser.parse_args()
    docker, buildbox = shutil.which("docker"), shutil.which("buildbox", path=str(Path(sys.executable).parent))
    if docker is None or buildbox is None:
        missing = "docker client on the PATH" if docker is None else "buildbox beside this Python"
        print(f"benchmarks: there is no {missing}", file=sys.stderr)
        return 1
    pin = read_pin(ROOT / "demo/.buildbox.toml")
    with tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as folder:
        config = CONFIG.format(pin=pin, stream=json.dumps(STREAM))
        (Path(folder) / ".buildbox.toml").write_text(config)
        ours = [buildbox, "-q", "-C", folder, "run"]
        timed([*ours, "true"])  # the image is in the engine from here on
        theirs = [docker, "run", "--rm", "--network", "none", "-v", f"{folder}:/src", "-w", "/src"]
        theirs += ["-u", f"{os.getuid()}:{os.getgid()}", image_id(docker, pin)]
        report("true", compare([*ours, "true"], [*theirs, "true"], options.pairs))
        report("1 GB of output", compare([*ours, "stream"], [*theirs, *STREAM], options.streams))
    return 0


def read_pin(config: Path) -> ImageRef:
    """The image of the only toolchain in `config`."""
    found = re.search(r'^image = "(.+)"$', config.read_text(), re.MULTILINE)
    if not found:
        raise SystemExit(f"benchmarks: {config} pins no image")
    return ImageRef.parse(found[1])


def image_id(docker: str, pin: ImageRef) -> str:
    """The engine's id of the image of `pin`, which is in the archive as well."""
    machine = subprocess.run(
        [docker, "version", "--format", "{{.Server.Arch}}"], capture_output=True, text=True, check=True
    )
    archive = Archive.open(this_host().data / "archive")
    platform = Platform("linux", machine.stdout.strip())
    image = find_image(archive, pin.digest, platform) if pin.digest else None
    for known in image.ids if image else ():
        if (
            subprocess.run([docker, "image", "inspect", known], capture_output=True, check=False).returncode
            == 0
        ):
            return known
    raise SystemExit(f"benchmarks: the engine has no image for {pin}")


def compare(ours: list[str], theirs: list[str], pairs: int) -> list[tuple[float, float]]:
    """(our seconds, their seconds) of each pair; who goes first changes from pair to pair."""
    times = []
    for number in range(pairs):
        if number % 2:
            their_time = timed(theirs)
            times.append((timed(ours), their_time))
        else:
            our_time = timed(ours)
            times.append((our_time, timed(theirs)))
    return times


def timed(command: list[str]) -> float:
    """The seconds that `command` takes. Its output goes nowhere."""
    start = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def report(what: str, times: list[tuple[float, float]]) -> None:
    """Print medians and the median ratio."""
    if not times:
        return
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(our / their for our, their in times)
    print(
        f"{what}: buildbox {ours * 1000:.0f} ms, docker {theirs * 1000:.0f} ms, "
        f"median ratio {ratio:.2f} ({len(times)} pairs)"
    )


if __name__ == "__main__":
    sys.exit(main())
