"""Every fault of the docker SDK and of the connection to an engine, as an EngineError."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import docker.errors
import requests
import requests.exceptions
import urllib3.exceptions

from buildbox.errors import EngineError

GONE = (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError)


class Away(EngineError):
    """The connection broke, or none could be made: nothing is known of what the engine did."""


class TimedOut(Away):
    """The engine didn't answer in time."""


class NotFound(EngineError):
    """The engine answered 404."""


class NoNetwork(EngineError):
    """The engine has no such network; not a NotFound, which tells of images and containers."""


class Conflict(EngineError):
    """The engine answered 409: the container isn't in a state for this."""


class Refused(EngineError):
    """The engine answered 400: it understood, and can't."""


def raise_for_status(answer: requests.Response) -> None:
    """Raises the SDK's error for an answer that is one."""
    try:
        answer.raise_for_status()
    except requests.exceptions.HTTPError as error:
        docker.errors.create_api_error_from_http_exception(error)  # which raises it


@contextmanager
def faults(doing: str) -> Iterator[None]:
    """Every fault of the SDK and the connection, as an EngineError."""
    try:
        yield
    except docker.errors.APIError as error:
        status = error.response.status_code if error.response is not None else 0
        said = str(error.explanation or error)
        network = missing_network(said)
        if network:
            raise NoNetwork(
                f"the engine has no network {network!r}, which the task is to run in",
                f"Create it: docker network create {network}\n"
                "or correct the task's `network`; `docker network ls` tells what there is.",
            ) from None
        kind = {400: Refused, 404: NotFound, 409: Conflict}.get(status, EngineError)
        if "container state improper" in said:  # Podman's 409 has the status 500
            kind = Conflict
        raise kind(f"the engine couldn't {doing}: {said}", advice(status, said)) from None
    except (docker.errors.DockerException, *GONE) as error:
        late = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError)
        kind = TimedOut if any(isinstance(each, late) for each in (error, *error.args)) else Away
        raise kind(
            f"the engine went away while it was asked to {doing} ({in_words(error)})",
            "Look at the engine's log; `buildbox doctor` checks it.",
        ) from None


def advice(status: int, said: str) -> str:
    """What to do where an engine refuses with an HTTP status and these words."""
    if "address pool" in said:
        return (
            "It has no addresses for one more network. Run fewer steps with services at once (-j),"
            " or remove networks that nobody needs: docker network ls"
        )
    if "bind source path does not exist" in said:
        return "An engine on another machine doesn't see the files of this one: use one of this machine."
    if "permission denied" in said.lower():
        return (
            "The engine may not do that. A rootless one sees what its own user sees: use one that is yours,"
            " or root's, and see that all folders above the project let it pass."
        )
    if status == 400:  # it understood, and can't
        return "Correct what is asked of the engine there: the task's limits, user or mounts."
    return "`buildbox doctor` checks the engine."


def missing_network(said: str) -> str | None:
    """The network that an engine, by its words, doesn't have (Docker's and Podman's)."""
    match = re.search(r"network (?:with name or ID )?(\S+?):? (?:network )?not found", said)
    return match[1] if match else None


def _of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate isn't to be trusted: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "it doesn't speak TLS"
    if error.reason and "ALERT" in error.reason:
        return f"it refuses our certificate: {error.reason.partition('ALERT_')[2].replace('_', ' ').lower()}"
    return f"TLS failed: {error.reason or error}"


def in_words(error: BaseException) -> str:
    """What was at the bottom of `error`: the SDK's own text wraps it three times."""
    seen = error
    while True:
        inner = (getattr(seen, "reason", None), *seen.args[:1], seen.__cause__, seen.__context__)
        below = next((error for error in inner if isinstance(error, GONE)), None)
        if below is None or (isinstance(seen, OSError) and seen.strerror):
            break
        seen = below
    if isinstance(seen, requests.exceptions.InvalidJSONError):
        return "what answers there is not a container engine"
    if isinstance(seen, requests.exceptions.HTTPError) and b"HTTPS server" in seen.response.content:
        return "it wants TLS"
    if isinstance(seen, ssl.SSLError):
        return _of_tls(seen)
    text = seen.strerror if isinstance(seen, OSError) and seen.strerror else str(seen)
    return text or type(seen).__name__
