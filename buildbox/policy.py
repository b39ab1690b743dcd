"""What `[policy]` of a `.buildbox.toml` says of the pinned images. Only `buildbox check` asks: what was built
in an image can be reproduced in it, however old it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from buildbox.archive.age import made_at
from buildbox.archive.layout import Archive
from buildbox.config.model import Config, Pinned
from buildbox.config.places import find_places, line_of
from buildbox.errors import ConfigError
from buildbox.units import show_age

OK, OLD, TOO_OLD, UNKNOWN = "ok", "old", "too-old", "unknown"
_DAY = 86400


@dataclass(frozen=True)
class Aged:
    """How old the image of a toolchain or service is."""

    pinned: Pinned
    made: float | None  # seconds since the epoch; None: it has no date, or the archive doesn't have it
    state: str  # OK, OLD: worth a warning, TOO_OLD, UNKNOWN
    told: str  # in words

    @property
    def date(self) -> str | None:
        """The day that it was made on, in UTC."""
        if self.made is None:
            return None
        return datetime.fromtimestamp(self.made, timezone.utc).strftime("%Y-%m-%d")


def look_at_ages(config: Config, archive: Archive | None, now: float) -> tuple[Aged, ...]:
    """The age of each pinned image. Asks no network; `now` is in seconds since the epoch."""
    return tuple(_look(config, pinned, archive, now) for pinned in config.images())


def refuse_old(config: Config, found: tuple[Aged, ...]) -> None:
    """Raises ConfigError with all images that are too old, each with its line."""
    old = [aged for aged in found if aged.state == TOO_OLD]
    if not old:
        return
    text = config.path.read_text(encoding="utf-8")
    places = find_places(text)
    count = "a pinned image is" if len(old) == 1 else f"{len(old)} pinned images are"
    raise ConfigError(
        f"{count} older than [policy] lets it be",
        "Take out the digest and run `buildbox pin`, for what its tag means now.\n"
        "An image of the catalogue is made anew: buildbox images lock, then build.\n"
        "What was built in the old one can still be reproduced.",
        [
            f"{config.path.name}:{line_of(text, places, (*aged.pinned.key, 'image'))}: "
            f"{'.'.join(aged.pinned.key)}.image: {aged.told}"
            for aged in old
        ],
    )


def _look(config: Config, pinned: Pinned, archive: Archive | None, now: float) -> Aged:
    digest = pinned.image.digest
    made = made_at(archive, digest, pinned.platform) if archive and digest else None
    if made is None:
        why = (
            "it has no date" if archive and digest and archive.has(digest) else "the archive doesn't have it"
        )
        return Aged(pinned, None, UNKNOWN, f"how old its image is isn't known: {why}")
    age, most, warn = now - made, config.policy.max_pin_age, config.policy.warn_pin_age
    told = f"its image was made {show_age(max(age, 0))} ago" if age >= _DAY else "its image was made today"
    if most is not None and age > most:
        return Aged(pinned, made, TOO_OLD, f"{told}, max-pin-age is {_written(most)}")
    if warn is not None and age > warn:
        return Aged(pinned, made, OLD, f"{told}, warn-pin-age is {_written(warn)}")
    return Aged(pinned, made, OK, told)


def _written(seconds: float) -> str:
    """A duration as the file may have it."""
    return f"{seconds / _DAY:g}d" if seconds >= _DAY else f"{seconds / 3600:g}h"
