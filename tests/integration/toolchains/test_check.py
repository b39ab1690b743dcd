"""`buildbox images check` as its user calls it: a recipe of the project's own, real tools, a real engine."""

from __future__ import annotations

import gzip
import io
import json
import secrets
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker.api.client import APIClient
from docker.errors import ImageNotFound

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.oci import Descriptor, Platform
from buildbox.recipes.lock import read_lock
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import Built, record
from buildbox.reference import ImageRef
from tests.support.engines import SOCKET
from tests.support.project import Project, Result
from tests.support.toolchains import put_built

RECIPE = """\
format = 1
title = "Tiny"
description = "Only what is essential, {mark}"

[debian]
suite = "bookworm"
packages = ["base-files"]

[smoke]
"""
FAILING = """\
fine = "true"
broken = "echo here is why >&2; exit 3"
"""
PASSING = """\
identity = 'test "$(id -un)" = build && touch /src/x'
network = "! getent hosts localhost.localdomain; test $(ls /sys/class/net) = lo"
read-only = "! touch /usr/x"
"""
NAME = "buildbox/tiny:1"


class Recipe:
    """A project with the recipe tiny/1, which was built and checked once before it had a pin."""

    def __init__(self, folder: Path) -> None:
        self.project = Project(folder / "project", folder / "home", env={"TMPDIR": str(folder / "temp")})
        self.mark = secrets.token_hex(6)  # so that the engine has this image from us alone
        self.folder = self.project.root / "images/tiny/1"
        for each in (self.folder, self.project.home, folder / "temp"):
            each.mkdir(parents=True)
            each.chmod(0o755)
        self.project.write({".buildbox.toml": ""})
        self.smoke(FAILING)
        self.project.ok("images", "lock", "tiny/1")
        self.first = self.project.run("images", "check", "tiny/1")
        self.archive = Archive.open(self.project.home / "archive")
        self.pin, self.image = self._built()

    def smoke(self, checks: str) -> None:
        """Writes the recipe; its smoke checks aren't part of what is locked."""
        text = RECIPE.replace("{mark}", self.mark)
        (self.folder / "recipe.toml").write_text(text + checks)

    @property
    def kept(self) -> dict[str, Descriptor]:
        """All that the archive has by name."""
        return dict(self.archive.refs())

    def layer(self) -> bytes:
        """The tar of its layer."""
        return gzip.decompress(self.archive.blob_path(self.image.layers[0].digest).read_bytes())

    def _built(self) -> tuple[ImageRef, ArchivedImage]:
        [name] = [name for name in self.kept if name.startswith(f"docker.io/{NAME}@")]
        pin = ImageRef.parse(name.removeprefix("docker.io/"))
        assert pin.digest
        image = find_image(self.archive, pin.digest, Platform("linux", "amd64"))
        assert image
        return pin, image

    def check(self, *options: str) -> Result:
        return self.project.run(*options, "--offline", "images", "check", "tiny/1")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recipe]:
    recipe = Recipe(tmp_path_factory.mktemp("check"))
    yield recipe
    api = APIClient(base_url=SOCKET, version="auto")
    for image_id in recipe.image.ids:
        try:
            api.remove_image(image_id, force=True)
        except ImageNotFound:
            pass
    api.close()


def test_without_a_pin_and_with_a_smoke_check_that_fails(recipe: Recipe) -> None:
    status, out, err = recipe.first.status, recipe.first.out, recipe.first.err
    assert status == 122, err
    lines = out.splitlines()
    assert lines[0] == "fail  tiny/1  no pin is recorded to compare with; smoke checks failed: broken"
    assert lines[1].strip() == "Record this one, if it is right: buildbox images build tiny/1 --record"
    assert "smoke check 'broken' failed: exit status 3" in err
    assert "\n  here is why\n" in err
    assert "'fine'" not in err


def test_the_recorded_pin_is_rebuilt_and_passes(recipe: Recipe) -> None:
    pin, image = recipe.pin, recipe.image
    diff_id = Digest.of(recipe.layer())
    size = image.layers[0].size
    record(
        recipe.folder, Built(pin, "linux/amd64", image.manifest.digest, image.config.digest, (diff_id,), size)
    )
    recipe.smoke(PASSING)
    before = recipe.kept
    found = recipe.check("--json")
    assert found.status == 0, found.err
    document = json.loads(found.out)
    assert document["state"] == "ok"
    [checked] = document["recipes"]
    assert (checked["recipe"], checked["kind"], checked["rebuilt"]) == ("tiny/1", "identical", str(pin))
    assert [(smoke["name"], smoke["status"]) for smoke in checked["smoke"]] == [
        ("identity", 0),
        ("network", 0),
        ("read-only", 0),
    ]
    assert recipe.kept == before
    assert list(Path(recipe.project.env["TMPDIR"]).iterdir()) == []


def test_a_recorded_pin_whose_image_has_another_file(recipe: Recipe) -> None:
    layer = recipe.layer()
    tampered = bytearray(layer)
    tampered[start_of(layer, "./etc/debian_version") + 3] ^= 1
    lock = read_lock(recipe.folder, read_recipe(recipe.folder))
    record(recipe.folder, replace(put_built(recipe.archive, NAME, bytes(tampered)), lock=lock.checksum))
    before = recipe.kept
    found = recipe.check()
    assert found.status == 122, found.err
    lines = [line.strip() for line in found.out.splitlines()]
    assert "fail  tiny/1  other content than the recorded image; smoke checks were not run" in lines
    assert "layer 1: 1 path differs" in lines
    assert "/etc/debian_version: contents from byte 3 on" in lines
    assert any("the tools here are those that made" in line for line in lines)
    assert recipe.kept == before


def start_of(layer: bytes, name: str) -> int:
    """Where the contents of a file begin in a tar."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return tar.getmember(name).offset_data
