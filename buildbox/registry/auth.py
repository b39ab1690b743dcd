"""How a registry asks who we are, and the answer: Basic (RFC 7617), or a bearer token from the service that
the registry names (distribution project, "Token Authentication" and "OAuth2 Token Authentication").
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from buildbox.errors import ImageError
from buildbox.registry.credentials import Login

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110, section 5.6.2
_PART = re.compile(rf'[\s,]*(?:({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,]*)|({_TOKEN}))')
CLIENT = "buildbox"


@dataclass(frozen=True)
class Challenge:
    """One way in that a `WWW-Authenticate` header offers (RFC 9110, section 11.6.1)."""

    scheme: str  # lower case
    parameters: Mapping[str, str]  # names in lower case


@dataclass(frozen=True)
class TokenRequest:
    """What to ask a token service."""

    url: str
    headers: Mapping[str, str]
    form: str | None  # to POST; None: GET


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges in a `WWW-Authenticate` header; what can't be read is left out."""
    found: list[tuple[str, dict[str, str]]] = []
    position = 0
    while match := _PART.match(header, position):
        position = match.end()
        name, value, scheme = match.groups()
        if scheme:
            found.append((scheme.lower(), {}))
        elif found:
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            found[-1][1][name.lower()] = value
    return tuple(Challenge(scheme, parameters) for scheme, parameters in found)


def basic(login: Login) -> str:
    """The `Authorization` header for a user and password."""
    return "Basic " + base64.b64encode(f"{login.user}:{login.password}".encode()).decode()


def token_request(
    challenge: Challenge,
    login: Login | None,
    repository: str,
    registry: str,
    push: bool = False,
    *,
    source: str = "",
    plain: bool = False,
) -> TokenRequest:
    """What to ask the token service of a bearer challenge, for pulls or for pushes as well.

    `source`: another repository that is to be read, for a mount. `plain`: the registry may be asked without
    TLS, so one on the same host and port, too. Raises ImageError for an unsafe one.
    """
    realm = challenge.parameters.get("realm", "")
    parts = urlsplit(realm)
    local = is_loopback(parts.hostname or "") or (plain and parts.netloc == registry)
    if parts.scheme != "https" and not (parts.scheme == "http" and local):
        raise ImageError(
            f"{registry} sends us to {realm!r} for a token, which is not a safe place (no https)",
            "Nothing was sent there. Tell whoever runs the registry.",
        )
    asked = {
        "service": challenge.parameters.get("service", ""),
        "scope": scope(challenge.parameters.get("scope", ""), repository, push, source),
    }
    if login and login.identity_token:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": login.identity_token,
            "client_id": CLIENT,
            **asked,
        }
        return TokenRequest(realm, {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form))
    if login:
        asked["account"] = login.user
    scopes = asked.pop("scope").split()  # one parameter for each ("Requesting a Token")
    pairs = [*asked.items(), *(("scope", word) for word in scopes)]
    query = urlencode([(name, value) for name, value in pairs if value])
    url = parts._replace(query=f"{parts.query}&{query}" if parts.query else query, fragment="").geturl()
    return TokenRequest(url, {"Authorization": basic(login)} if login else {}, None)


def scope(asked: str, repository: str, push: bool, source: str = "") -> str:
    """What a token is to be good for ("Token Scope Documentation"): what the registry asked for; to push,
    also that. So one token does for the whole of a push, which begins with reading. To mount from the
    repository `source`, also to read there.
    """
    if source and not any(word.startswith(f"repository:{source}:") for word in asked.split()):
        asked = f"{asked} repository:{source}:pull".strip()
    if not push:
        return asked or f"repository:{repository}:pull"
    head = f"repository:{repository}:"
    words = asked.split()
    mine = next((word for word in words if word.startswith(head)), head)
    actions = [action for action in mine.removeprefix(head).split(",") if action]
    wanted = head + ",".join(dict.fromkeys([*actions, "pull", "push"]))
    return " ".join([*(word for word in words if word != mine), wanted])


def read_token(data: bytes, registry: str) -> str:
    """The bearer token in a token service's answer. Raises ImageError."""
    try:
        answer = json.loads(data)
        token = answer.get("token") or answer.get("access_token")
    except (ValueError, AttributeError):
        token = None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        raise ImageError(f"the token service of {registry} answers without a token")
    return token


def is_loopback(host: str) -> bool:
    """Whether `host` (no port) is this very machine: localhost, 127.0.0.0/8, ::1."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


Logins = Callable[[str], "Login | None"]  # a registry's host -> who we are there


def no_login(registry: str) -> Login | None:
    """Nobody, anywhere."""
    return None
