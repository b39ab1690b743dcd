"""How long `buildbox images build` takes, measured against plain mmdebstrap with the same packages.

    .venv/bin/python -m benchmarks.images [--recipe python/3.11] [--rounds 5] [--mirror-rounds 2] [--json]

Three comparisons, in pairs (see `pairs.py`).

1. A build from archived packages against `mmdebstrap --format=tar` with the same packages, from a folder of
   the same .debs that is a repository: at most 1.3.
2. The same build against the same mmdebstrap whose tar goes into the gzip that the build uses: for knowing
   how much of the difference is the compression. No limit.
3. The same build against one into an empty archive, from this machine's own mirrors: less than 1.

The build gains by leaving out documentation and by not having dpkg sync each file, as plain mmdebstrap does,
which counts on a slow disk; it loses by its compression, which is most of what it does besides mmdebstrap,
and by the recipe's wheels, of which mmdebstrap knows nothing. Besides the time on the wall there is the
processors' time of all processes (user and system), which a busy machine disturbs less.

It needs what `buildbox images build` needs, with a mirror for the first build. The exit status is 1 where a
limit is exceeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from benchmarks.pairs import Result, Taken, compare
from buildbox.archive.layout import Archive
from buildbox.recipes.catalogue import find_recipe, own_catalogue
from buildbox.recipes.lock import Lock, read_lock
from buildbox.recipes.recipe import read_recipe

PLAIN_LIMIT = 1.3  # times what plain mmdebstrap takes
MIRROR_LIMIT = 1.0  # times what a build takes that fetches its packages
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
MERGED = Path("/usr/share/mmdebstrap/hooks/merged-usr")  # what the package usr-is-merged asks for


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--recipe", default="python/3.11", help="NAME/VERSION in the catalogue")
    parser.add_argument("--rounds", type=int, default=5, help="rounds against mmdebstrap")
    parser.add_argument("--mirror-rounds", type=int, default=2, help="rounds against a mirror")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    missing = [name for name in ("mmdebstrap", "gzip", "dpkg-deb") if not shutil.which(name, path=PATH)]
    if missing:
        print(f"benchmarks: this machine lacks {', '.join(missing)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as folder:
        Path(folder).chmod(0o755)  # for apt's own user
        results = measure(options.recipe, options.rounds, options.mirror_rounds, Path(folder))
    if options.json:
        values = [{**asdict(result), "verdict": result.verdict} for result in results]
        print(json.dumps({"recipe": options.recipe, "results": values}, indent=2))
    else:
        show(options.recipe, results)
    return int(any(result.verdict == "too slow" for result in results))


def measure(name: str, rounds: int, mirror_rounds: int, folder: Path) -> list[Result]:
    """All pairs, in `folder`."""
    recipe = find_recipe(name, [own_catalogue()])
    lock = read_lock(recipe, read_recipe(recipe))
    home = folder / "home"

    def build() -> None:
        run([sys.executable, "-m", "buildbox", "-q", "images", "build", name], home)

    def build_anew() -> None:
        empty = folder / "empty"
        run([sys.executable, "-m", "buildbox", "-q", "images", "build", name], empty)
        shutil.rmtree(empty)

    build()  # its packages are in the archive from here on
    debs = folder / "debs"
    make_repository(lock, Archive.open(home / "archive"), debs)
    tar = folder / "plain.tar"

    def bootstrap() -> None:
        run(plain(lock, debs, str(tar)), folder)
        tar.unlink()

    def bootstrap_and_pack() -> None:
        with open(folder / "plain.tar.gz", "wb") as target:
            gzip = subprocess.Popen(["gzip", "-n", "-4"], stdin=subprocess.PIPE, stdout=target)
            run(plain(lock, debs, "-"), folder, gzip.stdin)
            assert gzip.stdin
            gzip.stdin.close()
            gzip.wait()

    return [
        compare("mmdebstrap", taken(build), taken(bootstrap), rounds, PLAIN_LIMIT),
        compare("mmdebstrap | gzip", taken(build), taken(bootstrap_and_pack), rounds, None),
        compare("build from a mirror", taken(build), taken(build_anew), mirror_rounds, MIRROR_LIMIT),
    ]


def make_repository(lock: Lock, archive: Archive, folder: Path) -> None:
    """Makes `folder` a repository of the lock's packages, as a mirror on this machine would be one."""
    folder.mkdir()
    stanzas = []
    for package in lock.packages:
        path = folder / package.file
        shutil.copy(archive.blob_path(package.digest), path)
        fields = subprocess.run(
            ["dpkg-deb", "--field", path], capture_output=True, text=True, check=True
        ).stdout.rstrip()
        stanzas.append(
            f"{fields}\nFilename: ./{package.file}\nSize: {package.size}\nSHA256: {package.sha256}\n"
        )
    data = "\n".join(stanzas).encode()
    (folder / "Packages").write_bytes(data)
    (folder / "Release").write_text(
        f"Codename: {lock.suite}\nSHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} Packages\n"
    )


def plain(lock: Lock, debs: Path, target: str) -> list[str]:
    """mmdebstrap as a person calls it, for the same packages and nothing else."""
    merged = any(package.name == "usr-is-merged" for package in lock.packages)
    return [
        "mmdebstrap",
        "--quiet",
        f"--mode={'root' if os.getuid() == 0 else 'unshare'}",
        "--variant=essential",
        "--format=tar",
        f"--architectures={lock.architecture}",
        *([f"--hook-dir={MERGED}"] if merged else []),
        "--include=" + ",".join(f"{package.name}={package.version}" for package in lock.packages),
        "",
        target,
        f"deb [trusted=yes] copy:{quote(str(debs))} ./",
    ]


def run(command: Sequence[str], home: Path, output: object = None) -> None:
    """Runs a command whose output is of no interest, unless it fails."""
    env = {**os.environ, "BUILDBOX_HOME": str(home), "PATH": f"{PATH}:{os.environ.get('PATH', '')}"}
    done = subprocess.run(  # type: ignore[call-overload]
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output or subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    if done.returncode:
        raise SystemExit(f"benchmarks: {command[0]} failed:\n{done.stderr.decode(errors='replace')}")


def taken(work: Callable[[], None]) -> Callable[[], Taken]:
    """Does `work`, which happens in processes, and gives what it took."""

    def measured() -> Taken:
        before, start = _cpu(), time.perf_counter()
        work()
        return Taken(time.perf_counter() - start, _cpu() - before)

    return measured


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def show(recipe: str, results: Sequence[Result]) -> None:
    """Print the table."""
    print(f"{recipe}, built from archived packages; medians in seconds, wall (processors)")
    row = "{:<20}  {:>14}  {:>14}  {:>12}  {:>5}  {}".format
    print(row("AGAINST", "BUILD", "THE OTHER", "RATIO", "LIMIT", "VERDICT"))
    for each in results:
        ours, theirs = (f"{side.wall:.1f} ({side.cpu:.1f})" for side in (each.ours, each.other))
        ratio = f"{each.ratio:.2f} ({each.cpu_ratio:.2f})"
        print(row(each.what, ours, theirs, ratio, each.limit or "-", each.verdict))


if __name__ == "__main__":
    sys.exit(main())
