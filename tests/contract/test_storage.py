"""Volumes, networks, trees in and out, and commands in running containers, on every engine."""

from __future__ import annotations

import io
import secrets
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext

import pytest

from buildbox.container import Volume
from buildbox.engine.protocol import Ended, Engine
from buildbox.errors import EngineError
from tests.contract.running import LABEL, created, run, sh, tar_of, wait_until_running
from tests.support.engines import Subject
from tests.support.tiny_image import FILES


@pytest.fixture
def engine(subject: Subject) -> Engine:
    return subject.engine


@pytest.fixture
def volume(engine: Engine) -> Iterator[str]:
    """A new volume."""
    name = f"buildbox-tests-{secrets.token_hex(6)}"
    engine.make_volume(name, {LABEL: "yes"})
    yield name
    engine.remove_volume(name)


def contents(tar: Iterator[bytes]) -> dict[str, bytes]:
    """The files of a tar by name."""
    data = io.BytesIO(b"".join(tar))
    with tarfile.open(fileobj=data) as opened:
        files = [(member.name, opened.extractfile(member)) for member in opened]
    return {name: file.read() for name, file in files if file}


# volumes


def test_a_volume_is_new_once_and_found_by_its_label(engine: Engine) -> None:
    name, mark = f"buildbox-tests-{secrets.token_hex(6)}", secrets.token_hex(6)
    try:
        assert engine.make_volume(name, {LABEL: mark})
        assert not engine.make_volume(name, {LABEL: mark})
        assert engine.volumes(LABEL, mark) == [(name, mark)]
        assert (name, mark) in engine.volumes(LABEL)
        assert engine.volumes(LABEL, mark + "x") == []
    finally:
        engine.remove_volume(name)
    assert engine.volumes(LABEL, mark) == []
    engine.remove_volume(name)  # gone: no fault


def test_of_many_who_make_a_volume_one_made_it(engine: Engine) -> None:
    name = f"buildbox-tests-{secrets.token_hex(6)}"
    try:
        with ThreadPoolExecutor(8) as pool:
            new = list(pool.map(lambda _: engine.make_volume(name, {LABEL: "yes"}), range(8)))
        assert new.count(True) == 1
    finally:
        engine.remove_volume(name)


def test_a_volume_that_a_container_has_is_not_removed(subject: Subject, volume: str) -> None:
    spec = sh(subject, "true", volumes=(Volume(volume, "/data"),))
    with created(subject.engine, spec), pytest.raises(EngineError):
        subject.engine.remove_volume(volume)


def test_what_is_put_into_a_volume_can_be_had_from_it(subject: Subject, volume: str) -> None:
    """By way of containers that never start, with a read-only root file system."""
    spec = sh(subject, "true", volumes=(Volume(volume, "/data"),))
    big = secrets.token_bytes(3_000_000)
    with created(subject.engine, spec) as container:
        subject.engine.put_tree(
            container, "/data", tar_of(("sub", None, 0), ("sub/a", b"one", 0), ("b", big, 0))
        )
    with created(subject.engine, spec) as container:
        assert contents(subject.engine.get_tree(container, "/data")) == {
            "data/sub/a": b"one",
            "data/b": big,
        }
        assert contents(subject.engine.get_tree(container, "/data/sub/a")) == {"a": b"one"}


def test_what_is_not_there_is_nothing(subject: Subject) -> None:
    with created(subject.engine, sh(subject, "true")) as container:
        assert list(subject.engine.get_tree(container, "/no/such/file")) == []
        assert contents(subject.engine.get_tree(container, "/etc/passwd")) == {
            "passwd": FILES["etc/passwd"].encode()
        }
    with pytest.raises(EngineError):
        list(subject.engine.get_tree(container, "/etc/passwd"))


def test_nothing_is_put_where_nothing_is(subject: Subject, volume: str) -> None:
    spec = sh(subject, "true", volumes=(Volume(volume, "/data"),))
    podman = subject.engine.info().name == "Podman Engine"  # which makes the folder
    with created(subject.engine, spec) as container, nullcontext() if podman else pytest.raises(EngineError):
        subject.engine.put_tree(container, "/data/no-such-folder", tar_of(("a", b"one", 0)))


# networks


def test_a_network_is_found_by_its_label(engine: Engine) -> None:
    mark = secrets.token_hex(6)
    network = engine.make_network(f"buildbox-tests-{mark}", {LABEL: mark}, internal=True)
    try:
        assert engine.networks(LABEL, mark) == [(network, mark)]
        assert (network, mark) in engine.networks(LABEL)
        assert engine.networks(LABEL, mark + "x") == []
    finally:
        engine.remove_network(network)
    assert engine.networks(LABEL, mark) == []
    engine.remove_network(network)  # gone: no fault


def test_a_network_with_a_container_in_it_is_not_removed(subject: Subject) -> None:
    engine = subject.engine
    network = engine.make_network(f"buildbox-tests-{secrets.token_hex(6)}", {LABEL: "yes"}, internal=True)
    try:
        with created(engine, sh(subject, "sleep 60", network=network)) as container:
            engine.start(container)
            podman = engine.info().name == "Podman Engine"  # which removes it
            with nullcontext() if podman else pytest.raises(EngineError):
                engine.remove_network(network)
    finally:
        engine.remove_network(network)


# commands


@pytest.fixture
def container(subject: Subject) -> Iterator[str]:
    """A container that does nothing."""
    spec = sh(subject, "echo ready; exec sleep 60", env=(("PATH", "/bin"), ("A", "b")))
    engine = subject.engine
    with created(engine, spec) as container, closing(engine.attach(container, spec)) as stream:
        engine.start(container)
        wait_until_running(stream)
        yield container


def test_a_command_in_a_running_container(subject: Subject, container: str) -> None:
    execute = subject.engine.execute
    status, output = execute(container, ("/bin/sh", "-c", "echo $A; echo err >&2; exit 3"))
    assert (status, sorted(output.splitlines())) == (3, [b"b", b"err"])  # both streams, as they come
    assert execute(container, ("/bin/true",)) == (0, b"")
    assert execute(container, ("/bin/cat",)) == (0, b"")  # its stdin is at its end


def test_of_much_output_the_beginning_is_given(subject: Subject, container: str) -> None:
    status, output = subject.engine.execute(container, ("/bin/sh", "-c", "yes | head -c 300000; exit 2"))
    assert (status, output) == (2, b"y\n" * (32 << 10))


def test_a_command_that_is_not_there(subject: Subject, container: str) -> None:
    status, output = subject.engine.execute(container, ("/bin/no-such-program",))
    assert status in (126, 127)
    assert b"no-such-program" in output


def test_no_command_runs_in_what_does_not_run(subject: Subject) -> None:
    engine = subject.engine
    with created(engine, sh(subject, "true")) as container:
        with pytest.raises(EngineError):
            engine.execute(container, ("/bin/true",))
        engine.start(container)
        engine.wait(container)
        with pytest.raises(EngineError):
            engine.execute(container, ("/bin/true",))
    with pytest.raises(EngineError):
        engine.execute(container, ("/bin/true",))


# many threads


def test_many_threads_use_one_engine(subject: Subject) -> None:
    """Each with a container of its own, whose output and status are its own."""

    def one(number: int) -> tuple[Ended, dict[int, bytes]]:
        return run(subject.engine, sh(subject, f"echo {number}; sleep 0.1; exit {number}"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(16)))
    assert found == [(Ended(n), {1: f"{n}\n".encode(), 2: b""}) for n in range(16)]


def test_a_slow_load_changes_nothing_for_others(subject: Subject) -> None:
    """While an image is on its way in, other threads are answered."""
    begun, go_on = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield subject.tar[:1000]
        begun.set()
        assert go_on.wait(20)
        yield subject.tar[1000:]

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(subject.engine.load, slowly())
        assert begun.wait(20)
        assert run(subject.engine, sh(subject, "echo meanwhile"))[1][1] == b"meanwhile\n"
        go_on.set()
        loading.result(timeout=60)
