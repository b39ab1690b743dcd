from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from buildbox.engine.find import Address, cannot_reach, engine_sockets, find_address, usual_sockets
from buildbox.errors import EngineError, UsageError
from tests.support.values import host

OWN = "unix:///run/own.sock"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def rootless_socket(home: Path) -> Iterator[Path]:
    """A socket where rootless docker listens, in the folder that XDG_RUNTIME_DIR names."""
    (home / "runtime").mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(home / "runtime/docker.sock"))
        yield home / "runtime/docker.sock"


def add_context(home: Path, name: str, endpoint: object, *, current: bool = True, tls: bool = False) -> None:
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker"
    (folder / "contexts/meta" / key).mkdir(parents=True)
    meta = {"Name": name, "Endpoints": {"docker": endpoint}}
    (folder / "contexts/meta" / key / "meta.json").write_text(json.dumps(meta))
    if tls:
        (folder / "contexts/tls" / key / "docker").mkdir(parents=True)
    if current:
        (folder / "config.json").write_text(json.dumps({"auths": {}, "currentContext": name}))


# the order


def test_the_option_comes_first(home: Path) -> None:
    add_context(home, "remote", {"Host": "ssh://me@build.example.com"})
    found = find_address(host(home, {"DOCKER_HOST": "tcp://other:2375"}), OWN)
    assert found == Address(OWN, "--engine")


def test_then_docker_host(home: Path) -> None:
    add_context(home, "remote", {"Host": "ssh://me@build.example.com"})
    found = find_address(host(home, {"DOCKER_HOST": OWN, "DOCKER_CONTEXT": "remote"}), None)
    assert found == Address(OWN, "DOCKER_HOST")


def test_then_the_current_context(home: Path) -> None:
    add_context(home, "remote", {"Host": "ssh://me@build.example.com"})
    found = find_address(host(home), None)
    assert found == Address("ssh://me@build.example.com", "the docker context 'remote'")


def test_docker_context_comes_before_the_current_one(home: Path) -> None:
    add_context(home, "remote", {"Host": "ssh://me@build.example.com"})
    add_context(home, "other", {"Host": OWN}, current=False)
    assert find_address(host(home, {"DOCKER_CONTEXT": "other"}), None) == Address(OWN, "DOCKER_CONTEXT")


def test_then_the_usual_sockets_in_their_order(home: Path, rootless_socket: Path) -> None:
    """The system's own socket comes first where there is one."""
    env = {"XDG_RUNTIME_DIR": str(home / "runtime")}
    system = Path("/var/run/docker.sock")
    expected = system if system.is_socket() else rootless_socket
    assert find_address(host(home, env), None) == Address(f"unix://{expected}", "the usual socket")
    assert usual_sockets(host(home, env))[:2] == (system, rootless_socket)


@pytest.mark.parametrize(
    "config", [None, "{", "[]", "{}", '{"currentContext": ""}', '{"currentContext": "default"}']
)
def test_no_context_is_no_fault(home: Path, config: str | None, rootless_socket: Path) -> None:
    (home / ".docker").mkdir()
    if config is not None:
        (home / ".docker/config.json").write_text(config)
    env = {"XDG_RUNTIME_DIR": str(home / "runtime")}
    assert find_address(host(home, env), None).why == "the usual socket"


def test_usual_sockets_of_a_caller_without_a_runtime_folder(home: Path) -> None:
    found = [str(path) for path in usual_sockets(host(home))]
    assert "/run/user/1234/docker.sock" in found
    assert "/run/user/1234/podman/podman.sock" in found


def test_every_socket_that_would_give_a_task_the_engine(home: Path) -> None:
    found = engine_sockets(host(home), Address(OWN, "--engine"))
    assert {
        Path("/run/own.sock"),
        Path("/var/run/docker.sock"),
        Path("/run/containerd/containerd.sock"),
    } <= set(found)
    assert set(engine_sockets(host(home), None)) == set(found) - {Path("/run/own.sock")}
    assert set(engine_sockets(host(home), Address("tcp://x:1", "--engine"))) == set(found) - {
        Path("/run/own.sock")
    }


# contexts


@pytest.mark.parametrize("endpoint", [{}, [], {"Host": 5}, {"SkipTLSVerify": True}, None])
def test_a_broken_context_is_told(home: Path, endpoint: object) -> None:
    add_context(home, "odd", endpoint)
    with pytest.raises(EngineError, match="docker context 'odd' can't be read"):
        find_address(host(home), None)


def test_a_context_that_is_not_there_is_told(home: Path) -> None:
    with pytest.raises(EngineError, match="docker context 'gone' can't be read"):
        find_address(host(home, {"DOCKER_CONTEXT": "gone"}), None)


def test_a_config_whose_context_is_no_text(home: Path) -> None:
    (home / ".docker").mkdir()
    (home / ".docker/config.json").write_text('{"currentContext": 5}')
    with pytest.raises(EngineError, match="docker context 5 can't be read"):
        find_address(host(home), None)


def test_docker_config_names_another_folder(home: Path) -> None:
    add_context(home / "elsewhere", "remote", {"Host": OWN})
    env = {"DOCKER_CONFIG": str(home / "elsewhere/.docker")}
    assert find_address(host(home, env), None).url == OWN


# TLS


def test_tls_of_a_context(home: Path) -> None:
    add_context(home, "remote", {"Host": "tcp://b:2376", "SkipTLSVerify": True}, tls=True)
    found = find_address(host(home), None)
    key = hashlib.sha256(b"remote").hexdigest()
    assert found.tls_folder == home / ".docker/contexts/tls" / key / "docker"
    assert not found.tls_verify


def test_tls_of_the_environment(home: Path) -> None:
    env = {"DOCKER_HOST": "tcp://b:2376"}
    assert find_address(host(home, env), None).tls_folder is None
    verified = find_address(host(home, {**env, "DOCKER_TLS_VERIFY": "1"}), None)
    assert (verified.tls_folder, verified.tls_verify) == (home / ".docker", True)
    trusting = find_address(host(home, {**env, "DOCKER_TLS": "1", "DOCKER_CERT_PATH": "/certs"}), None)
    assert (trusting.tls_folder, trusting.tls_verify) == (Path("/certs"), False)


# addresses


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/run/x.sock", "unix:///run/x.sock"),
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("tcp://host:2375", "tcp://host:2375"),
        ("ssh://me@host", "ssh://me@host"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
    ],
)
def test_addresses(home: Path, given: str, url: str) -> None:
    assert find_address(host(home), given).url == url


@pytest.mark.parametrize(
    "given",
    [
        *("docker", "unix://", "ftp://host", "host:2375", "://", "-H"),
        *("tcp://", "tcp://:2375", "tcp://host:port", "tcp://host:99999", "ssh://me@", "tcp://[::1"),
    ],
)
def test_what_is_no_address(home: Path, given: str) -> None:
    with pytest.raises(UsageError, match="is not an engine's address") as caught:
        find_address(host(home), given)
    assert caught.value.reason.startswith("--engine: ")
    with pytest.raises(UsageError, match="DOCKER_HOST: "):
        find_address(host(home, {"DOCKER_HOST": given}), None)


# messages


def test_a_socket_that_is_not_there(home: Path) -> None:
    error = cannot_reach(host(home), Address(f"unix://{home}/x.sock", "--engine"), "whatever the SDK says")
    assert (
        error.reason
        == f"the engine at unix://{home}/x.sock (--engine) can't be reached: there is no such socket"
    )
    assert error.hint


def test_another_socket_is_named(home: Path, rootless_socket: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(home / "runtime")}
    error = cannot_reach(host(home, env), Address("unix:///nowhere.sock", "DOCKER_HOST"), "?")
    system = Path("/var/run/docker.sock")
    assert error.hint == f"There is one at unix://{system if system.is_socket() else rootless_socket}."


def test_a_socket_that_nobody_answers_at(home: Path, rootless_socket: Path) -> None:
    error = cannot_reach(host(home), Address(f"unix://{rootless_socket}", "the usual socket"), "refused")
    assert error.reason.endswith("can't be reached: nothing answers there")


def test_a_socket_of_somebody_else(home: Path) -> None:
    error = cannot_reach(host(home), Address(OWN, "x"), "Error: PermissionError(13, 'Permission denied')")
    assert "may not be used by this user" in error.reason
    assert "usermod -aG docker" in error.hint


def test_a_remote_engine(home: Path) -> None:
    address = Address("ssh://me@host", "DOCKER_HOST")
    error = cannot_reach(host(home), address, "Permission denied (publickey)")
    assert error.reason.endswith("(DOCKER_HOST) can't be reached: Permission denied (publickey)")
    assert "usermod" not in error.hint
