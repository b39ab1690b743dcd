"""Caches, services and limits of tasks, as users call for them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.run.conftest import CALLERS, MakeProject, caller, make_project
from tests.support.project import ME, Caller, Project, keep_image
from tests.support.tiny_image import tiny_image

__all__ = ["caller", "make_project"]

CACHE = """
[tasks.count]
run = "id -u; echo x >> ~/.cache/own/count; wc -l < ~/.cache/own/count; touch ~/.cache/other ~/here"
caches = { own = "~/.cache/own" }
[tasks.both]
run = "echo y >> /var/cache/first/file; cat /var/cache/first/file /deep/place/*"
caches = { first = "/var/cache/first", own = "/deep/place" }
[tasks.slow]
run = "echo begun; sleep 60"
caches = { own = "~/.cache/own" }
"""


def docker(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture(autouse=True)
def caches_removed(make_project: MakeProject, tmp_path: Path) -> Iterator[None]:
    """No cache of a test's project is left in the engine."""
    yield
    label = f"label=buildbox.cache={tmp_path}/project"
    for name in docker("volume", "ls", "-q", "--filter", label).split():
        docker("volume", "rm", name)


def test_a_cache_lasts_and_is_the_users(make_project: MakeProject, caller: Caller) -> None:
    """Also where tasks run as another user: in a cache of that one's own."""
    project = make_project(CACHE, caller=caller)
    assert project.ok("run", "count").split() == [str(caller.uid), "1"]
    assert project.ok("run", "count").split() == [str(caller.uid), "2"]
    other = '[defaults]\nuser = "4242:4343"\n'
    text = (project.root / ".buildbox.toml").read_text()
    project.write({".buildbox.toml": text + other})
    assert project.ok("run", "count").split() == ["4242", "1"]
    assert project.ok("run", "count").split() == ["4242", "2"]


def test_two_caches_in_places_that_the_image_lacks(make_project: MakeProject) -> None:
    project = make_project(CACHE, caller=CALLERS[-1])
    project.ok("run", "count")
    assert project.ok("run", "both") == "y\nx\n"


def test_caches_go_when_that_is_asked_for(make_project: MakeProject) -> None:
    """Those of other projects only when it is asked for, too; and none that is in use."""
    alone = Caller(34567, 34567) if ME.uid == 0 else ME  # nobody else's caches may go
    project = make_project(CACHE, caller=alone)
    other = make_project(CACHE, caller=alone, root="other")
    for each in (project, other):
        each.ok("run", "count")
    assert "caches" not in project.run("clean").err
    assert project.ok("run", "count").split()[1] == "2"
    assert json.loads(project.ok("--json", "clean", "--caches")) == {"containers": 0, "caches": 1}
    assert project.ok("run", "count").split()[1] == "1"
    assert other.ok("run", "count").split()[1] == "2"
    slow = project.start("run", "slow")
    assert slow.stdout and slow.stdout.readline() == b"begun\n"
    busy = project.run("clean", "--caches")
    assert busy.status == 120
    assert "1 cache couldn't be removed (0 could)" in busy.err and str(project.root) in busy.err
    slow.terminate()
    slow.communicate(timeout=30)
    assert json.loads(project.ok("--json", "clean", "--all-caches"))["caches"] >= 2
    assert other.ok("run", "count").split()[1] == "1"
    other.ok("clean", "--caches")


def test_two_runs_make_a_cache_at_once(make_project: MakeProject) -> None:
    project = make_project(CACHE, caller=CALLERS[-1])
    runs = [project.start("run", "count") for _ in range(3)]
    for run in runs:
        _, err = run.communicate(timeout=60)
        assert run.returncode == 0, err


WEB = """
[services.web]
image = "{pin}"
run = "mkdir /tmp/w; echo page > /tmp/w/page; echo $GREETING; exec httpd -f -p 8080 -h /tmp/w"
env = {{ GREETING = "web's own words" }}
ready-port = 8080
[services.broken]
image = "{pin}"
argv = ["sh", "-c", "echo no disk; exit 9"]
ready = "false"
"""


def with_services(make_project: MakeProject, tasks: str) -> Project:
    """A project with tasks, and services in an image that is in its archive."""
    project = make_project(tasks, caller=CALLERS[-1])
    pin = keep_image(project.home, tiny_image(), "tests/busybox:1")
    text = (project.root / ".buildbox.toml").read_text()
    project.write({".buildbox.toml": text + WEB.format(pin=pin)})
    return project


def test_a_task_finds_its_service(make_project: MakeProject) -> None:
    """In a network of their own; and a second run at the same time has another."""
    tasks = """
[tasks.get]
services = ["web"]
run = "sleep 0.5; wget -q -O- http://web:8080/page; ls /sys/class/net | sort | tr '\\\\n' ' '"
"""
    project = with_services(make_project, tasks)
    runs = [project.start("run", "get") for _ in range(2)]
    for run in runs:
        out, err = run.communicate(timeout=60)
        assert (run.returncode, out) == (0, b"page\neth0 lo "), err


def test_a_service_that_fails_is_told(make_project: MakeProject) -> None:
    project = with_services(make_project, '[tasks.get]\nservices = ["web", "broken"]\nrun = "echo ran"\n')
    result = project.run("run", "get")
    assert (result.status, result.out) == (120, "")
    assert "service 'broken' ended with status 9 before it was ready" in result.err
    assert "no disk" in result.err


LIMITS = """
[tasks.memory]
run = "head -c 200m /dev/zero | tail -c 150m > /dev/null"
memory = "32m"
[tasks.child]
run = "sh -c 'head -c 200m /dev/zero | tail -c 150m' > /dev/null || exit 3"
memory = "32m"
[tasks.bomb]
run = "bomb() { bomb | bomb & }; bomb; while :; do :; done"
pids = 40
cpus = 0.5
timeout = "2s"
"""


@pytest.mark.parametrize(("task", "status"), [("memory", 137), ("child", 3)])
def test_a_task_that_the_kernel_killed_for_memory(make_project: MakeProject, task: str, status: int) -> None:
    """Or a child of it, after which it ends as it likes."""
    result = make_project(LIMITS).run("run", task)
    assert result.status == status
    assert "needed more than its memory limit (32 MiB)" in result.err


def test_a_fork_bomb_harms_nobody(make_project: MakeProject) -> None:
    begun = time.monotonic()
    result = make_project(LIMITS).run("run", "bomb")
    assert result.status in (124, 2)  # 2: the first shell was itself refused a process
    assert time.monotonic() - begun < 30


def test_a_secret_is_in_nothing_that_the_engine_tells(make_project: MakeProject) -> None:
    """Of containers, networks and volumes, while its task runs."""
    value = "correct-horse-battery"
    tasks = """
[tasks.tell]
secrets = ["TOKEN"]
services = ["web"]
caches = { own = "~/.cache/own" }
run = "test $(wc -c < /run/secrets/TOKEN) = 21; echo begun; sleep 60"
"""
    project = with_services(make_project, tasks)
    project = Project(project.root, project.home, project.caller, {"TOKEN": value})
    run = project.start("run", "tell")
    assert run.stdout and run.stdout.readline() == b"begun\n"
    (name,) = [path.name for path in (project.home / "runs").iterdir()]
    label = ("--filter", f"label=buildbox.run={name}")
    containers = docker("ps", "-q", "--no-trunc", *label).split()
    networks = docker("network", "ls", "-q", *label).split()
    assert (len(containers), len(networks)) == (2, 1)
    told = docker("inspect", *containers) + docker("network", "inspect", *networks)
    assert "/run/secrets/TOKEN" in told
    assert value not in told
    run.terminate()
    run.communicate(timeout=30)
    assert docker("ps", "-aq", *label) + docker("network", "ls", "-q", *label) == ""


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("task", ["waits", "after"])
def test_whoever_stops_while_services_start_leaves_nothing(
    make_project: MakeProject, number: int, status: int, task: str
) -> None:
    """Of a task with the caller's streams, and of one that another needs."""
    tasks = """
[tasks.waits]
services = ["web", "never"]
run = "echo ran"
[tasks.after]
needs = ["waits"]
run = "echo ran"
[services.never]
image = "{pin}"
argv = ["sleep", "1000"]
ready = "touch /tmp/asked; false"
"""
    project = with_services(make_project, "")
    text = (project.root / ".buildbox.toml").read_text()
    pin = next(line for line in text.splitlines() if line.startswith("image")).split('"')[1]
    project.write({".buildbox.toml": text + tasks.replace("{pin}", pin)})
    run = project.start("run", task)

    def mine() -> list[str]:
        names = [path.name for path in (project.home / "runs").glob("*")]
        found = [docker("ps", "-q", "--filter", f"label=buildbox.run={name}").split() for name in names]
        return [container for each in found for container in each]

    begun = time.monotonic()
    while len(mine()) < 2:
        assert run.poll() is None and time.monotonic() - begun < 30
        time.sleep(0.1)
    names = [path.name for path in (project.home / "runs").iterdir()]
    run.send_signal(number)
    out, err = run.communicate(timeout=30)
    assert (run.returncode, out) == (status, b""), err
    for name in names:
        label = ("--filter", f"label=buildbox.run={name}")
        assert docker("ps", "-aq", *label) + docker("network", "ls", "-q", *label) == ""


def test_what_a_killed_run_left_goes_with_the_next(make_project: MakeProject) -> None:
    """Containers of task and service, their network, the secret in memory; the cache stays."""
    tasks = """
[tasks.hangs]
secrets = ["TOKEN"]
services = ["web"]
caches = { own = "~/.cache/own" }
run = "echo begun; sleep 60"
[tasks.quick]
run = "true"
"""
    project = with_services(make_project, tasks)
    project = Project(project.root, project.home, project.caller, {"TOKEN": "a-secret-value"})
    run = project.start("run", "hangs")
    assert run.stdout and run.stdout.readline() == b"begun\n"
    (name,) = [path.name for path in (project.home / "runs").iterdir()]
    run.kill()
    run.communicate()

    def left() -> tuple[int, ...]:
        label = ("--filter", f"label=buildbox.run={name}")
        return (
            len(docker("ps", "-aq", *label).split()),
            len(docker("network", "ls", "-q", *label).split()),
            len(list(Path("/dev/shm").glob(f"buildbox-*{name}*"))),
        )

    assert left() == (2, 1, 1)
    project.ok("run", "quick")
    assert left() == (0, 0, 0)
    assert json.loads(project.ok("--json", "clean", "--caches"))["caches"] == 1
