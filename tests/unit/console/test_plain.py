from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from buildbox.console.displays import Kept
from buildbox.console.plain import PlainDisplay
from buildbox.errors import UsageError
from buildbox.schedule.report import Report, State
from tests.support.told import CONSOLE, QUIET, failed, logs, not_run, passed, plan, step, summary, write


def test_a_run_in_plain_lines(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    build, test, wait = step("build"), step("test"), step("wait", needs=("test",))
    kept = logs(tmp_path)
    display = Kept(PlainDisplay(CONSOLE, kept), kept)
    display.plan(plan(build, test, wait))
    display.started(build, 1)
    display.started(test, 1)
    write(display.output(build), (1, b"one\ntw"), (2, b"warning\n"))
    write(display.output(test), (1, b"three\n"))
    write(display.output(build), (1, b"o"))
    display.ended(build, passed("build"))
    display.note(test, "its image is fetched")
    display.ended(test, failed("test", 127))
    display.ended(wait, not_run("wait", "needs test, which failed"))
    display.finished(
        summary(passed("build"), failed("test", 127), not_run("wait", "needs test, which failed"))
    )
    display.close()
    out, err = capfd.readouterr()
    assert out == "build | one\ntest | three\nbuild | two\n"
    assert err.splitlines() == [
        "buildbox: build …",
        "buildbox: test …",
        "build | warning",
        "buildbox: build passed (1.2s)",
        "buildbox: test: its image is fetched",
        "buildbox: test failed: exit status 127, a program that the toolchain doesn't have (3.4s)",
        "buildbox: 1 passed, 1 failed, 1 not run (12s)",
        "buildbox: not run (needs test, which failed): wait",
        f"buildbox: the log of test: {tmp_path}/project/.buildbox/logs/20231114T221320-abc/test.log",
    ]
    assert b"".join(kept.read("build")) == b"one\ntwwarning\no"


def test_what_one_target_needs_is_told_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(QUIET, logs(tmp_path), out=2)
    write(display.output(step()), (1, b"x\n"), (2, b"y\n"))
    assert capfd.readouterr() == ("", "test | x\ntest | y\n")


def test_the_quiet_are_told_of_failures_only(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(QUIET, logs(tmp_path))
    display.started(step(), 1)
    display.ended(step(), passed())
    refused = Report("build", State.FAILED, 1.0, 1, error=UsageError("outputs are missing: a", "Make them."))
    display.ended(step("build"), refused)
    display.finished(summary(passed(), refused))
    assert capfd.readouterr() == ("", "buildbox: build failed: outputs are missing: a\n  Make them.\n")


def test_a_retry_ends_the_line_that_was_begun(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(CONSOLE, logs(tmp_path))
    write(display.output(step()), (2, b"half"))
    outcome = failed().outcome
    assert outcome
    display.retrying(step(), outcome, 2)
    display.started(step(), 2)
    write(display.output(step()), (2, b"again"))
    display.close()
    assert capfd.readouterr().err.splitlines() == [
        "test | half",
        "buildbox: test failed: exit status 2; it is tried again in 2.0s",
        "buildbox: test …, attempt 2",
        "test | again",
    ]


def test_lines_of_many_steps_are_not_mixed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    display = PlainDisplay(QUIET, logs(tmp_path))

    def run(name: str) -> None:
        output = display.output(step(name))
        for number in range(2000):
            write(output, (1, f"{number} of ".encode()), (1, f"{name}\n".encode()))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = capfd.readouterr().out.splitlines()
    for name in ("a", "b", "c"):
        mine = [line for line in lines if line.startswith(f"{name} | ")]
        assert mine == [f"{name} | {number} of {name}" for number in range(2000)]
    assert len(lines) == 6000


def test_output_that_nobody_reads_is_told_to_who_writes_it(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    display = PlainDisplay(QUIET, logs(tmp_path), out=write_end)
    with pytest.raises(BrokenPipeError):
        write(display.output(step()), (1, b"x\n"))
    write(display.output(step()), (1, b"half"))
    display.ended(step(), passed())
    display.close()
    os.close(write_end)
