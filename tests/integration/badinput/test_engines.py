"""Engines that aren't there or may not be used, and who says which one it is."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Sequence

import pytest

from buildbox.errors import Exit
from tests.integration.badinput.conftest import MakeTrial
from tests.support.refusal import Trial, another_user


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("unix:///nowhere", ["the engine at unix:///nowhere (--engine)", "there is no such socket"]),
        ("unix:///etc/passwd", ["the engine at unix:///etc/passwd (--engine)", "nothing answers there"]),
        ("tcp://127.0.0.1:1", ["can't be reached: Connection refused", "Check the address"]),
        ("tcp://host.invalid:2375", ["host.invalid", "can't be reached: ", "Check the address"]),
    ],
)
def test_an_engine_that_does_not_answer(make_trial: MakeTrial, url: str, says: Sequence[str]) -> None:
    trial = make_trial()
    message = trial.refused("--engine", url, "archive", "restore", status=Exit.ENGINE, says=says)
    assert "Pool" not in message  # urllib3's words
    assert trial.engine.asked == []
    words = f"{url} (DOCKER_HOST)"
    trial.with_env(DOCKER_HOST=url).refused("archive", "restore", status=Exit.ENGINE, says=words)


def test_where_another_engine_is_it_is_named(make_trial: MakeTrial) -> None:
    says = "There is one at unix:///var/run/docker.sock."
    make_trial().refused("--engine", "unix:///nowhere", "run", "t", status=Exit.ENGINE, says=says)


def test_a_server_that_is_no_engine(make_trial: MakeTrial) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        trial = make_trial()
        process = trial.project.start("--engine", f"tcp://127.0.0.1:{port}", "archive", "restore")
        server.settimeout(60)
        client, _ = server.accept()
        with client:
            client.recv(1 << 16)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (Exit.ENGINE, b"")
    assert "can't be reached: what answers there is not a container engine" in err.decode()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can hide the engine's sockets from a process")
def test_no_engine_on_this_machine(make_trial: MakeTrial) -> None:
    project = make_trial().with_env(DOCKER_HOST="").project
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"]
    done = subprocess.run(
        [*hidden, *project.command("run", "t")],
        cwd=project.root,
        env=project.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (Exit.ENGINE, "")
    first, what_to_do = done.stderr.splitlines()
    assert first == "buildbox: no container engine was found on this machine"
    assert "dockerd" in what_to_do or "systemctl start docker" in what_to_do  # it is installed here


def test_an_engine_that_the_caller_may_not_use(make_trial: MakeTrial) -> None:
    trial = make_trial()
    trial.engine.socket.chmod(0o700 if os.getuid() == 0 else 0)
    try:
        says = [f"the engine at {trial.engine.url} (DOCKER_HOST) may not be used by this user", "usermod -aG"]
        trial.by(another_user()).refused("run", "t", status=Exit.ENGINE, says=says)
    finally:
        trial.engine.socket.chmod(0o666)


def context(trial: Trial, name: str, meta: object) -> str:
    """Writes a docker context of this name; gives the folder for DOCKER_CONFIG."""
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = trial.project.home / "docker"
    (folder / "contexts/meta" / key).mkdir(parents=True, exist_ok=True)
    (folder / "contexts/meta" / key / "meta.json").write_text(json.dumps(meta))
    (folder / "config.json").write_text(json.dumps({"currentContext": name}))
    return str(folder)


def test_who_says_which_engine(make_trial: MakeTrial) -> None:
    """--engine before DOCKER_HOST, before DOCKER_CONTEXT, before the current context."""
    trial = make_trial()
    url = trial.engine.url
    folder = context(trial, "mine", {"Endpoints": {"docker": {"Host": url}}})
    works = [
        (("--engine", url), {"DOCKER_HOST": "unix:///nowhere"}),
        ((), {"DOCKER_HOST": url, "DOCKER_CONTEXT": "nobody"}),
        ((), {"DOCKER_HOST": "", "DOCKER_CONTEXT": "mine", "DOCKER_CONFIG": folder}),
        ((), {"DOCKER_HOST": "", "DOCKER_CONFIG": folder}),
    ]
    for options, env in works:
        trial.engine.asked.clear()
        trial.with_env(**env).project.ok(*options, "run", "t")
        assert trial.engine.asked, env
    trial.engine.asked.clear()
    outside = {"DOCKER_HOST": "", "DOCKER_CONTEXT": "default", "DOCKER_CONFIG": folder}
    trial.with_env(**outside).project.ok("run", "t")
    assert trial.engine.asked == []  # docker's own name for the usual socket


@pytest.mark.parametrize(
    ("meta", "status", "says"),
    [
        (None, Exit.ENGINE, ["the docker context 'other' can't be read", "docker context ls"]),
        ({"Endpoints": {}}, Exit.ENGINE, ["the docker context 'mine' can't be read", "docker context ls"]),
        (
            {"Endpoints": {"docker": {"Host": "unix:///nowhere"}}},
            Exit.ENGINE,
            ["the engine at unix:///nowhere (the docker context 'mine')", "there is no such socket"],
        ),
        (
            {"Endpoints": {"docker": {"Host": "nonsense"}}},
            Exit.USAGE,
            ["the docker context 'mine': 'nonsense' is not an engine's address"],
        ),
    ],
)
def test_a_docker_context_that_leads_nowhere(
    make_trial: MakeTrial, meta: object, status: Exit, says: Sequence[str]
) -> None:
    trial = make_trial()
    folder = context(trial, "mine", meta)
    chosen = {"DOCKER_CONTEXT": "other"} if meta is None else {}
    trial.with_env(DOCKER_HOST="", DOCKER_CONFIG=folder, **chosen).refused(
        "run", "t", status=status, says=says
    )
