"""Dockerfile recipes on the real engine, from a base that only the archive has."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive
from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.errors import ImageError
from buildbox.images import require_pin
from buildbox.oci import MAX_MANIFEST
from buildbox.recipes.record import recorded
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.toolchains.dockerfile import ByEngine, rebuild_dockerfile
from tests.support.engines import SOCKET
from tests.support.project import Project, keep_image
from tests.support.tiny_image import FILES, PLATFORM, TinyImage, tiny_image
from tests.support.workshops import workshop

LABEL = "buildbox.tests.dockerfile"


@dataclass(frozen=True)
class Box:
    """A project with the recipe box/1, and a base that no other test has."""

    project: Project
    image: TinyImage
    base: str  # its pin
    mark: str

    @property
    def folder(self) -> Path:
        return self.project.root / "images/box/1"

    @property
    def archive(self) -> Archive:
        return Archive.open(self.project.home / "archive")

    def recipe(self, dockerfile: str, files: Mapping[str, str] | None = None) -> None:
        """Writes the recipe; BASE in it is the base's pin."""
        text = dockerfile.replace("BASE", self.base)
        names = {"Dockerfile": text, **(files or {})}
        self.project.write({f"images/box/1/{name}": content for name, content in names.items()})

    def found(self, pin: str, archive: Archive | None = None) -> ArchivedImage:
        image = find_image(archive or self.archive, require_pin(ImageRef.parse(pin)), PLATFORM)
        assert image
        return image

    def left(self, what: str) -> list[str]:
        """Ids of the engine's containers or images that come from the base."""
        client = docker.DockerClient(base_url=SOCKET)
        try:
            filters = {"label": f"{LABEL}={self.mark}"}
            return [item["Id"] for item in getattr(client.api, what)(all=True, filters=filters)]
        finally:
            client.close()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    mark = secrets.token_hex(6)
    image = tiny_image(config={"Labels": {LABEL: mark}})
    home = tmp_path / "home"
    home.mkdir()
    base = keep_image(home, image, "tests/base:1")
    project = Project(tmp_path / "project", home)
    project.write({".buildbox.toml": ""})
    box = Box(project, image, base, mark)
    yield box
    client = docker.DockerClient(base_url=SOCKET)
    while images := box.left("images"):
        for image_id in images:
            try:
                client.api.remove_image(image_id, force=True)
            except docker.errors.ImageNotFound:
                pass  # went with its child
            except docker.errors.APIError as error:
                assert "child images" in str(error)
    client.close()


def test_it_is_built_runs_and_is_the_same_until_something_changes(box: Box) -> None:
    box.recipe(
        "FROM BASE AS first\nRUN echo made > /made\n"
        "FROM first AS other\nFROM BASE\nCOPY --from=first /made /etc/made\nCOPY . /context\nENV A=b\n",
        {"file": "text", ".dockerignore": "secret", "secret": "x"},
    )
    pin = box.project.ok("images", "build", "box/1").strip()
    assert pin.startswith("buildbox/box:1@sha256:")
    box.project.write({".buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n'})
    script = "cat /etc/made; echo $A; cd /context; find . -type f | sort"
    seen = box.project.ok("--offline", "exec", "box", "--", "sh", "-c", script)
    assert seen == "made\nb\n./Dockerfile\n./file\n"

    image = box.found(pin)
    assert image.layers[0].digest == box.found(box.base).layers[0].digest  # the base's own blob
    assert len(image.layers) == 3
    assert all(box.archive.is_sound(layer.digest) for layer in image.layers)
    manifest = json.loads(box.archive.read(image.manifest, MAX_MANIFEST))
    assert manifest["annotations"]["buildbox.recipe"] == "box/1"
    assert image.config.digest.hex in "".join(box.left("images"))  # the engine's own id

    again = json.loads(box.project.ok("images", "build", "box/1", "--record", "--json"))
    assert (again["pin"], again["recorded"], len(again["diff-ids"])) == (pin, pin, 3)
    record = recorded(box.folder)
    assert record
    assert (record.manifest, len(record.diff_ids)) == (image.manifest.digest, 3)
    assert box.project.ok("images", "build", "box/1").strip() == pin  # the record is not in the context
    box.recipe("FROM BASE\nRUN true")
    other = box.project.run("images", "build", "box/1")
    assert other.out.strip() != pin
    assert f"not the recorded pin, {pin}" in other.err
    assert "another digest" in other.err
    assert box.left("containers") == []


def no_registry(host: str) -> Registry:
    raise ImageError(f"{host} is asked")


def test_a_rebuild_runs_all_again_and_leaves_nothing(box: Box, tmp_path: Path) -> None:
    box.recipe(
        "FROM BASE AS first\nRUN echo x > /x\n"
        "FROM BASE\nCOPY --from=first /x /x\nRUN head -c 16 /dev/urandom > /time"
    )
    pin = box.project.ok("images", "build", "box/1").strip()
    images = set(box.left("images"))
    before = box.archive.refs()
    into = Archive.open(tmp_path / "other")
    engine = connect(Address(SOCKET, "the tests"))
    shop = workshop(tmp_path, box.archive, {**os.environ, "HOME": str(tmp_path)})
    built = rebuild_dockerfile(box.folder, shop, ByEngine(engine, no_registry, lambda ref: None), into)
    engine.close()
    assert built.pin != ImageRef.parse(pin)
    ours, theirs = box.found(pin), box.found(str(built.pin), into)
    assert ours.layers[0] == theirs.layers[0]
    assert ours.layers[2] != theirs.layers[2]
    assert all(into.is_sound(layer.digest) for layer in theirs.layers)
    assert box.archive.refs() == before
    assert set(box.left("images")) == images
    assert not list(tmp_path.glob("buildbox-build-*"))


def test_check_says_what_differs(box: Box) -> None:
    box.recipe("FROM BASE\nRUN head -c 16 /dev/urandom > /root/time\nLABEL a=b")
    pin = box.project.ok("images", "build", "box/1", "--record").strip()
    done = box.project.run("images", "check", "box/1", "--json")
    assert done.status == 122, done.err
    (found,) = json.loads(done.out)["recipes"]
    assert (found["kind"], found["recorded"]) == ("contents", pin)
    (layer,) = found["layers"]
    assert "/root/time" in [file["path"] for file in layer["files"]]
    assert any("Dockerfile" in note for note in found["notes"])
    listed = json.loads(box.project.ok("images", "list", "--json"))["recipes"]
    (entry,) = [entry for entry in listed if entry["recipe"] == "box/1"]
    assert (entry["kind"], entry["reproducible"], entry["pin"]) == ("Dockerfile", False, pin)


def test_an_image_without_a_digest_is_asked_of_nobody(box: Box) -> None:
    box.recipe("FROM busybox:1\nCOPY --from=registry.example.com/x /a /b\n")
    done = box.project.run("images", "build", "box/1")
    assert (done.status, done.out) == (121, "")
    assert "Dockerfile:1: FROM busybox:1: the image has no digest" in done.err
    assert "Dockerfile:2:" in done.err
    box.recipe("FROM busybox:1\nFORM x")
    assert box.project.run("images", "build", "box/1").status == 2


def test_a_failing_instruction_shows_the_end_of_its_log(box: Box) -> None:
    box.recipe("FROM BASE\nRUN { seq 1 100; printf 'all \\033[31mwro\\007ng\\n'; } >&2; exit 3\n")
    done = box.project.run("images", "build", "box/1")
    assert (done.status, done.out) == (121, "")
    assert "non-zero code: 3" in done.err
    assert "    100\n    all wro\\x07ng\n" in done.err
    assert "\n    50\n" not in done.err
    assert box.left("containers") == []
    assert [name for name, _ in box.archive.refs() if "/box" in name] == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_build_leaves_nothing(box: Box, number: int, status: int) -> None:
    box.recipe("FROM BASE\nRUN sleep 600\n")
    process = box.project.start("images", "build", "box/1")
    end = time.monotonic() + 30
    while not box.left("containers") and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(number)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (status, b"")
    while box.left("containers") and time.monotonic() < end:
        time.sleep(0.05)
    assert box.left("containers") == []
    assert [name for name, _ in box.archive.refs() if "/box" in name] == []


def test_offline_there_is_no_network_and_no_registry(box: Box) -> None:
    box.recipe("FROM BASE\nRUN ls /sys/class/net && test ! -e /sys/class/net/eth0\n")
    box.project.ok("--offline", "images", "build", "box/1")
    assert box.project.run("images", "build", "box/1", "-v").status == 0  # the same, as it was built
    box.recipe(f"FROM registry.example.com/other@sha256:{'1' * 64}")
    done = box.project.run("--offline", "images", "build", "box/1")
    assert done.status == 121
    assert "registry.example.com is not asked (--offline)" in done.err


def test_a_base_whose_triggers_take_from_elsewhere(box: Box) -> None:
    config = {"OnBuild": ["COPY --from=busybox:1 /a /b"], "Labels": {LABEL: box.mark}}
    base = keep_image(
        box.project.home, tiny_image(config=config, files={**FILES, "a": "b"}), "tests/trigger:1"
    )
    box.recipe(f"FROM {base}")
    done = box.project.run("images", "build", "box/1")
    assert done.status == 121
    assert "ONBUILD COPY --from=busybox:1 /a /b" in done.err


def test_verbs_that_need_a_lock(box: Box) -> None:
    box.recipe("FROM BASE")
    for verb in ("lock", "sbom"):
        done = box.project.run("images", verb, "box/1")
        assert (done.status, done.out) == (2, "")
        assert "box/1 is a Dockerfile recipe" in done.err


def test_a_folder_with_both_is_a_debian_recipe(box: Box) -> None:
    box.recipe("FROM BASE", {"recipe.toml": "format = 99"})
    done = box.project.run("images", "build", "box/1")
    assert done.status == 2
    assert "format 99" in done.err


def test_a_name_that_no_image_can_have(box: Box) -> None:
    box.project.write({"images/Box/1/Dockerfile": f"FROM {box.base}\n"})
    done = box.project.run("images", "build", "Box/1")
    assert done.status == 2
    assert "Box" in done.err
