"""The multiplexed stream of an attached container, cut anywhere."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.engine.attached import Attached

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
    assert received([struct.pack(">BxxxL", 1, 100), b"half"]) == [(1, b"half")]
    assert received([b"\x01\x00"]) == []


def test_a_tty_has_no_frames() -> None:
    assert merged(received([b"\x01\x00\x00\x00", b"plain"], tty=True)) == [(1, b"\x01\x00\x00\x00plain")]
