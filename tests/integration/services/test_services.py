"""Services of a task on a real engine: ready before it starts, reached by name, gone after it."""

from __future__ import annotations

import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import pytest

from buildbox.config.model import Service
from buildbox.container import RUN_LABEL
from buildbox.errors import Exit
from buildbox.services import ServiceFailed, ServiceLate, ServiceStopped, serve
from tests.contract.running import run, sh
from tests.support.engines import Subject
from tests.support.served import Heard, loaded, service

WEB = "mkdir -p /tmp/w; echo page > /tmp/w/index.html; echo up; exec httpd -f -p 8080 -h /tmp/w"
GET = "wget -q -O- http://{}:8080/index.html"
HERE = GET.format("localhost")


@dataclass
class Trial:
    """Services for a run of their own."""

    subject: Subject
    run: str = field(default_factory=lambda: secrets.token_hex(6))
    said: list[str] = field(default_factory=list)
    heard: dict[str, Heard] = field(default_factory=dict)

    def serve(
        self,
        *services: Service,
        config: dict[str, Any] | None = None,
        internal: bool = True,
        stopped: Callable[[], bool] = lambda: False,
    ) -> AbstractContextManager[str]:
        """The services, in an image with this `config`."""
        image = loaded(self.subject, config or {})
        return serve(
            self.subject.engine,
            services,
            run=self.run,
            step="test",
            internal=internal,
            image_for=lambda _: image,
            say=self.said.append,
            stopped=stopped,
            log=lambda service: self.heard.setdefault(service.name, Heard()),
        )

    def task(self, network: str, script: str) -> str:
        """What a task in the network prints."""
        ended, output = run(self.subject.engine, sh(self.subject, script, network=network))
        assert (ended.status, output[2]) == (0, b"")
        return output[1].decode()

    @property
    def left(self) -> int:
        """What the engine still has of the run."""
        engine = self.subject.engine
        return len(engine.containers(RUN_LABEL, self.run)) + len(engine.networks(RUN_LABEL, self.run))


@pytest.fixture
def trial(subject: Subject) -> Iterator[Trial]:
    """Services that leave nothing."""
    found = Trial(subject)
    yield found
    assert found.left == 0


READY: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "command": ({"ready": HERE}, {}),
    "port": ({"ready_port": 8080}, {}),
    "health check": (
        {},
        {"Healthcheck": {"Test": ["CMD-SHELL", GET.format("localhost")], "Interval": 10**12}},
    ),
    "health check without shell": ({}, {"Healthcheck": {"Test": ["CMD", *GET.format("localhost").split()]}}),
}


@pytest.mark.parametrize("way", READY)
def test_a_service_is_ready_before_its_task(trial: Trial, way: str) -> None:
    """Which finds it by its name at the first try, whatever time it takes to start."""
    keys, config = READY[way]
    slow = {"Cmd": ["sh", "-c", f"sleep 0.7; {WEB}"], **config}
    with trial.serve(service("web", **keys), config=slow) as network:
        assert trial.task(network, GET.format("web")) == "page\n"
    assert trial.heard["web"].streams == {1: b"up\n", 2: b""}
    assert trial.said == []


def test_all_start_at_once_and_find_each_other(trial: Trial) -> None:
    """Two that take a second each, and a third that needs both."""
    slow = f"sleep 1; {WEB}"
    services = [
        service("one", run=slow, ready_port=8080),
        service("two", run=slow, ready_port=8080),
        service("both", run=f"until {GET.format('one')} && {GET.format('two')}; do sleep 0.1; done; {WEB}"),
    ]
    begun = time.monotonic()
    with trial.serve(*services) as network:
        assert time.monotonic() - begun < 2 * 1.0 + 2
        assert trial.task(network, f"{GET.format('one')}; {GET.format('two')}") == "page\npage\n"


def test_a_port_on_the_loopback_alone_is_not_ready(trial: Trial) -> None:
    slow = "httpd -p 127.0.0.1:8080 -h /tmp; sleep 1; killall httpd; echo again;"
    slow += "until httpd -f -p 8080 -h /tmp; do sleep 0.1; done"  # the first one may not have gone yet
    with trial.serve(service("web", run=slow, ready_port=8080)):
        assert trial.heard["web"].streams[1] == b"again\n"


def test_the_image_says_what_runs_and_as_whom(trial: Trial) -> None:
    config = {
        "Entrypoint": ["/bin/sh", "-c", 'id -u; pwd; echo "$FROM_IMAGE $OWN $0 $1"; sleep 60', "zero"],
        "Cmd": ["one"],
        "User": "nobody",
        "WorkingDir": "/usr",
    }
    ready = "test -d /proc"
    with trial.serve(service(env={"OWN": "own"}, ready=ready), config=config):
        pass
    assert trial.heard["db"].streams[1] == b"65534\n/usr\nyes own zero one\n"


def test_the_service_says_otherwise(trial: Trial) -> None:
    config = {"Entrypoint": ["/no/such/program"], "User": "nobody"}
    argv = ("/bin/sh", "-c", "id -u; id -g; sleep 60")
    with trial.serve(service(argv=argv, user="4242:4343", ready="true"), config=config):
        pass
    assert trial.heard["db"].streams[1] == b"4242\n4343\n"


def test_what_a_service_may_do(trial: Trial) -> None:
    """As little as a task: nothing of the image can be written but what it says, and what servers need."""
    script = """
        for place in /etc /tmp /var/tmp /run /data; do touch $place/x 2>/dev/null && echo $place; done
        grep NoNewPrivs /proc/self/status
        cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null
        hostname; sleep 60
    """
    config: dict[str, Any] = {"Volumes": {"/data": {}}}
    with trial.serve(service(run=f"set +e; {script}", pids=77, ready="true"), config=config):
        time.sleep(0.5)
    said = trial.heard["db"].streams[1].decode().split()
    assert said == ["/tmp", "/var/tmp", "/run", "/data", "NoNewPrivs:", "1", "77", "db"]


@pytest.mark.parametrize(("internal", "answer"), [(True, "nothing"), (False, "refused")])
def test_nothing_outside_is_reached_unless_the_task_may(trial: Trial, internal: bool, answer: str) -> None:
    """The engine's machine would refuse a connection to a port that nothing listens on."""
    script = """
        gateway=$(ip route | sed -n 's/default via \\([^ ]*\\).*/\\1/p')
        nc -w 1 ${gateway:-192.0.2.1} 1 2>&1 | grep -q refused && echo refused || echo nothing
    """
    with trial.serve(service(run="sleep 60"), internal=internal) as network:
        assert trial.task(network, script) == f"{answer}\n"


def test_a_service_that_ends_is_told_with_its_last_words(trial: Trial) -> None:
    script = "seq 100; sleep 0.3; echo no such database >&2; exit 3"
    with (
        pytest.raises(ServiceFailed, match="service 'db' ended with status 3 before it was ready") as caught,
        trial.serve(service(run=script, ready="false")),
    ):
        pass
    assert caught.value.exit == Exit.ENGINE
    lines = caught.value.hint.splitlines()
    assert (len(lines), lines[1], lines[-1]) == (21, "  82", "  no such database")


def test_a_program_that_is_not_there(trial: Trial) -> None:
    with (
        pytest.raises(ServiceFailed, match="service 'db'") as caught,
        trial.serve(service(argv=("/no/such",))),
    ):
        pass
    assert "/no/such" in caught.value.reason + caught.value.hint


@pytest.mark.parametrize("ready", ["echo not yet; exit 4", "sleep 60"])
def test_a_service_that_is_not_ready_in_time(trial: Trial, ready: str) -> None:
    """Also where the question itself doesn't end."""
    begun = time.monotonic()
    with (
        pytest.raises(ServiceLate, match=r"service 'db' wasn't ready within 0.5 s") as caught,
        trial.serve(service(run="echo begun; sleep 60", ready=ready, ready_timeout=0.5)),
    ):
        pass
    assert caught.value.exit == Exit.TIMEOUT
    assert ("`ready` ended with status 4: not yet" in caught.value.reason) == ("not yet" in ready)
    assert "  begun" in caught.value.hint
    assert time.monotonic() - begun < 10


def test_a_service_that_ends_while_the_task_runs_is_told(trial: Trial) -> None:
    script = "echo begun; nc -l -p 7777 > /dev/null; echo done; exit 5"
    with trial.serve(service(run=script, ready_port=7777)) as network:
        trial.task(network, "echo x | nc db 7777")
    assert trial.said == [
        "service 'db' ended with status 5 while test ran; the last that it printed:\n  begun\n  done"
    ]


def test_a_service_that_takes_too_much_memory(trial: Trial) -> None:
    script = "head -c 200m /dev/zero | tail -c 150m > /dev/null; exit 1"
    with (
        pytest.raises(ServiceFailed, match="was killed by the kernel at its memory limit"),
        trial.serve(service(run=script, memory=32 << 20, ready="false")),
    ):
        pass


def test_an_image_that_says_nothing(trial: Trial) -> None:
    with pytest.raises(ServiceFailed, match="has no command of its own"), trial.serve(service()):
        pass


def test_whoever_waits_can_give_up(trial: Trial) -> None:
    begun = time.monotonic()
    with (
        pytest.raises(ServiceStopped),
        trial.serve(service(run="sleep 60", ready="false"), stopped=lambda: time.monotonic() > begun + 0.5),
    ):
        pass
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_after_any_end(trial: Trial, error: type[BaseException]) -> None:
    with pytest.raises(error), trial.serve(service("one", run="sleep 60"), service("two", run=WEB)):
        assert trial.left == 3
        raise error


def test_volumes_of_the_image_go_too(trial: Trial) -> None:
    def anonymous() -> list[str]:
        listed = subprocess.run(
            ["docker", "volume", "ls", "-q", "--filter", "label=com.docker.volume.anonymous"],
            capture_output=True,
            text=True,
            check=True,
        )
        return listed.stdout.split()

    before = anonymous()
    with trial.serve(service(run="sleep 60"), config={"Volumes": {"/data": {}}}):
        pass
    assert set(anonymous()) <= set(before)
