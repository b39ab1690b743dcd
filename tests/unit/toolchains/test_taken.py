from __future__ import annotations

import pytest

from buildbox.errors import UsageError
from buildbox.toolchains.taken import name_for

ID = "sha256:4f1c" + "0" * 60


@pytest.mark.parametrize(
    ("name", "called", "expected"),
    [
        ("tools:1", None, "tools:1"),
        ("tools", None, "tools:latest"),
        ("registry.example.com:5000/a/tools", None, "registry.example.com:5000/a/tools:latest"),
        ("tools:1", "other:2", "other:2"),
        (ID, "other", "other:latest"),
        ("4f1c", "other:2", "other:2"),
        ("beef", None, "beef:latest"),  # a name that only looks like an id
    ],
)
def test_an_image_is_called_as_it_was_or_as_is_said(name: str, called: str | None, expected: str) -> None:
    assert str(name_for(name, called, ID)) == expected


@pytest.mark.parametrize(
    ("name", "called", "why"),
    [
        (ID, None, "is an image's id"),
        (ID[7:], None, "is an image's id"),
        ("4f1c", None, "is an image's id"),
        ("tools:1", "Tools:1", "lower-case"),
        ("tools:1", f"tools:1@sha256:{'0' * 64}", "has a digest"),
        (f"tools:1@sha256:{'0' * 64}", None, "has a digest"),
        ("tools:1", "", "empty"),
    ],
)
def test_what_makes_no_name_is_refused(name: str, called: str | None, why: str) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        name_for(name, called, ID)
    assert "--as" in caught.value.hint
