"""The snapshot service that a recipe names: the last place to ask for packages that mirrors have dropped.

A service takes a release in some hours after its date; its state of a day later has all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from buildbox.config.user import real_path
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.lock import Lock
from buildbox.recipes.recipe import Recipe
from buildbox.recipes.workshop import Workshop
from buildbox.trust import how_to_allow_snapshot

_LATER = timedelta(days=1)


@dataclass(frozen=True)
class Snapshot:
    """A mirror as it was at a time."""

    address: str  # with a slash at its end
    refused: str = ""  # where the user hasn't allowed to ask it: how to


def snapshot_of(folder: Path, recipe: Recipe, lock: Lock, shop: Workshop) -> Snapshot | None:
    """What the recipe in `folder` names for the time of its lock; None where it names none.

    Packages' scripts run as root in the new root, so a recipe of a project's own gets them only from where
    the user has them from, or lets it.
    """
    if not recipe.snapshot:
        return None
    address = snapshot_address(recipe.snapshot, lock.source_date_epoch)
    ours = real_path(folder).is_relative_to(real_path(own_catalogue()))
    if ours or recipe.snapshot in shop.allowance.snapshots:
        return Snapshot(address)
    root = real_path(folder).parents[2]  # of the project: its images/NAME/VERSION
    return Snapshot(
        address, how_to_allow_snapshot(recipe.snapshot, root, shop.allowance, shop.host.user_config)
    )


def snapshot_address(template: str, seconds: int) -> str:
    """`template` for a release of the time `seconds`."""
    time = datetime.fromtimestamp(seconds, timezone.utc) + _LATER
    address = template.replace("{time}", time.strftime("%Y%m%dT%H%M%SZ"))
    return address if address.endswith("/") else f"{address}/"
