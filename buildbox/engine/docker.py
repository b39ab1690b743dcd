"""A Docker Engine (API 1.41 and later), through the docker SDK's low-level client, and only here."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import docker.errors
from docker.api.client import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.tls import TLSConfig
from docker.utils.build import exclude_paths

from buildbox.container import NAME_LABEL, ContainerSpec
from buildbox.engine.attached import Attached
from buildbox.engine.body import container_json
from buildbox.engine.building import follow
from buildbox.engine.faults import GONE, Conflict, NotFound, faults, in_words, raise_for_status
from buildbox.engine.find import Address
from buildbox.engine.podman import in_its_words, is_podman, no_building
from buildbox.engine.protocol import Ended, EngineInfo, ImageMissing
from buildbox.errors import EngineError
from buildbox.oci import Platform

_QUICK = 120  # seconds that an engine has for a request that isn't a load or a wait
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_ID = re.compile(r"sha256:[0-9a-f]{64}")


def connect(address: Address) -> DockerEngine:
    """The engine at `address`. Raises EngineError, its reason the bare problem, where none answers."""
    try:
        # The SDK's version="auto" asks /version, for which engines ask their parts: longer than it takes
        # to create a container. They answer /_ping from memory, and their API's version is in its header.
        with closing(_client(address, DEFAULT_DOCKER_API_VERSION)) as asking:
            pong = asking.get(f"{asking.base_url}/_ping", timeout=_QUICK)
            pong.raise_for_status()
        return DockerEngine(
            _client(address, pong.headers["Api-Version"]), address.url, podman=is_podman(pong.headers)
        )
    except KeyError:
        raise EngineError("what answers there is not a container engine") from None
    except (docker.errors.DockerException, *GONE) as error:
        raise EngineError(in_words(error)) from None


def _client(address: Address, version: str) -> APIClient:
    return APIClient(
        base_url=address.url, version=version, timeout=_QUICK, tls=_tls(address), use_ssh_client=True
    )


def unignored(folder: Path, patterns: Sequence[str], dockerfile: str) -> list[str]:
    """What is in `folder`, as paths in it, without what a .dockerignore's patterns leave out.

    Links are named, not followed. `dockerfile` is left in whatever the patterns say.
    """
    return sorted(exclude_paths(str(folder), list(patterns), dockerfile))


class DockerEngine:
    """A connection to one engine."""

    def __init__(self, api: APIClient, address: str, *, podman: bool = False) -> None:
        self._api: Any = api  # the SDK's stubs miss calls that it documents
        self._podman = podman
        self.address = address

    def info(self) -> EngineInfo:
        with faults("tell about itself"):
            version, info = self._api.version(), self._api.info()
        components = [part.get("Name", "") for part in version.get("Components", [])]
        driver = info.get("Driver", "?")
        containerd = any(
            "io.containerd" in str(value) for pair in info.get("DriverStatus") or [] for value in pair
        )
        return EngineInfo(
            name="Podman Engine" if "Podman Engine" in components else "Docker Engine",
            version=version.get("Version", "?"),
            api_version=version.get("ApiVersion", "?"),
            address=self.address,
            platform=f"{version.get('Os', '?')}/{version.get('Arch', '?')}",
            store=f"{'containerd' if containerd else 'classic'} ({driver})",
            rootless=any("name=rootless" in option for option in info.get("SecurityOptions") or []),
            root_folder=info.get("DockerRootDir", ""),
            system_time=_seconds(info.get("SystemTime", "")),
        )

    def platform(self) -> Platform:
        ours = _ARCHITECTURES.get(os.uname().machine)
        if ours and self.address.startswith("unix://"):
            return Platform("linux", ours)  # an engine on this machine: no need to ask
        with faults("tell its platform"):
            version = self._api.version()
        return Platform(version["Os"], version["Arch"])

    def has_image(self, image_id: str) -> bool:
        if not _ID.fullmatch(image_id):
            return False  # engines take a part of an id for it, or (Podman) for an error
        try:
            with faults("look for an image"):
                found = self._api.inspect_image(image_id)
        except NotFound:
            return False
        return bool(found["Id"] == image_id)

    def find_image(self, name: str) -> str | None:
        try:
            with faults("look for an image"):
                found = str(self._api.inspect_image(name)["Id"])
        except NotFound:
            return None
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def load(self, tar: Iterable[bytes]) -> None:
        self._api.timeout = None  # a large image on a slow disk takes as long as it takes
        try:
            with faults("load an image"):
                for message in self._api.load_image(iter(tar), quiet=True):
                    if "error" in message:
                        raise EngineError(f"the engine refused the image: {message['error'].strip()}")
        finally:
            self._api.timeout = _QUICK

    def build(
        self,
        context: Iterator[bytes],
        dockerfile: str,
        log: Callable[[str], None],
        *,
        args: Mapping[str, str],
        cache: bool,
        network: str,
    ) -> tuple[str, ...]:
        if self._podman:
            raise no_building()
        params = {
            "dockerfile": dockerfile,
            "rm": "1",
            "forcerm": "1",
            "nocache": "0" if cache else "1",
            "buildargs": json.dumps(dict(args)),
            **({"networkmode": network} if network else {}),
        }
        # The SDK's own `build` hands the engine the credentials for all registries, and keeps the connection,
        # whose end is what stops a build.
        url = f"{self._api.base_url}/v{self._api.api_version}/build"
        headers = {"Content-Type": "application/tar"}
        with (
            faults("build an image"),
            closing(
                self._api.post(url, params=params, data=context, headers=headers, stream=True, timeout=None)
            ) as answer,
        ):
            raise_for_status(answer)
            ids = follow(map(json.loads, filter(None, answer.iter_lines())), log)
            return tuple(str(self._api.inspect_image(image_id)["Id"]) for image_id in ids)

    def save(self, image_id: str) -> Iterator[bytes]:
        self._api.timeout = None  # a classic store writes all of it aside first
        try:
            with faults("give an image"):
                yield from self._api.get_image(image_id)
        finally:
            self._api.timeout = _QUICK

    def drop_image(self, image_id: str) -> None:
        def drop() -> None:
            if not self._api.inspect_image(image_id)["RepoTags"]:
                self._api.remove_image(image_id)

        self._unless_gone(drop)

    def create(self, spec: ContainerSpec) -> str:
        labels = dict(spec.labels)
        name = labels.get(NAME_LABEL)
        try:
            with faults("create a container"):
                made = self._api.create_container_from_config(self._body(spec), name)
        except NotFound as error:
            if "image" in error.reason.lower():
                raise ImageMissing(error.reason) from None
            raise
        return str(made["Id"])

    def _body(self, spec: ContainerSpec) -> dict[str, Any]:
        body = container_json(spec)
        local = self.address.startswith("unix://")
        return in_its_words(body, spec, local=local) if self._podman else body

    def attach(self, container: str, spec: ContainerSpec) -> Attached:
        params = {"stdout": 1, "stderr": 1, "stream": 1, "stdin": int(spec.stdin)}
        with faults("attach to a container"):
            raw = self._api.attach_socket(container, params)
        return Attached(raw, spec.tty)

    def wait(self, container: str) -> Ended:
        with faults("wait for a container"):
            status = int(self._api.wait(container, timeout=None)["StatusCode"])
            killed = status == 137 and self._api.inspect_container(container)["State"]["OOMKilled"]
        return Ended(status & 0xFF, bool(killed))

    def start(self, container: str) -> None:
        with faults("start the container"):
            self._api.start(container)

    def signal(self, container: str, name: str) -> None:
        self._unless_gone(lambda: self._api.kill(container, name))

    def resize(self, container: str, rows: int, columns: int) -> None:
        self._unless_gone(lambda: self._api.resize(container, rows, columns))

    def read_file(self, container: str, path: str) -> bytes | None:
        try:
            with faults("read a file of an image"):
                chunks, _ = self._api.get_archive(container, path)
                data = b"".join(chunks)
        except NotFound:
            return None
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member and member.isfile() else None
            return file.read() if file else None

    def remove(self, container: str) -> None:
        self._unless_gone(lambda: self._api.remove_container(container, v=True, force=True))

    def containers(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        wanted = label if value is None else f"{label}={value}"
        with faults("list containers"):
            found = self._api.containers(all=True, filters={"label": wanted})
        return [(item["Id"], item["Labels"].get(label, "")) for item in found]

    def close(self) -> None:
        self._api.close()

    def _unless_gone(self, ask: Callable[[], object]) -> None:
        """Asks something of a container that may have ended meanwhile, which is no fault."""
        try:
            with faults("control a container"):
                ask()
        except NotFound:
            pass
        except EngineError as error:
            if not isinstance(error, Conflict):
                raise


def _seconds(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time with any number of digits in its fraction."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(match[1] + zone).timestamp() + float(match[2] or 0)


def _tls(address: Address) -> TLSConfig | bool:
    folder = address.tls_folder
    if folder is None:
        return False
    cert, key, ca = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    return TLSConfig(
        client_cert=(str(cert), str(key)) if cert.exists() else None,
        ca_cert=str(ca) if ca.exists() else None,
        verify=address.tls_verify,
    )
