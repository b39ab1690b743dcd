"""Every key that a statement may have: the one place that knows them, as config/keys.py does for projects."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from buildbox.config import values
from buildbox.config.kinds import Flag, Kind, ListOf, MapOf, Number, Table, Text
from buildbox.config.reading import show
from buildbox.digest import Digest
from buildbox.oci import Platform
from buildbox.provenance.words import BUILD_TYPE, BUILDER, PREDICATE_TYPE, STATEMENT_TYPE
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM

_MOST = 1 << 60  # of a number
_STEP = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]{1,2000}")
_MODE = {f"{mode:06o}": mode for mode in (FILE, PROGRAM, LINK, FOLDER)}


def step_name(text: str) -> str:
    """The name of a step, with its variant."""
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
    "step": Text(step_name),
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

STATEMENT = Table(
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
