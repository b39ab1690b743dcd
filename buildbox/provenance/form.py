"""A Statement as an in-toto Statement v1 with a SLSA provenance v1 predicate, and back. Pure.

    in-toto Attestation Framework, spec/v1/statement.md and resource_descriptor.md
    SLSA 1.0, Provenance, predicateType https://slsa.dev/provenance/v1

    subject                  every file of the outputs, with its sha256; mode and size as annotations
    externalParameters       the task as the project has it
    internalParameters       what buildbox made of it: the environment, the fingerprint
    resolvedDependencies     source and submodules (gitCommit), inputs (digest of their tree), images, needs
    byproducts               outputs (digest of their tree, links and empty folders), log, engine, claim

Trees have a digest of their own kind (trees/entry.py), which is written as `buildboxTreeV1`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from buildbox.config.model import Service
from buildbox.oci import canonical
from buildbox.provenance.reading import Unknown, read_statement
from buildbox.provenance.statement import Need, Source, Statement, UsedImage
from buildbox.provenance.words import (
    BUILD_TYPE,
    BUILDER,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    TREE,
)
from buildbox.trees.entry import FILE, PROGRAM, Entry

MAX_STATEMENT = 64 << 20  # bytes; some 200,000 outputs

__all__ = ["MAX_STATEMENT", "Unknown", "parse_statement", "statement_bytes"]


def statement_bytes(statement: Statement) -> bytes:
    """The statement as JSON, the same bytes for the same statement. Raises ValueError where no output is a
    file: a statement has at least one subject."""
    files = [entry for entry in statement.outputs if entry.mode in (FILE, PROGRAM)]
    if not files:
        raise ValueError("none of the outputs is a file")
    return canonical(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_subject(entry) for entry in files],
            "predicateType": PREDICATE_TYPE,
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": _external(statement),
                    "internalParameters": _internal(statement),
                    "resolvedDependencies": list(_dependencies(statement)),
                },
                "runDetails": {
                    "builder": {"id": BUILDER, "version": {"buildbox": statement.machine.buildbox}},
                    "metadata": {
                        "invocationId": statement.run,
                        "startedOn": _time(statement.started),
                        "finishedOn": _time(statement.finished),
                    },
                    "byproducts": list(_byproducts(statement)),
                },
            },
        }
    )


def parse_statement(data: bytes) -> Statement:
    """The statement in `data`. Raises Unknown where it is of a kind or version that this one doesn't know,
    ValueError where it is damaged or contradicts itself."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it isn't JSON: {error}") from None
    return read_statement(value)


def _subject(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.path,
        "digest": {"sha256": entry.digest},
        "annotations": {"mode": f"{entry.mode:06o}", "size": entry.size},
    }


def _external(statement: Statement) -> dict[str, Any]:
    step = statement.step
    task = step.task
    return _without_none(
        {
            "project": statement.project,
            "step": step.name,
            "description": task.description or None,
            "image": statement.image.reference,
            "platform": str(statement.image.platform),
            "shell": list(step.toolchain.shell),
            "argv": list(step.argv),
            "env": dict(task.env),
            "pass-env": list(task.pass_env),
            "workdir": task.workdir,
            "network": task.network,
            "user": task.user,
            "rootfs": task.rootfs,
            "inputs": None if task.inputs is None else list(task.inputs),
            "outputs": list(task.outputs),
            "caches": dict(task.caches),
            "secrets": list(task.secrets),
            "services": {service.name: _service(service) for service in step.services},
            "memory": task.memory,
            "cpus": task.cpus,
            "pids": task.pids,
            "timeout": task.timeout,
            "source-date-epoch": statement.epoch,
        }
    )


def _service(service: Service) -> dict[str, Any]:
    return _without_none(
        {
            "image": str(service.image),
            "run": service.run,
            "argv": list(service.argv) if service.argv else None,
            "env": dict(service.env),
            "ready": service.ready,
            "ready-port": service.ready_port,
            "ready-timeout": service.ready_timeout,
            "memory": service.memory,
            "cpus": service.cpus,
            "pids": service.pids,
            "user": service.user,
            "rootfs": service.rootfs,
        }
    )


def _internal(statement: Statement) -> dict[str, Any]:
    return {
        "environment": dict(statement.environment),
        "fingerprint": str(statement.fingerprint),
        "format": statement.format,
    }


def _dependencies(statement: Statement) -> list[dict[str, Any]]:
    found = []
    if statement.source:
        found += _source(statement.source)
    inputs = {"name": "inputs", "digest": {TREE: statement.inputs.hex}}
    found.append({**inputs, "annotations": {"files": statement.files}})
    found.append(_image("image", statement.image))
    found += [_image(f"service:{name}", image) for name, image in sorted(statement.services.items())]
    found += [_need(need) for need in statement.needs]
    return found


def _source(source: Source) -> list[dict[str, Any]]:
    top = {
        "name": "source",
        "digest": {"gitCommit": source.commit, "gitTree": source.tree},
        "annotations": {"clean": source.clean, "path": source.path},
    }
    modules = sorted((source.submodules or {}).items())
    return [
        top,
        *({"name": f"submodule:{path}", "digest": {"gitCommit": commit}} for path, commit in modules),
    ]


def _image(name: str, image: UsedImage) -> dict[str, Any]:
    return {
        "name": name,
        "uri": f"docker://{image.reference}",
        "digest": {"sha256": image.manifest.hex},
        "annotations": _without_none(
            {
                "index": str(image.index) if image.index else None,
                "config": str(image.config),
                "platform": str(image.platform),
            }
        ),
    }


def _need(need: Need) -> dict[str, Any]:
    return {
        "name": f"need:{need.step}",
        "digest": {TREE: need.tree.hex},
        "annotations": _without_none(
            {
                "fingerprint": str(need.fingerprint) if need.fingerprint else None,
                "manifest": str(need.manifest) if need.manifest else None,
            }
        ),
    }


def _byproducts(statement: Statement) -> list[dict[str, Any]]:
    machine = statement.machine
    others = [
        {"path": entry.path, "mode": f"{entry.mode:06o}", "sha256": entry.digest, "size": entry.size}
        for entry in statement.outputs
        if entry.mode not in (FILE, PROGRAM)
    ]
    found: list[dict[str, Any]] = [
        {"name": "outputs", "digest": {TREE: statement.tree.hex}, "annotations": {"others": others}}
    ]
    if statement.log:
        found.append({"name": "log", "digest": {"sha256": statement.log.hex}})
    told = {
        "engine": machine.engine,
        "store": machine.store,
        "kernel": machine.kernel,
        "cpu": machine.cpu,
        "cpus": machine.cpus,
    }
    claim = {"limits": list(statement.limits), "status": statement.status}
    found.append({"name": "machine", "uri": f"{BUILD_TYPE}#machine", "annotations": told})
    found.append({"name": "claim", "uri": f"{BUILD_TYPE}#claim", "annotations": claim})
    return found


def _time(seconds: float) -> str:
    """RFC 3339, in UTC, to the millisecond."""
    text = datetime.fromtimestamp(round(seconds, 3), timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _without_none(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in value.items() if item is not None}
