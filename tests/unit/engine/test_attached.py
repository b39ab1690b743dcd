"""The multiplexed stream of an attached container, cut anywhere."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.engine.attached import Attached
from buildbox.errors import EngineError

FRAMES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=300)), max_size=30)


def received(parts: Sequence[bytes], tty: bool = False) -> list[tuple[int, bytes]]:
    """What an Attached reads when its peer sends `parts`, one by one, and hangs up."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        with theirs:
            for part in parts:
                theirs.sendall(part)

    sender = threading.Thread(target=send)
    sender.start()
    attached = Attached(ours, tty)
    found = []
    while (chunk := attached.read()) is not None:
        found.append((chunk[0], b"".join(chunk[1])))
    sender.join()
    attached.close()
    return found


def merged(chunks: Sequence[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Neighbours of one stream as one, empty ones gone."""
    result: list[tuple[int, bytes]] = []
    for stream, data in chunks:
        if data and result and result[-1][0] == stream:
            result[-1] = (stream, result[-1][1] + data)
        elif data:
            result.append((stream, data))
    return result


@settings(deadline=None, max_examples=150)
@given(frames=FRAMES, cuts=st.lists(st.integers(1, 400), max_size=20))
def test_frames_come_out_as_they_went_in(frames: list[tuple[int, bytes]], cuts: list[int]) -> None:
    wire = b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in frames)
    parts = []
    for cut in cuts:
        parts.append(wire[:cut])
        wire = wire[cut:]
    assert merged(received([*parts, wire])) == merged(frames)


def test_a_frame_larger_than_the_buffer() -> None:
    data = bytes(range(256)) * 8192  # 2 MB
    chunks = received([struct.pack(">BxxxL", 2, len(data)), data])
    assert merged(chunks) == [(2, data)]
    assert len(chunks) > 1


def test_a_connection_that_ends_within_a_frame() -> None:
    for cut in (b"\x01\x00", struct.pack(">BxxxL", 1, 100) + b"half", struct.pack(">BxxxL", 1, 100)):
        with pytest.raises(EngineError, match="broke: it ended in the middle of a message"):
            received([cut])


@pytest.mark.parametrize(("written", "fault"), [(1, True), (1 << 16, False)])
def test_a_connection_that_is_reset(written: int, fault: bool) -> None:
    """It broke; but after much input it may be the end of an engine that hadn't read all of that."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    attached = Attached(ours, tty=False)
    attached.write(bytes(written))
    theirs.sendall(struct.pack(">BxxxL", 1, 3) + b"all")
    chunk = attached.read()
    assert chunk and b"".join(chunk[1]) == b"all"
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    theirs.close()
    if fault:
        with pytest.raises(EngineError, match="broke: Connection reset by peer"):
            attached.read()
    else:
        assert attached.read() is None
    attached.close()


def test_a_tty_has_no_frames() -> None:
    assert merged(received([b"\x01\x00\x00\x00", b"plain"], tty=True)) == [(1, b"\x01\x00\x00\x00plain")]
