"""Image references, parsed once by the grammar of the distribution project (`reference.go`),
which the OCI distribution specification's section "Pulling manifests" narrows no further.

    reference := name [":" tag] ["@" digest]
    name      := [domain "/"] path-component ["/" path-component]*
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from buildbox.digest import Digest

DEFAULT_REGISTRY = "docker.io"
_LEGACY_REGISTRY = "index.docker.io"
_MAX_NAME = 255  # characters, of a whole name

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?", re.ASCII)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ImageRef:
    """An image reference in its full form; `text` is how its author wrote it."""

    registry: str  # host[:port]
    repository: str  # path, with `library/` where the default registry implies it
    tag: str | None
    digest: Digest | None
    text: str

    @classmethod
    def parse(cls, text: str) -> ImageRef:
        """The reference that `text` spells. Raises ValueError saying what is wrong with it."""
        if "://" in text:
            raise ValueError(f"{text!r}: an image is named without {text.partition('://')[0]}://")
        rest, at, digest_text = text.partition("@")
        digest = Digest.parse(digest_text) if at else None
        name, tag = _split_tag(rest)
        if tag is not None and not _TAG.fullmatch(tag):
            raise ValueError(
                f"{tag!r} is not a tag (letters, digits, '_', '.', '-'; at most 128; no '.' or '-' first)"
            )
        registry, repository = _split_registry(name)
        return cls(registry, repository, tag, digest, text)

    @property
    def name(self) -> str:
        """The name as its author wrote it, without tag and digest."""
        return _split_tag(self.text.partition("@")[0])[0]

    @property
    def tagged(self) -> str:
        """The reference as its author wrote it, without the digest."""
        return self.text.partition("@")[0]

    def pinned(self, digest: Digest) -> ImageRef:
        """This reference with `digest` for its digest, its name and tag as they are written."""
        return ImageRef(self.registry, self.repository, self.tag, digest, f"{self.tagged}@{digest}")

    def __str__(self) -> str:
        return self.text


def _split_tag(text: str) -> tuple[str, str | None]:
    """Name and tag: a colon after the last slash starts a tag, one before it a port."""
    slash, colon = text.rfind("/"), text.rfind(":")
    return (text[:colon], text[colon + 1 :]) if colon > slash else (text, None)


def _split_registry(name: str) -> tuple[str, str]:
    if not name:
        raise ValueError("the image name is empty")
    first, slash, rest = name.partition("/")
    has_registry = slash and ("." in first or ":" in first or first == "localhost" or first.lower() != first)
    registry, repository = (first, rest) if has_registry else (DEFAULT_REGISTRY, name)
    if registry == _LEGACY_REGISTRY:
        registry = DEFAULT_REGISTRY
    if not _DOMAIN.fullmatch(registry):
        raise ValueError(f"{registry!r} is not a registry's host name")
    for component in repository.split("/"):
        if not _COMPONENT.fullmatch(component):
            raise ValueError(_why_not(component, name))
    if not has_registry and _HEX64.fullmatch(repository):
        raise ValueError("64 hex digits are an image's id, not its name; write name:tag@sha256:…")
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    if len(registry) + 1 + len(repository) > _MAX_NAME:
        raise ValueError(f"the name is longer than {_MAX_NAME} characters")
    return registry, repository


def _why_not(component: str, name: str) -> str:
    if not component:
        return f"{name!r} has an empty part between slashes"
    if component.lower() != component:
        return f"{component!r} in {name!r}: repository names are lower-case"
    return (
        f"{component!r} in {name!r} is not a part of a repository name "
        "(lower-case letters and digits, with single '.', '_', '__' or '-'s between them)"
    )
