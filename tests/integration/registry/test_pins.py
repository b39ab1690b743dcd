"""`pin`: what a tag means at its registry, and what the archive's own images are."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.config.load import load
from buildbox.config.model import Config
from buildbox.errors import Exit, ImageError, UsageError
from buildbox.pins import PinChange, check_pins, resolve_pins
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from tests.support.faulty import run_faulty
from tests.support.images import AMD64, ARM64, make_image, make_index
from tests.support.registry import RealRegistry

PINNED = "docker.io/library/debian:12@sha256:" + "ab" * 32


def config(folder: Path, **images: str) -> Config:
    text = "# tools\n" + "".join(
        f'[toolchains.{name}]\nimage = "{image}"\n' for name, image in images.items()
    )
    path = folder / ".buildbox.toml"
    path.write_text(text + '[tasks.t]\ntoolchain = "a"\nrun = "true"\n')
    return load(path)


def no_registry(host: str) -> Registry:
    raise AssertionError(f"{host} was asked")


def test_a_tag_becomes_the_registrys_digest(real_registry: RealRegistry, tmp_path: Path) -> None:
    one, many = make_image(), make_index(make_image(platform=AMD64), make_image(platform=ARM64))
    real_registry.push(one, "pins/one", "1")
    real_registry.push(many, "pins/many", "latest")
    host = real_registry.host
    project = config(tmp_path, a=f"{host}/pins/one:1", b=f"{host}/pins/many", c=PINNED)
    assert resolve_pins(project, (), Registry, None) == (
        PinChange("a", f"{host}/pins/one:1", f"{host}/pins/one:1@{one.digest}", host),
        PinChange("b", f"{host}/pins/many", f"{host}/pins/many:latest@{many.digest}", host),
        PinChange("c", PINNED, PINNED, ""),
    )
    (only_b,) = resolve_pins(project, ["b", "b"], Registry, None)
    assert (only_b.toolchain, only_b.changed) == ("b", True)


def test_a_tag_that_is_not_there(real_registry: RealRegistry, tmp_path: Path) -> None:
    real_registry.push(make_image(), "pins/one", "1")
    project = config(tmp_path, a=f"{real_registry.host}/pins/one:9.9")
    with pytest.raises(ImageError, match=r"has no tag 9\.9 in pins/one") as caught:
        resolve_pins(project, (), Registry, None)
    assert caught.value.exit == Exit.IMAGE


def test_the_registry_is_asked_even_where_the_archive_has_an_older_image(tmp_path: Path) -> None:
    old, new = make_image({"a": b"old"}), make_image({"a": b"new"})
    archive = Archive.open(tmp_path / "archive")
    with run_faulty(new) as registry:
        project = config(tmp_path, a=f"{registry.host}/x:1")
        old.put_into(archive, full_name(project.toolchains["a"].image, old.digest))
        (change,) = resolve_pins(project, (), Registry, archive)
    assert change.new.endswith(str(new.digest))


def test_an_image_built_here_is_pinned_from_the_archive(tmp_path: Path) -> None:
    project = config(tmp_path, a="buildbox/python:3.11")
    archive = Archive.open(tmp_path / "archive")
    with pytest.raises(ImageError, match="not in the archive yet") as caught:
        resolve_pins(project, (), no_registry, archive)
    assert "buildbox images build python/3.11" in caught.value.hint
    ref = ImageRef.parse("buildbox/python:3.11")
    for content in (b"first", b"second"):
        image = make_image({"a": content})
        image.put_into(archive, full_name(ref, image.digest))
    (change,) = resolve_pins(project, (), no_registry, archive)
    assert change.new == f"buildbox/python:3.11@{image.digest}"  # the newest
    assert change.source == "archive"


def test_a_toolchain_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no toolchain 'pyton'") as caught:
        resolve_pins(config(tmp_path, a=PINNED, python=PINNED), ["pyton"], no_registry, None)
    assert "'python'" in caught.value.hint


def test_check_names_every_unpinned_one_with_its_line(tmp_path: Path) -> None:
    project = config(tmp_path, a="debian:12", b=PINNED, c="x.example/y")
    with pytest.raises(ImageError, match="2 images are not pinned") as caught:
        check_pins(project)
    assert caught.value.hint.splitlines()[:2] == [
        ".buildbox.toml:3: toolchains.a.image: debian:12 has no digest",
        ".buildbox.toml:7: toolchains.c.image: x.example/y has no digest",
    ]
    check_pins(config(tmp_path, a=PINNED))
