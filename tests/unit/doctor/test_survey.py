from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.doctor.survey import Survey, survey, whole_images
from buildbox.errors import ArchiveError
from buildbox.oci import OCI_MANIFEST, Descriptor, canonical
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index

NAME = "docker.io/library/a:1@{}"


def kept(path: Path, *images: MadeImage) -> Archive:
    archive = Archive.open(path)
    for image in images:
        image.put_into(archive, NAME.format(image.digest))
    return archive


def test_no_archive_is_none_yet(tmp_path: Path) -> None:
    assert survey(tmp_path / "archive") == Survey(tmp_path / "archive", exists=False)
    assert whole_images(tmp_path / "archive", AMD64) == []


def test_images_and_bytes_are_counted(tmp_path: Path) -> None:
    archive = kept(tmp_path / "a", make_image({"f": b"1"}), make_image({"f": b"2"}))
    found = survey(tmp_path / "a")
    size = sum(path.stat().st_size for path in archive.blobs.iterdir())
    assert found == Survey(tmp_path / "a", exists=True, images=2, size=size)


def test_a_lost_layer_is_damage(tmp_path: Path) -> None:
    image = make_image({"f": b"1"})
    archive = kept(tmp_path / "a", image)
    (layer,) = image.layers()
    archive.blob_path(layer).unlink()
    (line,) = survey(tmp_path / "a").damaged
    assert str(layer) in line
    assert whole_images(tmp_path / "a", AMD64) == []


def test_a_layer_of_another_size_is_damage(tmp_path: Path) -> None:
    image = make_image({"f": b"1"})
    archive = kept(tmp_path / "a", image)
    archive.blob_path(image.layers()[0]).write_bytes(b"short")
    (line,) = survey(tmp_path / "a").damaged
    assert "5 bytes" in line


@pytest.mark.parametrize("data", [b"{}", None])
def test_a_bad_or_lost_manifest_is_damage_and_no_end(tmp_path: Path, data: bytes | None) -> None:
    bad, good = make_image({"f": b"1"}), make_image({"f": b"2"})
    archive = kept(tmp_path / "a", bad, good)
    archive.blob_path(bad.digest).unlink()
    if data:
        archive.blob_path(bad.digest).write_bytes(data)
    found = survey(tmp_path / "a")
    assert found.images == 1
    assert str(bad.digest) in found.damaged[0]
    assert [image.manifest.digest for _, image in whole_images(tmp_path / "a", AMD64)] == [good.digest]


def test_platforms_that_were_never_fetched_are_no_damage(tmp_path: Path) -> None:
    here, other = make_image({"f": b"1"}), make_image({"f": b"2"}, platform=ARM64)
    index = make_index(here, other)
    archive = kept(tmp_path / "a", index)
    archive.blob_path(other.digest).unlink()
    assert survey(tmp_path / "a").incomplete == 0
    archive.blob_path(here.layers()[0]).unlink()
    found = survey(tmp_path / "a")
    assert (found.images, found.incomplete, found.damaged) == (1, 1, ())


def test_other_artifacts_are_no_images(tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "a")
    empty = Descriptor("application/vnd.oci.empty.v1+json", archive.add_bytes(b"{}"), 2).to_json()
    text = canonical({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": [empty]})
    archive.keep(Descriptor(OCI_MANIFEST, archive.add_bytes(text), len(text)), "packages")
    note = archive.add_bytes(b"[]")
    archive.keep(Descriptor("text/plain", note, 2), "note")
    found = survey(tmp_path / "a")
    assert (found.images, found.damaged, found.incomplete) == (0, (), 0)


def test_an_archive_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    Archive.open(tmp_path / "a")
    (tmp_path / "a" / "index.json").write_text("{")
    with pytest.raises(ArchiveError):
        survey(tmp_path / "a")


def test_the_smallest_image_comes_first(tmp_path: Path) -> None:
    large, small = make_image({"f": bytes(range(256)) * 99}), make_image({"f": b"2"})
    kept(tmp_path / "a", large, small, make_image({"f": b"3"}, platform=ARM64))
    found = [(name, image.manifest.digest) for name, image in whole_images(tmp_path / "a", AMD64)]
    assert found == [("library/a:1", small.digest), ("library/a:1", large.digest)]
