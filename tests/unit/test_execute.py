"""A container's life, with processes for containers; tests/integration has the same with real ones."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended, ImageMissing, Stream
from buildbox.errors import EngineError
from buildbox.execute import Streams
from buildbox.execute.life import execute
from tests.support.executing import IMAGE, Collected, execute_script, spec_of
from tests.support.fake_engine import FakeEngine

ROOT = Path(__file__).parents[2]


@pytest.fixture
def output() -> Collected:
    return Collected()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine({IMAGE: {}})


# streams and status


def test_output_and_status(output: Collected) -> None:
    outcome = execute_script("echo out; echo err >&2; exit 3", output)
    assert output.data == {1: b"out\n", 2: b"err\n"}
    assert (outcome.status, outcome.ended, outcome.timed_out) == (3, Ended(3), False)
    assert 0 < outcome.seconds < 30


@pytest.mark.parametrize(
    ("script", "status"), [("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
def test_statuses_pass_unchanged(output: Collected, script: str, status: int) -> None:
    assert execute_script(script, output).status == status


def test_input_reaches_the_task_whole(output: Collected, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    (tmp_path / "in").write_bytes(data)
    with (tmp_path / "in").open("rb") as file:
        assert execute_script("cat", output, stdin=file.fileno()).status == 0
    assert output.data[1] == data


def test_a_task_without_input_reads_the_end_of_file(output: Collected) -> None:
    assert execute_script("cat; echo over", output).status == 0
    assert output.data[1] == b"over\n"


def test_a_task_need_not_read_its_input(output: Collected) -> None:
    with Path("/dev/zero").open("rb") as endless:
        assert execute_script("head -c 3 | wc -c", output, stdin=endless.fileno()).status == 0
    assert output.data[1].strip() == b"3"


def test_input_that_nobody_ends_does_not_hold_up_the_end(output: Collected) -> None:
    read_end, write_end = os.pipe()
    assert execute_script("echo done", output, stdin=read_end).status == 0
    os.close(write_end)
    os.close(read_end)


def test_input_that_cannot_be_read_is_an_empty_one(output: Collected, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    assert execute_script("cat; echo over", output, stdin=folder, timeout=20).status == 0
    os.close(folder)
    assert output.data[1] == b"over\n"


# timeout


def test_a_task_that_ends_in_time(output: Collected) -> None:
    outcome = execute_script("exit 4", output, timeout=20)
    assert (outcome.status, outcome.timed_out) == (4, False)


def test_a_timeout_asks_first(output: Collected) -> None:
    script = "trap 'echo tidied; exit 0' TERM; while :; do sleep 0.02; done"
    outcome = execute_script(script, output, timeout=0.3, grace=20)
    assert (outcome.status, outcome.timed_out, outcome.ended) == (124, True, Ended(0))
    assert output.data[1] == b"tidied\n"


def test_then_a_timeout_kills(output: Collected) -> None:
    begun = time.monotonic()
    outcome = execute_script("trap '' TERM; while :; do sleep 0.02; done", output, timeout=0.2, grace=0.2)
    assert (outcome.status, outcome.timed_out, outcome.ended) == (124, True, Ended(137))
    assert 0.4 <= time.monotonic() - begun < 10


# output that nobody takes


class Refusing:
    """An Output that can't be written."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        raise self._error


def test_a_reader_that_went_away_ends_the_task_as_a_pipe_does() -> None:
    said: list[str] = []
    outcome = execute_script("yes", Refusing(BrokenPipeError(errno.EPIPE, "x")), say=said.append)
    assert (outcome.status, outcome.ended) == (141, Ended(137))
    assert said == []


def test_a_full_disk_behind_the_output_is_told() -> None:
    said: list[str] = []
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert execute_script("yes", Refusing(error), say=said.append).status == 141
    assert said == ["the task was killed, for its output can't be written: No space left on device"]


# faults


class FailsToStart(FakeEngine):
    def start(self, container: str) -> None:
        raise EngineError("no start")


class FailsAltogether(FailsToStart):
    def remove(self, container: str) -> None:
        raise EngineError("no removal")


class FailsToRemove(FakeEngine):
    def remove(self, container: str) -> None:
        super().remove(container)
        raise EngineError("no removal")


class FailsToAttach(FakeEngine):
    def attach(self, container: str, spec: ContainerSpec) -> Stream:  # type: ignore[override]
        raise EngineError("no attachment")


class ReadsRubbish(FakeEngine):
    def wait(self, container: str, *, after_output: bool = False) -> Ended:
        raise ValueError("a status of letters")


@pytest.mark.parametrize("kind", [FailsToStart, FailsToAttach])
def test_an_engines_fault_leaves_no_container(kind: type[FakeEngine], output: Collected) -> None:
    engine = kind({IMAGE: {}})
    with pytest.raises(EngineError, match=r"no start|no attachment"):
        execute_script("true", output, engine=engine)
    assert len(engine.made) == 1
    assert engine.left == []


def test_the_first_fault_is_told(output: Collected) -> None:
    with pytest.raises(EngineError, match="no start"):
        execute_script("true", output, engine=FailsAltogether({IMAGE: {}}))


def test_a_failed_removal_is_told(output: Collected) -> None:
    with pytest.raises(EngineError, match="no removal"):
        execute_script("true", output, engine=FailsToRemove({IMAGE: {}}))


def test_a_fault_in_the_background_is_raised_in_front(output: Collected) -> None:
    engine = ReadsRubbish({IMAGE: {}})
    with pytest.raises(ValueError, match="a status of letters"):
        execute_script("true", output, engine=engine)
    assert engine.left == []


def test_an_unknown_image_is_left_to_the_caller(engine: FakeEngine, output: Collected) -> None:
    engine.images.clear()
    with pytest.raises(ImageMissing):
        execute_script("true", output, engine=engine)


# signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_before_the_start_starts_nothing(number: signal.Signals, output: Collected) -> None:
    class Signalled(FakeEngine):
        def create(self, spec: ContainerSpec) -> str:
            os.kill(os.getpid(), number)
            return super().create(spec)

        def start(self, container: str) -> None:
            raise AssertionError("started")

    outcome = execute_script("true", output, engine=Signalled({IMAGE: {}}))
    assert (outcome.status, outcome.ended) == (128 + number, None)


def test_the_third_signal_gets_out_of_an_engine_that_hangs(output: Collected) -> None:
    class Hanging(FakeEngine):
        def start(self, container: str) -> None:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("waited on")

    engine = Hanging({IMAGE: {}})
    with pytest.raises(KeyboardInterrupt):
        execute_script("true", output, engine=engine)
    assert engine.left == []


def test_handlers_are_as_before_afterwards(engine: FakeEngine, output: Collected) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH)
    before = [signal.getsignal(number) for number in numbers]
    execute(engine, spec_of("true"), Streams(output, None, None), timeout=None, say=print)
    assert [signal.getsignal(number) for number in numbers] == before


@contextmanager
def running(script: str, *, ignoring: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Another process that executes `script`, which has said `ready`."""
    command = [sys.executable, "-m", "tests.support.executing", f"{script}"]
    shell = ["/bin/sh", "-c", f'trap "" {ignoring}; exec "$@"', "sh"] if ignoring else []
    with subprocess.Popen(
        [*shell, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout
        try:
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


LOOP = "echo ready; while :; do sleep 0.02; done"


@pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
def test_a_signal_reaches_the_task_whose_answer_counts(name: str) -> None:
    with running(f"trap 'echo got {name}; exit 9' {name}; {LOOP}") as process:
        process.send_signal(signal.Signals[f"SIG{name}"])
        out, err = process.communicate(timeout=20)
    assert (out.decode(), process.returncode) == (f"got {name}\n", 9)
    assert (b"Ctrl-C again kills it" in err) == (name == "INT")


@pytest.mark.parametrize(("name", "status"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_a_task_that_dies_of_the_signal(name: str, status: int) -> None:
    with running(LOOP) as process:
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.wait(timeout=20) == status


@pytest.mark.parametrize(("name", "status"), [("INT", 130), ("TERM", 143)])
def test_the_second_of_its_kind_kills(name: str, status: int) -> None:
    with running(f"trap 'echo again' INT TERM; {LOOP}") as process:
        assert process.stdout
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.stdout.readline() == b"again\n"
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.wait(timeout=20) == status


def test_a_second_one_of_another_kind_does_not_kill() -> None:
    with running(f"trap 'echo int' INT; trap 'exit 9' TERM; {LOOP}") as process:
        assert process.stdout
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"int\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 9


def test_signals_that_stop_nothing_are_passed_on_each_time() -> None:
    with running(f"trap 'echo usr' USR1; trap 'exit 9' TERM; {LOOP}") as process:
        assert process.stdout
        for _ in range(3):
            process.send_signal(signal.SIGUSR1)
            assert process.stdout.readline() == b"usr\n"
        process.terminate()
        assert process.wait(timeout=20) == 9


def test_what_the_caller_ignores_stays_ignored() -> None:
    """As under nohup(1)."""
    with running(f"trap 'exit 9' TERM; {LOOP}", ignoring="HUP") as process:
        process.send_signal(signal.SIGHUP)
        process.terminate()
        assert process.wait(timeout=20) == 9


@pytest.mark.parametrize("attempt", range(3))
def test_two_signals_at_once_both_count(attempt: int) -> None:
    """The kernel hands the second to another thread where it may, and that wakes nobody."""
    with running(f"trap 'exit 9' TERM; {LOOP}") as process:
        process.send_signal(signal.SIGWINCH)  # means nothing without a terminal
        process.terminate()
        assert process.wait(timeout=20) == 9
