"""What a ContainerSpec means on every engine whose containers are real."""

from __future__ import annotations

import io
import os
import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from buildbox.container import Bind, Tmpfs, Volume
from buildbox.engine.protocol import Ended
from buildbox.errors import EngineError
from tests.contract.running import LABEL, created, read_all, run, sh, tar_of, wait_until_running
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


@pytest.mark.parametrize("name", ["bind, with=commas", "colon: and 'quotes'", 'a "quote"\n'])
def test_binds_are_writable_or_not(subject: Subject, make_folder: Callable[[str], Path], name: str) -> None:
    folder = make_folder(name)
    binds = (Bind(str(folder), "/a"), Bind(str(folder), "/b", read_only=True))
    script = "cd /a && echo x > made; cd /b && cat made; touch other 2>/dev/null || echo refused"
    assert said(subject, script, binds=binds, user=subject.user) == "x\nrefused\n"
    assert [path.name for path in folder.iterdir()] == ["made"]
    assert (folder / "made").stat().st_uid == subject.caller.uid


def test_a_bind_whose_source_is_not_there_makes_no_folder(
    subject: Subject, make_folder: Callable[[str], Path]
) -> None:
    missing = make_folder("empty") / "missing"
    with pytest.raises(EngineError):
        run(subject.engine, sh(subject, "true", binds=(Bind(str(missing), "/a"),)))
    assert not missing.exists()


def test_tmpfs_is_writable_executable_and_owned(subject: Subject) -> None:
    tmpfs = (Tmpfs("/home/build", "mode=0755,exec,uid=4242,gid=4243"), Tmpfs("/tmp", "mode=1777,exec"))
    script = (
        "stat -c '%u:%g %a' /home/build /tmp; printf '#!/bin/sh\necho ran' > /tmp/x; chmod +x /tmp/x; /tmp/x"
    )
    assert said(subject, script, tmpfs=tmpfs, user="4242:4243") == "4242:4243 755\n0:0 1777\nran\n"


def test_a_tmpfs_hides_what_is_below(subject: Subject) -> None:
    assert said(subject, "ls /usr") != ""
    assert said(subject, "ls -A /usr", tmpfs=(Tmpfs("/usr", "ro,mode=0555,size=4096"),)) == ""


def test_no_network(subject: Subject) -> None:
    assert said(subject, "ls /sys/class/net") == "lo\n"


def test_limits(limiting_subject: Subject) -> None:
    script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null | head -1"
    assert said(limiting_subject, script, pids=77) == "77\n"


def test_too_much_memory_is_told(limiting_subject: Subject) -> None:
    script = "head -c 200m /dev/zero | tail -c 150m > /dev/null"
    ended, _ = run(limiting_subject.engine, sh(limiting_subject, f"exec sh -c '{script}'", memory=32 << 20))
    podman = limiting_subject.engine.info().name == "Podman Engine"  # 4.3, which doesn't see it happen
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


def test_a_signal_reaches_what_a_shell_waits_for(subject: Subject) -> None:
    """Else the shell would heed its trap when that has ended."""
    env = (("PATH", "/bin"), ("TINI_KILL_PROCESS_GROUP", "1"))  # as all tasks have it
    spec = sh(subject, "trap 'exit 9' INT; echo ready; sleep 60", env=env)
    engine = subject.engine
    with created(engine, spec) as container, closing(engine.attach(container, spec)) as stream:
        begun = time.monotonic()
        engine.start(container)
        wait_until_running(stream)
        time.sleep(0.2)  # until it sleeps
        engine.signal(container, "SIGINT")
        assert engine.wait(container) == Ended(9)
        assert time.monotonic() - begun < 30


# volumes and networks


@pytest.fixture
def volume(subject: Subject) -> Iterator[str]:
    """A new volume."""
    name = f"buildbox-tests-{secrets.token_hex(6)}"
    subject.engine.make_volume(name, {LABEL: "yes"})
    yield name
    subject.engine.remove_volume(name)


@pytest.fixture
def network(subject: Subject) -> Iterator[str]:
    """A new network, from which nothing else can be reached."""
    found = subject.engine.make_network(
        f"buildbox-tests-{secrets.token_hex(6)}", {LABEL: "yes"}, internal=True
    )
    yield found
    subject.engine.remove_network(found)


def test_a_volume_has_the_owners_modes_and_times_that_were_put_there(subject: Subject, volume: str) -> None:
    """The volume's own folder too, by way of the one around it. What the image has there isn't copied."""
    spec = sh(subject, "true", volumes=(Volume(volume, "/etc"),), read_only=False)
    with created(subject.engine, spec) as container:
        subject.engine.put_tree(container, "/etc", tar_of(("./sub", None, 4242), ("./sub/a", b"one", 8)))
        subject.engine.put_tree(container, "/", tar_of(("etc/", None, 4242)))
    script = "cd /data; stat -c '%u:%g %a %Y %n' . sub sub/a; ls; touch new; touch sub/a 2>&1"
    ended, output = run(
        subject.engine, sh(subject, script, user="4242:4242", volumes=(Volume(volume, "/data"),))
    )
    said = output[1].decode().splitlines()
    podman = subject.engine.info().name == "Podman Engine"  # which gives that folder an owner alone
    assert said[0].startswith("4242:4242 755 ") if podman else said[0] == "4242:4242 750 315532800 ."
    assert said[1:4] == [
        "4242:4242 750 315532800 sub",
        "8:8 640 315532800 sub/a",
        "sub",
    ]
    assert "denied" in said[4] and ended.status == 1
    assert said_by_root(subject, "ls /data", volume) == "new\nsub\n"


def said_by_root(subject: Subject, script: str, volume: str) -> str:
    return said(subject, script, volumes=(Volume(volume, "/data"),))


def test_what_a_task_left_in_a_volume_is_had_after_its_end(subject: Subject, volume: str) -> None:
    spec = sh(subject, "echo one > /data/a; ln -s /etc/passwd /data/link", volumes=(Volume(volume, "/data"),))
    with created(subject.engine, spec) as container:
        subject.engine.start(container)
        subject.engine.wait(container)
        data = b"".join(subject.engine.get_tree(container, "/data"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {member.name: member.linkname for member in tar} == {
            "data": "",
            "data/a": "",
            "data/link": "/etc/passwd",
        }


def test_an_anonymous_volume_begins_with_the_images_files_and_goes_with_its_container(
    subject: Subject,
) -> None:
    before = subject.engine.volumes("com.docker.volume.anonymous")
    script = "ls /usr; touch /usr/new; stat -c %u /usr/new"
    assert said(subject, script, volumes=(Volume("", "/usr"),)) == "local\n0\n"
    assert subject.engine.volumes("com.docker.volume.anonymous") == before


def test_a_container_in_a_network_of_ours_is_found_by_its_alias(subject: Subject, network: str) -> None:
    engine = subject.engine
    serving = sh(
        subject, "echo ready; exec nc -l -p 7777 -e echo hello", network=network, aliases=("db", "base")
    )
    with created(engine, serving) as container, closing(engine.attach(container, serving)) as stream:
        engine.start(container)
        wait_until_running(stream)
        assert (
            said(subject, "until nc base 7777 2>/dev/null; do sleep 0.1; done", network=network) == "hello\n"
        )


def test_the_engines_machine_is_not_reached_from_an_internal_network(subject: Subject, network: str) -> None:
    """Not even at the network's own address there, where it would refuse the connection.

    From Docker 28 on it has none there, and a container may have the network's first one.
    """
    script = """
        own=$(ip -4 -o addr show eth0 | sed 's|.* inet \\([0-9.]*\\)/.*|\\1|')
        test $own != ${own%.*}.1 && nc -w 1 ${own%.*}.1 1 2>&1 | grep refused || echo unreachable
    """
    podman = subject.engine.info().name == "Podman Engine"
    assert (said(subject, script, network=network) == "unreachable\n") != podman


def test_a_container_in_two_networks(subject: Subject, network: str) -> None:
    second = subject.engine.make_network(
        f"buildbox-tests-{secrets.token_hex(6)}", {LABEL: "yes"}, internal=True
    )
    try:
        names = said(subject, "ls /sys/class/net", network=network, also_networks=(second,))
        assert names == "eth0\neth1\nlo\n"
    finally:
        subject.engine.remove_network(second)


def test_a_network_that_is_not_there(subject: Subject) -> None:
    """Also the second: no container is left."""
    mark = secrets.token_hex(6)
    labels = ((LABEL, mark),)
    with pytest.raises(EngineError):
        run(subject.engine, sh(subject, "true", network=f"no-such-{mark}", labels=labels))
    with pytest.raises(EngineError):
        spec = sh(subject, "true", also_networks=(f"no-such-{mark}",), network="bridge", labels=labels)
        run(subject.engine, spec)
    assert subject.engine.containers(LABEL, mark) == []


def test_a_command_runs_as_its_user_or_the_containers(subject: Subject) -> None:
    engine = subject.engine
    spec = sh(subject, "echo ready; exec sleep 60", user="4242:4343")
    with created(engine, spec) as container, closing(engine.attach(container, spec)) as stream:
        engine.start(container)
        wait_until_running(stream)
        assert engine.execute(container, ("/bin/sh", "-c", "id -u; id -g")) == (0, b"4242\n4343\n")
        assert engine.execute(container, ("/bin/id", "-u"), user="7:8") == (0, b"7\n")


# limits


def test_memory_that_a_child_takes_is_told(limiting_subject: Subject) -> None:
    """The kernel kills a child, mostly, not the first process, which says so with another status."""
    script = "head -c 200m /dev/zero | tail -c 150m > /dev/null; exit 3"
    ended, _ = run(limiting_subject.engine, sh(limiting_subject, script, memory=32 << 20))
    podman = limiting_subject.engine.info().name == "Podman Engine"
    assert ended.status in (3, 137)  # which of the two is the kernel's choice
    assert ended.out_of_memory is not podman or ended.status == 137


def test_processors_are_limited(limiting_subject: Subject) -> None:
    """The share of the time that a busy loop gets, by the kernel's count."""
    script = """
        cut -d' ' -f1 /proc/uptime; (while :; do :; done) & sleep 2
        cut -d' ' -f1 /proc/uptime; cut -d' ' -f14,15 /proc/$!/stat; kill $!
    """
    begun, end, user, system = map(float, said(limiting_subject, script, cpus=0.2).split())
    assert (user + system) / os.sysconf("SC_CLK_TCK") / (end - begun) < 0.35


def test_processors_are_chosen(limiting_subject: Subject) -> None:
    first = min(os.sched_getaffinity(0))
    script = "grep Cpus_allowed_list /proc/self/status; nproc"
    assert said(limiting_subject, script, cpuset=str(first)).split() == [
        "Cpus_allowed_list:",
        str(first),
        "1",
    ]


def test_a_fork_bomb_ends_at_its_limit(limiting_subject: Subject) -> None:
    """It gets no more processes than it may have, and ends with its container."""
    engine, script = limiting_subject.engine, "bomb() { bomb | bomb & }; bomb; while :; do :; done"
    spec = sh(limiting_subject, script, pids=32, cpus=0.5)
    with created(engine, spec) as container, closing(engine.attach(container, spec)) as stream:
        engine.start(container)
        said = b""
        while b"fork" not in said:  # it is refused
            chunk = stream.read()
            assert chunk
            said += b"".join(chunk[1])
        begun = time.monotonic()
        engine.signal(container, "SIGKILL")
        assert engine.wait(container).status in (137, 2)  # 2: the first shell was itself refused a process
    assert time.monotonic() - begun < 20
