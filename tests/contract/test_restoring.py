"""What the archive promises, on every engine: an image comes out of it with the id that its pin implies, and
only if it is whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.archive.layout import BlobDamaged
from buildbox.errors import ArchiveError, ImageError
from tests.contract.kept import KINDS, Make, forget, tags
from tests.contract.running import run, sh
from tests.support.engines import Subject


def spoil(path: Path) -> bytes:
    """Flips a bit amid the file; gives what was there."""
    data = path.read_bytes()
    path.chmod(0o644)
    middle = len(data) // 2
    path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    return data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("indexed", [False, True], ids=["manifest", "index"])
def test_the_id_is_what_the_pin_implies(subject: Subject, make: Make, kind: str, indexed: bool) -> None:
    kept = make(kind, indexed)
    image, image_id = kept.restore(subject)
    implied = {str(kept.manifest), str(kept.ref.digest)}
    if subject.engine.info().store.startswith("classic ("):
        implied = {str(kept.config)}
    assert image_id in implied
    assert image.manifest.digest == kept.manifest


def test_it_runs_by_that_id(subject: Subject, make: Make) -> None:
    kept = make(indexed=True)
    _, image_id = kept.restore(subject)
    spec = sh(subject, "echo ran", image=image_id)
    container = subject.engine.create(spec)
    try:
        assert subject.engine.read_file(container, "/etc/mark") == kept.mark.encode()
    finally:
        subject.engine.remove(container)
    ended, output = run(subject.engine, spec)
    assert (ended.status, output[1]) == (0, b"ran\n")


@pytest.mark.parametrize("indexed", [False, True], ids=["manifest", "index"])
def test_it_is_found_again_without_loading(subject: Subject, make: Make, indexed: bool) -> None:
    kept = make(indexed=indexed)
    _, image_id = kept.restore(subject)
    kept.archive.blob_path(kept.layer).unlink()  # without which nothing can be loaded
    assert kept.restore(subject)[1] == image_id
    forget(subject, kept)
    with pytest.raises((ArchiveError, ImageError)):
        kept.restore(subject)


@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
def test_nothing_is_loaded_where_a_bit_differs(subject: Subject, make: Make, part: str) -> None:
    kept = make(indexed=True)
    path = kept.archive.blob_path(getattr(kept, part))
    right = spoil(path)
    with pytest.raises(BlobDamaged):
        kept.restore(subject)
    assert not kept.known(subject)
    if subject.real:
        assert tags(subject, kept) == []
    path.write_bytes(right)  # and the attempt has left nothing that is in the way
    assert subject.engine.has_image(kept.restore(subject)[1])
