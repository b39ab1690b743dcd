"""Engines elsewhere that can't be reached: what the message says is wrong there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildbox.errors import Exit
from tests.integration.remote.conftest import Elsewhere
from tests.support.certificates import certificates
from tests.support.project import Project

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="another engine takes root to start")
Wrong = Callable[[Elsewhere, Path], tuple[str, Mapping[str, str]]]  # gives an address and an environment
UNKNOWN = "/usr/local/bin:/usr/bin:/bin"  # whose ssh has never heard of the server


def by_ssh(elsewhere: Elsewhere, **parts: str) -> tuple[str, Mapping[str, str]]:
    url = elsewhere.server.url(elsewhere.socket)
    for old, new in parts.items():
        url = url.replace({"user": "root@", "socket": str(elsewhere.socket)}[old], new)
    return url, elsewhere.ways()["ssh"].env


def by_tls(url: str, folder: Path) -> tuple[str, Mapping[str, str]]:
    return url, {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}


def without_a_key(elsewhere: Elsewhere, folder: Path) -> tuple[str, Mapping[str, str]]:
    shutil.copy(elsewhere.tls_folder / "ca.pem", folder)
    return by_tls(elsewhere.tls_url, folder)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda there, _: by_ssh(there, user="daemon@"), ["Permission denied", "ssh -p"]),
        (
            lambda there, _: (by_ssh(there)[0], {"PATH": UNKNOWN}),
            ["Host key verification failed", "known"],
        ),
        (lambda there, _: by_ssh(there, socket="/no/such.sock"), ["no such file or directory"]),
        (lambda there, _: (by_ssh(there)[0], {"PATH": "/nowhere"}), ["there is no ssh on this machine"]),
        (lambda there, to: by_tls(there.tls_url, certificates(to)[1]), ["certificate isn't to be trusted"]),
        (without_a_key, ["refuses our certificate: certificate required", "cert.pem and key.pem in"]),
        (lambda there, _: by_tls(there.url, there.tls_folder), ["it doesn't speak TLS"]),
        (lambda there, _: (there.tls_url, {}), ["it wants TLS", "DOCKER_TLS_VERIFY=1"]),
    ],
    ids=["key", "host", "socket", "program", "authority", "certificate", "plain there", "plain here"],
)
def test_what_is_wrong_is_said_in_one_message(
    elsewhere: Elsewhere, tmp_path: Path, wrong: Wrong, says: list[str]
) -> None:
    url, env = wrong(elsewhere, tmp_path)
    project = Project(tmp_path, tmp_path / "home", env=env)
    failed = project.run("--engine", url, "clean")
    assert failed.status == Exit.ENGINE
    assert failed.err.startswith(f"buildbox: the engine at {url} (--engine) can't be reached: ")
    assert failed.err.count("buildbox:") == 1
    for words in says:
        assert words in failed.err


@pytest.mark.parametrize("url", ["ssh://me:secret@host", "ssh://host?x", "ssh://-oProxyCommand=x"])
def test_an_address_that_ssh_must_not_get(tmp_path: Path, url: str) -> None:
    failed = Project(tmp_path, tmp_path / "home").run("--engine", url, "clean")
    assert failed.status == Exit.USAGE
    assert "secret" not in failed.err
