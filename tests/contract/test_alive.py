"""Whether a container runs."""

from __future__ import annotations

from tests.contract.running import created, sh
from tests.support.engines import Subject


def test_a_container_runs_from_its_start_to_its_end(subject: Subject) -> None:
    engine = subject.engine
    spec = sh(subject, "read -r line", stdin=True)
    with created(engine, spec) as container:
        assert not engine.is_running(container)
        stream = engine.attach(container, spec)
        engine.start(container)
        assert engine.is_running(container[:12])
        stream.close_stdin()
        engine.wait(container)
        assert not engine.is_running(container)
        stream.close()
    assert not engine.is_running(container)
    assert not engine.is_running("0123456789ab")
