"""What an engine and the SDK say, in words for people."""

from __future__ import annotations

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from buildbox.engine.faults import advice, in_words, missing_network


@pytest.mark.parametrize(
    ("said", "network"),
    [
        ("network my-net_1.x not found", "my-net_1.x"),  # Docker 20.10 to 28
        ("unable to find network with name or ID mynet: network not found", "mynet"),  # Podman
        ("No such image: network:1", None),
        ("No such container: network", None),
        ("", None),
    ],
)
def test_a_network_that_the_engine_lacks(said: str, network: str | None) -> None:
    assert missing_network(said) == network


@pytest.mark.parametrize(
    ("status", "said", "word"),
    [
        (400, 'invalid mount config for type "bind": stat /root/x: permission denied', "rootless"),
        (500, "OCI runtime error: mkdir /root/x: Permission denied", "rootless"),  # Podman
        (400, "invalid mount config: bind source path does not exist: /x", "another machine"),
        (500, "could not find an available address pool", "-j"),
        (400, "Minimum memory limit allowed is 6MB", "limits"),
        (500, "no space left on device", "doctor"),
    ],
)
def test_what_to_do(status: int, said: str, word: str) -> None:
    assert word in advice(status, said)


def raised(error: Exception, cause: Exception | None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:
        return caught


def test_the_problem_at_the_bottom_is_told() -> None:
    refused = ConnectionRefusedError(111, "Connection refused")
    pool, connection = HTTPConnectionPool("host"), HTTPConnection("host")
    new = raised(NewConnectionError(connection, "Failed to establish a new connection"), refused)
    lost = requests.ConnectionError(MaxRetryError(pool, "/version", new))
    assert in_words(raised(RuntimeError("Error while fetching server API version: …"), lost)) == (
        "Connection refused"
    )
    assert in_words(refused) == "Connection refused"


def test_what_is_no_engine() -> None:
    answer = requests.JSONDecodeError("Expecting value", "<html>", 0)
    assert in_words(raised(RuntimeError("x"), answer)) == "what answers there is not a container engine"


def test_a_problem_of_the_sdk_itself() -> None:
    """Nothing of Python's own is told."""
    assert in_words(raised(RuntimeError("Install it"), NameError("name 'X' is not defined"))) == "Install it"
    assert in_words(RuntimeError()) == "RuntimeError"
