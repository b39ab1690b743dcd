"""A Docker Engine (API 1.41 and later), through the docker SDK's low-level client, and only here."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import docker.errors
import requests
import requests.exceptions
import urllib3.exceptions
from docker.api.client import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.tls import TLSConfig
from docker.utils.build import exclude_paths

from buildbox.container import NAME_LABEL, ContainerSpec
from buildbox.engine.attached import Attached
from buildbox.engine.building import follow
from buildbox.engine.find import Address
from buildbox.engine.podman import in_its_words, is_podman, no_building
from buildbox.engine.protocol import Ended, EngineInfo, ImageMissing
from buildbox.errors import EngineError
from buildbox.oci import Platform

_QUICK = 120  # seconds that an engine has for a request that isn't a load or a wait
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_GONE = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


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
    except (docker.errors.DockerException, *_GONE) as error:
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
        with _faults("tell about itself"):
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
        with _faults("tell its platform"):
            version = self._api.version()
        return Platform(version["Os"], version["Arch"])

    def has_image(self, image_id: str) -> bool:
        if not _ID.fullmatch(image_id):
            return False  # engines take a part of an id for it, or (Podman) for an error
        try:
            with _faults("look for an image"):
                found = self._api.inspect_image(image_id)
        except _NotFound:
            return False
        return bool(found["Id"] == image_id)

    def find_image(self, name: str) -> str | None:
        try:
            with _faults("look for an image"):
                found = str(self._api.inspect_image(name)["Id"])
        except _NotFound:
            return None
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def load(self, tar: Iterable[bytes]) -> None:
        self._api.timeout = None  # a large image on a slow disk takes as long as it takes
        try:
            with _faults("load an image"):
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
            _faults("build an image"),
            closing(
                self._api.post(url, params=params, data=context, headers=headers, stream=True, timeout=None)
            ) as answer,
        ):
            _raise_for_status(answer)
            ids = follow(map(json.loads, filter(None, answer.iter_lines())), log)
            return tuple(str(self._api.inspect_image(image_id)["Id"]) for image_id in ids)

    def save(self, image_id: str) -> Iterator[bytes]:
        self._api.timeout = None  # a classic store writes all of it aside first
        try:
            with _faults("give an image"):
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
            with _faults("create a container"):
                made = self._api.create_container_from_config(self._body(spec), name)
        except _NotFound as error:
            if "image" in error.reason.lower():
                raise ImageMissing(error.reason) from None
            raise
        return str(made["Id"])

    def _body(self, spec: ContainerSpec) -> dict[str, Any]:
        body = _container_json(spec)
        local = self.address.startswith("unix://")
        return in_its_words(body, spec, local=local) if self._podman else body

    def attach(self, container: str, spec: ContainerSpec) -> Attached:
        params = {"stdout": 1, "stderr": 1, "stream": 1, "stdin": int(spec.stdin)}
        with _faults("attach to a container"):
            raw = self._api.attach_socket(container, params)
        return Attached(raw, spec.tty)

    def wait(self, container: str) -> Ended:
        with _faults("wait for a container"):
            status = int(self._api.wait(container, timeout=None)["StatusCode"])
            killed = status == 137 and self._api.inspect_container(container)["State"]["OOMKilled"]
        return Ended(status & 0xFF, bool(killed))

    def start(self, container: str) -> None:
        with _faults("start the container"):
            self._api.start(container)

    def signal(self, container: str, name: str) -> None:
        self._unless_gone(lambda: self._api.kill(container, name))

    def resize(self, container: str, rows: int, columns: int) -> None:
        self._unless_gone(lambda: self._api.resize(container, rows, columns))

    def read_file(self, container: str, path: str) -> bytes | None:
        try:
            with _faults("read a file of an image"):
                chunks, _ = self._api.get_archive(container, path)
                data = b"".join(chunks)
        except _NotFound:
            return None
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member and member.isfile() else None
            return file.read() if file else None

    def remove(self, container: str) -> None:
        self._unless_gone(lambda: self._api.remove_container(container, v=True, force=True))

    def containers(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        wanted = label if value is None else f"{label}={value}"
        with _faults("list containers"):
            found = self._api.containers(all=True, filters={"label": wanted})
        return [(item["Id"], item["Labels"].get(label, "")) for item in found]

    def close(self) -> None:
        self._api.close()

    def _unless_gone(self, ask: Callable[[], object]) -> None:
        """Asks something of a container that may have ended meanwhile, which is no fault."""
        try:
            with _faults("control a container"):
                ask()
        except _NotFound:
            pass
        except EngineError as error:
            if not isinstance(error, _Conflict):
                raise


class _NotFound(EngineError):
    """The engine answered 404."""


class _Conflict(EngineError):
    """The engine answered 409: the container isn't in a state for this."""


def _raise_for_status(answer: requests.Response) -> None:
    try:
        answer.raise_for_status()
    except requests.exceptions.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)  # which raises it


@contextmanager
def _faults(doing: str) -> Iterator[None]:
    """Every fault of the SDK and the connection, as an EngineError."""
    try:
        yield
    except docker.errors.APIError as error:
        status = error.response.status_code if error.response is not None else 0
        said = str(error.explanation or error)
        network = missing_network(said)
        if network:
            raise EngineError(
                f"the engine has no network {network!r}, which the task is to run in",
                f"Create it: docker network create {network}\n"
                "or correct the task's `network`; `docker network ls` tells what there is.",
            ) from None
        kind = {404: _NotFound, 409: _Conflict}.get(status, EngineError)
        if "container state improper" in said:  # Podman's 409 has the status 500
            kind = _Conflict
        hint = "`buildbox doctor` checks the engine."
        if status == 400:  # it understood, and can't
            hint = "Correct what is asked of the engine there: the task's limits, user or mounts."
        if "bind source path does not exist" in said:
            hint = "An engine on another machine doesn't see the files of this one: use one of this machine."
        raise kind(f"the engine couldn't {doing}: {said}", hint) from None
    except (docker.errors.DockerException, *_GONE) as error:
        raise EngineError(
            f"the engine went away while it was asked to {doing} ({type(error).__name__})",
            "Look at the engine's log; `buildbox doctor` checks it.",
        ) from None


def missing_network(said: str) -> str | None:
    """The network that an engine, by its words, doesn't have (Docker's and Podman's)."""
    match = re.search(r"network (?:with name or ID )?(\S+?):? (?:network )?not found", said)
    return match[1] if match else None


def in_words(error: BaseException) -> str:
    """What was at the bottom of `error`: the SDK's own text wraps it three times."""
    seen = error
    while True:
        inner = (getattr(seen, "reason", None), *seen.args[:1], seen.__cause__, seen.__context__)
        below = next((error for error in inner if isinstance(error, _GONE)), None)
        if below is None or (isinstance(seen, OSError) and seen.strerror):
            break
        seen = below
    if isinstance(seen, requests.exceptions.InvalidJSONError):
        return "what answers there is not a container engine"
    text = seen.strerror if isinstance(seen, OSError) and seen.strerror else str(seen)
    return text or type(seen).__name__


def _seconds(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time with any number of digits in its fraction."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(match[1] + zone).timestamp() + float(match[2] or 0)


def _container_json(spec: ContainerSpec) -> dict[str, Any]:
    """The body of the engine API's "Create a container"."""
    return {
        "Image": spec.image,
        "Entrypoint": list(spec.argv),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in spec.env],
        "WorkingDir": spec.workdir,
        "User": spec.user,
        "Hostname": spec.hostname,
        "Labels": dict(spec.labels),
        "Tty": spec.tty,
        "OpenStdin": spec.stdin,
        "StdinOnce": spec.stdin,
        "AttachStdin": spec.stdin,
        "AttachStdout": True,
        "AttachStderr": True,
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": {
            "Mounts": [
                {"Type": "bind", "Source": bind.source, "Target": bind.target, "ReadOnly": bind.read_only}
                for bind in spec.binds
            ],
            "Tmpfs": {mount.target: mount.options for mount in spec.tmpfs},
            "NetworkMode": spec.network,
            "ExtraHosts": [f"{name}:{address}" for name, address in spec.hosts],
            "ReadonlyRootfs": spec.read_only,
            "Init": True,
            # The kernel asks for SYS_ADMIN to mount; AppArmor, where it is, denies it to containers.
            "SecurityOpt": ["no-new-privileges", *(["apparmor=unconfined"] if spec.may_mount else [])],
            "CapAdd": ["SYS_ADMIN"] if spec.may_mount else [],
            "CapDrop": ["MKNOD"],
            "PidsLimit": spec.pids,
            "Memory": spec.memory or 0,
            "MemorySwap": spec.memory or 0,
            "NanoCpus": round((spec.cpus or 0) * 1_000_000_000),
            "ConsoleSize": list(spec.window or (0, 0)),
            "LogConfig": {"Type": "none"},
        },
    }


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
