"""A FakeEngine's builder: FROM an id, COPY of single files, RUN as a process whose files don't count."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from buildbox.engine.protocol import BuildFailed
from buildbox.oci import canonical


@dataclass(frozen=True)
class Stored:
    """An image as a store has it."""

    config: bytes
    layers: tuple[bytes, ...]  # tars

    @property
    def image_id(self) -> str:
        return "sha256:" + hashlib.sha256(self.config).hexdigest()


def build(
    dockerfile: str,
    files: Mapping[str, bytes],
    images: MutableMapping[str, Stored],
    cache: MutableMapping[tuple[str, ...], str],
    log: Callable[[str], None],
    mark: int,
) -> tuple[str, ...]:
    """The images of the stages, which are in `images` then; `mark` tells those of two builds apart."""
    ids: list[str] = []
    for line in dockerfile.splitlines():
        log(f"Step : {line}")
        keyword, _, rest = line.partition(" ")
        if keyword == "FROM":
            ids.append(_base(rest.split()[0], images))
            continue
        key = (ids[-1], line, *([str(sorted(files.items()))] if keyword == "COPY" else []))
        if key not in cache:
            made = _step(images[ids[-1]], keyword, rest, files, log, mark)
            images[made.image_id] = made
            cache[key] = made.image_id
        ids[-1] = cache[key]
    return tuple(ids)


def exported(image: Stored) -> bytes:
    """What `docker save` of a classic store gives (docker image specification 1.2)."""
    layers = {f"{number}/layer.tar": layer for number, layer in enumerate(image.layers)}
    config = image.image_id.removeprefix("sha256:") + ".json"
    manifest = [{"Config": config, "RepoTags": None, "Layers": list(layers)}]
    return tar_of({**layers, config: image.config, "manifest.json": json.dumps(manifest).encode()})


def tar_of(files: Mapping[str, bytes]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def _base(name: str, images: MutableMapping[str, Stored]) -> str:
    if name == "scratch":
        empty = Stored(_config({}, (), 0), ())
        images[empty.image_id] = empty
        return empty.image_id
    if f"sha256:{name}" not in images:
        raise BuildFailed(f"no such image: {name}")
    return f"sha256:{name}"


def _step(
    parent: Stored, keyword: str, rest: str, files: Mapping[str, bytes], log: Callable[[str], None], mark: int
) -> Stored:
    layers = parent.layers
    if keyword == "RUN":
        _run(rest, log)
    elif keyword == "COPY":
        source, target = rest.split()
        if source not in files:
            raise BuildFailed(f"COPY failed: file not found in build context: {source}")
        layers = (*layers, tar_of({target.lstrip("/"): files[source]}))
    return Stored(_config(json.loads(parent.config), layers, mark), layers)


def _run(script: str, log: Callable[[str], None]) -> None:
    process = subprocess.Popen(
        ["/bin/sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout
    try:
        for line in process.stdout:
            log(line.rstrip("\n"))
    except BaseException:
        process.kill()
        raise
    finally:
        process.wait()
        process.stdout.close()
    if process.returncode:
        raise BuildFailed(f"The command '/bin/sh -c {script}' returned a non-zero code: {process.returncode}")


def _config(parent: Mapping[str, Any], layers: tuple[bytes, ...], mark: int) -> bytes:
    diff_ids = ["sha256:" + hashlib.sha256(_plain(layer)).hexdigest() for layer in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    basics = {"os": "linux", "architecture": "amd64", "config": {}}
    return canonical({**basics, **parent, "rootfs": rootfs, "mark": mark})


def _plain(layer: bytes) -> bytes:
    return gzip.decompress(layer) if layer[:2] == b"\x1f\x8b" else layer
