"""Loading again where an engine stumbles over what a broken load left there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from buildbox.archive.images import ArchivedImage, find_image
from buildbox.archive.layout import Archive
from buildbox.archive.loader import load
from buildbox.errors import EngineError
from buildbox.progress import Silent
from tests.support.fake_engine import FakeEngine
from tests.support.images import AMD64, make_image


class Stumbling(FakeEngine):
    """An engine that refuses the first loads, in these words."""

    def __init__(self, *refusals: str) -> None:
        super().__init__()
        self.refusals = list(refusals)

    def load(self, tar: Iterable[bytes]) -> None:
        whole = list(tar)
        if self.refusals:
            raise EngineError(self.refusals.pop(0))
        super().load(whole)


REST = "the engine refused the image: content digest sha256:12: not found"


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


@pytest.fixture
def image(archive: Archive) -> ArchivedImage:
    made = make_image()
    made.put_into(archive)
    found = find_image(archive, made.digest, AMD64)
    assert found
    return found


def test_the_rest_of_a_broken_load_is_loaded_over(archive: Archive, image: ArchivedImage) -> None:
    engine = Stumbling(REST)
    assert load(archive, image, engine, Silent()) == str(image.config.digest)


@pytest.mark.parametrize("refusals", [(REST, REST), ("no space left on device",)])
def test_what_stays_refused_is_told(
    archive: Archive, image: ArchivedImage, refusals: tuple[str, ...]
) -> None:
    engine = Stumbling(*refusals)
    with pytest.raises(EngineError, match=refusals[-1]):
        load(archive, image, engine, Silent())
    assert not engine.refusals
    assert engine.images == {}
