"""`archive save` for several or all platforms of an index, and what can't be kept of one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.images import Unfit, find_image
from buildbox.archive.layout import Archive
from buildbox.archive.places import Place, own_place
from buildbox.config.model import Toolchain
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.images import Nowhere
from buildbox.oci import OCI_CONFIG, OCI_MANIFEST, Descriptor, Platform, canonical
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.saving import Saved, Sources, save
from tests.integration.archive.test_layout import spoil
from tests.support.faulty import FaultyRegistry, only, run_faulty, status
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index

WINDOWS = Platform("windows", "amd64")
FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
AMD, ARM = make_image({"a": b"amd" * 9}, platform=AMD64), make_image({"a": b"arm" * 9}, platform=ARM64)
SHARED = make_image({"a": b"amd" * 9}, {"b": b"v3"}, platform=Platform("linux", "amd64", "v3"))


def attestation(about: MadeImage) -> MadeImage:
    """What buildkit adds for an image: a manifest whose layer is a statement about it."""
    statement = b'{"_type":"https://in-toto.io/Statement/v0.1"}'
    config = canonical({"architecture": "unknown", "os": "unknown", "config": {}})
    layer = Descriptor("application/vnd.in-toto+json", Digest.of(statement), len(statement))
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor(OCI_CONFIG, Digest.of(config), len(config)).to_json(),
            "layers": [layer.to_json()],
        }
    )
    notes = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": str(about.digest),
    }
    top = Descriptor(OCI_MANIFEST, Digest.of(manifest), len(manifest), Platform("unknown", "unknown"), notes)
    blobs = {Digest.of(config): config, Digest.of(statement): statement}
    return MadeImage(top, {top.digest: (OCI_MANIFEST, manifest)}, blobs)


def keep(
    archive: Archive,
    registry: FaultyRegistry,
    platforms: tuple[Platform, ...] | None,
    image: MadeImage | None = None,
    *mirrors: FaultyRegistry,
    offline: bool = False,
) -> Saved:
    ref = ImageRef.parse(f"{registry.host}/tools/x:1@{(image or registry.image).digest}")
    places = [Place("mirror", mirror.host, ref.repository) for mirror in mirrors]
    sources = Sources(
        offline,
        lambda ref: [*places, *own_place(ref)],
        lambda host: Registry(host, pause=0.001),
        lambda ref: None,
    )
    return save(archive, Toolchain("x", ref), platforms, sources, Silent())


def whole(archive: Archive, image: MadeImage) -> bool:
    return all(archive.is_sound(digest) for digest in (*image.blobs, *image.manifests))


def test_some_platforms_are_kept_and_no_others(archive: Archive) -> None:
    index = make_index(AMD, ARM, SHARED)
    with run_faulty(index) as registry:
        saved = keep(archive, registry, (AMD64, ARM64))
    assert saved.platforms == ("linux/amd64", "linux/arm64/v8")
    assert whole(archive, AMD) and whole(archive, ARM)
    assert not archive.has(SHARED.digest)
    assert find_image(archive, index.digest, ARM64) is not None
    assert (
        saved.fetched == saved.size == sum(len(data) for image in (AMD, ARM) for data in image.blobs.values())
    )


def test_all_platforms_with_their_attestations_and_each_blob_once(archive: Archive) -> None:
    index = make_index(AMD, SHARED, ARM, attestation(AMD))
    with run_faulty(index) as registry:
        saved = keep(archive, registry, None)
        assert len(registry.requests(f"/blobs/{AMD.layers()[0]}")) == 1
        before = len(registry.asked)
        again = keep(archive, registry, None)
        assert len(registry.asked) == before
    assert (saved.platforms, saved.left) == (("linux/amd64", "linux/amd64/v3", "linux/arm64/v8"), ())
    assert whole(archive, index)
    assert saved.fetched == saved.size == sum(map(len, index.blobs.values()))
    assert again == replace(saved, fetched=0)


def test_a_platform_that_can_not_be_kept_does_not_keep_the_others_back(archive: Archive) -> None:
    foreign = make_image({"w": b"windows"}, platform=WINDOWS, layer_type=FOREIGN)
    chart = Descriptor("application/vnd.example.chart+json", Digest.of(b"chart"), 5)
    index = make_index(AMD, foreign, extra=[chart])
    with run_faulty(index) as registry:
        saved = keep(archive, registry, None)
        assert registry.requests(str(foreign.layers()[0])) == []
        with pytest.raises(Unfit, match="registries may not pass on"):
            keep(archive, registry, (WINDOWS,))
    assert saved.platforms == ("linux/amd64",)
    why = {left.what: left.why for left in saved.left}
    assert list(why) == [str(chart.digest), "windows/amd64"]
    assert "is no image (application/vnd.example.chart+json)" in why[str(chart.digest)]
    assert "registries may not pass on (foreign layer)" in why["windows/amd64"]


def test_a_platform_that_no_place_has_any_more_is_said(archive: Archive) -> None:
    gone, notes = ARM.top, attestation(AMD)
    index = make_index(AMD, extra=[gone, notes.top])
    with run_faulty(index) as registry, run_faulty(AMD) as mirror:
        saved = keep(archive, registry, None, index, mirror)
        with pytest.raises(Nowhere) as caught:
            keep(archive, registry, (ARM64,), index, mirror)
    assert caught.value.absent
    assert [left.what for left in saved.left] == ["linux/arm64/v8", "the attestation of linux/amd64"]
    for host in (mirror.host, registry.host):
        assert f"{host} has no image {gone.digest}" in saved.left[0].why


def test_what_one_place_lacks_comes_from_the_next(archive: Archive) -> None:
    index = make_index(AMD, ARM)
    lacking = MadeImage(
        index.top,
        {digest: data for digest, data in index.manifests.items() if digest != ARM.digest},
        AMD.blobs,
    )
    with run_faulty(index) as registry, run_faulty(lacking) as mirror:
        saved = keep(archive, registry, None, index, mirror)
        assert {asked.path.split("/")[-1] for asked in registry.asked if asked.path != "/v2/"} == {
            str(digest) for digest in (ARM.digest, *ARM.blobs)
        }
    assert (saved.platforms, saved.left) == (("linux/amd64", "linux/arm64/v8"), ())


def test_a_registry_that_fails_on_one_platform_is_no_reason_to_do_without_it(archive: Archive) -> None:
    index = make_index(AMD, ARM)
    with run_faulty(index, only(str(ARM.digest), status(500))) as registry:
        with pytest.raises(Nowhere) as caught:
            keep(archive, registry, None)
        assert not caught.value.absent
        registry.rules.clear()
        assert keep(archive, registry, None).fetched == sum(map(len, ARM.blobs.values()))


@pytest.mark.parametrize("which", ["layer", "config", "manifest", "index"])
def test_damage_that_is_seen_is_mended(archive: Archive, which: str) -> None:
    index = make_index(AMD, ARM)
    layer = AMD.layers()[0]
    config = next(digest for digest in AMD.blobs if digest != layer)
    damaged = {"layer": layer, "config": config, "manifest": AMD.digest, "index": index.digest}[which]
    with run_faulty(index) as registry:
        keep(archive, registry, (AMD64,))
        if which == "layer":
            archive.blob_path(damaged).write_bytes(b"short")
        else:
            spoil(archive, damaged)
        keep(archive, registry, (AMD64,))
    assert archive.is_sound(damaged)


def test_offline_takes_what_is_here_and_names_what_is_not(archive: Archive) -> None:
    index = make_index(AMD, ARM)
    with run_faulty(index) as registry:
        keep(archive, registry, (AMD64,))
        asked = len(registry.asked)
        assert keep(archive, registry, (AMD64,), offline=True).fetched == 0
        with pytest.raises(ImageError, match="can't be had") as caught:
            keep(archive, registry, (ARM64,), offline=True)
        assert f"registry: {registry.host} is not asked (--offline)" in caught.value.hint
        assert len(registry.asked) == asked


def test_nothing_is_written_where_all_is_there(archive: Archive) -> None:
    """So it works in an archive that may only be read."""

    def changes() -> dict[Path, int]:
        return {path: path.stat().st_ctime_ns for path in (archive.path, *archive.path.rglob("*"))}

    index = make_index(AMD, ARM)
    with run_faulty(index) as registry:
        keep(archive, registry, (AMD64,))
        before = changes()
        keep(archive, registry, (AMD64,))
    assert changes() == before


def test_an_image_of_one_platform_is_no_other(archive: Archive) -> None:
    with run_faulty(AMD) as registry:
        assert keep(archive, registry, None).platforms == ("linux/amd64",)
        with pytest.raises(Unfit, match="not for linux/arm64/v8; it is for: linux/amd64"):
            keep(archive, registry, (AMD64, ARM64))


def test_an_index_of_which_nothing_can_be_kept(archive: Archive) -> None:
    index = make_index(extra=[ARM.top])
    with run_faulty(index) as registry, pytest.raises(ImageError, match="nothing of the image") as caught:
        keep(archive, registry, None)
    assert "linux/arm64/v8: " in caught.value.hint
    assert archive.refs() == ()


def test_saving_an_old_pin_again_does_not_make_it_the_newest(archive: Archive, tmp_path: Path) -> None:
    with run_faulty(AMD) as old, run_faulty(ARM) as new:
        keep(archive, old, None)
        keep(archive, new, None)
        before = archive.refs()
        keep(archive, old, None)
    assert archive.refs() == before
