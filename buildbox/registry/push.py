"""The OCI distribution specification 1.1, section "Push": blobs, manifests, tags.

All of it may be asked twice: what is there already is not sent again, and a failed upload begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit

from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import Descriptor
from buildbox.registry.client import OtherBytes, Registry
from buildbox.registry.refusal import Transient, explain_push

if TYPE_CHECKING:
    import requests

    from buildbox.registry.http import Body

_DIGEST = "Docker-Content-Digest"  # section "Legacy Docker support HTTP headers"


class TagTaken(ImageError):
    """A tag that must not move means something else already."""


def has_blob(registry: Registry, repository: str, blob: Descriptor, *, push: bool = True) -> bool:
    """Whether the registry has the blob, of the right size as far as it tells; asked as part of a push, or
    as someone who may only read there. Raises ImageError.
    """
    what = f"blob {blob.digest} in {repository}"
    response = _head(registry, f"{repository}/blobs/{blob.digest}", repository, what, push)
    size = response.headers.get("Content-Length", "") if response else ""
    redirected = response is not None and response.status_code >= 300
    return response is not None and (redirected or not size.isdigit() or int(size) == blob.size)


def has_manifest(registry: Registry, repository: str, digest: Digest) -> bool:
    """Whether the registry has the manifest or index. Raises ImageError."""
    what = f"image {digest} in {repository}"
    return _head(registry, f"{repository}/manifests/{digest}", repository, what) is not None


def tag_digest(registry: Registry, repository: str, tag: str) -> Digest | None:
    """What `tag` means now, by its bytes; None where it isn't there. Raises ImageError."""
    there = _head(registry, f"{repository}/manifests/{tag}", repository, f"tag {tag} in {repository}")
    return registry.resolve(repository, tag) if there is not None else None


def mount_blob(registry: Registry, repository: str, blob: Descriptor, source: str) -> bool:
    """Has the registry take a blob over from its repository `source` ("Mounting a blob from another
    repository"), and looks whether it did.

    False where it doesn't, for whatever reason: the blob can still be sent, and what hinders that, too, is
    then said. Raises nothing.
    """
    what = f"blob {blob.digest} in {repository}"
    query = urlencode({"mount": str(blob.digest), "from": source})
    path = f"{repository}/blobs/uploads/?{query}"

    def ask() -> bool:
        response = registry.ask(path, repository, {}, what, method="POST", body=b"", source=source)
        response.close()
        if response.status_code == 202:  # it begins an upload instead, which nobody will go on with
            _cancel(registry, repository, response, what)
        return response.status_code == 201

    try:
        return registry.web.retrying(ask) and has_blob(registry, repository, blob)
    except ImageError:
        return False


def push_blob(
    registry: Registry,
    repository: str,
    blob: Descriptor,
    open_blob: Callable[[], Iterable[bytes]],
    advance: Callable[[int], None],
    note: Callable[[str], None],
) -> None:
    """Sends a blob that isn't there in one piece ("Pushing a blob monolithically", POST then PUT).

    `open_blob` gives its bytes from the start, as often as it takes, and raises rather than give the last of
    others. `advance` hears of bytes sent, less than none where they are to be sent again; `note` why.
    Raises ImageError, OtherBytes.
    """
    from buildbox.registry.http import Body

    what = f"blob {blob.digest} in {repository}"
    sent = attempts = 0

    def read() -> Iterable[bytes]:
        nonlocal sent
        advance(-sent)  # of the attempt before
        sent = 0
        for chunk in open_blob():
            yield chunk
            sent += len(chunk)
            advance(len(chunk))

    def attempt() -> None:
        nonlocal attempts
        attempts += 1
        if attempts > 1 and has_blob(registry, repository, blob):  # only the answer got lost
            advance(blob.size - sent)
            return
        opened = registry.ask(f"{repository}/blobs/uploads/", repository, {}, what, method="POST", body=b"")
        if opened.status_code != 202:
            raise _refused(registry, opened, what)
        url = upload_url(opened.url, opened.headers.get("Location", ""), blob.digest)
        opened.close()
        registry.web.check_safe(url)
        kind = {"Content-Type": "application/octet-stream"}
        body = Body(blob.size, read)
        _put(registry, url, repository, kind, body, blob.digest, what)

    registry.web.retrying(
        attempt, lambda why: note(f"{why}; sending {blob.digest.short} again from the start")
    )


def push_manifest(
    registry: Registry, repository: str, reference: Digest | str, data: bytes, media_type: str
) -> None:
    """Puts a manifest or index under its digest or a tag ("Pushing Manifests").

    Raises ImageError, OtherBytes.
    """
    kind = "image" if isinstance(reference, Digest) else "tag"
    what = f"{kind} {reference} in {repository}"
    path = f"{repository}/manifests/{reference}"
    headers = {"Content-Type": media_type}
    registry.web.retrying(lambda: _put(registry, path, repository, headers, data, Digest.of(data), what))


def push_tag(
    registry: Registry, repository: str, tag: str, data: bytes, media_type: str, *, move: bool
) -> bool:
    """Makes `tag` mean the manifest or index `data`, and reads it back; False where it did so already.

    Raises TagTaken, before anything is changed, where it means something else and isn't to `move`;
    OtherBytes where the registry gives back something else.
    """
    digest = Digest.of(data)
    before = tag_digest(registry, repository, tag)
    if before == digest:
        return False
    if before and not move:
        raise tag_taken(registry, repository, tag, before)
    push_manifest(registry, repository, tag, data, media_type)
    after = registry.resolve(repository, tag)
    if after != digest:
        raise OtherBytes(
            f"{registry.host} gives back {after} as tag {tag} in {repository}, though {digest} was pushed",
            "Someone else may have pushed this tag just now; if not, the registry is broken.",
        )
    return True


def tag_taken(registry: Registry, repository: str, tag: str, digest: Digest) -> TagTaken:
    """The error for a `tag` that must not move and means `digest`, not ours."""
    return TagTaken(
        f"{registry.host}/{repository}:{tag} is there already, with other bytes: {digest}",
        "Such a tag never moves, so nothing was changed. Whoever pushed it by hand should remove it.",
    )


def upload_url(asked: str, location: str, digest: Digest) -> str:
    """Where an upload's bytes go: its `Location` with the digest added.

    It may be relative to the URL that was `asked`, and have a query of its own.
    Raises ImageError where there is none.
    """
    if not location:
        raise ImageError(f"{urlsplit(asked).netloc} doesn't say where to upload to (no Location)")
    parts = urlsplit(urljoin(asked, location))
    query = urlencode({"digest": str(digest)})
    return parts._replace(query=f"{parts.query}&{query}" if parts.query else query, fragment="").geturl()


def _cancel(registry: Registry, repository: str, opened: requests.Response, what: str) -> None:
    """Gives up an upload (distribution project, "Canceling an Upload"). The registry forgets it some day even
    where that fails."""
    url = urljoin(opened.url, opened.headers.get("Location", ""))
    try:
        registry.web.check_safe(url)
        registry.ask(url, repository, {}, what, method="DELETE").close()
    except (ImageError, Transient):
        pass


def _head(
    registry: Registry, path: str, repository: str, what: str, push: bool = True
) -> requests.Response | None:
    """The answer for what is there, or elsewhere; None for what isn't."""
    from buildbox.registry.client import ACCEPT

    def ask() -> requests.Response | None:
        response = registry.ask(path, repository, {"Accept": ACCEPT}, what, method="HEAD", push=push)
        if response.status_code in (404, 405):  # 405: it can't tell
            response.close()
            return None
        if response.status_code >= 400:
            raise _refused(registry, response, what)
        response.close()
        return response

    return registry.web.retrying(ask)


def _put(
    registry: Registry,
    path: str,
    repository: str,
    headers: dict[str, str],
    body: bytes | Body,
    digest: Digest,
    what: str,
) -> None:
    response = registry.ask(path, repository, headers, what, method="PUT", body=body)
    if not 200 <= response.status_code < 300:
        raise _refused(registry, response, what)
    response.close()
    named = response.headers.get(_DIGEST, str(digest))
    if named != str(digest) and named.startswith("sha256:"):
        raise OtherBytes(
            f"{registry.host} took {what} for {named}",
            "It didn't get the bytes that were sent, or it is broken.",
        )


def _refused(registry: Registry, response: requests.Response, what: str) -> Exception:
    from buildbox.registry.http import read_refusal

    refusal = read_refusal(response)
    if refusal.status < 400:
        return ImageError(f"{registry.host} answers {refusal.status} {refusal.reason} to a push of {what}")
    return explain_push(registry.host, refusal, what)
