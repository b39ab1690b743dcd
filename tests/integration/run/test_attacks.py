"""A task and an image that do their worst, in a real engine: docs/security.md says what they can't do."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from buildbox.errors import Exit
from tests.integration.run.conftest import MakeProject
from tests.support.project import Caller, keep_image
from tests.support.tiny_image import BUSYBOX, FILES, tiny_image

TOKEN = "gh-token-of-the-ci-system"
# Each line says `broken: …` where it gets further than it may; `ran` at the end, since none may end the rest.
WORST = r"""
[tasks.worst]
run = '''
set +e
broken() { echo "broken: $*"; }
cat link folder/secret ../outside/secret /proc/1/root/../outside/secret 2>/dev/null && broken a file outside
mount -t tmpfs none /tmp 2>/dev/null && broken mount
mount -o remount,rw / 2>/dev/null && broken remount
mknod /tmp/disk b 8 0 2>/dev/null && broken mknod
mknod disk c 1 1 2>/dev/null && broken mknod in the source
for place in /bin/sh /etc/passwd /usr/new; do (echo > $place) 2>/dev/null && broken write $place; done
(echo x > /proc/sys/kernel/core_pattern) 2>/dev/null && broken core_pattern
(echo b > /proc/sysrq-trigger) 2>/dev/null && broken sysrq
unshare -m true 2>/dev/null && broken unshare
hostname owned 2>/dev/null && broken hostname
kill -9 {pid} 2>/dev/null && broken kill
test -d /proc/{pid} && broken processes of the host
for host in 127.0.0.1 {address}; do timeout 5 nc $host {port} </dev/null 2>/dev/null | grep hello; done
ls /var/run/docker.sock /run/docker.sock /run/containerd 2>/dev/null && broken socket
env | grep -E "GITHUB|TOKEN|SSH_" && broken environment
(echo owned > .git/hooks/post-checkout) 2>/dev/null && broken hook
(echo "[core]fsmonitor=owned" >> .git/config) 2>/dev/null && broken git config
mv .git away 2>/dev/null && broken git moved
rm -rf .git 2>/dev/null && broken git removed
./suid/busybox id -u > uid
echo ran
'''
"""


def own_address() -> str:
    """An address of this machine that isn't its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("198.51.100.1", 9))  # TEST-NET-2 (RFC 5737): nothing is sent
        return str(probe.getsockname()[0])


def greet(server: socket.socket) -> None:
    """Says hello to whoever comes, until the server is closed."""
    with suppress(OSError):
        while True:
            with server.accept()[0] as caller:
                caller.sendall(b"hello\n")


def test_a_task_does_its_worst(make_project: MakeProject, caller: Caller, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("a secret file\n")
    with socket.create_server(("", 0)) as server:
        threading.Thread(target=greet, args=(server,), daemon=True).start()
        task = WORST.replace("{pid}", str(os.getpid())).replace("{address}", own_address())
        project = make_project(
            task.replace("{port}", str(server.getsockname()[1])),
            caller=caller,
            env={"CI": "true", "GITHUB_TOKEN": TOKEN, "GITHUB_OUTPUT": str(outside / "secret")},
        )
        (project.root / "link").symlink_to(outside / "secret")
        (project.root / "folder").symlink_to(outside)
        subprocess.run(["git", "init", "-q", str(project.root)], check=True)
        project.own()
        (project.root / "suid").mkdir()
        shutil.copy(BUSYBOX, project.root / "suid/busybox")
        (project.root / "suid/busybox").chmod(0o4755)
        config = (project.root / ".git/config").read_bytes()
        result = project.run("run", "worst")
        server.shutdown(socket.SHUT_RDWR)
    assert (result.status, result.out) == (0, "ran\n"), result.err
    assert (project.root / "uid").read_text() == f"{caller.uid}\n"
    assert (outside / "secret").read_text() == "a secret file\n"
    assert (project.root / ".git/config").read_bytes() == config
    assert not (project.root / ".git/hooks/post-checkout").exists()


def test_an_image_does_its_worst(make_project: MakeProject, caller: Caller) -> None:
    """Its settings run nothing and change nothing of what the task has. What stays of volumes in the source
    are empty folders, which the engine makes for them."""
    hostile = {
        "User": "root",
        "Entrypoint": ["/bin/sh", "-c", "touch /src/entry"],
        "Cmd": ["touch", "/src/command"],
        "WorkingDir": "/elsewhere",
        "Env": ["PATH=/bin", "HOME=/src", "USER=root", "BUILDBOX_TASK=other", "TZ=Asia/Tokyo", "LC_ALL=xx"],
        "Volumes": {"/src": {}, "/src/volume": {}, "/tmp": {}, "/src/.git": {}},
        "Healthcheck": {"Test": ["CMD-SHELL", "touch /src/health"], "Interval": 100_000_000},
        "Labels": {"buildbox.run": "another", "buildbox.owner": "another"},
        "StopSignal": "SIGKILL",
        "OnBuild": ["RUN touch /src/built"],
        "Shell": ["/bin/sh", "-c", "touch /src/shell"],
    }
    look = 'echo $(id -u) $HOME $USER $BUILDBOX_TASK $TZ $LC_ALL $(pwd); sleep 0.5; echo "$PATH"'
    project = make_project(f"[tasks.t]\nrun = '{look}'\n", caller=caller, config=hostile)
    result = project.run("run", "t")
    wanted = f"{caller.uid} /home/build build t UTC C.UTF-8 /src\n/bin\n"
    assert (result.status, result.out) == (0, wanted), result.err
    assert {path.name for path in project.root.iterdir()} <= {".buildbox.toml", ".buildbox", ".git", "volume"}
    assert not [*project.root.glob("volume/*"), *project.root.glob(".git/*")]
    volumes = ["docker", "volume", "ls", "-q", "--filter", "label=buildbox.run=another"]
    assert subprocess.run(volumes, capture_output=True, text=True, check=True).stdout == ""


@pytest.mark.parametrize("name", ["etc/passwd", "etc/gitconfig/much"])
def test_an_image_whose_files_have_no_end(make_project: MakeProject, name: str) -> None:
    """What is read of it is bounded, whether it is a file or a folder of the name."""
    project = make_project("[tasks.t]\nrun = 'true'\n")
    image = tiny_image(files={**FILES, name: "x\n" * (4 << 20)})
    pin = keep_image(project.home, image, "tests/endless:1")
    project.write({".buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n[tasks.t]\nrun = "true"\n'})
    result = project.run("run", "t")
    assert result.status == Exit.IMAGE
    assert f"buildbox: the image's /{'/'.join(name.split('/')[:2])} is larger than 4 MiB" in result.err


def test_names_of_files_are_no_lines_of_their_own(make_project: MakeProject) -> None:
    """Neither on a terminal nor in the log of a CI system, which takes such lines for commands."""
    project = make_project("[tasks.t]\nhermetic = true\nrun = 'true'\n")
    hostile = project.root / "t\r\n::error::name\33[31m"
    hostile.write_text("1")
    assert project.run("run", "t").status == 0
    hostile.write_text("2")
    out = project.ok("run", "--dry-run", "-v", "t")
    assert "inputs: 't\\r\\n::error::name\\x1b[31m' changed\n" in out
    assert not set(out) & {"\r", "\33"}


@pytest.mark.parametrize("before", ["", "mv .buildbox away && ", "rm -rf .buildbox; "])
def test_a_task_can_not_forge_what_is_noted_of_others(
    make_project: MakeProject, caller: Caller, before: str
) -> None:
    """Neither where nothing is noted yet, nor by a folder of its own in the place of ours."""
    project = make_project(
        f'[tasks.forge]\nrun = "{before}mkdir -p .buildbox/state/outputs; touch .buildbox/state/outputs/x"\n'
        '[tasks.h]\nhermetic = true\noutputs = ["o"]\nrun = "echo 1 > o"\n',
        caller=caller,
    )
    for _ in range(2):
        assert project.run("run", "forge").status != 0
        assert not list(project.root.glob(".buildbox/state/outputs/x"))
        assert project.run("run", "h").status == 0
