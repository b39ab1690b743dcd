"""What a registry's answer of 400 or more means, in words, and whether it may pass by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from buildbox.errors import ImageError
from buildbox.units import show_duration

RETRIES = 3  # of what may pass by itself
# Codes (distribution-spec, section "Error Codes") of an upload that got lost on its way: ours was right.
_LOST = frozenset({"BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "SIZE_INVALID"})
# No code says that a tag is fixed; each registry has its own status and words for it.
_FIXED = re.compile(r"immutable|overwrit|already exists", re.IGNORECASE)


@dataclass(frozen=True)
class Refusal:
    """The answer."""

    status: int
    reason: str  # the status in words
    code: str = ""  # the registry's own (distribution-spec, section "Error Codes")
    message: str = ""  # in its own words, printable
    wait: float = 0.0  # seconds that it asks us to wait

    @property
    def said(self) -> str:
        """Its own words, as the end of a sentence."""
        return f": {self.message}" if self.message else ""


class Transient(Exception):
    """A fault that may pass: what to raise if it doesn't, and how long the registry asks us to wait."""

    def __init__(self, error: ImageError, wait: float = 0.0, retries: int = RETRIES) -> None:
        super().__init__(error.reason)
        self.error, self.wait, self.retries = error, wait, retries


class Absent(ImageError):
    """The registry doesn't have it."""


class TagFixed(ImageError):
    """The registry doesn't let a tag be overwritten."""


def read_wait(retry_after: str, date: str) -> float:
    """Seconds that a `Retry-After` header asks for, a number of them or a time (RFC 9110, section 10.2.3).

    `date` is the answer's own `Date`, so that no clock but the registry's counts. 0 for what can't be read.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - parsedate_to_datetime(date)).total_seconds())
    except (ValueError, TypeError):
        return 0.0


def explain(host: str, refusal: Refusal, what: str) -> Exception:
    """What `refusal` means for `what` we asked `host` for: an ImageError, or a Transient."""
    status, said = refusal.status, refusal.said
    if status in (401, 403):
        return ImageError(
            f"{host} refuses access to {what} ({status}{said})",
            f"Log in with `{login_command(host)}`, or check the name: "
            "some registries say so of what they don't have.",
        )
    if status == 404:
        return Absent(f"{host} has no {what}{said}", "Check the name, the tag and the digest.")
    if status == 429:
        when = f"It asks to come back in {show_duration(refusal.wait)}" if refusal.wait else "Wait a while"
        error = ImageError(
            f"{host} says that there were too many requests ({status}{said})",
            f"{when}, or log in with `{login_command(host)}`: logged-in users are often allowed more.",
        )
        return Transient(error, refusal.wait)
    when = f"It asks to come back in {show_duration(refusal.wait)}." if refusal.wait else "Try again later."
    error = ImageError(f"{host} fails on {what}: {status} {refusal.reason}{said}", when)
    return Transient(error, refusal.wait) if status >= 500 or status == 408 else error


def explain_push(host: str, refusal: Refusal, what: str) -> Exception:
    """What `refusal` means for `what` we wanted to push to `host`: an ImageError, or a Transient."""
    status, said = refusal.status, refusal.said
    if what.startswith("tag ") and status in (400, 403, 405, 409, 412) and _FIXED.search(refusal.message):
        return TagFixed(
            f"{host} doesn't let {what} be overwritten ({status}{said})",
            "Ask whoever runs the registry to let this tag move.",
        )
    if status in (401, 403):
        return ImageError(
            f"{host} doesn't let us put {what} ({status}{said})",
            f"Log in with `{login_command(host)}` as someone who may push there, or check the name.",
        )
    if status == 404 and refusal.code not in _LOST:
        return ImageError(
            f"{host} has no place for {what} ({status}{said})",
            "Check the name. Some registries want a repository to be made before anything is pushed to it.",
        )
    if status == 405:
        return ImageError(
            f"{host} takes no pushes: it is read-only ({status}{said}), asked to take {what}",
            "Name a registry that can be written to, or ask whoever runs this one.",
        )
    if status == 413:
        return ImageError(
            f"{host} finds {what} too large ({status}{said})",
            "Ask whoever runs the registry, or the proxy before it, to raise the limit for uploads.",
        )
    if refusal.code in _LOST:
        return Transient(ImageError(f"{host} didn't get {what} whole ({status}{said})", "Try again later."))
    return explain(host, refusal, what)


def login_command(host: str) -> str:
    """What to type to log in at `host`."""
    return "docker login" + ("" if host == "docker.io" else f" {host}")
