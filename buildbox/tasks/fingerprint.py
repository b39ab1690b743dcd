"""What a hermetic task's result depends on, as one document, and that document's digest. Pure.

The document is JSON in its canonical form (oci.canonical). Two users, two folders, two machines give the same
one for the same task: nothing in it tells of the caller, the host or the engine.

What isn't in it doesn't change a result, or isn't promised not to: limits, timeouts, retries, caches, the
values of secrets, proxies and certificates of the machine, the uid that stands for the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from buildbox.config.model import Service
from buildbox.digest import Digest
from buildbox.oci import Platform, canonical
from buildbox.tasks.plan import Step

FORMAT = 1  # raised by whoever changes what a hermetic task sees, or this document
_LONGEST = 60  # characters of a value that is shown


@dataclass(frozen=True)
class Ingredients:
    """What is known of a hermetic step when all that it needs has passed."""

    image: Digest  # of the manifest
    platform: Platform
    env: Mapping[str, str]  # container.settled_environment, without what was let through
    passed: Mapping[str, str]  # what `pass-env` let through
    inputs: Digest  # of the tree
    needs: Mapping[str, Digest]  # steps with outputs that it needs -> the digest of these outputs' tree
    services: Mapping[str, tuple[Digest, Platform]]  # a service's name -> its manifest and platform


def document(step: Step, ingredients: Ingredients) -> dict[str, Any]:
    """All that the step's result depends on."""
    task = step.task
    return {
        "format": FORMAT,
        "image": str(ingredients.image),
        "platform": str(ingredients.platform),
        "argv": list(step.argv),
        "env": dict(ingredients.env),
        # Hashed: it is the caller's, and results are shared.
        "pass-env": {name: str(Digest.of(value.encode())) for name, value in ingredients.passed.items()},
        "workdir": task.workdir,
        "network": task.network,
        "user": task.user,
        "rootfs": task.rootfs,
        "inputs": str(ingredients.inputs),
        "needs": {name: str(tree) for name, tree in ingredients.needs.items()},
        "outputs": list(task.outputs),
        "secrets": sorted(task.secrets),
        "services": {
            service.name: _service(service, *ingredients.services[service.name]) for service in step.services
        },
    }


def fingerprint(of: Mapping[str, Any]) -> Digest:
    """The digest of a document."""
    return Digest.of(canonical(of))


def is_cacheable(step: Step) -> bool:
    """Whether a result of the step may stand for running it: with a network only if it says so."""
    if step.task.cache is not None:
        return step.task.cache and step.task.hermetic
    return step.task.hermetic and step.task.network == "none"


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different between two documents, a line each; nothing where they are the same."""
    return list(_differences((), before, now))


def _service(service: Service, image: Digest, platform: Platform) -> dict[str, Any]:
    return {
        "image": str(image),
        "platform": str(platform),
        "run": service.run,
        "argv": list(service.argv) if service.argv else None,
        "env": dict(service.env),
        "user": service.user,
        "rootfs": service.rootfs,
    }


def _differences(path: Sequence[str], before: Any, now: Any) -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        names = [*before, *(name for name in now if name not in before)]
        return [
            line
            for name in names
            for line in _differences((*path, name), before.get(name, _MISSING), now.get(name, _MISSING))
        ]
    if before == now:
        return []
    where = ".".join(path)
    if before is _MISSING:
        return [f"{where}: {_show(now)} is new"]
    if now is _MISSING:
        return [f"{where}: {_show(before)} is gone"]
    return [f"{where}: {_show(before)} -> {_show(now)}"]


_MISSING = object()


def _show(value: Any) -> str:
    text = canonical(value).decode()
    if text.startswith('"sha256:'):
        return text[1:20]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
