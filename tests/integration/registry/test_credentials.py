"""Logins as docker keeps them: files and helper programs, whole and broken."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from buildbox.errors import ImageError
from buildbox.registry.credentials import DockerLogins, Login

AUTH = base64.b64encode(b"me:pass:word").decode()
HUB = "https://index.docker.io/v1/"


def logins(folder: Path, settings: object, **helpers: str) -> DockerLogins:
    """The docker configuration `settings`, with helper programs of these shell scripts on the PATH."""
    text = settings if isinstance(settings, str) else json.dumps(settings)
    (folder / "config.json").write_text(text)
    for name, script in helpers.items():
        path = folder / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return DockerLogins({"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("settings", "host", "login"),
    [
        ({"auths": {"r.example": {"auth": AUTH}}}, "r.example", Login("me", "pass:word")),
        ({"auths": {"r.example:5000": {"auth": AUTH}}}, "r.example:5000", Login("me", "pass:word")),
        ({"auths": {"r.example:5000": {"auth": AUTH}}}, "r.example", None),
        ({"auths": {"https://r.example/v1/": {"auth": AUTH}}}, "r.example", Login("me", "pass:word")),
        ({"auths": {HUB: {"auth": AUTH}}}, "docker.io", Login("me", "pass:word")),
        ({"auths": {HUB: {"auth": AUTH}}}, "r.example", None),
        (
            {"auths": {"r.example": {"auth": AUTH, "identitytoken": "tok"}}},
            "r.example",
            Login(identity_token="tok"),
        ),
        ({"auths": {"r.example": {}}}, "r.example", None),
        ({"currentContext": "default"}, "r.example", None),
        ({}, "r.example", None),
    ],
)
def test_logins_in_the_file(tmp_path: Path, settings: object, host: str, login: Login | None) -> None:
    assert logins(tmp_path, settings)(host) == login


def test_no_file_no_login(tmp_path: Path) -> None:
    assert DockerLogins({"DOCKER_CONFIG": str(tmp_path)})("r.example") is None
    assert DockerLogins({"HOME": str(tmp_path)})("r.example") is None


def test_the_file_in_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"auths": {"r.example": {"auth": AUTH}}}))
    assert DockerLogins({"HOME": str(tmp_path)})("r.example") == Login("me", "pass:word")


ANSWER = "cat >/dev/null; printf '%s'"


@pytest.mark.parametrize(
    ("script", "login"),
    [
        (ANSWER + """ '{"Username":"me","Secret":"s"}'""", Login("me", "s")),
        (ANSWER + """ '{"Username":"<token>","Secret":"s"}'""", Login(identity_token="s")),
        (ANSWER + """ '{"Username":"","Secret":""}'""", None),
        (ANSWER + " 'credentials not found in native keychain'; exit 1", None),
    ],
)
def test_a_helper(tmp_path: Path, script: str, login: Login | None) -> None:
    assert logins(tmp_path, {"credsStore": "mine"}, mine=script)("r.example") == login


def test_a_helper_is_asked_for_docker_io_by_its_old_name(tmp_path: Path) -> None:
    script = f'cat > {tmp_path}/asked; printf \'%s\' \'{{"Username":"me","Secret":"s"}}\''
    assert logins(tmp_path, {"credsStore": "mine"}, mine=script)("docker.io") == Login("me", "s")
    assert (tmp_path / "asked").read_text() == HUB


def test_the_file_serves_where_the_helper_knows_nothing(tmp_path: Path) -> None:
    settings = {"credsStore": "mine", "auths": {"r.example": {"auth": AUTH}}}
    found = logins(tmp_path, settings, mine=ANSWER + " 'credentials not found in native keychain'; exit 1")
    assert found("r.example") == Login("me", "pass:word")


@pytest.mark.parametrize(
    ("settings", "script"),
    [
        ("{", ""),
        ("[]", ""),
        ({"auths": {"r.example": {"auth": "!secret!"}}}, ""),
        ({"auths": {"r.example": {"auth": base64.b64encode(b"secret").decode()}}}, ""),
        ({"auths": {"r.example": "secret"}}, ""),
        ({"credsStore": "absent"}, ""),
        ({"credsStore": "mine"}, ANSWER + " 'secret, not JSON'"),
        ({"credsStore": "mine"}, ANSWER + """ '{"Secret": "secret"}'"""),
    ],
)
def test_what_is_broken_is_said_without_its_secrets(tmp_path: Path, settings: object, script: str) -> None:
    found = logins(tmp_path, settings, **({"mine": script} if script else {}))
    with pytest.raises(ImageError, match="gives no login") as caught:
        found("r.example")
    assert str(tmp_path / "config.json") in caught.value.reason
    assert "secret" not in caught.value.reason


def test_what_a_failing_helper_says_is_shown(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no keyring here"):
        logins(tmp_path, {"credsStore": "mine"}, mine="echo no keyring here; exit 3")("r.example")
