"""The proxy for a URL, as curl and docker read it from the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from buildbox.registry.auth import is_loopback


def proxy_for(url: str, env: Mapping[str, str]) -> str | None:
    """The proxy's URL; None to go straight. HTTP_PROXY in upper case counts too: no CGI runs here."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    proxy = _read(env, f"{parts.scheme}_proxy") or _read(env, "all_proxy")
    if not proxy or is_loopback(host) or _excluded(host, parts.port, _read(env, "no_proxy")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _read(env: Mapping[str, str], name: str) -> str:
    return env.get(name) or env.get(name.upper()) or ""


def _excluded(host: str, port: int | None, no_proxy: str) -> bool:
    return any(_covers(entry.strip().lower(), host, port) for entry in no_proxy.split(",") if entry.strip())


def _covers(entry: str, host: str, port: int | None) -> bool:
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        pass  # one of them is a name
    name, _, entry_port = entry.partition(":")
    if entry_port and entry_port != str(port):
        return False
    name = name.removeprefix("*").removeprefix(".")
    return host == name or host.endswith(f".{name}")
