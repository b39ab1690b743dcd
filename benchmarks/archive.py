"""How fast the archive is, measured against skopeo and docker, and how much memory it takes.

    .venv/bin/python -m benchmarks.archive [--size 400] [--large 2000] [--rounds 5] [--large-rounds 2]
                                           [--images 1000] [--starts 20] [--json]

In pairs (see `pairs.py`); what the one wrote is on the disk before the other starts.

- save: `buildbox archive save` from a registry on this machine into an empty archive, against
  `skopeo copy --preserve-digests` into an empty OCI layout: at most 1.2.
- restore: `buildbox archive restore` into an engine that has none of the image's layers, against what
  `docker load` takes for a tar made before: at most 1.2. Its layers are compressed, as in the registry.
- the same against a tar that `docker save` made. Its layers aren't compressed where the engine's store is a
  classic one, which spares the engine that work (and takes more than twice the room): no limit.
- memory: the most that a save and a restore of the large image held at a time: at most 100 MiB.
- start: `buildbox run true` beside an archive of 1,000 images against one of a single image: at most 1.1,
  which is what such short times vary by. The image is in the engine.
- name: what it takes to name one more image, in an archive of 1,000 and one of a single image; no limit.

The image of --size MB is made of this machine's own programs and libraries, the one of --large MB of random
bytes (which costs an engine least: the ratio to `docker load` is at its worst). It needs an engine, a docker
client, skopeo, docker-registry and busybox-static. The exit status is 1 where a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.pairs import Result, Taken, compare
from benchmarks.samples import large_image, real_image
from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import REF_NAME, Archive
from buildbox.archive.loader import image_tar, keep_tag
from buildbox.archive.push import push_content, push_top
from buildbox.oci import Descriptor, Platform, canonical
from buildbox.progress import Silent
from buildbox.registry.client import Registry
from tests.support.registry import RealRegistry, serve
from tests.support.tiny_image import BUSYBOX, tiny_image

LIMIT = 1.2  # times what skopeo or docker takes
START_LIMIT = 1.1  # times what a start beside one image takes
MEMORY_LIMIT = 100.0  # MiB
PROGRAMS = {
    "skopeo": "skopeo",
    "docker-registry": "docker-registry",
    "docker": "docker.io",
}  # Debian packages


@dataclass(frozen=True)
class Sample:
    """An image to measure with: in an archive, and in a registry under the pin."""

    name: str
    archive: Archive
    image: ArchivedImage
    pin: str


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=400, help="MB of the image of real files")
    parser.add_argument("--rounds", type=int, default=5, help="rounds with it")
    parser.add_argument("--large", type=int, default=2000, help="MB of the large image")
    parser.add_argument("--large-rounds", type=int, default=2, help="rounds with it")
    parser.add_argument("--images", type=int, default=1000, help="images in the full archive")
    parser.add_argument("--starts", type=int, default=20, help="rounds of `buildbox run true`")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    missing = [package for name, package in PROGRAMS.items() if not shutil.which(name)]
    missing += [] if BUSYBOX.exists() else ["busybox-static"]
    if missing:
        print(f"benchmarks: this machine lacks {', '.join(missing)} (Debian packages)", file=sys.stderr)
        return 2
    with (
        tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as name,
        serve(Path(name, "registry")) as registry,
    ):
        folder, platform = Path(name), _platform()
        results = []
        if options.starts:
            results += measure_start(folder / "start", platform, options.images, options.starts)
        if options.rounds:
            sample = make_sample(folder / "real", registry, platform, options.size, real_image)
            results += measure(sample, folder / "work", options.rounds, None)
        if options.large_rounds:
            sample = make_sample(folder / "large", registry, platform, options.large, large_image)
            results += measure(sample, folder / "work", options.large_rounds, MEMORY_LIMIT)
    if options.json:
        values = [{**asdict(result), "verdict": result.verdict} for result in results]
        print(json.dumps({"results": values}, indent=2))
    else:
        show(results)
    return int(any(result.verdict.startswith("too") for result in results))


def make_sample(
    folder: Path,
    registry: RealRegistry,
    platform: Platform,
    size: int,
    make: Callable[[Archive, Platform, int], Descriptor],
) -> Sample:
    """An image that `make` makes, pushed to `registry`."""
    print(f"benchmarks: making an image of {size} MB", file=sys.stderr)
    archive = Archive.open(folder / "archive")
    top = make(archive, platform, size)
    client = Registry(registry.host)
    push_content(archive, client, "bench", top, Silent())
    push_top(archive, client, "bench", top, folder.name, move=False)
    client.close()
    image = find_image(archive, top.digest, platform)
    assert image
    return Sample(f"{folder.name} image", archive, image, f"{registry.host}/bench:{folder.name}@{top.digest}")


def measure(sample: Sample, folder: Path, rounds: int, memory: float | None) -> list[Result]:
    """Save and restore of `sample`."""
    folder.mkdir(exist_ok=True)
    home, layout = folder / "home", folder / "layout"
    project = make_project(folder / sample.name.replace(" ", "-"), sample.pin)
    buildbox = [sys.executable, "-m", "buildbox", "-q", "-C", str(project), "archive"]
    source = sample.pin.replace(f":{sample.name.split()[0]}@", "@")
    skopeo = ["skopeo", "--insecure-policy", "copy", "-q", "--preserve-digests", "--src-tls-verify=false"]
    skopeo += [f"docker://{source}", f"oci:{layout}:kept"]

    def save() -> Taken:
        shutil.rmtree(home, ignore_errors=True)
        return taken([*buildbox, "save"], home)

    def copy() -> Taken:
        shutil.rmtree(layout, ignore_errors=True)
        return taken(skopeo, home)

    def restore() -> Taken:
        forget(sample.image)
        return taken([*buildbox, "restore"], home)

    tar = folder / "image.tar"

    def load() -> Taken:
        forget(sample.image)
        return taken(["docker", "load", "-q", "-i", str(tar)], home)

    results = [compare(f"save, {sample.name}", save, copy, rounds, LIMIT, memory)]
    if not home.exists():
        save()
    with open(tar, "wb") as file:
        for chunk in image_tar(sample.archive, sample.image, keep_tag(sample.image)):
            file.write(chunk)
    results.append(compare(f"restore, {sample.name}, own tar", restore, load, rounds, LIMIT, memory))
    load()
    subprocess.run(["docker", "save", "-o", str(tar), keep_tag(sample.image)], check=True)
    results.append(compare(f"restore, {sample.name}, docker save's", restore, load, rounds, None, memory))
    forget(sample.image)
    shutil.rmtree(folder)
    return results


def make_project(folder: Path, pin: str) -> Path:
    """A project with one toolchain and the task `true`."""
    folder.mkdir(parents=True)
    (folder / ".buildbox.toml").write_text(
        f'[toolchains.it]\nimage = "{pin}"\n\n[tasks.true]\nargv = ["true"]\n'
    )
    return folder


def forget(image: ArchivedImage) -> None:
    """Removes the image from the engine, if it has it."""
    for name in (keep_tag(image), *image.ids):
        subprocess.run(["docker", "image", "rm", "-f", name], capture_output=True, check=False)


def measure_start(folder: Path, platform: Platform, images: int, rounds: int) -> list[Result]:
    """`run true` and naming, beside `images` images and beside one."""
    tiny = tiny_image(config={"Labels": {"benchmark": os.urandom(8).hex()}})
    pin = f"registry.example.com/tiny:1@{tiny.descriptor.digest}"
    project = make_project(folder / "project", pin)
    homes = {1: folder / "one", images: folder / "full"}
    for count, home in homes.items():
        archive = Archive.open(home / "archive")
        for data in tiny.blobs.values():
            archive.add_bytes(data)
        fill(archive, platform, count - 1)
        archive.keep(tiny.descriptor, pin)
    command = [sys.executable, "-m", "buildbox", "-q", "-C", str(project), "run", "true"]

    def run(count: int) -> Callable[[], Taken]:
        return lambda: taken(command, homes[count])

    def name(count: int) -> Callable[[], Taken]:
        return lambda: named(Archive.open(homes[count] / "archive"), tiny.descriptor)

    for count in homes:  # from here on the image is in the engine, and what is known of it noted
        run(count)()
    with removed(find_image(Archive.open(homes[1] / "archive"), tiny.descriptor.digest, platform)):
        what = "{} with " + str(images) + " images"
        return [
            compare(what.format("run true"), run(images), run(1), rounds, START_LIMIT, None),
            compare(what.format("name one"), name(images), name(1), rounds, None, None),
        ]


@contextmanager
def removed(image: ArchivedImage | None) -> Iterator[None]:
    """The engine forgets `image` at the end of the block."""
    try:
        yield
    finally:
        if image:
            forget(image)


def fill(archive: Archive, platform: Platform, count: int) -> None:
    """Makes `count` more images known to `archive`, in one go: syncing each would take minutes."""
    index = json.loads((archive.path / "index.json").read_bytes())
    for number in range(count):
        tiny = tiny_image(config={"Labels": {"number": str(number)}}, platform=platform, runnable=False)
        for digest, data in tiny.blobs.items():
            archive.blob_path(digest).write_bytes(data)
        entry = tiny.descriptor.to_json()
        name = f"registry.example.com/filler/image-{number}:1@{tiny.descriptor.digest}"
        index["manifests"].append({**entry, "annotations": {REF_NAME: name}})
    (archive.path / "index.json").write_bytes(canonical(index))


def named(archive: Archive, descriptor: Descriptor) -> Taken:
    """What one more name takes; it doesn't stay."""
    before = (archive.path / "index.json").read_bytes()
    start, cpu = time.perf_counter(), time.process_time()
    archive.keep(descriptor, f"registry.example.com/another:1@{descriptor.digest}")
    spent = Taken(time.perf_counter() - start, time.process_time() - cpu, 0.0)
    (archive.path / "index.json").write_bytes(before)
    return spent


def taken(command: Sequence[str], home: Path) -> Taken:
    """What a command takes, whose output is of no interest unless it fails."""
    os.sync()  # what others wrote is not its burden
    env = {**os.environ, "BUILDBOX_HOME": str(home)}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise SystemExit(
                f"benchmarks: {' '.join(command)} failed:\n{said.read().decode(errors='replace')}"
            )
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _platform() -> Platform:
    machine = subprocess.run(
        ["docker", "version", "--format", "{{.Server.Arch}}"], capture_output=True, text=True, check=True
    )
    return Platform("linux", machine.stdout.strip())


def show(results: Sequence[Result]) -> None:
    """Print the table."""
    print("medians in seconds, wall (processors); memory in MiB")
    row = "{:<36}  {:>15}  {:>15}  {:>12}  {:>5}  {:>11}  {}".format
    print(row("WHAT", "BUILDBOX", "THE OTHER", "RATIO", "LIMIT", "MEMORY", "VERDICT"))
    for each in results:
        ours, theirs = (f"{side.wall:.3f} ({side.cpu:.3f})" for side in (each.ours, each.other))
        ratio = f"{each.ratio:.2f} ({each.cpu_ratio:.2f})"
        memory = f"{each.ours.memory:.0f}" + (f" <= {each.memory_limit:.0f}" if each.memory_limit else "")
        print(row(each.what, ours, theirs, ratio, each.limit or "-", memory, each.verdict))


if __name__ == "__main__":
    sys.exit(main())
