"""A statement, read strictly: whoever made it isn't trusted, and what isn't known isn't passed over.

The task's parameters are held against the same checks as those of a `.buildbox.toml`: keys.py has them all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from buildbox.config.model import Service, Task, Toolchain
from buildbox.config.reading import Reading, show, show_path
from buildbox.digest import Digest
from buildbox.oci import Platform
from buildbox.provenance.keys import STATEMENT, step_name
from buildbox.provenance.statement import Machine, Need, Source, Statement, UsedImage
from buildbox.provenance.words import (
    BUILD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    TREE,
)
from buildbox.reference import ImageRef
from buildbox.tasks.fingerprint import FORMAT
from buildbox.tasks.plan import Step
from buildbox.trees.entry import FILE, PROGRAM, Entry
from buildbox.trees.listed import check_outputs

_MOST_SHOWN = 5  # problems in a message
_GIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # SHA-1 or SHA-256 (git-init(1), --object-format)


class Unknown(ValueError):
    """It is of a kind, a version or has parameters that this version doesn't know."""


def read_statement(value: Any) -> Statement:
    """The statement in JSON that was read. Raises as form.parse_statement."""
    if not isinstance(value, dict):
        raise ValueError("it isn't a JSON object")
    _check_kinds(value)
    reading = Reading(STATEMENT)
    found = reading.table(STATEMENT, value, ())
    if reading.problems:
        lines = [f"{show_path(path)}: {text}" for path, text in reading.problems]
        more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
        kind = Unknown if any(text.startswith("unknown key") for _, text in reading.problems) else ValueError
        raise kind("; ".join([*lines[:_MOST_SHOWN], *more]))
    try:
        statement = _statement(found)
        _check(statement, found)
    except LookupError as error:
        raise ValueError(f"something is missing: {error.args[0]}") from None
    return statement


def _check_kinds(value: Mapping[str, Any]) -> None:
    definition = _at(value, "predicate", "buildDefinition")
    told = (
        (value.get("_type"), STATEMENT_TYPE, "statement"),
        (value.get("predicateType"), PREDICATE_TYPE, "predicate"),
        (_at(definition, "buildType"), BUILD_TYPE, "build"),
    )
    for found, known, what in told:
        if found != known:
            raise Unknown(f"its type of {what} is {show(found)}, and this version knows {known}")


def _at(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _check(statement: Statement, found: Mapping[str, Any]) -> None:
    """Raises ValueError where the statement contradicts itself."""
    check_outputs(statement.outputs)
    byproducts = _named(found["predicate"]["runDetails"]["byproducts"])
    if statement.tree != _tree(byproducts["outputs"]):
        raise ValueError("the outputs aren't those of their digest")
    if list(statement.limits) != list(byproducts["claim"]["annotations"]["limits"]):
        raise ValueError("what it claims doesn't follow from the rest")
    told = statement.step.task.env.get("SOURCE_DATE_EPOCH", str(statement.epoch))
    if statement.environment.get("SOURCE_DATE_EPOCH") != told:
        raise ValueError("its environment has another SOURCE_DATE_EPOCH than its parameters")
    alone = statement.format == FORMAT and not statement.step.task.pass_env
    if alone and statement.fingerprint_with({}) != statement.fingerprint:
        raise ValueError("its fingerprint doesn't follow from the rest: something of it was changed")


def _statement(found: Mapping[str, Any]) -> Statement:
    definition, details = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    outer, inner = definition["externalParameters"], definition["internalParameters"]
    parts, byproducts = _named(definition["resolvedDependencies"]), _named(details["byproducts"])
    image = _image(parts["image"], outer["image"])
    if image.platform != outer["platform"]:
        raise ValueError("the image is of another platform than the task's")
    services = {
        name.partition(":")[2]: _image(part, outer["services"][name.partition(":")[2]]["image"])
        for name, part in parts.items()
        if name.startswith("service:")
    }
    if services.keys() != outer["services"].keys():
        raise ValueError("it has other images of services than services")
    machine = byproducts["machine"]["annotations"]
    metadata = details["metadata"]
    return Statement(
        project=outer["project"],
        step=_step(outer, image.platform),
        epoch=outer["source-date-epoch"],
        environment=inner["environment"],
        fingerprint=inner["fingerprint"],
        format=inner["format"],
        source=_source(parts),
        inputs=_tree(parts["inputs"]),
        files=parts["inputs"]["annotations"]["files"],
        image=image,
        services=services,
        needs=tuple(_need(name, part) for name, part in parts.items() if name.startswith("need:")),
        outputs=_outputs(found["subject"], byproducts["outputs"]["annotations"].get("others", ())),
        log=_sha256(byproducts["log"]) if "log" in byproducts else None,
        machine=Machine(
            details["builder"]["version"]["buildbox"],
            machine["engine"],
            machine["store"],
            machine["kernel"],
            machine["cpu"],
            machine["cpus"],
        ),
        run=metadata["invocationId"],
        started=metadata["startedOn"],
        finished=metadata["finishedOn"],
        status=byproducts["claim"]["annotations"]["status"],
    )


def _step(outer: Mapping[str, Any], platform: Platform) -> Step:
    name = outer["step"]
    task = Task(
        name=name,
        description=outer.get("description", ""),
        toolchain="image",
        run=None,
        argv=outer["argv"],
        env=outer["env"],
        pass_env=outer["pass-env"],
        workdir=outer["workdir"],
        network=outer["network"],
        mounts=(),
        timeout=outer.get("timeout"),
        memory=outer.get("memory"),
        cpus=outer.get("cpus"),
        pids=outer["pids"],
        user=outer["user"],
        rootfs=outer["rootfs"],
        services=tuple(outer["services"]),
        caches=outer["caches"],
        secrets=outer["secrets"],
        hermetic=True,
        inputs=outer.get("inputs"),
        outputs=outer["outputs"],
        source_date_epoch=outer["source-date-epoch"],
    )
    toolchain = Toolchain("image", outer["image"], platform, outer["shell"])
    services = tuple(_service(name, found) for name, found in outer["services"].items())
    return Step(name, task, toolchain, outer["argv"], services=services)


def _service(name: str, found: Mapping[str, Any]) -> Service:
    return Service(name, **{key.replace("-", "_"): value for key, value in found.items()})


def _source(parts: Mapping[str, Mapping[str, Any]]) -> Source | None:
    top = parts.get("source")
    if top is None:
        return None
    digest, told = top["digest"], top["annotations"]
    modules = {
        name.partition(":")[2]: _git_id(part["digest"]["gitCommit"])
        for name, part in parts.items()
        if name.startswith("submodule:")
    }
    ids = _git_id(digest["gitCommit"]), _git_id(digest["gitTree"])
    return Source(*ids, told["clean"], told["path"], modules or None)


def _image(part: Mapping[str, Any], reference: ImageRef) -> UsedImage:
    told = part["annotations"]
    image = UsedImage(
        str(reference), told.get("index"), _sha256(part), Digest.parse(told["config"]), told["platform"]
    )
    if reference.digest not in (image.index, image.manifest):
        raise ValueError(f"{reference} isn't pinned to an image of these digests")
    return image


def _need(name: str, part: Mapping[str, Any]) -> Need:
    told = part.get("annotations", {})
    return Need(step_name(name.partition(":")[2]), _tree(part), told.get("fingerprint"), told.get("manifest"))


def _outputs(subjects: tuple[Any, ...], others: tuple[Any, ...]) -> tuple[Entry, ...]:
    files = [
        Entry(each["name"], each["annotations"]["mode"], _sha256(each).hex, each["annotations"]["size"])
        for each in subjects
    ]
    if any(entry.mode not in (FILE, PROGRAM) for entry in files):
        raise ValueError("a subject isn't a file")
    rest = [Entry(each["path"], each["mode"], each["sha256"], each["size"]) for each in others]
    if any(entry.mode in (FILE, PROGRAM) for entry in rest):
        raise ValueError("a file isn't a subject")
    return tuple(sorted([*files, *rest], key=lambda entry: entry.path.encode(errors="surrogateescape")))


def _named(parts: tuple[Mapping[str, Any], ...]) -> dict[str, Mapping[str, Any]]:
    found = {part["name"]: part for part in parts}
    if len(found) != len(parts):
        raise ValueError("two things in it have the same name")
    return found


def _sha256(part: Mapping[str, Any]) -> Digest:
    return Digest.parse(f"sha256:{part['digest']['sha256']}")


def _tree(part: Mapping[str, Any]) -> Digest:
    return Digest.parse(f"sha256:{part['digest'][TREE]}")


def _git_id(text: str) -> str:
    if not _GIT_ID.fullmatch(text):
        raise ValueError(f"{show(text)} is no id of git's")
    return text
