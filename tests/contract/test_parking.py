"""A parked command sees what it sees without: on every real engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildbox.container import ContainerSpec
from buildbox.engine.protocol import Ended
from buildbox.execute import Streams
from buildbox.execute.gate import gated
from buildbox.execute.life import Execution
from tests.contract.running import sh
from tests.support.engines import Subject
from tests.support.executing import Collected

LABEL = "buildbox.tests.parking"
SHELL = ("/bin/sh", "-e", "-c")
SURROUNDINGS = """
env | sort
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


def seen(subject: Subject, spec: ContainerSpec, *, park: bool) -> bytes:
    """What the command writes."""
    output = Collected()
    done = execution(subject, spec, output)
    if park:
        done.park(SHELL)
    assert done.run(None).status == 0
    done.remove()
    assert output.data[2] == b""
    return output.data[1]


def test_its_surroundings_are_the_same(real_subject: Subject) -> None:
    spec = replace(task(real_subject, SURROUNDINGS), user="1234:2345")
    assert seen(real_subject, spec, park=True).decode() == seen(real_subject, spec, park=False).decode()


@pytest.mark.parametrize("env", [(), (("SHLVL", "7"), ("PWD", "/x"), ("a.b", "c d")), (("HOSTNAME", "h"),)])
def test_its_environment_is_the_same(real_subject: Subject, env: tuple[tuple[str, str], ...]) -> None:
    spec = task(real_subject, "")
    spec = replace(spec, argv=("cat", "/proc/self/environ"), env=tuple(sorted({*spec.env, *env})))
    plain, parked = (seen(real_subject, spec, park=park).split(b"\0") for park in (False, True))
    assert sorted(parked) == sorted(plain)
    if real_subject.engine.info().name != "Podman Engine":  # whose order is another each time
        assert parked == plain


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
