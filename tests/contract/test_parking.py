"""A parked command sees what it sees without: on every real engine."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended
from buildbox.execute import Execution, Streams
from buildbox.execute.gate import gated
from tests.contract.running import sh
from tests.support.engines import Subject
from tests.support.executing import Collected

LABEL = "buildbox.tests.parking"
SHELL = ("/bin/sh", "-e", "-c")
SURROUNDINGS = """
cat /proc/self/environ | tr '\\0' '\\n'
ls -l /proc/self/fd/0 | sed 's/.*0 -> //'; ls /proc/self/fd | wc -l
grep -E '^(Sig|Umask|NoNewPrivs|Cap|Groups|Uid)' /proc/self/status | grep -v SigQ
pwd; echo $PPID; ulimit -n; cat; echo over
"""


def task(subject: Subject, script: str) -> ContainerSpec:
    """With all variables there are, as a task's has them."""
    spec = sh(subject, script)
    return replace(
        spec, env=(("FROM_IMAGE", "yes"), ("HOME", "/home/build"), *spec.env), labels=((LABEL, ""),)
    )


def execution(subject: Subject, spec: ContainerSpec, output: Collected) -> Execution:
    return Execution(subject.engine, spec, Streams(output, None, None), say=lambda text: None)


@pytest.mark.parametrize("env", [(), (("SHLVL", "7"), ("PWD", "/x"), ("a.b", "c d")), (("HOSTNAME", "h"),)])
def test_its_surroundings_are_the_same(real_subject: Subject, env: tuple[tuple[str, str], ...]) -> None:
    spec = task(real_subject, SURROUNDINGS)
    spec = replace(spec, env=tuple(sorted({*spec.env, *env})), user="1234:2345")
    seen = []
    for park in (False, True):
        output = Collected()
        done = execution(real_subject, spec, output)
        if park:
            done.park(SHELL)
        assert done.run(None).status == 0
        done.remove()
        seen.append(output.data)
    assert seen[0][1].decode() == seen[1][1].decode()
    assert seen[0][2] == seen[1][2] == b""


def test_one_that_is_removed_runs_nothing(real_subject: Subject) -> None:
    done = execution(real_subject, task(real_subject, "true"), Collected())
    done.park(SHELL)
    done.remove()
    assert real_subject.engine.containers(LABEL) == []


def test_a_gate_that_nobody_opens_any_more_ends(real_subject: Subject) -> None:
    """As when buildbox is killed: the connection's end is the end of the gate's stdin."""
    engine = real_subject.engine
    spec = gated(task(real_subject, "echo ran"), SHELL)
    assert spec is not None
    container = engine.create(spec)
    stream = engine.attach(container, spec)
    engine.start(container)
    said = stream.read()
    assert said and (said[0], b"".join(said[1])) == (1, b"\n")
    stream.close_stdin()
    assert engine.wait(container) == Ended(120)
    stream.close()
    engine.remove(container)


def test_an_image_without_the_shell(real_subject: Subject) -> None:
    output = Collected()
    done = execution(real_subject, task(real_subject, "echo ran; exit 5"), output)
    done.park(("/no/such/bash", "-c"))
    assert done.run(None).status == 5
    assert output.data[1] == b"ran\n"
    done.remove()
    assert real_subject.engine.containers(LABEL) == []


def test_a_parked_command_starts_at_once(real_subject: Subject) -> None:
    done = execution(real_subject, task(real_subject, "true"), Collected())
    begun = time.monotonic()
    done.park(SHELL)
    parked = time.monotonic() - begun
    outcome = done.run(None)
    assert outcome.status == 0
    assert outcome.seconds < parked
    done.remove()
