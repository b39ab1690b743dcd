"""What says that a service is ready."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from buildbox.archive.images import ImageConfig
from buildbox.oci import Platform
from buildbox.services.faults import ServiceFailed
from buildbox.services.ready import listens, readiness
from tests.support.fake_engine import FakeEngine
from tests.support.served import service

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ANY = "   0: 00000000:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999  0 1\n"
CONNECTED = ANY.replace(" 0A ", " 01 ")
LOOPBACK = ANY.replace("00000000:1538", "0100007F:1538")
ANY_6 = ANY.replace("00000000:1538", "00000000000000000000000000000000:1538")
LOOPBACK_6 = ANY.replace("00000000:1538", "00000000000000000000000001000000:1538")
MAPPED = ANY.replace("00000000:1538", "0000000000000000FFFF00000100007F:1538")
OWN_6 = ANY.replace("00000000:1538", "B80D0120000000000000000001000000:1538")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (ANY, True),
        (ANY_6, True),
        (OWN_6, True),
        (CONNECTED, False),
        (LOOPBACK, False),
        (LOOPBACK_6, False),
        (MAPPED, False),
        ("", False),
        ("cat: can't open '/proc/net/tcp6': No such file or directory\n", False),
    ],
)
def test_a_listening_port_in_the_kernels_table(line: str, expected: bool) -> None:
    assert listens(HEAD + line, 0x1538) == expected
    assert not listens(HEAD + line, 80)


class Answering(FakeEngine):
    """Runs no command, but gives each the answer of its first word."""

    def __init__(self, **answers: tuple[int, bytes]) -> None:
        super().__init__()
        self.answers = answers
        self.asked: list[Sequence[str]] = []

    def execute(self, container: str, argv: Sequence[str], *, user: str = "") -> tuple[int, bytes]:
        self.asked.append(argv)
        return self.answers.get(argv[0].rpartition("/")[2], (127, b"no such program"))


def image(*healthcheck: str, shell: tuple[str, ...] = ()) -> ImageConfig:
    return ImageConfig(Platform("linux", "amd64"), (), healthcheck=healthcheck, shell=shell)


def test_its_command_goes_before_the_images_check() -> None:
    engine = Answering(sh=(3, b"one\ntwo\n"))
    ask = readiness(engine, "c", service(ready="pg_isready"), image("CMD", "other"))
    assert ask() == (False, "`ready` ended with status 3: two")
    assert engine.asked == [("/bin/sh", "-c", "pg_isready")]


@pytest.mark.parametrize(
    ("check", "argv"),
    [
        (image("CMD", "probe", "x"), ("probe", "x")),
        (image("CMD-SHELL", "probe x"), ("/bin/sh", "-c", "probe x")),
        (image("CMD-SHELL", "probe x", shell=("bash", "-c")), ("bash", "-c", "probe x")),
    ],
)
def test_the_images_own_check(check: ImageConfig, argv: tuple[str, ...]) -> None:
    engine = Answering(probe=(0, b""), sh=(0, b""), bash=(0, b""))
    assert readiness(engine, "c", service(), check)()[0]
    assert engine.asked == [argv]


@pytest.mark.parametrize("check", [image(), image("NONE"), image("CMD"), image("ODD", "x")])
def test_without_any_it_is_ready_once_it_runs(check: ImageConfig) -> None:
    """At the second question, so that a program that can't start is noticed."""
    engine = Answering()
    ask = readiness(engine, "c", service(), check)
    assert [ask()[0], ask()[0], ask()[0]] == [False, True, True]
    assert engine.asked == []


def test_a_port_is_asked_for_by_a_program_that_the_image_has() -> None:
    engine = Answering(busybox=(1, (HEAD + ANY).encode()))  # 1: one of the files is missing
    ask = readiness(engine, "c", service(ready_port=0x1538), image())
    assert ask()[0] and ask()[0]
    assert [argv[0] for argv in engine.asked] == ["cat", "/bin/busybox", "/bin/busybox"]
    waiting = readiness(Answering(cat=(0, HEAD.encode())), "c", service(ready_port=80), image())
    assert waiting() == (False, "nothing listens on port 80")


def test_an_image_without_any_program_can_not_be_asked() -> None:
    ask = readiness(Answering(), "c", service(ready_port=80), image())
    with pytest.raises(ServiceFailed, match="neither cat nor sh"):
        ask()
