"""A file that keeps the beginning and the end of what is written to it, however much that is."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Sequence

CAP = 64 << 20  # bytes that a log is kept of: half from its beginning, half from its end
_SLOT = 1 << 20  # bytes of the end that are let go of at a time
RECORD = _SLOT >> 4  # bytes that one record may have at most


class _Slot:
    def __init__(self, place: int) -> None:
        self.place = place  # in the spool
        self.used = 0  # bytes
        self.payload = 0  # bytes of output in it


class Capped:
    """Records in order in the file `descriptor`; those in the middle are left out where there are too many.

    The end is kept in a file without a name, which `spool` opens once it is needed, and comes behind the
    beginning in `finish`. All methods raise OSError.
    """

    def __init__(self, descriptor: int, spool: Callable[[], int], cap: int = CAP) -> None:
        self.cap = cap
        self._descriptor = descriptor
        self._open_spool = spool
        self._spool: int | None = None
        self._head_left = cap // 2
        self._slot_size = min(_SLOT, max(cap // 8, 1))
        self._slots: deque[_Slot] = deque()
        self._slot_count = max(cap // 2 // self._slot_size, 2)
        self._left_out = 0

    def append(self, record: Sequence[memoryview | bytes], payload: int | None = None) -> None:
        """One record, kept whole or not at all; `payload` of its bytes are output (None: all)."""
        size = sum(map(len, record))
        payload = size if payload is None else payload
        if self._spool is None:
            if size <= self._head_left:
                self._head_left -= size
                _write(self._descriptor, record, size)
                return
            self._spool = self._open_spool()
        slot = self._slot_for(size)
        _write(self._spool, record, size, slot.place + slot.used)
        slot.used += size
        slot.payload += payload

    def room(self) -> int:
        """Bytes that the beginning still takes; 0 once it is full."""
        return self._head_left if self._spool is None else 0

    def finish(self, note: Callable[[int], Sequence[bytes]]) -> None:
        """The end comes behind the beginning; between them `note` of the number of bytes left out, if any."""
        if self._spool is None:
            return
        if self._left_out:
            record = note(self._left_out)
            _write(self._descriptor, record, sum(map(len, record)))
        for slot in self._slots:
            data = os.pread(self._spool, slot.used, slot.place)
            _write(self._descriptor, [data], len(data))
        os.close(self._spool)
        self._spool = None
        self._slots.clear()

    def close(self) -> None:
        """Lets go of the end where `finish` wasn't reached. The descriptor is the caller's."""
        if self._spool is not None:
            os.close(self._spool)
            self._spool = None

    def _slot_for(self, size: int) -> _Slot:
        if self._slots and self._slots[-1].used + size <= self._slot_size:
            return self._slots[-1]
        if len(self._slots) < self._slot_count:
            slot = _Slot(len(self._slots) * self._slot_size)
        else:
            oldest = self._slots.popleft()
            self._left_out += oldest.payload
            slot = _Slot(oldest.place)
        self._slots.append(slot)
        return slot


def _write(
    descriptor: int, record: Sequence[memoryview | bytes], size: int, place: int | None = None
) -> None:
    """All of a record or an OSError; at `place`, or at the file's end."""
    if len(record) > 1000:  # as many as one call takes
        record = [b"".join(record)]
    count = os.writev(descriptor, record) if place is None else os.pwritev(descriptor, record, place)
    if count != size:  # files take all, unless there is no more room
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
