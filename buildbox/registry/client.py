"""A client of the OCI distribution specification 1.1, section "Pull". Manifests that it gives hash to the
digest asked for; what was asked by tag is named by the digest of its very bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import INDEXES, MANIFESTS, MAX_MANIFEST, Descriptor, parse_manifest
from buildbox.reference import DEFAULT_REGISTRY
from buildbox.registry import auth
from buildbox.registry.auth import Logins, no_login

if TYPE_CHECKING:
    import requests

    from buildbox.registry.http import Body

_HUB = "registry-1.docker.io"  # where docker.io's API really is
ACCEPT = ", ".join(sorted(INDEXES) + sorted(MANIFESTS))
_MAX_TOKEN = 1 << 20  # bytes of a token service's answer


@dataclass(frozen=True)
class Fetched:
    """A manifest or index in the registry's own bytes."""

    data: bytes
    media_type: str
    digest: Digest  # of `data`


class OtherBytes(ImageError):
    """A registry serves other bytes than those of the digest that it was asked for."""


class NoManifest(ImageError):
    """What a registry serves as a manifest is none."""


class Dropped(ImageError):
    """The connection broke within a blob; asking on from the next byte may help."""


class Registry:
    """One registry, asked by several threads if need be. Every method raises ImageError when it fails."""

    def __init__(
        self,
        host: str,
        logins: Logins = no_login,
        env: Mapping[str, str] | None = None,
        *,
        read_timeout: float = 60.0,
        pause: float = 0.5,
        certificates: Path | None = None,
        plain: bool = False,
        quick: bool = False,
        note: Callable[[str], None] = lambda why: None,
    ) -> None:
        """`host` is ImageRef.registry; `env` gives proxies and certificates. `read_timeout` (without a byte)
        and `pause` (before a retry) are seconds. `plain`: it is asked without TLS, as its user wants.
        `quick`: better no answer than a late one, so it is hardly waited for. `note` hears of long waits that
        the registry asks for."""
        from buildbox.registry import http

        self.host = host
        self.pause = pause
        self._logins = logins
        self.web = http.Web(
            host,
            env or {},
            read_timeout=read_timeout,
            pause=pause,
            certificates=certificates or http.CERTIFICATES,
            plain=plain,
            quick=quick,
            note=note,
        )
        self._lock = threading.Lock()
        self._base = ""  # found on the first request
        # by repository, whether to push, and what to mount from
        self._authorization: dict[tuple[str, bool, str], str] = {}

    def close(self) -> None:
        """Lets go of the connections."""
        self.web.close()

    def manifest(self, repository: str, reference: Digest | str) -> Fetched:
        """The manifest or index of a digest or tag. Raises OtherBytes where it isn't the digest's."""
        kind = "image" if isinstance(reference, Digest) else "tag"
        what = f"{kind} {reference} in {repository}"

        def ask() -> tuple[bytes, str]:
            response = self._open(f"{repository}/manifests/{reference}", repository, {"Accept": ACCEPT}, what)
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
            return self.web.read(response, MAX_MANIFEST, what), media_type

        data, media_type = self.web.retrying(ask)
        digest = Digest.of(data)
        if isinstance(reference, Digest) and digest != reference:
            raise other_bytes(self.host, reference, f"they hash to {digest}")
        try:
            found = parse_manifest(data, media_type)
        except ValueError as error:
            raise NoManifest(
                f"what {self.host} has as {what} is not an image: {error}",
                "Check the name: something else than a registry may answer there.",
            ) from None
        return Fetched(data, found.media_type, digest)

    def has(self, repository: str, reference: Digest | str) -> bool:
        """Whether a manifest or index of this digest or tag is there ("Checking if content exists in the
        registry"); its bytes aren't looked at."""
        kind = "image" if isinstance(reference, Digest) else "tag"
        what = f"{kind} {reference} in {repository}"
        path = f"{repository}/manifests/{reference}"

        def ask() -> bool:
            response = self.ask(path, repository, {"Accept": ACCEPT}, what, method="HEAD", push=False)
            if response.status_code == 405:  # it answers to GET only
                response.close()
                response = self.ask(path, repository, {"Accept": ACCEPT}, what)
            if response.status_code >= 400 and response.status_code not in (404, 410):
                raise self.web.refuse(response, what)
            response.close()
            return response.status_code < 400

        return self.web.retrying(ask)

    def resolve(self, repository: str, tag: str) -> Digest:
        """What `tag` means now: an index's digest where it has several platforms, else a manifest's."""
        return self.manifest(repository, tag).digest

    def blob(self, repository: str, blob: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """The bytes of a blob from `offset` on, never more than its size says. They are not hashed here.

        Raises Dropped where the connection breaks or the body ends early, OtherBytes where it is too long or
        the registry says that the whole blob is too short.
        """
        what = f"blob {blob.digest} in {repository}"
        asked = {"Range": f"bytes={offset}-"} if offset else {}
        response = self.web.retrying(
            lambda: self._open(f"{repository}/blobs/{blob.digest}", repository, asked, what)
        )
        start = _first_byte(response)
        if start > offset:
            response.close()
            raise Dropped(f"{self.host} sends {what} from byte {start} on instead of {offset}")
        whole = _whole_size(response)
        if whole is not None and whole < blob.size:  # no connection will ever bring the rest
            response.close()
            raise other_bytes(
                self.host, blob.digest, f"there are {whole} instead of the {blob.size} of its size"
            )
        skip, left = offset - start, blob.size - offset
        try:
            for chunk in self.web.body(response):
                new = chunk[skip:]
                skip -= len(chunk) - len(new)
                if len(new) > left:
                    raise other_bytes(
                        self.host, blob.digest, f"there are more than the {blob.size} of its size"
                    )
                left -= len(new)
                if new:
                    yield new
        except ConnectionError as error:
            raise Dropped(f"the connection to {self.host} broke: {error}") from error
        finally:
            response.close()
        if left:
            raise Dropped(f"{self.host} ended {what} {left} bytes early")

    def ask(
        self,
        path: str,
        repository: str,
        headers: Mapping[str, str],
        what: str,
        *,
        method: str = "GET",
        body: bytes | Body | None = None,
        push: bool | None = None,
        source: str = "",
    ) -> requests.Response:
        """The answer, whatever its status, to us as who we are there. To be called inside `web.retrying`.

        `path` follows /v2/, or is a whole URL that the registry gave. Any `method` but GET is part of a push,
        unless `push` says otherwise. `source` is a repository that is read, too.
        Raises ImageError where the registry's way to ask who we are leads nowhere.
        """
        from buildbox.registry import http

        base = self._find_base()
        url = path if "://" in path else f"{base}/v2/{path}"
        ours = http.origin(url) == http.origin(base)  # else who we are is none of its business
        key = (repository, method != "GET" if push is None else push, source)
        known = self._authorization.get(key) if ours else None
        sent = {**headers, "Authorization": known} if known else headers
        response = self.web.send(url, sent, method=method, body=body)
        if response.status_code != 401 or not ours or http.origin(response.url) != http.origin(url):
            return response
        challenges = auth.parse_challenges(response.headers.get("WWW-Authenticate", ""))
        with self._lock:
            if self._authorization.get(key) == known:  # else another thread has a new one
                answer = self._authorize(challenges, what, *key)
                if answer is None:
                    return response
                self._authorization[key] = answer
            known = self._authorization[key]
        response.close()
        return self.web.send(url, {**headers, "Authorization": known}, method=method, body=body)

    def _open(self, path: str, repository: str, headers: Mapping[str, str], what: str) -> requests.Response:
        """A good answer (below 400). To be called inside `retrying`."""
        response = self.ask(path, repository, headers, what)
        if response.status_code >= 400:
            raise self.web.refuse(response, what)
        return response

    def _authorize(
        self, challenges: tuple[auth.Challenge, ...], what: str, repository: str, push: bool, source: str
    ) -> str | None:
        """The `Authorization` that answers one of the challenges; None where we have no answer."""
        login = self._logins(self.host)
        for challenge in challenges:
            if challenge.scheme == "bearer":
                request = auth.token_request(
                    challenge, login, repository, self.host, push, source=source, plain=self.web.plain
                )
                response = self.web.send(request.url, request.headers, request.form)
                if response.status_code >= 300:
                    raise self.web.refuse(response, what)
                return "Bearer " + auth.read_token(self.web.read(response, _MAX_TOKEN, "a token"), self.host)
            if challenge.scheme == "basic" and login and login.user:
                return auth.basic(login)
        return None

    def _find_base(self) -> str:
        """`https://HOST`; `http://HOST` where its user wants that, or on this machine where that is spoken
        there, as with docker."""
        with self._lock:
            if not self._base:
                name = _HUB if self.host == DEFAULT_REGISTRY else self.host
                plain = self.web.plain or (auth.is_loopback(_without_port(name)) and self._speaks_plain(name))
                self._base = f"http://{name}" if plain else f"https://{name}"
            return self._base

    def _speaks_plain(self, name: str) -> bool:
        response = self.web.send(f"http://{name}/v2/", {})  # no credentials on this one
        response.close()
        return response.status_code != 400  # what servers answer to plain http on their TLS port


def other_bytes(host: str, digest: Digest, how: str) -> OtherBytes:
    """The error for bytes that aren't those of their digest."""
    return OtherBytes(
        f"{host} serves other bytes than those of {digest}: {how}",
        "Nothing of it was kept. The registry is broken, or someone tampers with what it sends.",
    )


def _first_byte(response: requests.Response) -> int:
    """Where the body starts: 0, or what Content-Range says of a partial one (RFC 9110, section 14.4)."""
    if response.status_code != 206:
        return 0
    start = response.headers.get("Content-Range", "").removeprefix("bytes").strip().partition("-")[0]
    return int(start) if start.isdigit() else 0


def _whole_size(response: requests.Response) -> int | None:
    """Bytes that the blob has according to the registry (RFC 9110, sections 8.6 and 14.4), if it says so."""
    if response.status_code == 206:
        size = response.headers.get("Content-Range", "").partition("/")[2].strip()
    else:
        size = response.headers.get("Content-Length", "").strip()
    return int(size) if size.isascii() and size.isdigit() else None


def _without_port(name: str) -> str:
    return name.partition("]")[0] if name.startswith("[") else name.partition(":")[0]
