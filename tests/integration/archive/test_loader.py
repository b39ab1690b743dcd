"""From the archive into a real engine."""

from __future__ import annotations

import io
import json
import os
import tarfile
import tracemalloc

import pytest

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.loader import image_tar, keep_tag, load
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.progress import Silent
from tests.integration.archive.engines import image_of_its_own, watched_engine
from tests.integration.archive.test_layout import spoil
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index
from tests.support.seen import Seen


def archived(archive: Archive, image: MadeImage) -> ArchivedImage:
    image.put_into(archive)
    found = find_image(archive, image.digest, AMD64)
    assert found is not None
    return found


def test_the_engine_knows_a_loaded_image_by_its_id(archive: Archive) -> None:
    made, seen = image_of_its_own("loaded"), Seen()
    image = archived(archive, made)
    with watched_engine(made) as engine:
        image_id = load(archive, image, engine, seen)
        assert image_id in image.ids
        assert engine.has_image(image_id)
    ((_, meter),) = seen.meters
    assert meter.total is not None
    assert meter.total <= meter.done < meter.total + 20_000  # the tar's headers are more


def test_a_multi_platform_image_loads_as_its_own_platform(archive: Archive) -> None:
    made = image_of_its_own("many")
    index = make_index(make_image(platform=ARM64), made)
    index.put_into(archive)
    image = find_image(archive, index.digest, AMD64)
    assert image is not None
    with watched_engine(made) as engine:
        assert load(archive, image, engine, Silent()) in image.ids


@pytest.mark.parametrize("layer", [0, 1])
def test_a_tampered_layer_never_makes_a_whole_tar(archive: Archive, layer: int) -> None:
    made = image_of_its_own(f"tampered {layer}")
    image = archived(archive, made)
    spoil(archive, image.layers[layer].digest)
    with watched_engine(made) as engine:
        with pytest.raises(BlobDamaged, match=str(image.layers[layer].digest)):
            load(archive, image, engine, Silent())
        assert not engine.complete
        assert bytes(1024) not in engine.received[-1024:]
        assert not any(engine.has_image(image_id) for image_id in image.ids)


def test_a_missing_layer_is_said(archive: Archive) -> None:
    made = image_of_its_own("missing")
    image = archived(archive, made)
    archive.blob_path(image.layers[1].digest).unlink()
    with watched_engine(made) as engine, pytest.raises(BlobMissing):
        load(archive, image, engine, Silent())


def test_the_tar_is_both_kinds_and_always_the_same(archive: Archive) -> None:
    made = make_image({"a": b"a"}, {"b": b"b"})
    index = make_index(made)
    index.put_into(archive)
    image = find_image(archive, index.digest, AMD64)
    assert image is not None
    data = b"".join(image_tar(archive, image, "keep:it"))
    assert data == b"".join(image_tar(archive, image, "keep:it"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}  # type: ignore[union-attr]
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["keep:it"]
    assert [files[name] for name in docker["Layers"]] == [made.blobs[layer] for layer in made.layers()]
    assert Digest.of(files[docker["Config"]]) == image.config.digest
    (entry,) = json.loads(files["index.json"])["manifests"]
    assert entry["digest"] == str(made.digest)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert name == f"blobs/sha256/{Digest.of(content).hex}"
    assert files[f"blobs/sha256/{index.digest.hex}"] == index.manifests[index.digest][1]


def test_memory_stays_flat(archive: Archive) -> None:
    image = archived(archive, make_image({"big": os.urandom(20_000_000)}))
    tracemalloc.start()
    try:
        total = sum(len(chunk) for chunk in image_tar(archive, image, "x:y"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert total > 20_000_000
    assert peak < 8_000_000


def test_the_keep_tag_is_a_tag(archive: Archive) -> None:
    tag = keep_tag(archived(archive, make_image()))
    assert tag.startswith("buildbox.local/keep:sha256-")
    assert len(tag.partition(":")[2]) <= 128


def test_a_size_that_lies_stops_the_tar(archive: Archive) -> None:
    image = archived(archive, make_image())
    os.truncate(archive.blob_path(image.layers[0].digest), 3)
    with pytest.raises(ArchiveError, match="doesn't have the"):
        list(image_tar(archive, image, "x:y"))
