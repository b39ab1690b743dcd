"""Building and saving images, on every engine that builds: Podman is refused (buildbox/engine/podman.py)."""

from __future__ import annotations

import secrets
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from buildbox.engine.protocol import BuildFailed
from buildbox.errors import EngineError
from buildbox.recipes.exported import unpack
from tests.contract.running import sh
from tests.support.engines import Subject
from tests.support.fake_build import tar_of

Build = Callable[..., str]


@pytest.fixture
def subject(building_subject: Subject) -> Subject:
    return building_subject


@pytest.fixture
def lines() -> list[str]:
    """What builds print."""
    return []


@pytest.fixture
def build(subject: Subject, lines: list[str]) -> Iterator[Build]:
    """Builds a Dockerfile, in which BASE is the subject's image; the image is gone after the test."""
    made: list[str] = []

    def build(
        text: str,
        files: dict[str, bytes] | None = None,
        *,
        cache: bool = True,
        network: str = "none",
        log: Callable[[str], None] = lines.append,
    ) -> str:
        text = text.replace("BASE", subject.image.removeprefix("sha256:"))
        tar = tar_of({**(files or {}), "some/Dockerfile": text.encode()})
        pieces = (tar[at : at + 5000] for at in range(0, len(tar), 5000))
        ids = subject.engine.build(pieces, "some/Dockerfile", log, args={}, cache=cache, network=network)
        made.extend(name for name in reversed(ids) if name != subject.image)
        return ids[-1]

    yield build
    for image_id in made:
        subject.engine.drop_image(image_id)


def left(subject: Subject) -> list[str]:
    """The containers that are there of the subject's image, and of images built on it."""
    if not subject.real:
        return []
    client = docker.DockerClient(base_url=subject.url)
    try:
        found = client.api.containers(all=True, filters={"ancestor": subject.image})
        return [item["Id"] for item in found]
    finally:
        client.close()


def runs(mark: str) -> bool:
    """Whether a shell of this machine, in a container or not, has `mark` among its arguments."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if words[0] == b"/bin/sh" and mark.encode() in b" ".join(words):
            return True
    return False


def test_an_image_is_built_and_runs(subject: Subject, build: Build, lines: list[str]) -> None:
    mark = secrets.token_hex(6)
    image = build(f"FROM BASE\nCOPY file /etc/mark\nRUN echo {mark}", {"file": mark.encode()})
    assert mark in lines
    assert subject.engine.has_image(image)
    container = subject.engine.create(sh(subject, "true", image=image))
    try:
        assert subject.engine.read_file(container, "/etc/mark") == mark.encode()
    finally:
        subject.engine.remove(container)


def test_a_stage_for_each_id(subject: Subject) -> None:
    base = subject.image.removeprefix("sha256:")
    text = f"FROM {base} AS first\nFROM {base}\nRUN true\n"
    ids = subject.engine.build(
        iter([tar_of({"D": text.encode()})]), "D", lambda line: None, args={}, cache=True, network="none"
    )
    assert (len(ids), ids[0]) == (2, subject.image)
    subject.engine.drop_image(ids[1])
    assert not subject.engine.has_image(ids[1])


def test_what_was_built_is_taken_again_unless_not_wanted(build: Build) -> None:
    mark = secrets.token_hex(6)
    text = f"FROM BASE\nRUN echo {mark}"
    first = build(text)
    assert build(text) == first
    assert build(text, cache=False) != first


def test_a_failing_instruction(subject: Subject, build: Build, lines: list[str]) -> None:
    with pytest.raises(BuildFailed, match="non-zero code: 7"):
        build(f"FROM BASE\nRUN echo said-{secrets.token_hex(3)}; exit 7")
    assert any(line.startswith("said-") for line in lines)
    assert left(subject) == []


def test_an_image_that_is_not_there_is_asked_of_nobody(build: Build) -> None:
    with pytest.raises(EngineError) as caught:
        build("FROM " + "0" * 64)
    assert not any(word in caught.value.reason for word in ("lookup", "timeout", "pull access", "registry"))


def test_a_context_without_the_file_that_is_copied(build: Build) -> None:
    with pytest.raises(BuildFailed, match="missing"):
        build("FROM BASE\nCOPY missing /x")


def test_an_exception_out_of_the_log_ends_the_build(subject: Subject, build: Build) -> None:
    mark = f"mark-{secrets.token_hex(6)}"
    there: list[bool] = []

    def stop(line: str) -> None:
        if line.startswith("begun"):
            there.append(runs(mark))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(f"FROM BASE\nRUN echo begun; sleep 600; : {mark}", log=stop)
    assert there == [True]
    end = time.monotonic() + 30
    while (left(subject) or runs(mark)) and time.monotonic() < end:
        time.sleep(0.1)
    assert left(subject) == []
    assert not runs(mark)


def test_a_saved_image_has_its_own_config_and_layers(subject: Subject, build: Build, tmp_path: Path) -> None:
    mark = secrets.token_bytes(200_000)
    image = build("FROM BASE\nCOPY file /etc/mark", {"file": mark})
    exported = unpack(subject.engine.save(image), image, tmp_path)  # which checks all against the id
    with tarfile.open(exported.layers[-1]) as tar:
        file = tar.extractfile("etc/mark")
        assert file and file.read() == mark


def test_an_image_that_is_not_there_is_not_saved(subject: Subject) -> None:
    with pytest.raises(EngineError):
        b"".join(subject.engine.save("sha256:" + "0" * 64))


def test_an_image_with_a_tag_is_not_dropped(subject: Subject) -> None:
    if subject.real:
        subject.engine.drop_image(subject.image)
        assert subject.engine.has_image(subject.image)
    subject.engine.drop_image("sha256:" + "0" * 64)


@pytest.mark.parametrize("network", ["none", ""])
def test_the_network_of_a_build(subject: Subject, build: Build, lines: list[str], network: str) -> None:
    build(f"FROM BASE\nRUN ls /sys/class/net; true {secrets.token_hex(4)}", network=network)
    if subject.real:
        assert ("eth0" in lines) == (network == "")
