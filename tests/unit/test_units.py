from __future__ import annotations

import pytest

from buildbox.units import parse_duration, parse_size, show_age, show_duration, show_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2d", 172800), ("1.5h", 5400)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "10 m", "m", "-5m", "0s", "5M", "1h30", "٣s", "10m\n", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512", 512),
        ("512b", 512),
        ("1k", 1024),
        ("512m", 512 << 20),
        ("2g", 2 << 30),
        ("2GB", 2 << 30),
        ("1.5GiB", 3 << 29),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "g", "-1g", "0", "0.1", "2 g", "2x", "2gg", "٣g", "2g\n"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


def test_for_people() -> None:
    assert [show_size(size) for size in (0, 999, 1000, 12_345_678, 5e9, 5e12)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "12.3 MB",
        "5.0 GB",
        "5000.0 GB",
    ]
    assert [show_duration(seconds) for seconds in (0.42, 12.3, 59.7, 185, 7620)] == [
        "0.4s",
        "12s",
        "1m00s",
        "3m05s",
        "2h07m",
    ]


@pytest.mark.parametrize(
    ("days", "shown"),
    [
        (-1, "today"),
        (0.9, "today"),
        (1, "1 day"),
        (59, "59 days"),
        (60, "1 month"),
        (125, "4 months"),
        (729, "23 months"),
        (731, "2 years"),
        (4000, "10 years"),
    ],
)
def test_ages_for_people(days: float, shown: str) -> None:
    assert show_age(days * 86400) == shown
