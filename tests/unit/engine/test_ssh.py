from __future__ import annotations

import socket
import sys

import pytest

from buildbox.engine.ssh import dial_ssh, ssh_command


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ssh://host", ["--", "host", "docker system dial-stdio"]),
        ("ssh://me@Build-Host", ["-l", "me", "--", "Build-Host", "docker system dial-stdio"]),
        ("ssh://host:22/", ["-p", "22", "--", "host", "docker system dial-stdio"]),
        ("ssh://me@[::1]:22", ["-l", "me", "-p", "22", "--", "::1", "docker system dial-stdio"]),
        ("ssh://h/a%20b;c", ["--", "h", "docker --host 'unix:///a b;c' system dial-stdio"]),
    ],
)
def test_where_it_leads(url: str, words: list[str]) -> None:
    """What the other machine's shell gets is one word, quoted for it."""
    command = ssh_command(url, 30)
    assert command[0] == "ssh"
    assert "BatchMode=yes" in command
    assert list(command[-len(words) :]) == words
    assert command[-len(words) - 1] == "ServerAliveCountMax=3"


def talk(script: str) -> socket.socket:
    return dial_ssh([sys.executable, "-c", f"import sys, os; {script}"])


def test_what_is_read_and_written_goes_through_the_process() -> None:
    with talk("sys.stdout.write(sys.stdin.read().upper())") as ours:
        ours.sendall(b"both ways")
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as file:
            assert file.read() == b"BOTH WAYS"


@pytest.mark.parametrize("script", ["", "sys.stdin.read(1); "], ids=["unread", "read"])
def test_a_loss_is_told_in_its_own_words(script: str) -> None:
    says = "Warning: Permanently added\\nmachine: Permission denied\\n"
    with talk(f'{script}sys.stderr.write("{says}"); sys.exit(255)') as ours:
        ours.sendall(b"x")
        with pytest.raises(ConnectionResetError) as caught:
            ours.recv_into(bytearray(10))
    assert caught.value.strerror == "machine: Permission denied"


def test_without_ssh() -> None:
    with pytest.raises(OSError, match="there is no ssh on this machine"):
        dial_ssh(["/nowhere/ssh"])
