"""Our end of a TLS connection, against Python's own at the other."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from buildbox.engine.tls import TlsSocket, client_context
from tests.support.certificates import certificates

Folders = tuple[Path, Path]  # the server's, the client's


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def connected(folders: Folders, serve: Callable[[ssl.SSLSocket], None]) -> Iterator[TlsSocket]:
    """A connection to a server that does `serve`, and asks for our certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folders[0] / "cert.pem", folders[0] / "key.pem")
    context.load_verify_locations(folders[0] / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED

    def accept() -> None:
        plain, _ = server.accept()
        with plain:
            serve(context.wrap_socket(plain, server_side=True))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        ours = socket.create_connection(server.getsockname(), timeout=20)
        with TlsSocket(ours, client_context(folders[1], verify=True), "127.0.0.1") as found:
            yield found
        thread.join(timeout=20)


def read_all(ours: TlsSocket) -> bytes:
    with ours.makefile("rb") as file:
        return file.read()


def test_much_goes_both_ways_at_once(folders: Folders) -> None:
    data = bytes(range(256)) * 8192  # 2 MB

    def serve(theirs: ssl.SSLSocket) -> None:
        theirs.sendall(data)
        received = bytearray()
        while len(received) < len(data):
            received += theirs.recv(1 << 16)
        theirs.sendall(b"same" if received == data else b"other")
        with suppress(ssl.SSLError):  # we say nothing at the end
            theirs.unwrap()

    with connected(folders, serve) as ours:
        writer = threading.Thread(target=ours.sendall, args=(data,))
        writer.start()
        assert read_all(ours) == data + b"same"
        writer.join(timeout=20)


def test_what_is_on_its_way_is_read_after_the_end_of_writing(folders: Folders) -> None:
    """With ssl.SSLSocket it would be ciphertext."""

    def serve(theirs: ssl.SSLSocket) -> None:
        theirs.sendall(b"before ")
        assert theirs.recv(10) == b"go"
        assert theirs.recv(10) == b""
        theirs.sendall(b"after")

    with connected(folders, serve) as ours:
        ours.sendall(b"go")
        ours.shutdown(socket.SHUT_WR)
        found = bytearray(12)
        view = memoryview(found)
        while view:
            view = view[ours.recv_into(view) :]
        assert found == b"before after"


def test_a_connection_that_is_cut_is_no_end(folders: Folders) -> None:
    with connected(folders, lambda theirs: theirs.sendall(b"half")) as ours, pytest.raises(ssl.SSLError):
        read_all(ours)


def test_a_blocked_writer_is_woken(folders: Folders) -> None:
    done = threading.Event()
    failed: list[OSError] = []

    def write(ours: TlsSocket) -> None:
        try:
            while True:
                ours.sendall(bytes(1 << 20))
        except OSError as error:
            failed.append(error)

    with connected(folders, lambda theirs: assert_waits(done)) as ours:
        ours.settimeout(None)
        writer = threading.Thread(target=write, args=(ours,))
        writer.start()
        writer.join(timeout=0.5)
        assert writer.is_alive()
        ours.shutdown(socket.SHUT_WR)
        writer.join(timeout=20)
        done.set()
    assert isinstance(failed[0], BrokenPipeError)


def assert_waits(done: threading.Event) -> None:
    assert done.wait(20)


def test_who_is_to_be_trusted(folders: Folders, tmp_path: Path) -> None:
    """Neither another authority's certificates nor another host's."""
    others = certificates(tmp_path)
    for trusted, host, why in (
        (others[1], "127.0.0.1", "certificate"),
        (folders[1], "engine.example.com", "Hostname mismatch"),
    ):
        with socket.create_server(("127.0.0.1", 0)) as server:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folders[0] / "cert.pem", folders[0] / "key.pem")

            def accept(server: socket.socket = server, context: ssl.SSLContext = context) -> None:
                plain, _ = server.accept()
                with plain, pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_side=True).recv(1)

            thread = threading.Thread(target=accept)
            thread.start()
            plain = socket.create_connection(server.getsockname(), timeout=20)
            with pytest.raises(ssl.SSLCertVerificationError, match=why):
                TlsSocket(plain, client_context(trusted, verify=True), host)
            thread.join(timeout=20)
