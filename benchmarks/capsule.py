"""How fast a capsule is made, measured against hashing and copying its bytes, and how much memory it takes.

    .venv/bin/python -m benchmarks.capsule [--size 400] [--large 2000] [--inputs 5] [--rounds 5]
                                           [--large-rounds 2] [--json]

In pairs (see `pairs.py`); what the one wrote is on the disk before the other starts.

- create: `buildbox capsule create ARTIFACT`, as a process, against `sha256sum`, `cp` and `sync` of the
  finished capsule: at most 1.2.
- create, one pass: the same against a process that reads the finished capsule once, hashes it by OpenSSL (as
  buildbox does), writes it and has it on the disk; no limit: for small ones the start of buildbox, and git's
  for the bundle, count most.
- show: `buildbox capsule show`, which checks all of it and unpacks each layer once, against the first; no
  limit.
- memory: the most that either held at a time: at most 100 MiB.

The capsule of --size MB is of an image of this machine's own programs and libraries, that of --large MB of
random bytes; each has --inputs MB of source in a git repository beside. No engine is asked. The exit status
is 1 where a limit is exceeded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.archive import make_project, show, taken
from benchmarks.pairs import Result, Taken, compare
from benchmarks.samples import large_image, real_image
from buildbox.archive.images import find_image, full_name
from buildbox.archive.layout import Archive
from buildbox.archive.statements import keep_statement
from buildbox.oci import Descriptor, Platform
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Source, UsedImage
from buildbox.reference import ImageRef
from buildbox.trees.entry import FILE, Entry, tree_digest
from tests.support.statements import a_statement, a_step

LIMIT = 1.2  # times what hashing and copying takes
MEMORY_LIMIT = 100.0  # MiB
PLATFORM = Platform("linux", "amd64")
TOOLS = 'sha256sum "$1"; cp "$1" "$2"; sync "$2"'
ONE_PASS = """
import hashlib, os, sys
hasher = hashlib.sha256()
with open(sys.argv[1], "rb", 0) as source, open(sys.argv[2], "wb", 0) as target:
    while data := source.read(1 << 17):
        hasher.update(data)
        target.write(data)
    os.fsync(target.fileno())
"""


@dataclass(frozen=True)
class Sample:
    """An artifact in a repository, and the archive that has its statement and all else."""

    name: str
    root: Path
    home: Path


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=400, help="MB of the image of real files")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with it")
    parser.add_argument("--large", type=int, default=2000, help="MB of the large image")
    parser.add_argument("--large-rounds", type=int, default=2, help="rounds with it")
    parser.add_argument("--inputs", type=int, default=5, help="MB of source")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as name:
        if options.rounds:
            sample = make_sample(Path(name, "real"), options.size, options.inputs, real_image)
            results += measure(sample, options.rounds)
        if options.large_rounds:
            sample = make_sample(Path(name, "large"), options.large, options.inputs, large_image)
            results += measure(sample, options.large_rounds)
    if options.json:
        values = [{**asdict(result), "verdict": result.verdict} for result in results]
        print(json.dumps({"results": values}, indent=2))
    else:
        show(results)
    return int(any(result.verdict.startswith("too") for result in results))


def measure(sample: Sample, rounds: int) -> list[Result]:
    """Making a capsule, and opening it."""
    capsule, copied = sample.home / "capsule.tar", sample.home / "copied"
    buildbox = [sys.executable, "-m", "buildbox", "-q", "-C", str(sample.root), "capsule"]

    def create() -> Taken:
        capsule.unlink(missing_ok=True)
        return taken([*buildbox, "create", str(sample.root / "artifact"), "-o", str(capsule)], sample.home)

    def look() -> Taken:
        return taken([*buildbox, "show", str(capsule)], sample.home)

    def copy() -> Taken:
        copied.unlink(missing_ok=True)
        return taken(["sh", "-ec", TOOLS, "sh", str(capsule), str(copied)], sample.home)

    def one_pass() -> Taken:
        copied.unlink(missing_ok=True)
        return taken([sys.executable, "-c", ONE_PASS, str(capsule), str(copied)], sample.home)

    create()
    what = f"{sample.name}, {capsule.stat().st_size // 1_000_000} MB"
    return [
        compare(f"create, {what}", create, copy, rounds, LIMIT, MEMORY_LIMIT),
        compare(f"create, {what}, one pass", create, one_pass, rounds, None),
        compare(f"show, {what}", look, copy, rounds, None, MEMORY_LIMIT),
    ]


def make_sample(
    folder: Path, size: int, inputs: int, make: Callable[[Archive, Platform, int], Descriptor]
) -> Sample:
    """A build that never ran, in the image that `make` makes."""
    print(f"benchmarks: making an image of {size} MB", file=sys.stderr)
    sample = Sample(f"{folder.name} image", folder / "project", folder / "home")
    archive = Archive.open(sample.home / "archive")
    top = make(archive, PLATFORM, size)
    ref = ImageRef.parse(f"registry.example.com/bench:1@{top.digest}")
    archive.keep(top, full_name(ref, top.digest))
    image = find_image(archive, top.digest, PLATFORM)
    assert image
    make_project(sample.root, str(ref))
    source, entries = make_source(sample.root, inputs)
    artifact = b"made of it"
    (sample.root / "artifact").write_bytes(artifact)
    step = a_step(inputs=("src/**",))
    statement = a_statement(
        replace(step, toolchain=replace(step.toolchain, image=ref, platform=PLATFORM)),
        source=source,
        inputs=tree_digest(entries),
        files=len(entries),
        image=UsedImage(str(ref), None, image.manifest.digest, image.config.digest, PLATFORM),
        needs=(),
        outputs=(_entry("artifact", artifact),),
    )
    data = statement_bytes(statement)
    keep_statement(archive, data, fingerprint=statement.fingerprint, result=None, now=1.7e9)
    return sample


def make_source(root: Path, size: int) -> tuple[Source, list[Entry]]:
    """A repository with `size` MB in files of 20 kB."""
    entries = []
    (root / "src").mkdir(parents=True)
    for number in range(size * 50):
        data = os.urandom(10_000).hex().encode()
        (root / f"src/{number}.c").write_bytes(data)
        entries.append(_entry(f"src/{number}.c", data))
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "all")
    commit, tree = _git(root, "rev-parse", "HEAD", "HEAD^{tree}").split()
    return Source(commit, tree, True), sorted(entries)


def _entry(path: str, data: bytes) -> Entry:
    return Entry(path, FILE, hashlib.sha256(data).hexdigest(), len(data))


def _git(root: Path, *line: str) -> str:
    return subprocess.run(["git", *line], cwd=root, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
