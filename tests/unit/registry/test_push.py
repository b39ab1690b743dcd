from __future__ import annotations

from collections.abc import Iterator

import pytest

from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.registry.http import CHUNK, Body
from buildbox.registry.push import upload_url

DIGEST = Digest.of(b"bytes")
ADDED = f"digest=sha256%3A{DIGEST.hex}"
ASKED = "https://r.example:5000/v2/a/b/blobs/uploads/"


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v2/a/b/blobs/uploads/1-2", f"https://r.example:5000/v2/a/b/blobs/uploads/1-2?{ADDED}"),
        ("1-2", f"{ASKED}1-2?{ADDED}"),
        ("?_state=x", f"{ASKED}?_state=x&{ADDED}"),
        ("https://up.example/1?a=%2F%3D&b=", f"https://up.example/1?a=%2F%3D&b=&{ADDED}"),
        ("//up.example/1", f"https://up.example/1?{ADDED}"),
        ("http://r.example:5000/1#part", f"http://r.example:5000/1?{ADDED}"),
    ],
)
def test_where_an_upload_goes(location: str, url: str) -> None:
    assert upload_url(ASKED, location, DIGEST) == url


def test_an_upload_without_a_place() -> None:
    with pytest.raises(ImageError, match=r"r.example:5000 doesn't say where to upload to"):
        upload_url(ASKED, "", DIGEST)


def test_a_body_is_opened_anew_each_time_and_sent_in_small_pieces() -> None:
    opened = []

    def open_it() -> Iterator[bytes]:
        opened.append(1)
        yield bytes(2 * CHUNK + 1)
        yield b"end"

    body = Body(2 * CHUNK + 4, open_it)
    assert len(body) == 2 * CHUNK + 4
    for _ in range(2):
        assert [len(piece) for piece in body] == [CHUNK, CHUNK, 1, 3]
    assert len(opened) == 2
