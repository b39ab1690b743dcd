"""Connections to engines that don't listen at a socket of this machine: TCP, TLS, ssh."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

from buildbox.engine.find import Address
from buildbox.engine.ssh import dial_ssh, ssh_command

Dial = Callable[[], socket.socket]

_CONNECT = 15  # seconds that a connection may take
_PORTS = {False: 2375, True: 2376}  # where engines listen, without and with TLS


def dialling(address: Address, silence: int) -> Dial:
    """What connects to the engine at `address`, tcp, http, https or ssh. Raises OSError for bad certificates.

    `silence`: seconds after which a connection breaks whose other side is gone without a word.
    """
    if address.url.startswith("ssh://"):
        command = ssh_command(address.url, silence)
        return lambda: dial_ssh(command)
    parts = urlsplit(address.url)
    host = parts.hostname or ""
    secure = address.tls_folder is not None or parts.scheme == "https"
    port = parts.port or _PORTS[secure]
    if not secure:
        return lambda: _dial_tcp(host, port, silence)
    from buildbox.engine.tls import TlsSocket, client_context

    context = client_context(address.tls_folder, verify=address.tls_verify)
    return lambda: TlsSocket(_dial_tcp(host, port, silence), context, host)


def _dial_tcp(host: str, port: int, silence: int) -> socket.socket:
    found = socket.create_connection((host, port), timeout=_CONNECT)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # Not TCP_USER_TIMEOUT, which also ends a connection whose other side is alive, but busy.
    for name, value in (("TCP_KEEPIDLE", silence // 2), ("TCP_KEEPINTVL", silence // 6), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # systems name them differently
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), max(1, value))
    return found
