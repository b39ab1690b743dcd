"""Durations and sizes as people write them in configuration: `90s`, `1h30m`, `2g`."""

from __future__ import annotations

import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_BYTES = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)


def parse_duration(text: str) -> float:
    """Seconds in `text` (`500ms`, `90s`, `10m`, `1h30m`, `2d`). Raises ValueError."""
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration; write e.g. 90s, 10m, 1h30m")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    if seconds <= 0:
        raise ValueError(f"{text!r}: a duration is more than nothing")
    return seconds


def parse_size(text: str) -> int:
    """Bytes in `text` (`512m`, `2g`, `1.5GiB`; k, m, g, t are powers of 1024). Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not a size; write e.g. 512m, 2g")
    size = int(float(match[1]) * _BYTES[match[2].lower()])
    if size <= 0:
        raise ValueError(f"{text!r}: a size is more than nothing")
    return size


def show_size(size: float) -> str:
    """`size` bytes for people: `12.3 MB` (powers of 1000, as registries and disks count)."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def show_duration(seconds: float) -> str:
    """`seconds` for people: `0.4s`, `12s`, `3m05s`, `2h07m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"


def show_age(seconds: float) -> str:
    """How long ago something was, for people: `today`, `12 days`, `4 months`, `2 years`."""
    days = int(seconds // 86400)
    for limit, unit, length in ((60, "day", 1), (730, "month", 30.44)):
        if days < limit:
            count = int(days / length)
            return "today" if count < 1 else f"{count} {unit}" + ("s" if count > 1 else "")
    return f"{int(days / 365.25)} years"
