"""HTTP as a registry needs it: redirects that shed credentials, bounded retries, and errors in words."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from buildbox import __version__
from buildbox.errors import ImageError
from buildbox.registry.auth import is_loopback
from buildbox.registry.proxy import proxy_for

CERTIFICATES = Path("/etc/docker/certs.d")  # HOST/*.crt: where docker looks for a registry's own authorities
CONNECT_TIMEOUT = 15.0  # seconds
READ_TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 16  # bytes; small, since a dropped connection loses the one it was in
_HOPS = 8
_RETRIES = 3  # of what may pass by itself
_PLACE = re.compile(r"^\S*Connection\S*\(.*?\): ")  # urllib3 names it; so do we
_MAX_WAIT = 15.0  # seconds that we let a registry put us off
_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)

T = TypeVar("T")


class _Transient(Exception):
    """A fault that may pass: what to raise if it doesn't, and how long the registry asks us to wait."""

    def __init__(self, error: ImageError, wait: float = 0.0, retries: int = _RETRIES) -> None:
        super().__init__(error.reason)
        self.error, self.wait, self.retries = error, wait, retries


class Web:
    """A pool of connections on behalf of one registry; may be used by several threads."""

    def __init__(
        self,
        host: str,
        env: Mapping[str, str],
        *,
        read_timeout: float = READ_TIMEOUT,
        pause: float = 0.5,
        certificates: Path = CERTIFICATES,
    ) -> None:
        self.host = host  # as people call it, for messages
        self.pause = pause  # seconds before the first retry
        self._env = env
        self._timeout = (min(CONNECT_TIMEOUT, read_timeout), read_timeout)
        self._session = requests.Session()
        self._session.trust_env = False  # else ~/.netrc would replace our Authorization
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = f"buildbox/{__version__}"
        self._session.headers["Accept-Encoding"] = "identity"  # digests are of the bytes as they are
        self._session.mount("https://", _Trusting(env, certificates / host))

    def close(self) -> None:
        """Lets go of the connections."""
        self._session.close()

    def retrying(self, ask: Callable[[], T]) -> T:
        """`ask`, again where its fault may pass, with growing pauses. Raises ImageError."""
        attempt = 0
        while True:
            try:
                return ask()
            except _Transient as fault:
                if attempt >= fault.retries or fault.wait > _MAX_WAIT:
                    raise fault.error from fault
                time.sleep(max(fault.wait, self.pause * 2**attempt))
                attempt += 1

    def send(self, url: str, headers: Mapping[str, str], form: str | None = None) -> requests.Response:
        """One request, redirects followed; any status but a redirect's. The body is yet to be read.

        `Authorization` goes to the first URL's origin only. To be called inside `retrying`.
        """
        sent = dict(headers)
        for _ in range(_HOPS):
            try:
                response = self._session.request(
                    "GET" if form is None else "POST",
                    url,
                    headers=sent,
                    data=form,
                    stream=True,
                    allow_redirects=False,
                    timeout=self._timeout,
                    proxies=self._proxies(url),
                )
            except _FAULTS as error:
                raise self._unreachable(url, error) from error
            location = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not location or form is not None:
                return response
            response.close()
            target = urljoin(url, location)
            if origin(target) != origin(url):
                sent.pop("Authorization", None)
            if urlsplit(target).scheme != "https" and not _is_local(target):
                raise ImageError(f"{self.host} redirects to {_plain(target)}, which is not a safe place")
            url = target
        raise ImageError(f"{self.host} redirects in a circle: {_plain(url)}")

    def body(self, response: requests.Response) -> Iterator[bytes]:
        """The body as it comes over the wire. Raises ConnectionError where it breaks off."""
        try:
            yield from response.raw.stream(CHUNK, decode_content=False)
        except _FAULTS as error:
            raise ConnectionError(_in_words(error)) from error
        finally:
            response.close()

    def read(self, response: requests.Response, limit: int, what: str) -> bytes:
        """A whole small body, inside `retrying`. Raises ImageError where it has more than `limit` bytes."""
        data = bytearray()
        try:
            for chunk in self.body(response):
                data += chunk
                if len(data) > limit:
                    raise ImageError(f"{self.host} sends more than {limit} bytes for {what}")
        except ConnectionError as error:
            raise _Transient(ImageError(f"the connection to {self.host} broke: {error}")) from error
        return bytes(data)

    def refuse(self, response: requests.Response, what: str) -> Exception:
        """What a status of 400 or more means, for `what` we asked: an ImageError, or a fault to retry."""
        status, said = response.status_code, _said(response)
        if status in (401, 403):
            login = "docker login" + ("" if self.host == "docker.io" else f" {self.host}")
            return ImageError(
                f"{self.host} refuses access to {what} ({status}{said})",
                f"Log in with `{login}`, or check the name: some registries say so of what they don't have.",
            )
        if status == 404:
            return ImageError(f"{self.host} has no {what}{said}", "Check the name, the tag and the digest.")
        if status == 429:
            error = ImageError(
                f"{self.host} says that there were too many requests ({status}{said})",
                "Wait a while, or log in with `docker login`: logged-in users are often allowed more.",
            )
            return _Transient(error, _retry_after(response))
        error = ImageError(
            f"{self.host} fails on {what}: {status} {response.reason}{said}", "Try again later."
        )
        return _Transient(error, _retry_after(response)) if status >= 500 or status == 408 else error

    def _proxies(self, url: str) -> dict[str, str]:
        proxy = proxy_for(url, self._env)
        return {urlsplit(url).scheme: proxy} if proxy else {}

    def _unreachable(self, url: str, error: BaseException) -> Exception:
        place = urlsplit(url).netloc
        at = "" if place == self.host else f" (at {place})"
        words = _in_words(error)
        if isinstance(error, requests.exceptions.SSLError):
            if "CERTIFICATE" in words.upper() or "hostname" in words:
                return ImageError(
                    f"the TLS certificate of {self.host}{at} can't be trusted: {words}",
                    "If the registry has an authority of its own, put its certificate into\n"
                    f"{CERTIFICATES}/{self.host}/ca.crt or name it in SSL_CERT_FILE.",
                )
            return ImageError(
                f"{self.host}{at} doesn't speak TLS properly: {words}",
                "Registries are asked by https only, except on this machine (localhost, 127.0.0.0/8).",
            )
        failure = ImageError(
            f"{self.host}{at} can't be reached: {words}",
            "Check the network, the registry's name and the proxy settings.",
        )
        early = isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError))
        early = early or isinstance(_cause(error), urllib3.exceptions.NewConnectionError)
        return _Transient(failure, retries=1 if early else _RETRIES)


class _Trusting(HTTPAdapter):
    """Trusts the system's authorities and those docker was given for this registry, beside requests' own."""

    def __init__(self, env: Mapping[str, str], certificates: Path) -> None:
        self._env, self._certificates = env, certificates
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = ssl.create_default_context()
        bundle = self._env.get("SSL_CERT_FILE") or self._env.get("REQUESTS_CA_BUNDLE")
        files = [Path(bundle)] if bundle else []
        if self._certificates.is_dir():
            files += sorted(self._certificates.glob("*.crt"))
        for file in files:
            try:
                context.load_verify_locations(file)
            except (OSError, ssl.SSLError) as error:
                raise ImageError(f"the certificate file {file} can't be read: {error}") from error
        super().init_poolmanager(*args, **kwargs, ssl_context=context)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of `url`: who may see the credentials that were meant for it."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _is_local(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and is_loopback(parts.hostname or "")


def _plain(url: str) -> str:
    """A URL for a message: without the query, which may hold a signature."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _cause(error: BaseException) -> BaseException:
    """What urllib3 wrapped: the reason, without the words around it."""
    seen: BaseException = error
    while True:
        inner = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        if not isinstance(inner, BaseException):
            return seen
        seen = inner


def _in_words(error: BaseException) -> str:
    cause = _cause(error)
    last = cause.args[-1] if cause.args else cause
    if isinstance(last, http.client.IncompleteRead):
        return "it ended too early"
    text = str(last) or type(cause).__name__
    return _PLACE.sub("", text)


def _retry_after(response: requests.Response) -> float:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else 0.0


def _said(response: requests.Response) -> str:
    """The registry's own words (distribution-spec, section "Error Codes"), short and printable."""
    try:
        data = response.raw.read(4096, decode_content=False)
        message = str(json.loads(data)["errors"][0]["message"])
    except (*_FAULTS, ValueError, LookupError, TypeError):
        return ""
    finally:
        response.close()
    message = "".join(c if c.isprintable() else " " for c in message)[:200].strip()
    return f": {message}" if message else ""
