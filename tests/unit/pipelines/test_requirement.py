"""What pip is told to install: never a name that an index could give to anybody."""

from __future__ import annotations

import json

import pytest

from buildbox.errors import UsageError
from buildbox.pipelines.requirement import given_requirement, own_requirement

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    "text",
    [
        f"git+https://github.com/owner/buildbox@{COMMIT}",
        f"buildbox @ git+https://github.com/owner/buildbox@{COMMIT}",
        "https://example.com/buildbox-1.0-py3-none-any.whl#sha256=00",
        "ci/buildbox-1.0-py3-none-any.whl",
        "./tools/buildbox",
    ],
)
def test_places_are_taken(text: str) -> None:
    assert given_requirement(text) == text


@pytest.mark.parametrize(
    "text",
    ["buildbox", "buildbox==1.0", "buildbox[dev]", "buildbox @ other", "-rfile.txt", " ", "a\nb", "--x=://"],
)
def test_names_are_not(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        given_requirement(text)
    assert "--requirement 'git+https://" in caught.value.hint


@pytest.mark.parametrize("login", ["token", "user:password"])
def test_no_login_is_written_down(login: str) -> None:
    for scheme in ("https", "git+https", "buildbox @ git+http"):
        with pytest.raises(UsageError, match="a login in it") as caught:
            given_requirement(f"{scheme}://{login}@example.com/buildbox.whl")
        assert login not in f"{caught.value.reason}{caught.value.hint}"
    assert given_requirement("git+ssh://git@example.com/buildbox@v1")
    assert given_requirement("https://example.com/buildbox@v1.whl")


def direct(url: str, **more: object) -> str:
    return json.dumps({"url": url, **more})


GIT = {"vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"}}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (
            direct("https://github.com/o/buildbox.git", **GIT),
            f"git+https://github.com/o/buildbox.git@{COMMIT}",
        ),
        (direct("ssh://git@example.com/b", **GIT), f"git+ssh://git@example.com/b@{COMMIT}"),
        (
            direct("https://example.com/mono", subdirectory="b", **GIT),
            f"git+https://example.com/mono@{COMMIT}#subdirectory=b",
        ),
        (
            direct("https://example.com/b.whl", archive_info={"hashes": {"sha256": "ab"}}),
            "https://example.com/b.whl#sha256=ab",
        ),
    ],
)
def test_where_this_one_is_from(told: str, wanted: str) -> None:
    assert own_requirement(told) == wanted
    assert given_requirement(wanted) == wanted


@pytest.mark.parametrize(
    "told",
    [
        None,
        "",
        "[]",
        "{",
        direct("file:///home/me/buildbox", dir_info={"editable": True}),
        direct("file:///home/me/buildbox", **GIT),
        direct("https://me:secret@example.com/b", **GIT),
        direct("https://example.com/b", vcs_info={"vcs": "git", "commit_id": "main"}),
        direct("https://example.com/b.whl", archive_info={}),
        direct("https://example.com/b.whl", archive_info={"hashes": []}),
        direct("https://example.com/b.whl", vcs_info=1),
    ],
)
def test_a_place_that_others_cannot_reach_has_to_be_said(told: str | None) -> None:
    with pytest.raises(UsageError, match="no index has it"):
        own_requirement(told)
