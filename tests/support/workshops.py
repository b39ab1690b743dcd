"""Workshops for tests that make images with this machine's own tools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.progress import Silent
from buildbox.recipes.hosttools import HostTools
from buildbox.recipes.lock import Lock
from buildbox.recipes.packages import gather, keep
from buildbox.recipes.snapshot import Snapshot
from buildbox.recipes.target import target_of
from buildbox.recipes.wheels import gather_wheels
from buildbox.recipes.workplace import workplace
from buildbox.recipes.workshop import Workshop
from buildbox.reference import ImageRef
from tests.support.values import host


def workshop(
    folder: Path, archive: Archive, env: Mapping[str, str] | None = None, offline: bool = False
) -> Workshop:
    """One that works in `folder`; `env` is the caller's."""
    env = os.environ if env is None else env
    caller = replace(host(folder, uid=os.getuid(), gid=os.getgid()), env=env)
    return Workshop(caller, folder, archive, HostTools(env, os.getuid() == 0), Silent(), offline)


def fetch_packages(lock: Lock, shop: Workshop, snapshot: Snapshot | None = None) -> list[bytes]:
    """The lock's packages, in its order; they and its wheels are kept, as a build does it."""
    with workplace(shop.temp, shop.host) as place:
        debs = place.path / "packages"
        debs.mkdir()
        found = [path.read_bytes() for path in gather(lock, debs, place, shop, snapshot)]
        if lock.wheels:
            wheels = place.path / "wheels"
            wheels.mkdir()
            gather_wheels(lock.wheels, target_of(lock.packages, lock.architecture), wheels, shop)
        keep(lock, ImageRef.parse("buildbox/tests:1"), shop.archive)
        return found
