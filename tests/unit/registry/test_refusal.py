from __future__ import annotations

import pytest

from buildbox.errors import ImageError
from buildbox.registry.refusal import Refusal, TagFixed, Transient, explain, explain_push, read_wait

BLOB = "blob sha256:12 in a/b"
TAG = "tag 1 in a/b"


@pytest.mark.parametrize(
    ("what", "refusal", "words", "hint"),
    [
        (
            BLOB,
            Refusal(401, ""),
            "r.example doesn't let us put blob sha256:12 in a/b (401)",
            "docker login r.ex",
        ),
        (TAG, Refusal(403, "", "DENIED", "not yours"), "put tag 1 in a/b (403: not yours)", "docker login"),
        (
            BLOB,
            Refusal(404, "", "NAME_UNKNOWN", "no repo"),
            "no place for blob sha256:12",
            "to be made before",
        ),
        (
            BLOB,
            Refusal(405, "", "UNSUPPORTED", "no"),
            "takes no pushes: it is read-only (405: no)",
            "written to",
        ),
        (BLOB, Refusal(413, "Payload Too Large"), "finds blob sha256:12 in a/b too large", "raise the limit"),
        (
            BLOB,
            Refusal(400, "Bad Request"),
            "fails on blob sha256:12 in a/b: 400 Bad Request",
            "Try again later",
        ),
    ],
)
def test_what_a_refused_push_means(what: str, refusal: Refusal, words: str, hint: str) -> None:
    error = explain_push("r.example", refusal, what)
    assert isinstance(error, ImageError) and not isinstance(error, TagFixed)
    assert words in error.reason
    assert hint in error.hint


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "The image tag '1' already exists in the 'b' repository and cannot be overwritten"),
        (412, "Failed to process request due to 'a/b:1' configured as immutable."),
        (409, "tag is IMMUTABLE"),
    ],
)
def test_a_tag_that_may_not_be_overwritten(status: int, message: str) -> None:
    error = explain_push("r.example", Refusal(status, "", "X", message), TAG)
    assert isinstance(error, TagFixed)
    assert "r.example doesn't let tag 1 in a/b be overwritten" in error.reason
    assert not isinstance(explain_push("r.example", Refusal(status, "", "X", message), BLOB), TagFixed)


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(503, "", wait=2.0),
        Refusal(429, "", wait=2.0),
        Refusal(404, "", "BLOB_UPLOAD_UNKNOWN", wait=0.0),
        Refusal(400, "", "DIGEST_INVALID"),
    ],
)
def test_what_may_pass(refusal: Refusal) -> None:
    fault = explain_push("r.example", refusal, BLOB)
    assert isinstance(fault, Transient)
    assert fault.wait == refusal.wait


NOON = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "date", "seconds"),
    [
        ("", NOON, 0),
        ("30", "", 30),
        ("Mon, 23 Nov 2026 12:01:30 GMT", NOON, 90),
        ("Mon, 23 Nov 2026 11:59:00 GMT", NOON, 0),
        ("Mon, 23 Nov 2026 12:01:30 GMT", "", 0),
        ("Mon, 23 Nov 2026 12:01:30 -0000", NOON, 0),
        ("-5", NOON, 0),
        ("soon", NOON, 0),
        ("\u0663", NOON, 0),
    ],
)
def test_how_long_a_registry_puts_us_off(header: str, date: str, seconds: float) -> None:
    assert read_wait(header, date) == seconds


def test_who_is_put_off_hears_for_how_long() -> None:
    for status in (429, 503):
        fault = explain("r.example", Refusal(status, "", wait=7200.0), "tag 1 in x")
        assert isinstance(fault, Transient)
        assert "It asks to come back in 2h00m" in fault.error.hint
