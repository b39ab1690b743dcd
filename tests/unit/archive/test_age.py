from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from buildbox.archive.age import made_at
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.oci import Platform
from tests.support.images import AMD64, make_image, make_index

ARM = Platform("linux", "arm64", "v8")
DATE = datetime(2025, 3, 4, 5, 6, 7, tzinfo=timezone.utc).timestamp()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2025-03-04T05:06:07Z", DATE),
        ("2025-03-04T05:06:07.123456789Z", DATE),
        ("2025-03-04T05:06:07+00:00", DATE),
        (None, None),
        ("", None),
        ("yesterday, some time ago", None),
        ("1970-01-01T00:00:00Z", None),
        ("1980-01-01T00:00:01Z", None),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_the_date_of_an_image(archive: Archive, created: str | None, expected: float | None) -> None:
    image = make_image(created=created)
    image.put_into(archive)
    assert made_at(archive, image.digest, AMD64) == expected
    assert made_at(archive, image.digest, None) == expected


def test_of_an_index(archive: Archive) -> None:
    older = make_image({"a": b"a"}, created="2024-01-01T00:00:00Z", platform=ARM)
    newer = make_image({"b": b"b"}, created="2025-03-04T05:06:07Z")
    index = make_index(older, newer)
    index.put_into(archive)
    made = [made_at(archive, index.digest, platform) for platform in (None, AMD64, ARM)]
    assert made == [DATE, DATE, datetime(2024, 1, 1, tzinfo=timezone.utc).timestamp()]
    assert made_at(archive, index.digest, Platform("linux", "s390x")) is None
    archive.blob_path(newer.digest).unlink()
    made = [made_at(archive, index.digest, platform) for platform in (None, AMD64)]
    assert made == [datetime(2024, 1, 1, tzinfo=timezone.utc).timestamp(), None]


def test_what_is_not_there_or_no_image(archive: Archive) -> None:
    assert made_at(archive, Digest.of(b"nowhere"), AMD64) is None
    assert made_at(archive, archive.add_bytes(b"no image"), AMD64) is None
    image = make_image(created="2025-03-04T05:06:07Z")
    image.put_into(archive)
    for digest in image.blobs:
        archive.blob_path(digest).unlink()
    assert made_at(archive, image.digest, None) is None
