"""An engine elsewhere, by every way that leads to it, and projects that it doesn't see."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from buildbox.engine.find import Address
from tests.support.certificates import certificates
from tests.support.own_engine import CHECKOUT, OwnEngine, docker_of, own_engine
from tests.support.project import ME, Caller, Project, keep_image
from tests.support.relayed import relayed
from tests.support.ssh_server import SshServer, ssh_server
from tests.support.tiny_image import BUSYBOX, tiny_image

_PORT = 2376  # of the engine, within its own network


@dataclass(frozen=True)
class Way:
    """How an engine is reached."""

    address: Address
    env: Mapping[str, str] = field(default_factory=dict)  # that a call of buildbox needs for it


@dataclass(frozen=True)
class Elsewhere:
    """An engine that is far away."""

    url: str  # over TCP
    tls_url: str  # with TLS, and only for its own clients
    tls_folder: Path  # the client's certificates
    socket: Path  # where the test can reach it, to look at it
    server: SshServer

    def ways(self) -> dict[str, Way]:
        """All ways to it, by name."""
        tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.tls_folder)}
        ssh = {"PATH": self.server.programs + ":/usr/local/bin:/usr/bin:/bin"}
        return {
            "tcp": Way(Address(self.url, "the test")),
            "tls": Way(Address(self.tls_url, "the test", self.tls_folder), tls),
            "ssh": Way(Address(self.server.url(self.socket), "the test"), ssh),
        }

    def docker(self, *words: str) -> list[str]:
        """What a docker command says there, word by word."""
        command = ["docker", "--host", f"unix://{self.socket}", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    def left(self) -> list[str]:
        """Containers, networks and volumes that runs left there; caches aren't."""
        mine = ("--filter", "label=buildbox.run")
        kinds: Sequence[Sequence[str]] = (("ps", "-aq"), ("network", "ls", "-q"), ("volume", "ls", "-q"))
        return [found for words in kinds for found in self.docker(*words, *mine)]


@pytest.fixture(scope="package")
def elsewhere() -> Iterator[Elsewhere]:
    """An engine with a root file system and a network of its own."""
    with ExitStack() as stack:
        keys, ssh, own = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-")))
            for name in ("keys", "ssh", "engine")
        )
        engines, clients = certificates(keys)
        plain = docker_of("forky", containerd=True)
        tls = ["--host", f"tcp://0.0.0.0:{_PORT}", "--tlsverify", "--tlscacert", f"{engines}/ca.pem"]
        tls += ["--tlscert", f"{engines}/cert.pem", "--tlskey", f"{engines}/key.pem"]
        program = replace(plain, command=lambda folder: [*plain.command(folder), *tls])
        engine = stack.enter_context(own_engine(own, program))
        yield Elsewhere(
            stack.enter_context(relayed(engine.socket)),
            stack.enter_context(relayed(stack.enter_context(_port_of(engine, own / "port")))),
            clients,
            engine.socket,
            stack.enter_context(ssh_server(ssh)),
        )


@contextmanager
def _port_of(engine: OwnEngine, socket: Path) -> Iterator[Path]:
    """A socket of this machine that leads to the port of an engine, in its own network."""
    children = Path(f"/proc/{engine.process.pid}/task/{engine.process.pid}/children")
    there = ["nsenter", f"--net=/proc/{children.read_text().split()[0]}/ns/net"]
    subprocess.run([*there, BUSYBOX, "ip", "link", "set", "lo", "up"], check=True)
    relay = [sys.executable, "-m", "tests.support.relayed", str(socket), str(_PORT)]
    process = subprocess.Popen([*there, *relay], cwd=CHECKOUT)
    try:
        deadline = time.monotonic() + 20
        while not socket.exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        yield socket
    finally:
        process.kill()
        process.wait()


MakeProject = Callable[..., Project]


@pytest.fixture
def make_project() -> Iterator[MakeProject]:
    """Makes a project of tasks in a folder that the other engine doesn't see; `config` is its image's."""
    with tempfile.TemporaryDirectory(prefix="buildbox-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)

        def make(
            tasks: str,
            caller: Caller = ME,
            env: Mapping[str, str] | None = None,
            config: Mapping[str, str | list[str]] | None = None,
        ) -> Project:
            home = Path(folder) / "home"
            home.mkdir()
            pin = keep_image(home, tiny_image(config=config), "tests/busybox:1")
            project = Project(Path(folder) / "project", home, caller, env or {})
            project.root.mkdir()
            head = f'[toolchains.box]\nimage = "{pin}"\n'
            project.write({".buildbox.toml": head + tasks.replace("{pin}", pin)})
            return project

        yield make
