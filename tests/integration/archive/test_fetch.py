"""From registries, real and faulty, into the archive."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbox.archive.fetch import fetch
from buildbox.archive.files import ArchiveFull
from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import Exit, ImageError
from buildbox.oci import DOCKER_LAYER_GZIP, Platform
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import OtherBytes, Registry
from tests.integration.archive.test_concurrency import assert_sound
from tests.integration.archive.test_layout import mount, spoil
from tests.support.faulty import Call, FaultyRegistry, Rule, only, range_start, run_faulty, status
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index
from tests.support.registry import RealRegistry
from tests.support.seen import Seen

BYTES = random.Random(2)
IMAGE = make_image(*({f"file{n}": BYTES.randbytes(300_000 * n)} for n in range(1, 6)))
LAYERS = IMAGE.layers()


def ref_to(host: str, image: MadeImage, name: str = "tools/py:3.11") -> ImageRef:
    return ImageRef.parse(f"{host}/{name}@{image.digest}")


def run(archive: Archive, registry: FaultyRegistry, platform: Platform = AMD64, check: bool = False) -> Seen:
    seen = Seen()
    client = Registry(registry.host, pause=0.001, read_timeout=5)
    fetch(archive, client, ref_to(registry.host, registry.image), platform, seen, check=check)
    return seen


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with run_faulty(IMAGE) as registry:
        yield registry


def test_an_image_of_a_real_registry(archive: Archive, real_registry: RealRegistry) -> None:
    real_registry.push(IMAGE, "tools/py", "3.11")
    ref, seen = ref_to(real_registry.host, IMAGE), Seen()
    image = fetch(archive, Registry(real_registry.host), ref, AMD64, seen)
    assert image == find_image(archive, IMAGE.digest, AMD64)
    assert [layer.digest for layer in image.layers] == LAYERS
    assert {blob.name for blob in archive.blobs.iterdir()} == {
        digest.hex for digest in (*IMAGE.blobs, *IMAGE.manifests)
    }
    assert [(name, top.digest) for name, top in archive.refs()] == [(str(ref), IMAGE.digest)]
    assert list((archive.path / "partial").iterdir()) == []
    total = sum(len(IMAGE.blobs[layer]) for layer in LAYERS)
    assert ("fetching " + ref.tagged, total) in [(label, meter.total) for label, meter in seen.meters]
    assert all(meter.done == meter.total for _, meter in seen.meters)
    assert len([label for label, _ in seen.meters if label.startswith("layer ")]) == 5


def test_only_the_wanted_platform_is_fetched(archive: Archive, real_registry: RealRegistry) -> None:
    amd, arm = make_image({"a": b"amd"}, platform=AMD64), make_image({"a": b"arm"}, platform=ARM64)
    index = make_index(amd, arm)
    real_registry.push(index, "tools/both", "1")
    ref = ref_to(real_registry.host, index, "tools/both:1")
    image = fetch(archive, Registry(real_registry.host), ref, Platform("linux", "arm64"), Silent())
    assert image.manifest.digest == arm.digest
    assert image.ids == (str(image.config.digest), str(arm.digest), str(index.digest))
    assert archive.has(index.digest)
    assert not archive.has(amd.digest)
    with pytest.raises(ImageError, match=r"not for linux/s390x; it is for: linux/amd64, linux/arm64/v8"):
        fetch(archive, Registry(real_registry.host), ref, Platform("linux", "s390x"), Silent())


def test_what_is_here_is_not_fetched_again(archive: Archive, faulty: FaultyRegistry) -> None:
    run(archive, faulty)
    before = len(faulty.asked)
    run(archive, faulty)
    assert len(faulty.asked) == before
    archive.blob_path(LAYERS[2]).unlink()
    run(archive, faulty)
    assert [asked.path for asked in faulty.asked[before:] if asked.path != "/v2/"] == [
        f"/v2/tools/py/blobs/{LAYERS[2]}"
    ]


def test_damage_is_mended_when_asked_to_check(archive: Archive, faulty: FaultyRegistry) -> None:
    run(archive, faulty)
    for digest in (LAYERS[1], IMAGE.digest):
        spoil(archive, digest)
    run(archive, faulty, check=True)
    assert_sound(archive.path)


def partly(image: MadeImage, amount: int, lie: int = 0) -> Rule:
    """Sends at most `amount` bytes of a blob, then hangs up; the announced length is `lie` too much."""

    def answer(call: Call) -> bool:
        digest = Digest.parse(call.path.rpartition("/")[2])
        start = range_start(call)
        rest = image.blobs[digest][start:]
        call.send_response(206 if start else 200)
        if start:
            call.send_header("Content-Range", f"bytes {start}-{start + len(rest) - 1}/*")
        call.send_header("Content-Length", str(len(rest) + lie))
        call.end_headers()
        call.wfile.write(rest[:amount])
        call.hang_up()
        return True

    return answer


@pytest.mark.parametrize("lie", [0, 5000])
def test_dropped_connections_are_resumed(archive: Archive, faulty: FaultyRegistry, lie: int) -> None:
    faulty.rules = [only(str(layer), partly(IMAGE, 200_000, lie), times=3) for layer in LAYERS]
    seen = run(archive, faulty)
    assert_sound(archive.path)
    asked = [request.headers.get("range") for request in faulty.requests(str(LAYERS[4]))]
    assert asked[0] is None
    starts = [int(text[len("bytes=") : -1]) for text in asked[1:] if text]
    assert starts == sorted(starts) and len(starts) == 3  # each goes on where the last stopped
    assert starts[0] > 100_000
    assert any("resuming" in note for note in seen.notes)
    assert all(meter.done == meter.total for _, meter in seen.meters)


def test_a_registry_that_always_drops_is_given_up(archive: Archive, faulty: FaultyRegistry) -> None:
    faulty.rules = [only(str(LAYERS[3]), partly(IMAGE, 10))]
    with pytest.raises(ImageError, match=faulty.host) as caught:
        run(archive, faulty)
    assert caught.value.exit == Exit.IMAGE
    assert archive.refs() == ()
    assert not archive.has(IMAGE.digest)  # what points at the rest comes last
    assert len(faulty.requests(str(LAYERS[3]))) < 10


def test_an_interrupted_fetch_goes_on_later(archive: Archive, faulty: FaultyRegistry) -> None:
    faulty.rules = [
        only(str(LAYERS[4]), partly(IMAGE, 500_000), times=1),
        only(str(LAYERS[4]), status(403), times=1),
    ]
    with pytest.raises(ImageError, match="403"):
        run(archive, faulty)
    before = len(faulty.asked)
    run(archive, faulty)
    (asked,) = [asked for asked in faulty.asked[before:] if str(LAYERS[4]) in asked.path]
    assert int(asked.headers["range"].removeprefix("bytes=").removesuffix("-")) > 100_000
    assert_sound(archive.path)


def test_a_damaged_partial_download_starts_over(archive: Archive, faulty: FaultyRegistry) -> None:
    (archive.path / "partial" / LAYERS[0].hex).write_bytes(b"not the layer's beginning")
    (archive.path / "partial" / LAYERS[1].hex).write_bytes(bytes(10_000_000))  # more than there can be
    run(archive, faulty)
    assert_sound(archive.path)
    assert find_image(archive, IMAGE.digest, AMD64) is not None


def test_other_bytes_in_a_layer_are_refused_and_not_kept(archive: Archive, faulty: FaultyRegistry) -> None:
    bad = bytearray(IMAGE.blobs[LAYERS[2]])
    bad[-1] ^= 1
    faulty.image = MadeImage(IMAGE.top, IMAGE.manifests, {**IMAGE.blobs, LAYERS[2]: bytes(bad)})
    with pytest.raises(OtherBytes, match=f"other bytes than those of {LAYERS[2]}") as caught:
        run(archive, faulty)
    assert caught.value.exit == Exit.IMAGE
    assert not archive.has(LAYERS[2])
    assert not (archive.path / "partial" / LAYERS[2].hex).exists()
    assert archive.refs() == ()
    assert find_image(archive, IMAGE.digest, AMD64) is None
    assert_sound(archive.path)


def test_nothing_is_kept_of_a_layer_that_is_too_long(archive: Archive, faulty: FaultyRegistry) -> None:
    layer = IMAGE.blobs[LAYERS[4]]
    faulty.image = MadeImage(IMAGE.top, IMAGE.manifests, {**IMAGE.blobs, LAYERS[4]: layer + b"more"})
    with pytest.raises(OtherBytes, match="there are more than"):
        run(archive, faulty)
    assert not (archive.path / "partial" / LAYERS[4].hex).exists()
    assert_sound(archive.path)


def test_other_bytes_for_the_manifest_are_refused_and_not_kept(
    archive: Archive, faulty: FaultyRegistry
) -> None:
    other = make_image({"evil": b"evil"})
    faulty.image = MadeImage(
        IMAGE.top, {IMAGE.digest: other.manifests[other.digest], **other.manifests}, other.blobs
    )
    with pytest.raises(OtherBytes):
        run(archive, faulty)
    assert list(archive.blobs.iterdir()) == []
    assert archive.refs() == ()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (make_image(layer_type="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "foreign layer"),
        (make_image(layer_type="application/x-strange"), "application/x-strange"),
        (make_image(config_type="application/vnd.cncf.helm.config.v1+json"), "not a container image"),
        (make_image(platform=ARM64), "not for linux/amd64; it is for: linux/arm64/v8"),
    ],
)
def test_what_can_not_be_run_is_said(archive: Archive, image: MadeImage, words: str) -> None:
    with run_faulty(image) as registry, pytest.raises(ImageError, match=words):
        run(archive, registry)
    assert archive.refs() == ()


def test_docker_media_types(archive: Archive) -> None:
    image = make_image(
        layer_type=DOCKER_LAYER_GZIP, config_type="application/vnd.docker.container.image.v1+json"
    )
    with run_faulty(image) as registry:
        run(archive, registry)
    assert find_image(archive, image.digest, AMD64) is not None


def test_a_layer_that_is_there_twice_is_fetched_once(archive: Archive) -> None:
    image = make_image({"same": b"same"}, {"same": b"same"})
    with run_faulty(image) as registry:
        run(archive, registry)
        assert len(registry.requests(str(image.layers()[0]))) == 1


FETCHER = """
import sys
from pathlib import Path
from buildbox.archive.fetch import fetch
from buildbox.archive.layout import Archive
from buildbox.oci import Platform
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
ref = ImageRef.parse(sys.argv[2])
fetch(Archive.open(Path(sys.argv[1])), Registry(ref.registry), ref, Platform("linux", "amd64"), Silent())
"""


def fetcher(archive: Archive, registry: FaultyRegistry) -> subprocess.Popen[bytes]:
    ref = ref_to(registry.host, registry.image)
    return subprocess.Popen(
        [sys.executable, "-c", FETCHER, str(archive.path), str(ref)], stderr=subprocess.DEVNULL
    )


def slowly(call: Call) -> bool:
    """A blob in small pieces, with pauses."""
    digest = Digest.parse(call.path.rpartition("/")[2])
    start = range_start(call)
    data = IMAGE.blobs[digest]
    call.send_response(206 if start else 200)
    if start:
        call.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    call.send_header("Content-Length", str(len(data) - start))
    call.end_headers()
    for at in range(start, len(data), 100_000):
        call.wfile.write(data[at : at + 100_000])
        time.sleep(0.02)
    return True


def test_two_processes_fetch_one_image_once(archive: Archive, faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/blobs/", slowly)]
    processes = [fetcher(archive, faulty), fetcher(archive, faulty)]
    assert [process.wait(60) for process in processes] == [0, 0]
    for layer in LAYERS:
        assert len(faulty.requests(str(layer))) == 1
    assert_sound(archive.path)
    assert list((archive.path / "partial").iterdir()) == []


def test_a_killed_fetch_is_gone_on_with(archive: Archive, faulty: FaultyRegistry) -> None:
    released = threading.Event()

    def stuck(call: Call) -> bool:
        """Sends 200 kB more than it is asked to leave out, and no more."""
        data = IMAGE.blobs[Digest.parse(call.path.rpartition("/")[2])]
        start = range_start(call)
        call.send_response(206 if start else 200)
        if start:
            call.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        call.send_header("Content-Length", str(len(data) - start))
        call.end_headers()
        call.wfile.write(data[start : start + 200_000])
        if len(data) - start > 200_000:
            released.wait(30)
            call.hang_up()
        return True

    def came() -> int:
        return sum(path.stat().st_size for path in (archive.path / "partial").iterdir())

    faulty.rules = [only("/blobs/", stuck)]
    for _ in range(3):
        before, end = came(), time.monotonic() + 20
        process = fetcher(archive, faulty)
        while came() <= before and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        assert_sound(archive.path)
        assert find_image(archive, IMAGE.digest, AMD64) is None
    faulty.rules = []
    released.set()
    run(archive, faulty)
    assert [asked for asked in faulty.asked if "range" in asked.headers]
    assert find_image(archive, IMAGE.digest, AMD64) is not None
    assert_sound(archive.path)


def test_a_full_disk_keeps_nothing_half_written(tmp_path: Path, faulty: FaultyRegistry) -> None:
    small = tmp_path / "small"
    mount("tmpfs", "size=2m", small)
    try:
        archive = Archive.open(small / "archive")
        with pytest.raises(ArchiveFull, match="no space left"):
            run(archive, faulty)
        assert_sound(archive.path)
        assert archive.refs() == ()
        assert find_image(archive, IMAGE.digest, AMD64) is None
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_a_failure_ends_the_other_downloads(archive: Archive, faulty: FaultyRegistry) -> None:
    faulty.rules = [only(str(LAYERS[0]), status(403)), only("/blobs/", slowly)]
    with pytest.raises(ImageError, match="403"):
        run(archive, faulty)
    ours = [thread for thread in threading.enumerate() if thread.name == "buildbox-fetch"]
    assert not [thread for thread in ours if thread.is_alive()]


def test_an_interrupt_does_not_wait_for_a_silent_registry(archive: Archive, faulty: FaultyRegistry) -> None:
    def say_nothing(call: Call) -> bool:
        time.sleep(20)
        return False

    faulty.rules = [only("/blobs/", say_nothing)]
    process = fetcher(archive, faulty)
    end = time.monotonic() + 20
    while not faulty.requests("/blobs/") and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(8) != 0


def test_an_unpinned_image_is_never_fetched(archive: Archive, faulty: FaultyRegistry) -> None:
    ref = ImageRef.parse(f"{faulty.host}/tools/py:3.11")
    with pytest.raises(ImageError, match="not pinned"):
        fetch(archive, Registry(faulty.host), ref, AMD64, Silent())
    assert faulty.asked == []
