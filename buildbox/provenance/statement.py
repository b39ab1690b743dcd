"""What ran, from which inputs, to which output bytes: one value, and all that a rebuild needs. Pure.

Nothing in it tells of who ran it or where: no user, no host, no path of theirs, no secret. What `pass-env`
let through is named only; whoever rebuilds gives it again, and the fingerprint says whether it is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from buildbox.digest import Digest
from buildbox.oci import Platform
from buildbox.tasks.fingerprint import Ingredients, document, fingerprint
from buildbox.tasks.plan import Step
from buildbox.trees.entry import Entry, tree_digest


@dataclass(frozen=True)
class Source:
    """The commit that a project was at."""

    commit: str  # git's id of it
    tree: str  # git's id of its tree, the repository's top
    clean: bool  # the project's files were as the commit has them, with no new ones
    path: str = ""  # of the project in the repository, parts joined by "/"; "" for its top
    submodules: Mapping[str, str] | None = None  # path in the repository -> commit; all that are checked out


@dataclass(frozen=True)
class UsedImage:
    """An image that something ran in, by all its digests."""

    reference: str  # as the project writes it, digest included
    index: Digest | None  # of the multi-platform index, where the pin is one
    manifest: Digest
    config: Digest
    platform: Platform


@dataclass(frozen=True)
class Need:
    """The outputs of a step that was needed."""

    step: str
    tree: Digest  # of the outputs
    fingerprint: Digest | None = None  # of the result that has them
    manifest: Digest | None = None  # of that result; None: a mounted step made them, and nothing keeps them


@dataclass(frozen=True)
class Machine:
    """What it ran on. None of it is an input; it is told for whoever looks for a difference."""

    buildbox: str  # version
    engine: str  # name and version
    store: str  # the engine's: "classic (overlay2)"
    kernel: str = ""  # "" where that isn't known
    cpu: str = ""  # model
    cpus: int = 0  # 0: not known


@dataclass(frozen=True)
class Statement:
    """One build of one step."""

    project: str  # its name
    step: Step  # without what it needs; its task has `argv` and no `run`
    epoch: int  # seconds; its SOURCE_DATE_EPOCH
    environment: Mapping[str, str]  # settled, without what `pass-env` let through
    fingerprint: Digest
    format: int  # of the fingerprint's document
    source: Source | None  # None: there was no commit
    inputs: Digest  # of their tree
    files: int  # of the inputs
    image: UsedImage
    services: Mapping[str, UsedImage]  # by their names
    needs: tuple[Need, ...]
    outputs: tuple[Entry, ...]  # sorted by path
    log: Digest | None  # None: nothing was written
    machine: Machine
    run: str  # an id that no other build has
    started: float  # seconds since the epoch
    finished: float
    status: int = 0

    @property
    def tree(self) -> Digest:
        """The digest of the outputs."""
        return tree_digest(self.outputs)

    @property
    def limits(self) -> tuple[str, ...]:
        """What keeps it from claiming that these inputs alone made these bytes, a line each."""
        task = self.step.task
        found = []
        if task.network != "none":
            found.append(f"it had a network ({task.network})")
        if task.caches:
            found.append(f"it had caches: {', '.join(sorted(task.caches))}")
        if task.secrets:
            found.append(f"it had secrets: {', '.join(task.secrets)}")
        if task.pass_env:
            found.append(f"the caller's environment was let through: {', '.join(task.pass_env)}")
        if self.source is None:
            found.append("there was no commit of its source")
        elif not self.source.clean:
            found.append("the working tree wasn't as its commit has it")
        found += [
            f"it needs {need.step}, which worked in the project's own folder"
            for need in self.needs
            if need.manifest is None
        ]
        return tuple(found)

    def fingerprint_with(self, passed: Mapping[str, str]) -> Digest:
        """The fingerprint that follows from the rest of it, and what `pass-env` lets through.

        It is `fingerprint` where the statement doesn't contradict itself and `format` is the one that this
        version knows.
        """
        ingredients = Ingredients(
            image=self.image.manifest,
            platform=self.image.platform,
            env=self.environment,
            passed=passed,
            inputs=self.inputs,
            needs={need.step: need.tree for need in self.needs},
            services={name: (image.manifest, image.platform) for name, image in self.services.items()},
        )
        return fingerprint(document(self.step, ingredients))
