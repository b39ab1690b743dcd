"""Whether values of a `.buildbox.toml` that are right each for itself fit together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from buildbox.config.reading import KeyPath, Reading, show
from buildbox.config.relations import check_relations, guarded

_SOURCE = "/src"


def check_fit(document: Mapping[str, Any], values: Mapping[str, Any], reading: Reading) -> None:
    """Notes everything in `values`, read from `document`, that doesn't fit with something else there."""
    # Names as they are written: a toolchain with a wrong image is one that is there all the same.
    toolchains, tasks = document.get("toolchains") or {}, document.get("tasks") or {}
    services = document.get("services") or {}
    if not (isinstance(toolchains, dict) and isinstance(tasks, dict) and isinstance(services, dict)):
        return
    if not toolchains:
        reading.refuse((), "no toolchain for the tasks to run in; add [toolchains.NAME] with an image")
    defaults = values.get("defaults", {})
    chosen = isinstance(document.get("defaults"), dict) and "toolchain" in document["defaults"]
    _check_section(defaults, ("defaults",), toolchains, services, reading)
    _check_places(defaults, {}, ("defaults",), reading)
    for name, task in values.get("tasks", {}).items():
        written = tasks[name]
        if not isinstance(written, dict):
            continue
        path = ("tasks", name)
        _check_section(task, path, toolchains, services, reading)
        _check_places(task, defaults, path, reading)
        _check_command(task, written, path, reading)
        _check_hermetic(task, defaults, path, reading)
        _check_patterns(task, path, reading)
        merged = {**defaults, **task}
        if merged.get("services") and merged.get("network") == "host":
            text = "can't reach services from the host's own network; leave network out, or write bridge"
            reading.refuse((*path, "network") if "network" in task else path, text)
        varies = isinstance(written.get("matrix"), dict) and "toolchain" in written["matrix"]
        if len(toolchains) > 1 and not chosen and "toolchain" not in written and not varies:
            reading.refuse(
                path, f"'toolchain' is missing; the project has {', '.join(map(show, toolchains))}"
            )
    for name, service in values.get("services", {}).items():
        if isinstance(services[name], dict):
            _check_service(service, services[name], ("services", name), reading)
    policy = values.get("policy", {})
    if policy.get("warn-pin-age", 0) >= policy.get("max-pin-age", math.inf):
        reading.refuse(("policy", "warn-pin-age"), "is never said: max-pin-age is an error before")
    check_relations(document, values, reading)


def _check_section(
    values: Mapping[str, Any],
    path: KeyPath,
    toolchains: Mapping[str, Any],
    services: Mapping[str, Any],
    reading: Reading,
) -> None:
    toolchain = values.get("toolchain")
    if toolchain is not None and toolchain not in toolchains and toolchains:
        reading.refuse((*path, "toolchain"), reading.unknown(toolchain, toolchains, "toolchain"))
    for index, service in enumerate(values.get("services", ())):
        if service not in services:
            text = reading.unknown(service, services, "service")
            reading.refuse((*path, "services", index), text if services else f"{text}; add [services.NAME]")


def _check_places(
    own: Mapping[str, Any], defaults: Mapping[str, Any], path: KeyPath, reading: Reading
) -> None:
    """No two mounts and caches on one place. What is wrong with the defaults alone is told there."""
    targets: set[str] = set()
    for index, mount in enumerate({**defaults, **own}.get("mounts", ())):
        if mount.get("target") in targets and "mounts" in own:
            reading.refuse((*path, "mounts", index, "target"), "is the target of another mount, too")
        targets.add(mount.get("target", ""))
    for name, target in _caches(own, defaults).items():
        if target in targets and not own.keys().isdisjoint(("mounts", "caches")):
            place = (*path, "caches", name) if name in own.get("caches", {}) else path
            reading.refuse(place, f"{target} is the place of another cache or mount, too")
        targets.add(target)


def _caches(own: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, str]:
    return {**defaults.get("caches", {}), **own.get("caches", {})}


def _check_command(
    task: Mapping[str, Any], written: Mapping[str, Any], path: KeyPath, reading: Reading
) -> None:
    if ("run" in written) == ("argv" in written):
        both = (
            "both run and argv; keep one" if "run" in written else "neither run nor argv: what is it to do?"
        )
        reading.refuse(path, f"has {both}")
    if task.get("argv", ("-",))[0] == "":
        reading.refuse((*path, "argv", 0), "is empty; it is the program to run")


def _check_hermetic(
    own: Mapping[str, Any], defaults: Mapping[str, Any], path: KeyPath, reading: Reading
) -> None:
    """What goes with seeing inputs alone, and what doesn't."""
    merged = {**defaults, **own, "caches": _caches(own, defaults)}
    if not merged.get("hermetic"):
        if own.get("cache"):
            why = "only what a hermetic task makes is kept; add hermetic = true"
            reading.refuse((*path, "cache"), why)
        return

    def place(key: str) -> KeyPath:
        return (*path, key) if key in own else path

    if merged.get("mounts"):
        which = "" if "mounts" in own else " (they are from [defaults]; mounts = [] leaves them out)"
        reading.refuse(place("mounts"), f"a hermetic task sees its inputs alone, and no mounts{which}")
    for name, target in merged.get("caches", {}).items():
        if f"{target}/".startswith(f"{_SOURCE}/"):
            text = f"{target} lies in the source, of which a hermetic task sees its inputs alone"
            reading.refuse((*place("caches"), name), text)


def _check_patterns(task: Mapping[str, Any], path: KeyPath, reading: Reading) -> None:
    for key in ("inputs", "outputs"):
        patterns = task.get(key, ())
        if patterns and patterns[0].startswith("!"):
            text = f"{show(patterns[0])} takes something away, but nothing is there before it"
            reading.refuse((*path, key, 0), text)
    for index, pattern in enumerate(task.get("outputs", ())):
        if folder := guarded(pattern):
            reading.refuse((*path, "outputs", index), f"lies in {folder}, which is no task's to write")


def _check_service(
    service: Mapping[str, Any], written: Mapping[str, Any], path: KeyPath, reading: Reading
) -> None:
    if "run" in written and "argv" in written:
        reading.refuse(path, "has both run and argv; keep one")
    if service.get("argv", ("-",))[0] == "":
        reading.refuse((*path, "argv", 0), "is empty; it is the program to run")
    if "ready" in written and "ready-port" in written:
        reading.refuse((*path, "ready-port"), "is there beside ready; keep one")
