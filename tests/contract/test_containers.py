"""What a ContainerSpec means on every engine whose containers are real."""

from __future__ import annotations

import os
from contextlib import closing

import pytest

from buildbox.container import Bind, Tmpfs
from buildbox.engine.protocol import Ended
from buildbox.errors import EngineError
from tests.contract.running import created, read_all, run, sh, wait_until_running
from tests.support.engines import Subject


@pytest.fixture
def subject(real_subject: Subject) -> Subject:
    return real_subject


def said(subject: Subject, script: str, **changes: object) -> str:
    ended, output = run(subject.engine, sh(subject, script, **changes))
    assert (ended.status, output[2]) == (0, b"")
    return output[1].decode()


def test_user_host_name_and_rights(subject: Subject) -> None:
    script = "id -u; id -g; hostname; grep -E '^(NoNewPrivs|CapEff):' /proc/self/status"
    answer = said(subject, script, user="4242:4343", hostname="some-name").split()
    assert answer == ["4242", "4343", "some-name", "CapEff:", "0" * 16, "NoNewPrivs:", "1"]


def test_the_root_file_system_is_read_only_or_not(subject: Subject) -> None:
    script = "touch /etc/new 2>/dev/null && echo written || echo refused"
    assert said(subject, script) == "refused\n"
    assert said(subject, script, read_only=False) == "written\n"


def test_only_who_may_mount_can(subject: Subject) -> None:
    script = "mount -t proc proc /tmp 2>/dev/null && test -e /tmp/1/comm && echo mounted || echo refused"
    root = {"user": "0:0", "read_only": False}
    assert said(subject, script, **root) == "refused\n"
    assert said(subject, script, **root, may_mount=True) == "mounted\n"
    assert said(subject, "mknod /x b 8 0 2>/dev/null || echo no", **root, may_mount=True) == "no\n"


@pytest.mark.parametrize("name", ["bind, with=commas", "colon: and 'quotes'"])
def test_binds_are_writable_or_not(
    subject: Subject, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    folder = tmp_path_factory.mktemp(name)
    binds = (Bind(str(folder), "/a"), Bind(str(folder), "/b", read_only=True))
    script = "cd /a && echo x > made; cd /b && cat made; touch other 2>/dev/null || echo refused"
    assert said(subject, script, binds=binds, user=f"{os.getuid()}:{os.getgid()}") == "x\nrefused\n"
    assert [path.name for path in folder.iterdir()] == ["made"]
    assert (folder / "made").stat().st_uid == os.getuid()


def test_a_bind_whose_source_is_not_there_makes_no_folder(
    subject: Subject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    missing = tmp_path_factory.mktemp("empty") / "missing"
    with pytest.raises(EngineError):
        run(subject.engine, sh(subject, "true", binds=(Bind(str(missing), "/a"),)))
    assert not missing.exists()


def test_tmpfs_is_writable_executable_and_owned(subject: Subject) -> None:
    tmpfs = (Tmpfs("/home/build", "mode=0755,exec,uid=4242,gid=4243"), Tmpfs("/tmp", "mode=1777,exec"))
    script = (
        "stat -c '%u:%g %a' /home/build /tmp; printf '#!/bin/sh\necho ran' > /tmp/x; chmod +x /tmp/x; /tmp/x"
    )
    assert said(subject, script, tmpfs=tmpfs, user="4242:4243") == "4242:4243 755\n0:0 1777\nran\n"


def test_no_network(subject: Subject) -> None:
    assert said(subject, "ls /sys/class/net") == "lo\n"


def test_limits(subject: Subject) -> None:
    script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -1"
    assert said(subject, script, pids=77) == "77\n"


def test_too_much_memory_is_told(subject: Subject) -> None:
    script = "head -c 200m /dev/zero | tail -c 150m > /dev/null"
    ended, _ = run(subject.engine, sh(subject, f"exec sh -c '{script}'", memory=32 << 20))
    podman = subject.engine.info().name == "Podman Engine"  # 4.3, which doesn't see it happen
    assert ended == Ended(137, out_of_memory=not podman)


def test_the_first_process_reaps(subject: Subject) -> None:
    script = "(sleep 0.1 &); sleep 0.5; cat /proc/[0-9]*/comm | grep -c sleep || true"
    assert said(subject, script) == "0\n"


def test_a_tty_has_one_stream_and_a_size(subject: Subject) -> None:
    script = "stty -echo -onlcr; echo ready; read line; stty size; echo err >&2; test -t 0 && echo $line"
    spec = sh(subject, script, tty=True, stdin=True, window=(24, 80))
    engine = subject.engine
    with created(engine, spec) as container, closing(engine.attach(container, spec)) as stream:
        engine.start(container)
        wait_until_running(stream)
        engine.resize(container, 33, 77)
        stream.write(b"typed\r")
        assert read_all(stream) == {1: b"33 77\nerr\ntyped\n", 2: b""}
        assert engine.wait(container) == Ended(0)
