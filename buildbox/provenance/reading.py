"""A statement, read strictly: whoever made it isn't trusted, and what isn't known isn't passed over.

The task's parameters are held against the same checks as those of a `.buildbox.toml` (config/values.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from buildbox.config import values
from buildbox.config.kinds import Flag, Kind, ListOf, MapOf, Number, Table, Text
from buildbox.config.model import Service, Task, Toolchain
from buildbox.config.reading import Reading, show, show_path
from buildbox.digest import Digest
from buildbox.oci import Platform
from buildbox.provenance.statement import Machine, Need, Source, Statement, UsedImage
from buildbox.provenance.words import (
    BUILD_TYPE,
    BUILDER,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    TREE,
)
from buildbox.reference import ImageRef
from buildbox.tasks.fingerprint import FORMAT
from buildbox.tasks.plan import Step
from buildbox.trees.entry import FILE, PROGRAM, Entry
from buildbox.trees.listed import check_outputs

_MOST = 1 << 60  # of a number
_MOST_SHOWN = 5  # problems in a message
_GIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # SHA-1 or SHA-256 (git-init(1), --object-format)
_STEP = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]{1,2000}")
_MODE = {f"{mode:06o}": mode for mode in (0o100644, 0o100755, 0o120000, 0o040000)}


class Unknown(ValueError):
    """It is of a kind, a version or has parameters that this version doesn't know."""


def read_statement(value: Any) -> Statement:
    """The statement in JSON that was read. Raises as form.parse_statement."""
    if not isinstance(value, dict):
        raise ValueError("it isn't a JSON object")
    _check_kinds(value)
    reading = Reading(_STATEMENT)
    found = reading.table(_STATEMENT, value, ())
    if reading.problems:
        lines = [f"{show_path(path)}: {text}" for path, text in reading.problems]
        more = [f"and {len(lines) - _MOST_SHOWN} more"] if len(lines) > _MOST_SHOWN else []
        kind = Unknown if any(text.startswith("unknown key") for _, text in reading.problems) else ValueError
        raise kind("; ".join([*lines[:_MOST_SHOWN], *more]))
    try:
        statement = _statement(found)
    except LookupError as error:
        raise ValueError(f"something is missing: {error.args[0]}") from None
    _check(statement, found)
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
    return Need(
        _step_name(name.partition(":")[2]), _tree(part), told.get("fingerprint"), told.get("manifest")
    )


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


def _step_name(text: str) -> str:
    if not _STEP.fullmatch(text):
        raise ValueError(f"{show(text)} is no step's name")
    return text


def _folder(text: str) -> str:
    parts = text.split("/") if text else []
    if any(part in ("", ".", "..") for part in parts) or "\0" in text:
        raise ValueError(f"{show(text)} is no folder of a repository")
    return text


def _mode(text: str) -> int:
    if text not in _MODE:
        raise ValueError(f"{show(text)} is no mode")
    return _MODE[text]


def _time(text: str) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def _size(value: float) -> float:
    if not 0 <= value < _MOST:
        raise ValueError(f"{show(value)} is out of range")
    return value


def _same(wanted: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text != wanted:
            raise ValueError(f"is {show(text)}, not {wanted}")
        return text

    return read


def _plain(text: str) -> str:
    return text


def _told(text: str) -> str:
    return text and values.line(text)


_DIGEST_SET = MapOf(_plain, Text(_plain))
_COUNT = Number(_size)
_PINNED = Text(values.pinned_image)

_SERVICE = Table(
    {
        "image": _PINNED,
        "run": Text(values.script),
        "argv": ListOf(Text(values.argument), least=1),
        "env": MapOf(values.env_name, Text(values.argument)),
        "ready": Text(values.script),
        "ready-port": Number(values.port),
        "ready-timeout": Number(_size, whole=False),
        "memory": _COUNT,
        "cpus": Number(values.cpus, whole=False),
        "pids": Number(values.pids),
        "user": Text(values.service_user),
        "rootfs": Text(values.rootfs),
    },
    required=("image",),
)

_EXTERNAL: dict[str, Kind] = {
    "project": Text(values.project_name),
    "step": Text(_step_name),
    "description": Text(values.line),
    "image": _PINNED,
    "platform": Text(values.platform),
    "shell": ListOf(Text(values.program), least=1),
    "argv": ListOf(Text(values.argument), least=1),
    "env": MapOf(values.env_name, Text(values.argument)),
    "pass-env": ListOf(Text(values.env_name)),
    "workdir": Text(values.workdir),
    "network": Text(values.network),
    "user": Text(values.user),
    "rootfs": Text(values.rootfs),
    "inputs": ListOf(Text(values.pattern)),
    "outputs": ListOf(Text(values.pattern), least=1),
    "caches": MapOf(values.name, Text(values.cache_place)),
    "secrets": ListOf(Text(values.env_name)),
    "services": MapOf(values.host_name, _SERVICE),
    "memory": _COUNT,
    "cpus": Number(values.cpus, whole=False),
    "pids": Number(values.pids),
    "timeout": Number(_size, whole=False),
    "source-date-epoch": Number(values.epoch),
}
_OPTIONAL = {"description", "inputs", "memory", "cpus", "timeout"}

_ANNOTATIONS = Table(
    {
        "mode": Text(_mode),
        "size": _COUNT,
        "clean": Flag(),
        "path": Text(_folder),
        "files": _COUNT,
        "index": Text(Digest.parse),
        "config": Text(_plain),
        "platform": Text(Platform.parse),
        "fingerprint": Text(Digest.parse),
        "manifest": Text(Digest.parse),
        "others": ListOf(
            Table(
                {"path": Text(_plain), "mode": Text(_mode), "sha256": Text(_plain), "size": _COUNT},
                required=("path", "mode", "sha256", "size"),
            )
        ),
        "engine": Text(_told),
        "store": Text(_told),
        "kernel": Text(_told),
        "cpu": Text(_told),
        "cpus": _COUNT,
        "limits": ListOf(Text(_plain)),
        "status": _COUNT,
    }
)
_RESOURCE = Table(
    {"name": Text(_plain), "uri": Text(_plain), "digest": _DIGEST_SET, "annotations": _ANNOTATIONS},
    required=("name",),
)

_STATEMENT = Table(
    {
        "_type": Text(_same(STATEMENT_TYPE)),
        "subject": ListOf(_RESOURCE, least=1),
        "predicateType": Text(_same(PREDICATE_TYPE)),
        "predicate": Table(
            {
                "buildDefinition": Table(
                    {
                        "buildType": Text(_same(BUILD_TYPE)),
                        "externalParameters": Table(_EXTERNAL, required=tuple(_EXTERNAL.keys() - _OPTIONAL)),
                        "internalParameters": Table(
                            {
                                "environment": MapOf(_plain, Text(_plain)),
                                "fingerprint": Text(Digest.parse),
                                "format": _COUNT,
                            },
                            required=("environment", "fingerprint", "format"),
                        ),
                        "resolvedDependencies": ListOf(_RESOURCE),
                    },
                    required=("externalParameters", "internalParameters", "resolvedDependencies"),
                ),
                "runDetails": Table(
                    {
                        "builder": Table(
                            {
                                "id": Text(_same(BUILDER)),
                                "version": Table({"buildbox": Text(values.line)}, required=("buildbox",)),
                            },
                            required=("id", "version"),
                        ),
                        "metadata": Table(
                            {
                                "invocationId": Text(values.line),
                                "startedOn": Text(_time),
                                "finishedOn": Text(_time),
                            },
                            required=("invocationId", "startedOn", "finishedOn"),
                        ),
                        "byproducts": ListOf(_RESOURCE),
                    },
                    required=("builder", "metadata", "byproducts"),
                ),
            },
            required=("buildDefinition", "runDetails"),
        ),
    },
    required=("subject", "predicate"),
)
