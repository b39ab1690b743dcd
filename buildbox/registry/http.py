"""HTTP as a registry needs it: redirects that shed credentials, bounded retries, and errors in words."""

from __future__ import annotations

import http.client
import json
import re
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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
from buildbox.registry.refusal import RETRIES, Refusal, Transient, explain, read_wait
from buildbox.units import show_duration

CERTIFICATES = Path("/etc/docker/certs.d")  # HOST/*.crt: where docker looks for a registry's own authorities
CONNECT_TIMEOUT = 15.0  # seconds
QUICK_CONNECT, QUICK_READ, QUICK_WAIT = 3.0, 6.0, 2.0  # seconds, where nobody depends on the answer
READ_TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 16  # bytes; small, since a dropped connection loses the one it was in
_HOPS = 8
_PLACE = re.compile(r"^\S*Connection\S*\(.*?\): ")  # urllib3 names it; so do we
_COMMIT = 5  # read timeouts that a registry may take for an answer to what was sent
_MAX_WAIT = 60.0  # seconds that we let a registry put us off
_LONG_WAIT = 1.0  # seconds: one that a person is told of
_FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError)

T = TypeVar("T")


@dataclass(frozen=True)
class Body:
    """What a request sends: opened anew for each attempt, never in memory as a whole."""

    size: int  # bytes
    open: Callable[[], Iterable[bytes]]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.open():
            for at in range(0, len(chunk), CHUNK):  # the time limit is for each piece
                yield chunk[at : at + CHUNK]


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
        plain: bool = False,
        quick: bool = False,
        note: Callable[[str], None] = lambda why: None,
    ) -> None:
        """`note` hears of long waits that the registry asks for; `quick`: no answer is better than a late
        one."""
        self.host = host  # as people call it, for messages
        self.pause = pause  # seconds before the first retry
        self.plain = plain  # may be asked without TLS wherever it is
        self._env, self._note = env, note
        self._quiet_until = 0.0  # by the monotonic clock: the registry wants no requests before
        self._quick = quick
        connect, read = (QUICK_CONNECT, QUICK_READ) if quick else (CONNECT_TIMEOUT, read_timeout)
        read = min(read, read_timeout)
        self._timeout = (min(connect, read), read)
        self._session = requests.Session()
        self._session.trust_env = False  # else ~/.netrc would replace our Authorization
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["User-Agent"] = f"buildbox/{__version__}"
        self._session.headers["Accept-Encoding"] = "identity"  # digests are of the bytes as they are
        self._session.mount("https://", _Trusting(env, certificates / host))

    def close(self) -> None:
        """Lets go of the connections."""
        self._session.close()

    def retrying(self, ask: Callable[[], T], again: Callable[[str], None] = lambda why: None) -> T:
        """`ask`, again where its fault may pass, with growing pauses; `again` hears why.

        Raises ImageError.
        """
        attempt = 0
        while True:
            time.sleep(max(0.0, self._quiet_until - time.monotonic()))
            try:
                return ask()
            except Transient as fault:
                retries = min(fault.retries, 1) if self._quick else fault.retries
                if attempt >= retries or fault.wait > (QUICK_WAIT if self._quick else _MAX_WAIT):
                    raise fault.error from fault
                again(fault.error.reason)
                if fault.wait:
                    self._be_quiet(fault)
                time.sleep(max(fault.wait, self.pause * 2**attempt))
                attempt += 1

    def _be_quiet(self, fault: Transient) -> None:
        """Keeps other threads from asking, too, for as long as the registry wants."""
        end = time.monotonic() + fault.wait
        longer = end - self._quiet_until
        self._quiet_until = max(self._quiet_until, end)
        if longer >= _LONG_WAIT:
            self._note(f"{fault.error.reason}; waiting {show_duration(fault.wait)}, as it asks")

    def send(
        self,
        url: str,
        headers: Mapping[str, str],
        form: str | None = None,
        *,
        method: str = "",
        body: bytes | Body | None = None,
    ) -> requests.Response:
        """One request, GET (POST with a `form`) unless `method` says otherwise; the body is yet to be read.

        Redirects of GET are followed, those of HEAD on the same host: one that leads elsewhere says enough.
        `Authorization` goes to the first URL's origin only. To be called inside `retrying`.
        """
        method = method or ("GET" if form is None else "POST")
        sent = dict(headers)
        for _ in range(_HOPS):
            response = self._send(method, url, sent, form if body is None else body)
            location = response.headers.get("Location")
            if response.status_code not in (301, 302, 303, 307, 308) or not location:
                return response
            target = urljoin(url, location)
            if method != "GET" and (method != "HEAD" or origin(target) != origin(url)):
                return response
            response.close()
            if origin(target) != origin(url):
                sent.pop("Authorization", None)
            self.check_safe(target)
            url = target
        raise ImageError(f"{self.host} redirects in a circle: {_plain(url)}")

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], data: str | bytes | Body | None
    ) -> requests.Response:
        connect, read = self._timeout
        if data is not None:
            read *= _COMMIT  # what was sent is hashed and moved before the answer
        try:
            return self._session.request(
                method,
                url,
                headers=headers,
                data=data,
                stream=True,
                allow_redirects=False,
                timeout=(connect, read),
                proxies=self._proxies(url),
            )
        except _FAULTS as error:
            raise self._unreachable(url, error, bool(data)) from error

    def check_safe(self, url: str) -> None:
        """Raises ImageError for a place that the registry sends us to where others could read along."""
        if urlsplit(url).scheme != "https" and not _is_local(url) and not self._is_plain(url):
            raise ImageError(
                f"{self.host} redirects to {_plain(url)}, which is not a safe place",
                "Nothing was sent there. Tell whoever runs the registry: behind a proxy that does TLS, it\n"
                "must be told of that (X-Forwarded-Proto: https).",
            )

    def _is_plain(self, url: str) -> bool:
        return self.plain and origin(url) == origin(f"http://{self.host}")

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
            raise Transient(ImageError(f"the connection to {self.host} broke: {error}")) from error
        return bytes(data)

    def refuse(self, response: requests.Response, what: str) -> Exception:
        """What a status of 400 or more means, for `what` we asked: an ImageError, or a fault to retry."""
        return explain(self.host, read_refusal(response), what)

    def _proxies(self, url: str) -> dict[str, str]:
        proxy = proxy_for(url, self._env)
        return {urlsplit(url).scheme: proxy} if proxy else {}

    def _unreachable(self, url: str, error: BaseException, sending: bool) -> Exception:
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
                "Registries are asked by https only, except on this machine (localhost, 127.0.0.0/8) and\n"
                "those that `plain-http` in [archive] of your config.toml lists.",
            )
        early = isinstance(error, (requests.exceptions.ConnectTimeout, requests.exceptions.ProxyError))
        early = early or isinstance(_cause(error), urllib3.exceptions.NewConnectionError)
        failure = ImageError(
            f"the connection to {self.host}{at} broke while it was sent to: {words}"
            if sending and not early
            else f"{self.host}{at} can't be reached: {words}",
            "Check the network, the registry's name and the proxy settings.",
        )
        return Transient(failure, retries=int(not self._quick) if early else RETRIES)


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


def read_refusal(response: requests.Response) -> Refusal:
    """The answer with the registry's own words (distribution-spec, section "Error Codes"), short."""
    code = message = ""
    try:
        data = response.raw.read(4096, decode_content=False)
        error = json.loads(data)["errors"][0]
        code, message = str(error.get("code") or ""), str(error["message"])
    except (*_FAULTS, ValueError, LookupError, TypeError, AttributeError):
        pass
    finally:
        response.close()
    message = "".join(c if c.isprintable() else " " for c in message)[:200].strip()
    wait = read_wait(response.headers.get("Retry-After", ""), response.headers.get("Date", ""))
    return Refusal(response.status_code, response.reason, code, message, wait)
