from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.images import (
    ImageConfig,
    check_platform,
    choose,
    find_image,
    find_tag,
    full_name,
    read_config,
)
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import OCI_INDEX, OCI_MANIFEST, Descriptor, Index, Platform, canonical
from buildbox.reference import ImageRef
from tests.support.images import AMD64, Settings, make_image, make_index

TOP = Digest.of(b"index")


def entry(platform: str, **annotations: str) -> Descriptor:
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    found = Platform(os, architecture, variant) if platform else None
    return Descriptor(OCI_MANIFEST, Digest.of(platform.encode()), 1, found, annotations)


def chosen(wanted: str, *have: str) -> str:
    index = Index(OCI_INDEX, tuple(entry(platform) for platform in have))
    return str(choose(index, Platform.parse(wanted), TOP).platform)


@pytest.mark.parametrize(
    ("wanted", "have", "found"),
    [
        ("linux/amd64", ["linux/arm64", "linux/amd64"], "linux/amd64"),
        ("linux/amd64", ["linux/amd64/v3", "linux/amd64"], "linux/amd64"),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v2"], "linux/amd64/v2"),
        ("linux/arm64", ["linux/arm64/v8"], "linux/arm64/v8"),
        ("linux/arm64/v8", ["linux/arm64"], "linux/arm64"),
        ("linux/arm/v7", ["linux/arm/v5", "linux/arm/v6"], "linux/arm/v6"),
        ("linux/arm", ["linux/arm/v6", "linux/arm/v7"], "linux/arm/v7"),
        ("linux/amd64", ["windows/amd64", "linux/amd64"], "linux/amd64"),
    ],
)
def test_the_best_of_an_index(wanted: str, have: list[str], found: str) -> None:
    assert chosen(wanted, *have) == found


@pytest.mark.parametrize(
    ("wanted", "have"),
    [
        ("linux/amd64", ["linux/arm64"]),
        ("linux/arm/v6", ["linux/arm/v7"]),
        ("linux/amd64", ["linux/amd64/v3"]),
        ("linux/amd64", []),
        ("linux/amd64", ["windows/amd64"]),
    ],
)
def test_what_an_index_lacks(wanted: str, have: list[str]) -> None:
    with pytest.raises(ImageError, match="it is for: " + (", ".join(have) or "none")):
        chosen(wanted, *have)


def test_attestations_are_no_images() -> None:
    attestation = entry("unknown/unknown", **{"vnd.docker.reference.type": "attestation-manifest"})
    index = Index(OCI_INDEX, (attestation, entry("linux/arm64")))
    with pytest.raises(ImageError, match=r"it is for: linux/arm64$"):
        choose(index, AMD64, TOP)


def test_a_single_image_without_a_platform_is_tried() -> None:
    assert choose(Index(OCI_INDEX, (entry(""),)), AMD64, TOP).platform is None
    with pytest.raises(ImageError):
        choose(Index(OCI_INDEX, (entry(""), entry(""))), AMD64, TOP)


def test_a_config() -> None:
    config = {"Env": ["A=b"], "User": "1:2", "WorkingDir": "/w", "Entrypoint": ["e"], "Cmd": ["c"]}
    data = canonical({"os": "linux", "architecture": "arm", "variant": "v7", "config": config})
    arm = Platform("linux", "arm", "v7")
    assert read_config(data, TOP) == ImageConfig(arm, ("A=b",), ("e",), ("c",), "1:2", "/w")
    empty = canonical({"architecture": "amd64", "config": {"Env": None, "Entrypoint": None}})
    assert read_config(empty, TOP) == ImageConfig(AMD64, ())


def test_what_a_config_says_to_services() -> None:
    config = {
        "Volumes": {"/b": {}, "/a": {}, "relative": {}},
        "Shell": ["/bin/bash", "-c"],
        "Healthcheck": {"Test": ["CMD-SHELL", "pg_isready"], "Interval": 30_000_000_000},
    }
    found = read_config(canonical({"architecture": "amd64", "config": config}), TOP)
    assert found.volumes == ("/a", "/b")
    assert (found.shell, found.healthcheck) == (("/bin/bash", "-c"), ("CMD-SHELL", "pg_isready"))


@pytest.mark.parametrize("odd", [5, "text", ["a", 5], {"Test": "text"}])
def test_odd_words_to_services_are_none(odd: object) -> None:
    """A task runs in such an image nevertheless."""
    keys = ("Entrypoint", "Cmd", "Volumes", "Shell", "Healthcheck", "WorkingDir")
    config = {key: odd for key in keys if not (key == "WorkingDir" and isinstance(odd, str))}
    assert read_config(canonical({"architecture": "amd64", "config": config}), TOP) == ImageConfig(AMD64, ())


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"architecture": "amd64", "config": 5}'])
def test_what_is_no_config(data: bytes) -> None:
    with pytest.raises(ImageError, match="not an image's configuration"):
        read_config(data, TOP)


def test_an_image_for_another_machine() -> None:
    check_platform(Platform("linux", "arm64"), Platform("linux", "arm64", "v8"), TOP)
    with pytest.raises(ImageError, match="not for linux/amd64; it is for: linux/arm64"):
        check_platform(Platform("linux", "arm64"), AMD64, TOP)


def test_from_a_pin_to_an_image(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    made = make_image(settings=Settings(env=("A=b",), user="app", workdir="/w", entrypoint=("/e",)))
    index = make_index(made)
    assert find_image(archive, made.digest, AMD64) is None
    index.put_into(archive)
    single, multi = find_image(archive, made.digest, AMD64), find_image(archive, index.digest, AMD64)
    assert single is not None
    assert multi is not None
    assert single.ids == (str(single.config.digest), str(made.digest))
    assert multi.ids == (*single.ids, str(index.digest))
    assert single.document.env == ("A=b",)
    assert single.platform == AMD64
    assert single.manifest.size == len(made.manifests[made.digest][1])
    for digest in made.layers():
        archive.blob_path(digest).unlink()
    assert find_image(archive, made.digest, AMD64) == single  # layers aren't looked at
    archive.blob_path(single.config.digest).unlink()
    assert find_image(archive, index.digest, AMD64) is None


def test_an_index_of_indexes_is_refused(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    inner = make_index(make_image())
    inner.put_into(archive)
    lying = Descriptor(OCI_MANIFEST, inner.digest, inner.top.size, AMD64)
    outer = make_index(extra=[lying])
    outer.put_into(archive)
    with pytest.raises(ImageError, match="an index again"):
        find_image(archive, outer.digest, AMD64)


def test_names(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    image = make_image()
    ref = ImageRef.parse("debian:12")
    name = full_name(ref, image.digest)
    assert name == f"docker.io/library/debian:12@{image.digest}"
    assert ImageRef.parse(name).digest == image.digest
    image.put_into(archive, "not a reference")
    assert find_tag(archive, ref) is None
    image.put_into(archive, name)
    assert find_tag(archive, ref) == image.digest
    assert find_tag(archive, ImageRef.parse("docker.io/debian:12")) == image.digest
    assert find_tag(archive, ImageRef.parse("debian:11")) is None
    assert find_tag(archive, ImageRef.parse("debian")) is None
