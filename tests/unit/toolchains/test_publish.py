from __future__ import annotations

import pytest

from buildbox.digest import Digest
from buildbox.errors import UsageError
from buildbox.reference import ImageRef
from buildbox.toolchains.publish import fixed_tag, target

IMAGE = ImageRef.parse("buildbox/python:3.11")


@pytest.mark.parametrize(
    ("to", "text", "registry", "repository"),
    [
        ("r.example/toolchains", "r.example/toolchains/python:3.11", "r.example", "toolchains/python"),
        ("r.example/a/b/", "r.example/a/b/python:3.11", "r.example", "a/b/python"),
        ("r.example", "r.example/python:3.11", "r.example", "python"),
        ("localhost:5000", "localhost:5000/python:3.11", "localhost:5000", "python"),
        ("[::1]:5000/t", "[::1]:5000/t/python:3.11", "[::1]:5000", "t/python"),
        ("someone", "someone/python:3.11", "docker.io", "someone/python"),
    ],
)
def test_what_an_image_is_called_there(to: str, text: str, registry: str, repository: str) -> None:
    found = target(to, IMAGE)
    assert (found.text, found.registry, found.repository) == (text, registry, repository)
    assert found.tag == "3.11"


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("", "an empty part"),
        ("/", "an empty part"),
        ("https://r.example/t", "named without https://"),
        ("r.example/Tools", "repository names are lower-case"),
        ("r.example//t", "an empty part"),
        ("r.example/t:1", "has a tag or a digest"),
        (f"r.example/t@{Digest.of(b'')}", "has a tag or a digest"),
        ("r.example:port/t", "not a registry's host name"),
        ("r.example/t u", "not a part of a repository name"),
        ("r.example/" + "t" * 250, "longer than 255"),
    ],
)
def test_where_nothing_can_be_published_to(to: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        target(to, IMAGE)
    assert f"can't publish to {to!r}" in caught.value.reason
    assert "--to registry.example.com/toolchains" in caught.value.hint


def test_the_tag_that_never_moves_names_the_digest() -> None:
    digest = Digest("0123456789abcdef" * 4)
    assert fixed_tag("3.11", digest) == "3.11-0123456789ab"
    assert len(fixed_tag("1" * 115, digest)) == 128
    with pytest.raises(UsageError, match="too long to publish"):
        fixed_tag("1" * 116, digest)
