"""What every Engine keeps to, FakeEngine included, so that tests with it mean something."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from buildbox.container import Bind
from buildbox.engine.protocol import Ended, Engine, ImageMissing
from buildbox.errors import EngineError
from tests.contract.running import LABEL, created, run, sh, wait_until_running
from tests.support.engines import Subject
from tests.support.tiny_image import FILES, tiny_image

NOWHERE = "sha256:" + "0" * 64


@pytest.fixture
def engine(subject: Subject) -> Engine:
    return subject.engine


# images


def test_an_image_is_known_by_its_exact_id(subject: Subject) -> None:
    assert subject.engine.has_image(subject.image)
    assert not subject.engine.has_image(subject.image[:20])
    assert not subject.engine.has_image(NOWHERE)


def test_an_image_is_found_by_what_a_person_calls_it(subject: Subject) -> None:
    digits = subject.image.removeprefix("sha256:")
    assert subject.engine.find_image(digits[:20]) == subject.image
    assert subject.engine.find_image(subject.image) == subject.image
    assert subject.engine.find_image(NOWHERE) is None
    assert subject.engine.find_image("buildbox.local/tests:no-such-tag") is None


def test_creating_from_an_unknown_image_makes_nothing(subject: Subject) -> None:
    mark = secrets.token_hex(6)
    with pytest.raises(ImageMissing):
        subject.engine.create(sh(subject, "true", image=NOWHERE, labels=((LABEL, mark),)))
    assert subject.engine.containers(LABEL, mark) == []


def test_rubbish_is_not_loaded(engine: Engine) -> None:
    with pytest.raises(EngineError):
        engine.load(iter([b"this is no tar" * 100]))


def test_a_tar_cut_short_is_not_loaded(engine: Engine) -> None:
    image = tiny_image(files={**FILES, "etc/mark": secrets.token_hex(6)})  # a layer that no engine has
    with pytest.raises(EngineError):
        engine.load(iter([image.tar()[:500_000]]))
    assert not any(engine.has_image(name) for name in image.ids)


def test_an_image_is_loaded_from_small_pieces_and_again(subject: Subject) -> None:
    subject.engine.load(subject.tar[at : at + 100_000] for at in range(0, len(subject.tar), 100_000))
    assert subject.engine.has_image(subject.image)


# output and status


def test_the_two_streams_stay_apart(subject: Subject) -> None:
    script = "for i in 1 2 3; do echo out$i; echo err$i >&2; done; printf '\\000\\377' "
    _, output = run(subject.engine, sh(subject, script))
    assert output == {1: b"out1\nout2\nout3\n\x00\xff", 2: b"err1\nerr2\nerr3\n"}


def test_much_output_on_both_streams_is_complete(subject: Subject) -> None:
    size = 3_000_000
    script = f"head -c {size} /dev/zero >&2 & head -c {size} /dev/zero; wait"
    _, output = run(subject.engine, sh(subject, script))
    assert (len(output[1]), len(output[2])) == (size, size)


def test_nothing_written_right_at_the_start_is_lost(subject: Subject) -> None:
    spec = sh(subject, "echo first")
    for _ in range(5):
        assert run(subject.engine, spec) == (Ended(0), {1: b"first\n", 2: b""})


@pytest.mark.parametrize(
    ("script", "status"),
    [("true", 0), ("exit 1", 1), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)],
)
def test_status(subject: Subject, script: str, status: int) -> None:
    ended, _ = run(subject.engine, sh(subject, script))
    assert ended == Ended(status)


def test_a_program_that_is_not_there_is_127(subject: Subject) -> None:
    ended, output = run(subject.engine, sh(subject, "", argv=("/bin/no-such-program", "x")))
    podman = subject.engine.info().name == "Podman Engine"  # whose init doesn't say which
    assert ended.status == 127
    assert (b"No such file" if podman else b"no-such-program") in output[2]
    assert run(subject.engine, sh(subject, "", argv=("no-such-program", "x")))[0].status == 127


def test_a_program_of_the_path_that_fails_has_its_own_status(subject: Subject) -> None:
    assert run(subject.engine, sh(subject, "", argv=("sh", "-c", "exit 1")))[0] == Ended(1)
    assert run(subject.engine, sh(subject, "", argv=("./sh", "-c", "exit 1"), workdir="/bin"))[0] == Ended(1)


def test_waiting_after_the_end_gives_the_status_again(subject: Subject) -> None:
    spec = sh(subject, "exit 7")
    with created(subject.engine, spec) as container:
        subject.engine.start(container)
        assert subject.engine.wait(container) == Ended(7)
        assert subject.engine.wait(container) == Ended(7)


def test_output_ends_with_the_first_process(subject: Subject) -> None:
    begun = time.monotonic()
    _, output = run(subject.engine, sh(subject, "sleep 60 & echo done"))
    assert output[1] == b"done\n"
    assert time.monotonic() - begun < 30


# input


def test_input_is_binary_safe_and_ends_by_half_close(subject: Subject) -> None:
    data = bytes(range(256)) * 20_000
    ended, output = run(subject.engine, sh(subject, "cat; echo after >&2", stdin=True), data)
    assert ended.status == 0
    assert hashlib.sha256(output[1]).digest() == hashlib.sha256(data).digest()
    assert output[2] == b"after\n"


def test_without_stdin_a_task_reads_the_end_of_file(subject: Subject) -> None:
    assert run(subject.engine, sh(subject, "cat; echo over")) == (Ended(0), {1: b"over\n", 2: b""})


def test_closing_stdin_after_the_end_is_no_fault(subject: Subject) -> None:
    spec = sh(subject, "true", stdin=True)
    with (
        created(subject.engine, spec) as container,
        closing(subject.engine.attach(container, spec)) as stream,
    ):
        subject.engine.start(container)
        subject.engine.wait(container)
        stream.close_stdin()
        stream.close_stdin()


@pytest.mark.parametrize("script", ["echo ready; sleep 60", "echo ready"], ids=["running", "ended"])
def test_closing_stdin_wakes_whoever_writes(subject: Subject, script: str) -> None:
    spec = sh(subject, script, stdin=True)
    with (
        created(subject.engine, spec) as container,
        closing(subject.engine.attach(container, spec)) as stream,
    ):
        subject.engine.start(container)
        wait_until_running(stream)
        faults: list[OSError] = []

        def write_much() -> None:
            try:
                while True:
                    stream.write(bytes(1 << 20))
            except OSError as error:
                faults.append(error)

        writer = threading.Thread(target=write_much, daemon=True)
        writer.start()
        time.sleep(0.2)
        stream.close_stdin()
        writer.join(timeout=10)
        assert len(faults) == 1


# signals and removal


def test_a_signal_reaches_the_task(subject: Subject) -> None:
    spec = sh(subject, "trap 'exit 9' INT; echo ready; while :; do sleep 0.05; done")
    with (
        created(subject.engine, spec) as container,
        closing(subject.engine.attach(container, spec)) as stream,
    ):
        subject.engine.start(container)
        wait_until_running(stream)
        subject.engine.signal(container, "SIGINT")
        assert subject.engine.wait(container) == Ended(9)


@pytest.mark.parametrize(("name", "status"), [("SIGKILL", 137), ("SIGTERM", 143)])
def test_death_by_a_signal(subject: Subject, name: str, status: int) -> None:
    spec = sh(subject, "", argv=("/bin/sh", "-c", "echo ready; exec sleep 60"))
    with (
        created(subject.engine, spec) as container,
        closing(subject.engine.attach(container, spec)) as stream,
    ):
        subject.engine.start(container)
        wait_until_running(stream)
        subject.engine.signal(container, name)
        assert subject.engine.wait(container) == Ended(status)


def test_a_signal_or_size_for_what_does_not_run_is_no_fault(subject: Subject) -> None:
    engine = subject.engine
    container = engine.create(sh(subject, "true"))
    engine.signal(container, "SIGINT")  # not started
    engine.start(container)
    engine.wait(container)
    engine.signal(container, "SIGINT")  # ended
    engine.resize(container, 20, 80)
    engine.remove(container)
    engine.signal(container, "SIGINT")  # gone
    engine.resize(container, 20, 80)


def test_removing_kills_and_twice_is_no_fault(subject: Subject) -> None:
    spec = sh(subject, "echo ready; sleep 60")
    container = subject.engine.create(spec)
    with closing(subject.engine.attach(container, spec)) as stream:
        subject.engine.start(container)
        wait_until_running(stream)
        subject.engine.remove(container)
        assert stream.read() is None
    subject.engine.remove(container)
    assert container not in dict(subject.engine.containers(LABEL))


def test_asking_for_a_container_that_is_gone_is_an_error(subject: Subject) -> None:
    spec = sh(subject, "true")
    container = subject.engine.create(spec)
    subject.engine.remove(container)
    for ask in (subject.engine.start, subject.engine.wait):
        with pytest.raises(EngineError):
            ask(container)
    with pytest.raises(EngineError):
        subject.engine.attach(container, spec)


# finding


def test_containers_are_found_by_label_and_value(subject: Subject) -> None:
    engine, mark = subject.engine, secrets.token_hex(6)
    mine, other = ((LABEL, mark),), ((LABEL, mark + "x"),)
    with (
        created(engine, sh(subject, "true", labels=mine)) as idle,
        created(engine, sh(subject, "sleep 60", labels=mine)) as running,
        created(engine, sh(subject, "true", labels=mine)) as ended,
        created(engine, sh(subject, "true", labels=other)) as not_mine,
    ):
        engine.start(running)
        engine.start(ended)
        engine.wait(ended)
        assert set(engine.containers(LABEL, mark)) == {(idle, mark), (running, mark), (ended, mark)}
        assert {(idle, mark), (not_mine, mark + "x")} <= set(engine.containers(LABEL))
    assert engine.containers(LABEL, mark) == []
    assert engine.containers("buildbox.no-such-label") == []


# files


def test_reading_files_of_a_container_that_never_ran(subject: Subject) -> None:
    with created(subject.engine, sh(subject, "true")) as container:
        assert subject.engine.read_file(container, "/etc/passwd") == FILES["etc/passwd"].encode()
        assert subject.engine.read_file(container, "/etc/no-such-file") is None
        assert subject.engine.read_file(container, "/no-such-folder/file") is None
        assert subject.engine.read_file(container, "/etc") is None


# surroundings


def test_environment(subject: Subject) -> None:
    spec = sh(
        subject, 'printf "%s|" "$ONE" "$TWO"', env=(("ONE", "ein s\n"), ("PATH", "/bin"), ("TWO", "é=x"))
    )
    assert run(subject.engine, spec)[1][1].decode() == "ein s\n|é=x|"


def test_workdir_is_where_the_bind_is(subject: Subject, make_folder: Callable[[str], Path]) -> None:
    folder = make_folder("with space")
    (folder / "sub").mkdir()
    (folder / "sub/here").write_text("found")
    spec = sh(subject, "cat here", workdir="/src/sub", binds=(Bind(str(folder), "/src"),))
    assert run(subject.engine, spec) == (Ended(0), {1: b"found", 2: b""})


def test_what_an_engine_says_of_itself(subject: Subject) -> None:
    info = subject.engine.info()
    assert info.platform == str(subject.engine.platform())
    assert info.address == subject.engine.address
    assert all((info.name, info.version, info.api_version, info.store, info.root_folder))
    assert info.store.startswith(("classic (", "containerd ("))
    assert info.kernel.startswith(os.uname().release.split("-")[0])
    assert info.cpus > 0
