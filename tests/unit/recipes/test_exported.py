"""Image archives of each layout that engines give out."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import canonical
from buildbox.recipes.exported import unpack
from tests.support.fake_build import tar_of

ONE, TWO = tar_of({"one": b"1" * 100_000}), tar_of({"two": b"2"})


def config(*layers: bytes, **changes: object) -> bytes:
    diff_ids = [str(Digest.of(layer)) for layer in layers]
    basics = {"os": "linux", "architecture": "amd64", "config": {}}
    return canonical({**basics, "rootfs": {"type": "layers", "diff_ids": diff_ids}, **changes})


CONFIG = config(ONE, TWO)
ID = str(Digest.of(CONFIG))


def docker(files: Mapping[str, bytes], named: str, layers: list[str]) -> dict[str, bytes]:
    manifest = json.dumps([{"Config": named, "RepoTags": None, "Layers": layers}]).encode()
    return {**files, "manifest.json": manifest}


def in_pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + 7000] for at in range(0, len(data), 7000))


CLASSIC = docker(
    {"a/layer.tar": ONE, "b/layer.tar": TWO, "c.json": CONFIG}, "c.json", ["a/layer.tar", "b/layer.tar"]
)


def test_the_classic_layout(tmp_path: Path) -> None:
    found = unpack(in_pieces(tar_of(CLASSIC)), ID, tmp_path)
    assert found.config == CONFIG
    assert [path.read_bytes() for path in found.layers] == [ONE, TWO]
    assert found.diff_ids == (Digest.of(ONE), Digest.of(TWO))
    assert str(found.platform) == "linux/amd64"


def test_the_oci_layout_of_a_containerd_store(tmp_path: Path) -> None:
    """The id is the manifest's, and layers are as they were loaded."""
    packed = gzip.compress(ONE)
    blobs = {f"blobs/sha256/{Digest.of(data).hex}": data for data in (packed, TWO, CONFIG)}
    first, second, third = blobs
    manifest_id = "sha256:" + "1" * 64
    index = json.dumps({"manifests": [{"digest": manifest_id}]}).encode()
    files = docker({**blobs, "index.json": index}, third, [first, second])
    found = unpack(in_pieces(tar_of(files)), manifest_id, tmp_path)
    assert [path.read_bytes() for path in found.layers] == [ONE, TWO]
    (tmp_path / "again").mkdir()
    assert unpack(in_pieces(tar_of(files)), ID, tmp_path / "again").config == CONFIG


def test_a_layer_that_is_there_twice_is_a_link(tmp_path: Path) -> None:
    data = io.BytesIO()
    twice = config(TWO, TWO)
    with tarfile.open(fileobj=data, mode="w") as tar:
        link = tarfile.TarInfo("b/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../a/layer.tar"
        tar.addfile(link)
        files = docker({"a/layer.tar": TWO, "c.json": twice}, "c.json", ["a/layer.tar", "b/layer.tar"])
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    found = unpack(in_pieces(data.getvalue()), str(Digest.of(twice)), tmp_path)
    assert found.layers[0] == found.layers[1]


def test_no_layers_at_all(tmp_path: Path) -> None:
    empty = canonical(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": None}}
    )
    files = docker({"c.json": empty}, "c.json", [])
    assert unpack(in_pieces(tar_of(files)), str(Digest.of(empty)), tmp_path).layers == ()


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({**CLASSIC, "c.json": config(ONE, TWO, os="windows")}, "another image"),
        ({**CLASSIC, "b/layer.tar": ONE}, "aren't those"),
        (docker({"a": ONE, "c": CONFIG}, "c", ["a"]), "aren't those"),
        (docker({"a": ONE, "c": CONFIG}, "c", ["a", "gone"]), "can't be read"),
        ({**CLASSIC, "b/layer.tar": b"\x1f\x8bno"}, "can't be read"),
        ({**CLASSIC, "b/layer.tar": gzip.compress(TWO)[:-9]}, "can't be read"),
        ({**CLASSIC, "b/layer.tar": b"\x28\xb5\x2f\xfdx"}, "zstd"),
        ({**CLASSIC, "manifest.json": b"[]"}, "can't be read"),
        ({**CLASSIC, "manifest.json": b"{"}, "can't be read"),
        ({"x": b""}, "can't be read"),
    ],
)
def test_what_is_no_image_or_another(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(ImageError, match=said):
        unpack(in_pieces(tar_of(files)), ID, tmp_path)


@pytest.mark.parametrize("size", [0, 3000, 60_000])
def test_one_that_is_cut_short(tmp_path: Path, size: int) -> None:
    with pytest.raises(ImageError):
        unpack(in_pieces(tar_of(CLASSIC)[:size]), ID, tmp_path)
