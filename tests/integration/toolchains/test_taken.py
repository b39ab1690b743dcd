"""`archive add`: an image that only the real engine has."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.archive.loader import keep_tag
from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.images import require_pin
from buildbox.reference import ImageRef
from tests.support.engines import SOCKET
from tests.support.project import Project
from tests.support.tiny_image import PLATFORM, tiny_image


@dataclass(frozen=True)
class Only:
    """An image that only the engine has, and a project that knows nothing of it yet."""

    tag: str
    image_id: str
    config: str  # its digest
    project: Project

    def forget(self, *tags: str) -> None:
        """Removes it from the engine."""
        client = docker.DockerClient(base_url=SOCKET)
        for tag in (self.tag, *tags):
            try:
                client.images.remove(tag, force=True)
            except docker.errors.ImageNotFound:
                pass
        client.close()


@pytest.fixture
def only(tmp_path: Path) -> Iterator[Only]:
    mark = secrets.token_hex(6)
    image = tiny_image(config={"Labels": {"buildbox.tests": mark}})
    tag = f"buildbox.local/tests:{mark}"
    engine = connect(Address(SOCKET, "the tests"))
    engine.load([image.tar(tag)])
    found = engine.find_image(tag)
    engine.close()
    assert found in image.ids
    project = Project(tmp_path / "project", tmp_path / "home")
    project.write({".buildbox.toml": ""})
    only = Only(tag, found, image.ids[0], project)
    yield only
    only.forget()


def test_it_is_kept_with_a_pin_that_outlives_the_engines_copy(only: Only, tmp_path: Path) -> None:
    pin = only.project.ok("archive", "add", only.tag).strip()
    assert pin.startswith(f"{only.tag}@sha256:")
    image = find_image(
        Archive.open(only.project.home / "archive"), require_pin(ImageRef.parse(pin)), PLATFORM
    )
    assert image
    assert str(image.config.digest) == only.config

    elsewhere = Project(only.project.root, tmp_path / "another-home")
    again = json.loads(elsewhere.ok("archive", "add", only.image_id[7:20], "--as", "mine/tools", "--json"))
    name, _, digest = again["pin"].partition("@")
    assert (name, digest) == ("mine/tools:latest", pin.partition("@")[2])

    only.forget()
    only.project.write({".buildbox.toml": f'[toolchains.x]\nimage = "{pin}"\n'})
    try:
        assert only.project.ok("--offline", "exec", "x", "--", "echo", "ran") == "ran\n"
    finally:
        only.forget(keep_tag(image))


def test_what_isnt_there_or_has_no_name_is_refused(only: Only) -> None:
    run = only.project.run
    gone = run("archive", "add", "buildbox.local/tests:not-there")
    assert (gone.status, gone.out) == (121, "")
    assert "has no image buildbox.local/tests:not-there" in gone.err
    nameless = run("archive", "add", only.image_id)
    assert (nameless.status, nameless.out) == (2, "")
    assert "--as NAME:TAG" in nameless.err
    assert run("archive", "add", only.tag, "--as", "Tools").status == 2
