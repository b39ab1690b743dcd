"""TLS over a socket for a reader and a writer at once, one of whom may end before the other."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

_READ = 1 << 16  # bytes taken from the network at a time


def client_context(folder: Path | None, *, verify: bool) -> ssl.SSLContext:
    """What is shown to an engine, and asked of it: `ca.pem`, `cert.pem` and `key.pem` of `folder`, if there.

    The names are the docker command's. Without `ca.pem` the machine's own authorities count. Raises OSError.
    """
    ca, cert, key = (folder / name if folder else None for name in ("ca.pem", "cert.pem", "key.pem"))
    context = ssl.create_default_context(cafile=ca if ca and ca.exists() else None)
    # Python 3.13 asks more of certificates than the docker command, and than those have that people make.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Some Pythons take a connection that was cut for one that was closed.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)  # of OpenSSL 3
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert and cert.exists():
        context.load_cert_chain(cert, key)
    return context


class TlsSocket(socket.socket):
    """The client's end of a TLS connection. One thread may read while another writes.

    ssl.SSLSocket promises nothing to two threads, and reads ciphertext after a `shutdown` of its writing:
    attached containers need both.
    """

    def __init__(self, raw: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Takes over `raw`, a connection to `host`. Raises OSError where it can't be trusted, or breaks."""
        timeout = raw.gettimeout()
        super().__init__(fileno=raw.detach())
        self.settimeout(timeout)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._lock = threading.Lock()  # of the three above, never held while something blocks
        self._sending = threading.Lock()
        self._ahead = bytearray()  # read before it was asked for
        try:
            self._shake_hands()
        except BaseException:
            self.close()
            raise

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """As socket.socket's. Raises ssl.SSLError where the connection was cut instead of closed."""
        view = memoryview(buffer).cast("B")[: nbytes or None]
        while True:
            with self._lock:
                if self._ahead:
                    count = min(len(view), len(self._ahead))
                    view[:count] = self._ahead[:count]
                    del self._ahead[:count]
                    return count
                try:
                    return int(self._tls.read(len(view), view))  # it gives a number where it is given room
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLZeroReturnError:
                    return 0
            self._receive()

    def sendall(self, data: Any, flags: int = 0) -> None:
        """As socket.socket's."""
        with self._sending:
            with self._lock:
                self._tls.write(data)
                ready = self._outgoing.read()
            super().sendall(ready)

    def shutdown(self, how: int) -> None:
        """Tells the other side that nothing more is written; a writer that is blocked gets an OSError."""
        if not self._sending.acquire(blocking=False):
            super().shutdown(how)
            return
        try:
            with self._lock:
                # OpenSSL looks for an answer, too, and takes it badly if it finds data.
                with suppress(ssl.SSLError):
                    while data := self._tls.read(_READ):
                        self._ahead += data
                with suppress(ssl.SSLError):
                    self._tls.unwrap()
                ready = self._outgoing.read()
            super().sendall(ready)
        finally:
            self._sending.release()

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                super().sendall(self._outgoing.read())
                self._receive()
            else:
                super().sendall(self._outgoing.read())
                return

    def _receive(self) -> None:
        data = super().recv(_READ)
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._incoming.write_eof()
