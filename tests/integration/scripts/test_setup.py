"""Setup as a process of its own, on this machine, where it must not change anything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scripts.setup.machine import answers, venv_stamp

ROOT = Path(__file__).parents[3]


def set_up(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.setup", *arguments],
        cwd=ROOT,
        env={"HOME": "/nonexistent", **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_system_without_apt_gets_a_list_and_no_change() -> None:
    result = set_up("test", PATH="/nonexistent")
    assert result.returncode == 1
    assert result.stdout == ""
    assert "can't be set up automatically: no apt-get here. Nothing was changed." in result.stderr
    assert "docker-registry" in result.stderr


def test_an_engine_that_is_named_and_silent_stops_everything(tmp_path: Path) -> None:
    result = set_up("demo", PATH=os.environ["PATH"], DOCKER_HOST=f"unix://{tmp_path}/no.sock")
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"the engine at unix://{tmp_path}/no.sock (DOCKER_HOST) can't be reached" in result.stderr


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("demo", "test")])
def test_usage(arguments: tuple[str, ...]) -> None:
    result = set_up(*arguments)
    assert result.returncode == 1
    assert result.stderr == "setup: usage: python3 -m scripts.setup demo|test\n"


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\nOK", True),
        (b"HTTP/1.0 500 Internal Server Error\r\n\r\n", False),
        (b"", False),
    ],
)
def test_an_engine_is_one_that_answers_a_ping(tmp_path: Path, reply: bytes, expected: bool) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=_reply_once, args=(listener, reply))
        thread.start()
        assert answers(f"unix://{path}") is expected
        thread.join()


def test_a_socket_left_behind_is_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    with pytest.raises(ConnectionRefusedError):
        answers(f"unix://{path}")


def test_the_venv_is_made_anew_when_pyproject_or_the_place_changes(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "pyproject.toml").write_text("[project]\n")
    before = venv_stamp(here)
    assert before == venv_stamp(here)
    assert before != venv_stamp(there)
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert before != venv_stamp(here)


def _reply_once(listener: socket.socket, reply: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(reply)
