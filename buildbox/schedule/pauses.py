"""How long to wait before a step is tried again."""

_LONGEST = 30.0  # seconds


def pause_after(attempt: int) -> float:
    """Seconds between an attempt that failed, counted from 1, and the next one: 1, 2, 4 … 30."""
    return min(2.0 ** min(attempt - 1, 10), _LONGEST)
