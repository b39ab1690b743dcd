"""How long it takes to tell a task's inputs and their digest, measured against `git status`.

    .venv/bin/python -m benchmarks.inputs [--pairs 20] [--files 50000]

In a repository of 50,000 files in 500 folders, in pairs that run right after each other; what counts is the
median of the ratios, at most 2 for a clean tree that was looked at before. Every look is a fresh one, in
this process: what starting Python takes is in benchmarks/run.py. The other figures are of a tree with a new
change each time, of the very first look, and of one without git.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from buildbox.trees.selection import WorkTree

_FOLDERS = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--attributes", default="", help="a line of .gitattributes, such as '* text=auto'")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as folder:
        root, data = Path(folder, "project"), Path(folder, "data")
        make_project(root, options.files, options.attributes)
        time.sleep(2)  # until no file is as new as the index
        git(root, "status")  # which writes the index anew
        first = timed(lambda: select(root, data))
        time.sleep(1)
        select(root, data)
        report("clean", root, lambda: select(root, data), options.pairs)
        report("clean, src/**/*.c", root, lambda: select(root, data, "src/**/*.c"), options.pairs)
        changes = iter(range(10**6))

        def changed() -> None:
            (root / "src/part001/file001.c").write_text(f"{next(changes)}\n")
            select(root, data)

        report("one file changed each time", root, changed, options.pairs)
        print(f"for the first time: {first * 1000:.0f} ms")
        (root / ".git").rename(Path(folder, "git"))
        select(root, data)
        walks = [timed(lambda: select(root, data)) for _ in range(5)]
        print(f"without git: {statistics.median(walks) * 1000:.0f} ms")
    return 0


def make_project(root: Path, files: int, attributes: str) -> None:
    """A repository, committed."""
    for number in range(files):
        path = root / f"src/part{number % _FOLDERS:03}/file{number // _FOLDERS:03}.c"
        if number < _FOLDERS:
            path.parent.mkdir(parents=True)
        path.write_text(f"int f{number}(void) {{ return {number}; }}\n" * (1 + number % 50))
    (root / ".gitattributes").write_text(f"{attributes}\n")
    git(root, "init", "-q")
    git(root, "config", "gc.auto", "0")
    git(root, "add", "-A")
    git(root, "-c", "user.name=B", "-c", "user.email=b@example.com", "commit", "-q", "-m", "all")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, stdout=subprocess.DEVNULL)


def select(root: Path, data: Path, *inputs: str) -> None:
    tree = WorkTree.look(root, data, os.environ, time.time()).select(inputs or None, ("dist/",))
    assert tree.count


def timed(call: Callable[[], None]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def report(what: str, root: Path, call: Callable[[], None], pairs: int) -> None:
    """Print medians and the median ratio; who goes first changes from pair to pair."""
    times = []
    call()
    for number in range(pairs):
        status = partial(git, root, "--no-optional-locks", "status", "--porcelain")
        if number % 2:
            theirs = timed(status)
            times.append((timed(call), theirs))
        else:
            ours = timed(call)
            times.append((ours, timed(status)))
    our, their = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(one / other for one, other in times)
    print(f"{what}: {our * 1000:.0f} ms, git status {their * 1000:.0f} ms, median ratio {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
