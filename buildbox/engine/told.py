"""What an engine tells of itself (Engine API: "Get version", "Get system information")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from buildbox.engine.protocol import EngineInfo

_LIMITS = (("MemoryLimit", "memory"), ("CpuCfsQuota", "processors"), ("PidsLimit", "processes"))


def engine_info(version: Mapping[str, Any], info: Mapping[str, Any], address: str) -> EngineInfo:
    """The two answers as one value."""
    components = [part.get("Name", "") for part in version.get("Components", [])]
    driver = info.get("Driver", "?")
    containerd = any(
        "io.containerd" in str(value) for pair in info.get("DriverStatus") or [] for value in pair
    )
    podman = "Podman Engine" in components
    # Podman says it in a field of its own, and tells what its machine can limit, not what it can itself.
    rootless = bool(info.get("Rootless")) or any(
        "name=rootless" in option for option in info.get("SecurityOptions") or []
    )
    helpless = podman and rootless and info.get("CgroupVersion") == "1"
    return EngineInfo(
        name="Podman Engine" if podman else "Docker Engine",
        version=version.get("Version", "?"),
        api_version=version.get("ApiVersion", "?"),
        address=address,
        platform=f"{version.get('Os', '?')}/{version.get('Arch', '?')}",
        store=f"{'containerd' if containerd else 'classic'} ({driver})",
        rootless=rootless,
        root_folder=info.get("DockerRootDir", ""),
        system_time=_seconds(info.get("SystemTime", "")),
        kernel=info.get("KernelVersion") or "",
        cpus=info.get("NCPU") or 0,
        unlimited=tuple(what for key, what in _LIMITS if helpless or info.get(key) is False),
    )


def _seconds(text: str) -> float | None:
    """Seconds since the epoch of an RFC 3339 time with any number of digits in its fraction."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    return datetime.fromisoformat(match[1] + zone).timestamp() + float(match[2] or 0)
