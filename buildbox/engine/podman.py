"""Where Podman's Docker-compatible socket (4.3) takes other words than Docker for the same container."""

from __future__ import annotations

import base64
import io
import json
import os
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from buildbox.container import Bind, ContainerSpec
from buildbox.digest import Digest
from buildbox.engine.find import own_platform
from buildbox.engine.protocol import Engine
from buildbox.errors import EngineError
from buildbox.oci import Platform, canonical

_SPECIAL = {",", '"', "\n", "\r"}
_SEEN_AT = "/engine"  # where a container has what the engine's machine has
_STAT = "X-Docker-Container-Path-Stat"  # "Get information about files in a container"
_OWN_HEADER = "Libpod-Api-Version"  # in its answers, and in no other engine's


def is_podman(headers: Mapping[str, str]) -> bool:
    """Whether an answer with these headers comes from Podman."""
    return _OWN_HEADER in headers


def in_its_words(body: Mapping[str, Any], spec: ContainerSpec, *, local: bool) -> dict[str, Any]:
    """The body of "Create a container" as Podman understands it.

    `local`: it sees the files of this machine. Raises EngineError for a mount that it can't make.
    """
    mounts, binds = body["HostConfig"]["Mounts"][len(spec.binds) :], []
    for bind, mount in zip(spec.binds, body["HostConfig"]["Mounts"], strict=False):
        if local and not Path(bind.source).exists():  # Podman makes a folder there instead
            raise EngineError(
                f"the engine couldn't create a container: bind source path does not exist: {bind.source}"
            )
        if not _SPECIAL & {*bind.source, *bind.target}:  # it makes a line of CSV of a mount, and can't quote
            mounts.append(mount)
        elif ":" not in bind.source + bind.target:
            binds.append(f"{bind.source}:{bind.target}:{'ro' if bind.read_only else 'rw'}")
        else:
            raise EngineError(
                f"Podman can't mount a path with both a colon and a comma, quote or newline: {bind.source!r}",
                "Move the project to a folder whose name has none of them, or use a Docker Engine.",
            )
    tmpfs = {mount.target: _tmpfs(mount.options, spec.user) for mount in spec.tmpfs}
    return {**body, "HostConfig": {**body["HostConfig"], "Mounts": mounts, "Binds": binds, "Tmpfs": tmpfs}}


def has_path_by_container(engine: Engine, path: str) -> bool:
    """Engine.has_path, by way of an image that has nothing and a container that never starts.

    It has all of the engine's machine: a mount of `path` alone would make what isn't there.
    """
    image_id, tar = _empty_image(os.urandom(8).hex())
    engine.load([tar])
    try:
        everything = Bind("/", _SEEN_AT, read_only=True)
        container = engine.create(ContainerSpec(image_id, ("true",), (), "/", "0:0", binds=(everything,)))
        try:
            return any(engine.get_tree(container, f"{_SEEN_AT}{path}"))
        finally:
            engine.remove(container)
    finally:
        engine.drop_image(image_id)


def _empty_image(mark: str) -> tuple[str, bytes]:
    """The id and the docker archive of an image of this machine's own platform, alike to no other."""
    layer = bytes(2 * tarfile.BLOCKSIZE)  # a tar of nothing
    platform = own_platform() or Platform("linux", "amd64")
    config = canonical(
        {
            "os": platform.os,
            "architecture": platform.architecture,
            "config": {"Labels": {"buildbox.empty": mark}},
            "rootfs": {"type": "layers", "diff_ids": [str(Digest.of(layer))]},
        }
    )
    name = f"{Digest.of(config).hex}.json"
    files = {
        name: config,
        "layer.tar": layer,
        "manifest.json": canonical([{"Config": name, "RepoTags": None, "Layers": ["layer.tar"]}]),
    }
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return str(Digest.of(config)), data.getvalue()


def signal_all(name: str) -> tuple[str, ...]:
    """The command that sends a signal (SIGINT) to all that runs in a container.

    Podman's init hands it to its child alone: a shell would wait for what it runs before it heeds a trap.
    """
    return ("/bin/sh", "-c", f"kill -s {name.removeprefix('SIG')} -1")


def not_started(api: Any, container: Mapping[str, Any]) -> int | None:
    """127 or 126 for a container that has no such program or can't execute it; else None.

    `container` is what `inspect` tells of it after its end. Podman's init ends with status 1 then, as
    programs do for reasons of their own.
    """
    config = container["Config"]
    program = config["Entrypoint"][0]
    if "/" in program:
        places = [posixpath.normpath(posixpath.join(config["WorkingDir"], program))]
    else:
        env = dict(word.partition("=")[::2] for word in config["Env"])
        places = [posixpath.join(folder, program) for folder in env.get("PATH", "").split(":")]
    url = f"{api.base_url}/v{api.api_version}/containers/{container['Id']}/archive"
    asked = (api.head(url, params={"path": place}, timeout=api.timeout) for place in places)
    found = [json.loads(base64.b64decode(answer.headers[_STAT])) for answer in asked if answer.ok]
    if any(file["mode"] & 0o111 and not file["isDir"] for file in found):
        return None
    return 126 if found else 127


def no_building() -> EngineError:
    """Why Podman isn't asked to build (tried with 4.3).

    Its instructions run in the host's network, whatever the request says, and go on when nobody listens.
    """
    return EngineError(
        "Podman can't be asked to build a Dockerfile: it would run it in the host's network",
        "Build with a Docker Engine: --engine URL. Debian recipes need none, and images built elsewhere run.",
    )


def with_name(tar: Iterable[bytes], path: str) -> Iterator[bytes]:
    """The tar of `path`, its names beginning with the last part of that; of a volume Podman leaves it out."""
    name = path.rstrip("/").rpartition("/")[2]
    with tarfile.open(fileobj=_Chunks(tar), mode="r|") as source:  # type: ignore[call-overload]
        for member in source:
            if member.name in ("", ".") or member.name.startswith("/"):
                member.name = f"{name}{member.name if member.name != '.' else ''}"
            if member.islnk() and member.linkname.startswith("/"):
                member.linkname = name + member.linkname
            yield member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
            content = source.extractfile(member) if member.isreg() else None
            while content and (data := content.read(1 << 18)):
                yield data
            if content:
                yield bytes(-member.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


class _Chunks:
    """A file of what an iterator gives, for reading."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """At most `size` bytes; nothing at the end alone."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def _tmpfs(options: str, user: str) -> str:
    """Podman knows no uid= and gid=, but U: whoever the container runs as.

    Unless it is told not to, it fills a tmpfs with what is below: that of `.buildbox/state` is to hide it.
    """
    uid, _, gid = user.partition(":")
    words = options.split(",")
    owner = [f"uid={uid}", f"gid={gid}"]
    if all(word in words for word in owner):
        words = [*(word for word in words if word not in owner), "U"]
    return ",".join([*words, "notmpcopyup"])
