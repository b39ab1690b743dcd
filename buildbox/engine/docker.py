"""A Docker Engine (API 1.41 and later), through the docker SDK's low-level client, and only here."""

from __future__ import annotations

import io
import json
import re
import secrets
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker.errors
from docker.api.client import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.transport import UnixHTTPAdapter
from docker.utils.build import exclude_paths

from buildbox.container import NAME_LABEL, Bind, ContainerSpec
from buildbox.engine.attached import FRAME, Attached, broken
from buildbox.engine.body import container_json
from buildbox.engine.building import follow
from buildbox.engine.clients import Clients
from buildbox.engine.faults import (
    GONE,
    Away,
    Conflict,
    NoNetwork,
    NotFound,
    Refused,
    TimedOut,
    faults,
    in_words,
    raise_for_status,
)
from buildbox.engine.find import Address, own_platform
from buildbox.engine.podman import (
    has_path_by_container,
    in_its_words,
    is_podman,
    no_building,
    not_started,
    signal_all,
    with_name,
)
from buildbox.engine.protocol import Ended, EngineInfo, ImageMissing
from buildbox.engine.told import engine_info
from buildbox.errors import EngineError, ImageError
from buildbox.oci import Platform

_SILENCE = 30  # seconds without a sign of life, after which an engine elsewhere counts as gone
_QUICK = 120  # seconds that an engine has for a request that isn't a load or a wait
_INSISTENCE = 10.0  # seconds in which what is left on an engine elsewhere is removed, though it went away
_STRAGGLING = 5.0  # seconds that a container may take to end when its output has
_PAUSE = 0.5  # seconds between two tries
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_NO_IMAGE = f"sha256:{'0' * 64}"
_MADE_LABEL = "buildbox.made"  # of a volume: random, told apart by who made it
_OUTPUT = 64 << 10  # bytes of a command's output that `execute` gives
_FILE = 4 << 20  # bytes of a file that `read_file` gives
_NO_PROGRAM = re.compile("executable file not found|no such file or directory", re.IGNORECASE)


def connect(address: Address, silence: int = _SILENCE) -> DockerEngine:
    """The engine at `address`. Raises EngineError, its reason the bare problem, where none answers.

    `silence`: seconds after which an engine elsewhere counts as gone of whom nothing is heard.
    """
    try:
        make = _clients_of(address, silence)
        # The SDK's version="auto" asks /version, for which engines ask their parts: longer than it takes
        # to create a container. They answer /_ping from memory, and their API's version is in its header.
        with closing(make(DEFAULT_DOCKER_API_VERSION)) as asking:
            pong = asking.get(f"{asking.base_url}/_ping", timeout=_QUICK)
            pong.raise_for_status()
        version = pong.headers["Api-Version"]
        return DockerEngine(Clients(lambda: make(version)), address.url, podman=is_podman(pong.headers))
    except KeyError:
        raise EngineError("what answers there is not a container engine") from None
    except (docker.errors.DockerException, *GONE) as error:
        raise EngineError(in_words(error)) from None


def _clients_of(address: Address, silence: int) -> Callable[[str], APIClient]:
    """What makes a client of the engine at `address` for a version of the API. Raises OSError."""
    if address.url.startswith(("unix://", "npipe://")):
        return lambda version: _client_here(address, version)
    from buildbox.engine.adapter import DiallingAdapter
    from buildbox.engine.dialing import dialling

    dial = dialling(address, silence)
    prefix = "" if address.url.startswith("ssh://") else urlsplit(address.url).path.rstrip("/")

    def make(version: str) -> APIClient:
        client = APIClient(base_url=f"http://engine:1{prefix}", version=version, timeout=_QUICK)
        client.trust_env = False  # neither proxies nor passwords of .netrc
        client.mount("http://", DiallingAdapter(dial))
        return client

    return make


def _client_here(address: Address, version: str) -> APIClient:
    client = APIClient(base_url=address.url, version=version, timeout=_QUICK)
    if address.url.startswith("unix://"):
        # The SDK keeps 25 idle connections, one for each URL with its path, and seldom uses one again.
        adapter = UnixHTTPAdapter(f"http+{address.url}", _QUICK, pool_connections=1)
        client.mount(f"{client.base_url}/", adapter)
    return client


def unignored(folder: Path, patterns: Sequence[str], dockerfile: str) -> list[str]:
    """What is in `folder`, as paths in it, without what a .dockerignore's patterns leave out.

    Links are named, not followed. `dockerfile` is left in whatever the patterns say.
    """
    return sorted(exclude_paths(str(folder), list(patterns), dockerfile))


class DockerEngine:
    """A connection to one engine, for any number of threads."""

    def __init__(self, clients: Clients, address: str, *, podman: bool = False) -> None:
        self._clients = clients
        self._podman = podman
        self._asked_since: float | None = None  # when the engine was first found away, monotonic
        self._given_up: Away | None = None
        self.address = address

    def info(self) -> EngineInfo:
        with self._asking("tell about itself") as api:
            return engine_info(api.version(), api.info(), self.address)

    def platform(self) -> Platform:
        ours = own_platform() if self.address.startswith("unix://") else None
        if ours:
            return ours  # an engine on this machine: no need to ask
        with self._asking("tell its platform") as api:
            version = api.version()
        return Platform(version["Os"], version["Arch"])

    def has_path(self, path: str) -> bool:
        if self._podman:  # which looks for the image first
            return has_path_by_container(self, path)
        name = ((NAME_LABEL, f"buildbox-sight-{secrets.token_hex(6)}"),)
        bind = Bind(path, "/path", read_only=True)
        try:
            self.create(ContainerSpec(_NO_IMAGE, ("true",), (), "/", "0:0", binds=(bind,), labels=name))
        except ImageMissing:
            return True  # an engine looks for what is to be mounted before it looks for the image
        except Refused:
            return False
        raise EngineError("the engine has an image that can't be", "`buildbox doctor` checks the engine.")

    def has_image(self, image_id: str) -> bool:
        if not _ID.fullmatch(image_id):
            return False  # engines take a part of an id for it, or (Podman) for an error
        try:
            with self._asking("look for an image") as api:
                found = api.inspect_image(image_id)
        except NotFound:
            return False
        return bool(found["Id"] == image_id)

    def find_image(self, name: str) -> str | None:
        try:
            with self._asking("look for an image") as api:
                found = str(api.inspect_image(name)["Id"])
        except NotFound:
            return None
        return found if found.startswith("sha256:") else f"sha256:{found}"

    def load(self, tar: Iterable[bytes]) -> None:
        # A large image on a slow disk takes as long as it takes.
        with self._asking("load an image", patient=True) as api:
            for message in api.load_image(iter(tar), quiet=True):
                if "error" in message:
                    raise EngineError(f"the engine refused the image: {message['error'].strip()}")

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
        headers = {"Content-Type": "application/tar"}
        # The SDK's own `build` hands the engine the credentials for all registries, and keeps the connection,
        # whose end is what stops a build.
        with (
            self._asking("build an image") as api,
            closing(
                api.post(
                    f"{api.base_url}/v{api.api_version}/build",
                    params=params,
                    data=context,
                    headers=headers,
                    stream=True,
                    timeout=None,
                )
            ) as answer,
        ):
            raise_for_status(answer)
            ids = follow(map(json.loads, filter(None, answer.iter_lines())), log)
            return tuple(str(api.inspect_image(image_id)["Id"]) for image_id in ids)

    def save(self, image_id: str) -> Iterator[bytes]:
        # A classic store writes all of it aside first.
        with self._asking("give an image", patient=True) as api:
            yield from api.get_image(image_id)

    def drop_image(self, image_id: str) -> None:
        def drop(api: Any) -> None:
            if not api.inspect_image(image_id)["RepoTags"]:
                api.remove_image(image_id)

        self._unless_gone(drop)

    def create(self, spec: ContainerSpec) -> str:
        name = dict(spec.labels).get(NAME_LABEL)
        try:
            with self._asking("create a container") as api:
                container = str(api.create_container_from_config(self._body(spec), name)["Id"])
        except NotFound as error:
            if "image" in error.reason.lower():
                raise ImageMissing(error.reason) from None
            raise
        try:
            for network in spec.also_networks:
                with self._asking("connect a container to a network") as api:
                    api.connect_container_to_network(container, network)
        except BaseException:
            self.remove(container)
            raise
        return container

    def _body(self, spec: ContainerSpec) -> dict[str, Any]:
        body = container_json(spec)
        local = self.address.startswith("unix://")
        return in_its_words(body, spec, local=local) if self._podman else body

    def attach(self, container: str, spec: ContainerSpec) -> Attached:
        params = {"stdout": 1, "stderr": 1, "stream": 1, "stdin": int(spec.stdin)}
        with self._asking("attach to a container") as api:
            raw = api.attach_socket(container, params)
        return Attached(raw, spec.tty)

    def wait(self, container: str, *, after_output: bool = False) -> Ended:
        # A local connection isn't lost while both sides live, and a busy machine may take its time.
        within = _STRAGGLING if after_output and not self.address.startswith("unix://") else None
        try:
            with self._asking("wait for a container") as api:
                status = int(api.wait(container, timeout=within)["StatusCode"])
                # Whatever the status: the kernel may have chosen a child, whose end is told its own way.
                found = api.inspect_container(container) if status else None
                if self._podman and found and status == 1:
                    status = not_started(api, found) or status
                killed = found and found["State"]["OOMKilled"]
        except TimedOut:
            raise broken("it ended before the task did") from None
        return Ended(status & 0xFF, bool(killed))

    def start(self, container: str) -> None:
        with self._asking("start the container") as api:
            api.start(container)

    def is_running(self, container: str) -> bool:
        try:
            with self._asking("look at a container") as api:
                return bool(api.inspect_container(container)["State"]["Running"])
        except NotFound:
            return False

    def signal(self, container: str, name: str) -> None:
        if self._podman and name != "SIGKILL":
            with suppress(EngineError):  # there may be no shell
                if self.execute(container, signal_all(name))[0] == 0:
                    return
        self._unless_gone(lambda api: api.kill(container, name))

    def resize(self, container: str, rows: int, columns: int) -> None:
        self._unless_gone(lambda api: api.resize(container, rows, columns))

    def read_file(self, container: str, path: str) -> bytes | None:
        try:
            with self._asking("read a file of an image") as api:
                chunks, _ = api.get_archive(container, path)
                data, size = b"", 0
                for chunk in chunks:  # to the end: an engine that isn't heard out doesn't let go of it
                    size += len(chunk)
                    data += chunk if size <= _FILE else b""
        except NotFound:
            return None
        if size > _FILE:
            raise ImageError(
                f"the image's {path} is larger than {_FILE >> 20} MiB",
                "buildbox reads it; an image in which that is so isn't one for tasks.",
            )
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            member = tar.next()
            file = tar.extractfile(member) if member and member.isfile() else None
            return file.read() if file else None

    def put_tree(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        with self._asking("take files for a container", patient=True) as api:
            api.put_archive(container, path, iter(tar))

    def get_tree(self, container: str, path: str) -> Iterator[bytes]:
        try:
            with self._asking("give files of a container", patient=True) as api:
                tar = api.get_archive(container, path)[0]
                yield from with_name(tar, path) if self._podman else tar
        except NotFound as error:
            if "no such container" in error.reason.lower():
                raise

    def execute(self, container: str, argv: Sequence[str], *, user: str = "") -> tuple[int, bytes]:
        output = bytearray()
        try:
            with self._asking("run a command in a container", patient=True) as api:
                made = api.exec_create(container, list(argv), user=user)["Id"]
                for data in _output_of(api, made):
                    output += data[: _OUTPUT - len(output)]
                status = api.exec_inspect(made)["ExitCode"]
        except EngineError as error:
            if not _NO_PROGRAM.search(error.reason):  # which most engines say in the output
                raise
            return 127, error.reason.encode()
        return int(status), bytes(output)

    def make_volume(self, name: str, labels: Mapping[str, str]) -> bool:
        mark = secrets.token_hex(8)  # an engine answers with the labels of the volume that there is
        try:
            with self._asking("make a volume") as api:
                made = api.create_volume(name, driver="local", labels={**labels, _MADE_LABEL: mark})
        except EngineError as error:
            if "volume already exists" not in error.reason:  # Podman's answer, when two make it at once
                raise
            return False
        return bool((made["Labels"] or {}).get(_MADE_LABEL) == mark)

    def volumes(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        with self._asking("list volumes") as api:
            found = api.volumes(filters=_labelled(label, value))["Volumes"] or []
        return [(item["Name"], item["Labels"].get(label, "")) for item in found]

    def remove_volume(self, name: str) -> None:
        def remove() -> None:
            with suppress(NotFound), self._asking("remove a volume") as api:
                api.remove_volume(name)

        self._insisting(remove)

    def make_network(self, name: str, labels: Mapping[str, str], *, internal: bool) -> str:
        # Else the engine's machine, and what listens there, could be reached at the network's own address.
        alone = {"com.docker.network.bridge.inhibit_ipv4": "true"} if internal and not self._podman else {}
        with self._asking("make a network") as api:
            made = api.create_network(
                name,
                driver="bridge",
                internal=internal,
                labels=dict(labels),
                options=alone,
                check_duplicate=True,
            )
        return str(made["Id"])

    def networks(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        with self._asking("list networks") as api:
            found = api.networks(filters=_labelled(label, value))
        return [(item["Id"], item["Labels"].get(label, "")) for item in found]

    def remove_network(self, network: str) -> None:
        def remove() -> None:
            with suppress(NotFound, NoNetwork), self._asking("remove a network") as api:
                api.remove_network(network)

        self._insisting(remove)

    def remove(self, container: str) -> None:
        self._insisting(
            lambda: self._unless_gone(lambda api: api.remove_container(container, v=True, force=True))
        )

    def containers(self, label: str, value: str | None = None) -> list[tuple[str, str]]:
        with self._asking("list containers") as api:
            found = api.containers(all=True, filters=_labelled(label, value))
        return [(item["Id"], item["Labels"].get(label, "")) for item in found]

    def close(self) -> None:
        self._clients.close()

    @contextmanager
    def _asking(self, doing: str, *, patient: bool = False) -> Iterator[Any]:
        """A client for one request, whose faults are EngineErrors; one that is `patient` waits for ever."""
        if self._given_up:
            raise self._given_up
        with faults(doing), self._clients.one() as api:
            before = api.timeout
            api.timeout = None if patient else before
            try:
                yield api
            finally:
                api.timeout = before

    def _insisting(self, ask: Callable[[], None]) -> None:
        """Asks again, for some seconds in all, while an engine elsewhere can't be reached; then no more."""
        while self._given_up is None:
            try:
                return ask()
            except Away as error:
                if self.address.startswith("unix://"):
                    raise
                self._asked_since = self._asked_since or time.monotonic()
                if time.monotonic() - self._asked_since > _INSISTENCE:
                    self._given_up = error
            time.sleep(_PAUSE)
        raise self._given_up

    def _unless_gone(self, ask: Callable[[Any], object]) -> None:
        """Asks something of a container that may have ended meanwhile, which is no fault."""
        with suppress(NotFound, Conflict), self._asking("control a container") as api:
            ask(api)


def _output_of(api: Any, made: str) -> Iterator[bytes]:
    """What the command `made` prints, which it starts.

    As a plain answer: where the connection becomes another, the SDK reads below what has been read with the
    headers already, and below TLS.
    """
    address = f"{api.base_url}/v{api.api_version}/exec/{made}/start"
    with closing(api.post(address, json={"Detach": False}, stream=True, timeout=None)) as answer:
        raise_for_status(answer)
        while header := answer.raw.read(FRAME.size):
            size = FRAME.unpack(header)[1] if len(header) == FRAME.size else 1
            data = answer.raw.read(size)
            if len(data) < size:
                raise broken("it ended in the middle of a command's output")
            yield data


def _labelled(label: str, value: str | None) -> dict[str, str]:
    return {"label": label if value is None else f"{label}={value}"}
