"""What engines tell of themselves, as they do (the answers of 20.10 and Podman 4.3)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from buildbox.engine.protocol import EngineInfo
from buildbox.engine.told import engine_info

PODMAN = {"Components": [{"Name": "Podman Engine"}], "Version": "4.3.1"}
DOCKER = {"Components": [{"Name": "Engine"}], "Version": "20.10.24"}
ALL = {"MemoryLimit": True, "CpuCfsQuota": True, "PidsLimit": True}
NONE = {"MemoryLimit": False, "CpuCfsQuota": False, "PidsLimit": False}
EVERYTHING = ("memory", "processors", "processes")


def told(version: Mapping[str, object], **info: object) -> EngineInfo:
    return engine_info(version, info, "unix:///x")


@pytest.mark.parametrize(
    ("found", "rootless"),
    [
        (told(DOCKER, SecurityOptions=["name=seccomp,profile=default", "name=rootless"]), True),
        (told(DOCKER, SecurityOptions=["name=seccomp,profile=default"]), False),
        (told(PODMAN, SecurityOptions=["name=seccomp,profile=default"], Rootless=True), True),
        (told(PODMAN, SecurityOptions=["name=seccomp,profile=default"], Rootless=False), False),
        (told(DOCKER, SecurityOptions=None), False),
    ],
)
def test_whether_it_is_rootless(found: EngineInfo, rootless: bool) -> None:
    assert found.rootless is rootless


@pytest.mark.parametrize(
    ("found", "unlimited"),
    [
        (told(DOCKER, **ALL, CgroupVersion="1"), ()),
        (told(DOCKER, **NONE, CgroupVersion="1"), EVERYTHING),
        (told(DOCKER, **{**ALL, "CpuCfsQuota": False}), ("processors",)),
        (told(DOCKER), ()),  # it doesn't say
        (told(PODMAN, **ALL, CgroupVersion="1", Rootless=False), ()),
        (told(PODMAN, **ALL, CgroupVersion="1", Rootless=True), EVERYTHING),  # it tells what its machine can
        (told(PODMAN, **ALL, CgroupVersion="2", Rootless=True), ()),
    ],
)
def test_what_it_can_not_limit(found: EngineInfo, unlimited: tuple[str, ...]) -> None:
    assert found.unlimited == unlimited
