"""Commands at a gate, with processes for containers; tests/contract and integration have real ones."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, ImageMissing
from buildbox.errors import EngineError
from buildbox.execute import Streams
from buildbox.execute.gate import gated
from buildbox.execute.life import Execution
from tests.support.executing import IMAGE, Collected, spec_of
from tests.support.fake_engine import FakeEngine

SHELL = ("/bin/sh", "-e", "-c")
PATH = (("HOME", "/"), ("PATH", "/usr/local/bin:/usr/bin:/bin"))


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine({IMAGE: {}})


@pytest.fixture
def output() -> Collected:
    return Collected()


def parked_spec(script: str) -> ContainerSpec:
    return replace(spec_of(script), env=PATH)


def execution(engine: FakeEngine, output: Collected, script: str, **changes: object) -> Execution:
    spec = replace(parked_spec(script), **changes)  # type: ignore[arg-type]
    return Execution(engine, spec, Streams(output, None, None), say=lambda text: None, grace=0.3)


# what may be parked


@pytest.mark.parametrize("shell", [("/bin/sh", "-c"), ("bash", "-eu", "-c"), ("/bin/busybox", "sh", "-c")])
def test_a_posix_shell_can_be_a_gate(shell: tuple[str, ...]) -> None:
    spec = gated(parked_spec("true"), shell)
    assert spec is not None
    assert spec.argv[0] == shell[0]
    assert (spec.argv[1] == "sh") == ("busybox" in shell[0])
    assert spec.argv[-3:] == ("/bin/sh", "-c", "true")
    assert spec.stdin


@pytest.mark.parametrize(
    ("changes", "shell"),
    [
        ({}, ("python3", "-c")),
        ({}, ("/bin/zsh", "-c")),
        ({}, ("/usr/bin/env", "bash", "-c")),
        ({"stdin": True}, SHELL),
        ({"tty": True}, SHELL),
        ({"env": ()}, SHELL),
        ({"env": (*PATH, ("BASH_ENV", "/src/rc"))}, SHELL),
        ({"env": (*PATH, ("BASH_FUNC_exec%%", "() { rm x; }"))}, SHELL),
        ({"env": (*PATH, ("-u", "1"))}, SHELL),
        ({"env": (*PATH, ("LONG", "x" * 200_000))}, SHELL),
        ({"argv": ("A=1", "true")}, SHELL),
    ],
)
def test_what_could_be_told_is_not_parked(changes: dict[str, object], shell: Sequence[str]) -> None:
    assert gated(replace(parked_spec("true"), **changes), shell) is None  # type: ignore[arg-type]


def test_the_environment_is_in_the_engines_order() -> None:
    spec = replace(parked_spec("true"), env=(("ALPHA", "1"), ("HOME", "/"), ("PATH", "/bin"), ("Z.z", "a b")))
    found = gated(spec, SHELL)
    assert found is not None
    assert found.argv[-9:] == (
        *("5", "PATH=/bin", "HOSTNAME=buildbox", "ALPHA=1", "HOME=/", "Z.z=a b"),
        *("/bin/sh", "-c", "true"),
    )


# a parked command


def test_a_parked_command_runs_when_it_is_told(engine: FakeEngine, output: Collected, tmp_path: Path) -> None:
    done = execution(engine, output, f"echo out; echo err >&2; touch {tmp_path}/ran; exit 3")
    done.park(SHELL)
    assert len(engine.left) == 1
    assert not (tmp_path / "ran").exists()
    outcome = done.run(None)
    assert (outcome.status, outcome.ended) == (3, Ended(3))
    assert output.data == {1: b"out\n", 2: b"err\n"}
    done.remove()
    assert engine.left == []


def test_it_sees_what_it_would_have_seen(engine: FakeEngine) -> None:
    script = "cat /proc/self/environ; ls -l /proc/self/fd/0 | sed 's/.* //'; pwd; umask; cat; echo over"
    seen = []
    for park in (False, True):
        output = Collected()
        done = execution(engine, output, script, argv=("/bin/sh", "-c", script))
        if park:
            done.park(SHELL)
        assert done.run(None).status == 0
        done.remove()
        seen.append(output.data)
    plain, parked = seen
    assert parked[2] == plain[2]
    environment = b"HOSTNAME=buildbox\0"  # an engine's; processes have no host name of their own
    assert parked[1].replace(environment, b"") == plain[1].replace(environment, b"")


@pytest.mark.parametrize(("program", "status"), [("no-such-program", 127), ("/etc/passwd", 126)])
def test_a_program_that_cannot_run(program: str, status: int, engine: FakeEngine, output: Collected) -> None:
    done = execution(engine, output, "", argv=(program,))
    done.park(SHELL)
    assert done.run(None).status == status
    assert program.encode() in output.data[2]
    done.remove()


def test_without_the_shell_it_starts_in_its_slot(engine: FakeEngine, output: Collected) -> None:
    done = execution(engine, output, "echo out; exit 4")
    done.park(("/no/such/sh", "-c"))
    assert len(engine.left) == 1
    assert done.run(None).status == 4
    assert output.data == {1: b"out\n", 2: b""}
    done.remove()
    assert engine.left == []


def test_a_gate_whose_stdin_ends_runs_nothing(engine: FakeEngine, tmp_path: Path) -> None:
    gate = gated(parked_spec(f"touch {tmp_path}/ran"), SHELL)
    assert gate is not None
    container = engine.create(gate)
    stream = engine.attach(container, gate)
    engine.start(container)
    stream.close_stdin()
    assert engine.wait(container) == Ended(120)
    stream.close()
    engine.remove(container)
    assert not (tmp_path / "ran").exists()


def test_one_that_is_not_wanted_runs_nothing(engine: FakeEngine, output: Collected, tmp_path: Path) -> None:
    done = execution(engine, output, f"touch {tmp_path}/ran")
    done.park(SHELL)
    done.remove()
    done.remove()  # again does nothing
    assert engine.left == []
    assert not (tmp_path / "ran").exists()


def test_time_counts_from_the_start_of_the_command(engine: FakeEngine, output: Collected) -> None:
    done = execution(engine, output, "exit 0")
    done.park(SHELL)
    time.sleep(0.3)
    outcome = done.run(timeout=0.25)
    assert (outcome.status, outcome.timed_out) == (0, False)
    assert outcome.seconds < 0.25
    done.remove()


def test_a_timeout_of_a_parked_command(engine: FakeEngine, output: Collected) -> None:
    done = execution(engine, output, "sleep 20")
    done.park(SHELL)
    outcome = done.run(timeout=0.1)
    assert (outcome.status, outcome.timed_out) == (124, True)
    done.remove()


class GoesAway(FakeEngine):
    """Lets go of what is at the gate."""

    def start(self, container: str) -> None:
        super().start(container)
        pipes = self._containers[container].pipes
        assert pipes
        pipes.write = self._refuse  # type: ignore[method-assign]

    def _refuse(self, data: bytes) -> None:
        raise BrokenPipeError


def test_an_engine_that_let_go_of_it(output: Collected) -> None:
    engine = GoesAway({IMAGE: {}})
    done = execution(engine, output, "exit 0")
    done.park(SHELL)
    with pytest.raises(EngineError, match="let go"):
        done.run(None)
    done.remove()
    assert engine.left == []


def test_an_unknown_image_is_left_to_the_caller(engine: FakeEngine, output: Collected) -> None:
    engine.images.clear()
    done = execution(engine, output, "true")
    with pytest.raises(ImageMissing):
        done.park(SHELL)
    done.remove()


# signals from other threads


def in_thread(done: Execution) -> tuple[threading.Thread, list[tuple[int, int]]]:
    """Runs it in a thread; its status and signal are in the list afterwards."""
    outcomes: list[tuple[int, int]] = []

    def run() -> None:
        outcome = done.run(None)
        outcomes.append((outcome.status, outcome.signal))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcomes


class Awaited(Collected):
    """An Output that says when the first line is there."""

    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        super().write(stream, views)
        self.came.set()


@pytest.mark.parametrize("park", [True, False])
def test_a_signal_goes_to_the_command(engine: FakeEngine, park: bool) -> None:
    output = Awaited()
    done = execution(engine, output, "trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done")
    if park:
        done.park(SHELL)
    thread, outcomes = in_thread(done)
    assert output.came.wait(20)
    done.signal(signal.SIGTERM)
    thread.join(20)
    assert outcomes == [(9, signal.SIGTERM)]
    done.remove()


@pytest.mark.parametrize(
    ("numbers", "status"), [((signal.SIGTERM, signal.SIGTERM), 143), ((signal.SIGKILL,), 137)]
)
def test_what_kills_it(engine: FakeEngine, numbers: tuple[int, ...], status: int) -> None:
    output = Awaited()
    done = execution(engine, output, "trap '' TERM; echo ready; while :; do sleep 0.02; done")
    thread, outcomes = in_thread(done)
    assert output.came.wait(20)
    for number in numbers:
        done.signal(number)
    thread.join(20)
    assert outcomes == [(status, numbers[0])]
    done.remove()


def test_a_signal_while_it_was_parked_starts_nothing(
    engine: FakeEngine, output: Collected, tmp_path: Path
) -> None:
    done = execution(engine, output, f"touch {tmp_path}/ran")
    done.park(SHELL)
    done.signal(signal.SIGINT)
    outcome = done.run(None)
    assert (outcome.status, outcome.signal, outcome.ended) == (130, signal.SIGINT, None)
    done.remove()
    assert not (tmp_path / "ran").exists()
