"""How fast the tree of a hermetic task is made, measured against `cp -a` of the same files.

    .venv/bin/python -m benchmarks.staging [--files 50000] [--large 4] [--rounds 5] [--folder DIR] [--json]

Pairs run right after each other, so that a machine that is busy for a while slows both; who goes first
changes from round to round. What counts is the median of the rounds' ratios. The files have been read before,
so they come from memory; what is written gets new names each time, and is on the disk before the next one
starts. All copies stay until the end: to remove them in between would slow down whoever comes next.

- small: `stage_files` and `settle` with --files source files of 0 to 8 KB in folders, which were hashed
  before, against `cp -a`: at most 1.5.
- large: the same with --large files of 100 MB: at most 1.5.
- new: small files that changed just now, so that each is hashed while it is copied; no limit.
- settle: what of that it takes to settle modes and times again; against the same `cp -a`, no limit.

The exit status is 1 where a limit is exceeded. Where the file system can share blocks, both do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from buildbox.trees.entry import FILE, Entry
from buildbox.trees.stage import remove, settle, stage_files

LIMIT = 1.5  # times what cp takes
EPOCH = 315532800
LARGE = 100_000_000  # bytes
TRUSTED = 2.0**40  # a time that all ctimes are before


@dataclass(frozen=True)
class Result:
    """Something that was measured: medians of the rounds, in seconds."""

    what: str
    rounds: int
    ours: float
    cp: float
    ratio: float  # median of the rounds' ratios
    limit: float | None

    @property
    def verdict(self) -> str:
        """What the limit says of it."""
        return "-" if self.limit is None else "ok" if self.ratio <= self.limit else "too slow"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--files", type=int, default=50000, help="small files")
    parser.add_argument("--large", type=int, default=4, help="files of 100 MB")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where; default: the folder for temporary files")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    top = Path(tempfile.mkdtemp(prefix="buildbox-benchmark-", dir=options.folder))
    try:
        results = measure_small(top, options.files, options.rounds)
        results.append(measure_large(top, options.large, options.rounds))
    finally:
        remove(top)
    if options.json:
        values = [{**asdict(result), "verdict": result.verdict} for result in results]
        print(json.dumps({"results": values}, indent=2))
    else:
        show(results)
    return int(any(result.verdict == "too slow" for result in results))


def measure_small(top: Path, count: int, rounds: int) -> list[Result]:
    """The small files, trusted and hashed; and what settling takes."""
    dice = random.Random(1)
    source = top / "small"
    files = {f"part{n % 23}/module{n % 311}/file{n}.c": dice.randrange(8192) for n in range(count)}
    entries = make_files(source, files)
    settling: list[float] = []

    def stage(to: Path) -> None:
        stage_files(source, entries, to, since=TRUSTED, epoch=EPOCH)
        begun = time.perf_counter()
        settle(to, EPOCH, None)
        settling.append(time.perf_counter() - begun)

    def stage_new(to: Path) -> None:
        stage_files(source, entries, to, since=0, epoch=EPOCH)
        settle(to, EPOCH, None)

    small = measure(f"{count} small files", source, stage, rounds, LIMIT)
    share = statistics.median(settling)
    return [
        small,
        Result("settling of these", rounds, share, small.cp, share / small.cp, None),
        measure(f"{count} small files, new ones", source, stage_new, rounds, None),
    ]


def measure_large(top: Path, count: int, rounds: int) -> Result:
    """The large files."""
    source = top / "large"
    entries = make_files(source, {f"data{n}": LARGE for n in range(count)})

    def stage(to: Path) -> None:
        stage_files(source, entries, to, since=TRUSTED, epoch=EPOCH)
        settle(to, EPOCH, None)

    return measure(f"{count} files of 100 MB", source, stage, rounds, LIMIT)


def make_files(source: Path, files: dict[str, int]) -> list[Entry]:
    """Writes files of those sizes, of bytes that no file system can compress; their entries."""
    pool = os.urandom(1 << 20)
    entries = []
    for path, size in sorted(files.items()):
        name = source / path
        name.parent.mkdir(parents=True, exist_ok=True)
        start = size % 1000
        data = (pool[start:] * (size // (len(pool) - start) + 1))[:size]
        name.write_bytes(data)
        entries.append(Entry(path, FILE, hashlib.sha256(data).hexdigest(), size))
    return entries


def measure(
    what: str, source: Path, stage: Callable[[Path], None], rounds: int, limit: float | None
) -> Result:
    """Rounds of `stage` and `cp -a`, in turns."""

    def copy(to: Path) -> None:
        subprocess.run(["cp", "-a", str(source), str(to)], check=True)

    print(f"benchmarks: {what}", file=sys.stderr)
    ours: list[float] = []
    theirs: list[float] = []
    copy(Path(tempfile.mkdtemp(dir=source.parent)) / "to")  # warms up
    for number in range(rounds):
        pair: list[tuple[Callable[[Path], None], list[float]]] = [(stage, ours), (copy, theirs)]
        for do, taken in pair if number % 2 else reversed(pair):
            to = Path(tempfile.mkdtemp(dir=source.parent)) / "to"
            os.sync()
            begun = time.perf_counter()
            do(to)
            taken.append(time.perf_counter() - begun)
    ratio = statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
    return Result(what, rounds, statistics.median(ours), statistics.median(theirs), ratio, limit)


def show(results: Sequence[Result]) -> None:
    """A table, for people."""
    print(f"{'':32} {'ours':>9} {'cp -a':>9} {'ratio':>6}  limit")
    for result in results:
        limit = f"{result.limit:.1f} {result.verdict}" if result.limit else "-"
        print(
            f"{result.what:32} {result.ours * 1000:6.0f} ms {result.cp * 1000:6.0f} ms"
            f" {result.ratio:6.2f}  {limit}"
        )


if __name__ == "__main__":
    sys.exit(main())
