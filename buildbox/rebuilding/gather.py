"""All that one rebuild takes, found before anything runs; what is missing is told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from buildbox.archive.images import ArchivedImage
from buildbox.archive.results import Result
from buildbox.digest import Digest
from buildbox.errors import CantTell, ImageError, Mismatch
from buildbox.ground import Made
from buildbox.hermetic.weighing import Weighed
from buildbox.oci import Platform
from buildbox.provenance.statement import Statement, UsedImage
from buildbox.rebuilding.results import needed_result
from buildbox.rebuilding.supply import Inputs, Supply
from buildbox.reference import ImageRef
from buildbox.session import Session
from buildbox.tasks.environment import settled_environment
from buildbox.tasks.fingerprint import FORMAT, Ingredients, document, fingerprint
from buildbox.tasks.plan import Step
from buildbox.trees.selection import InputTree

Pull = Callable[[Digest], "Result | None"]  # the result of a fingerprint from elsewhere, now in the archive


@dataclass(frozen=True)
class Gathered:
    """What a rebuild takes; there as long as the context of `gather` lasts."""

    session: Session  # whose images and results are those of the supply
    statement: Statement
    step: Step  # what runs: with the values that were given, without caches
    caches: tuple[str, ...]  # where in the container empty folders stand for them
    inputs: Inputs
    weighed: Weighed


def to_run(statement: Statement, env: Mapping[str, str]) -> Step:
    """The step as a rebuild runs it. `env` are values; it gets those that `pass-env` let through."""
    step = statement.step
    given = {name: env[name] for name in step.task.pass_env if name in env}
    task = replace(step.task, env={**step.task.env, **given}, pass_env=(), caches={})
    services = tuple(
        replace(service, platform=statement.services[service.name].platform) for service in step.services
    )
    return replace(step, task=task, services=services)


@contextmanager
def gather(
    session: Session,
    supply: Supply,
    statement: Statement,
    *,
    env: Mapping[str, str] | None = None,
    pull: Pull = lambda fingerprint: None,
) -> Iterator[Gathered]:
    """All that a rebuild takes. `session` has the secrets that were given; `env` is as for `to_run`.

    `pull` is asked for results that the supply hasn't got, unless it has all that there is.
    Raises CantTell with all that is missing, Mismatch where the statement contradicts an image; EngineError,
    TreeError.
    """
    given = {name: value for name, value in (env or {}).items() if name in statement.step.task.pass_env}
    session = replace(
        session,
        archive=supply.archive,
        offline=session.offline or supply.closed,
        _known={},
        _images={},
    )
    step = to_run(statement, given)
    missing = list(_not_repeatable(statement))
    missing += [
        f"the secret {name}: --secret {name} gives it"
        for name in sorted(step.task.secrets)
        if name not in session.secrets
    ]
    with ExitStack() as stack:
        inputs = None
        try:
            inputs = stack.enter_context(supply.inputs(statement))
        except CantTell as error:
            missing += error.missing or [error.reason]
        needed = _needed(supply, statement, pull, missing)
        images = _images(session, statement, missing, closed=supply.closed)
        if not missing and inputs:
            weighed = _weighed(statement, inputs, needed, images, given, missing)
        if missing or inputs is None:
            raise CantTell(f"{statement.step.name} can't be made again with what is here", missing=missing)
        yield Gathered(session, statement, step, tuple(statement.step.task.caches.values()), inputs, weighed)


def _not_repeatable(statement: Statement) -> Iterator[str]:
    task = statement.step.task
    if statement.format != FORMAT:
        yield (f"a buildbox that knows fingerprints of format {statement.format}; this one knows {FORMAT}")
    if task.network != "none":
        yield f"what it had from its network ({task.network}): a rebuild has none"
    for need in statement.needs:
        if need.manifest is None:
            yield (
                f"the outputs of {need.step}, which worked in the project's own folder: nothing has kept them"
            )


def _needed(supply: Supply, statement: Statement, pull: Pull, missing: list[str]) -> Mapping[str, Made]:
    found: dict[str, Made] = {}
    for need in statement.needs:
        if need.manifest is None:
            continue
        result = needed_result(supply.archive, need.fingerprint, need.manifest, need.tree)
        if result is None and need.fingerprint and not supply.closed:
            pulled = pull(need.fingerprint)
            result = pulled if pulled and pulled.tree == need.tree else None
        if result:
            found[need.step] = Made(result.entries, result.tree, result)
        else:
            what = f"the result of {need.step} ({need.manifest.short})"
            missing.append(f"{what}: a run of {need.step} at that commit makes it")
    return found


def _images(
    session: Session, statement: Statement, missing: list[str], *, closed: bool
) -> Mapping[str, ArchivedImage]:
    """The images, in the engine, by the services' names; "" for the step's own."""
    toolchain = statement.step.toolchain
    wanted: dict[str, tuple[ImageRef, Platform, UsedImage]] = {
        "": (toolchain.image, statement.image.platform, statement.image)
    }
    for service in statement.step.services:
        used = statement.services[service.name]
        wanted[service.name] = (service.image, used.platform, used)
    found: dict[str, ArchivedImage] = {}
    for name, (ref, platform, used) in wanted.items():
        try:
            # Where something is missing anyway, nothing is loaded.
            known = session.known_image(ref, platform) if missing else None
            image = known or session.image(ref, platform)[0]
        except ImageError as error:
            places = [] if closed else error.hint.splitlines()
            line = "\n  ".join([error.reason + "; it isn't in what was given" * closed, *places])
            missing += [] if line in missing else [line]  # a service may run in the same image
            continue
        if (image.manifest.digest, image.config.digest) != (used.manifest, used.config):
            raise Mismatch(
                f"the statement names another image than {ref} is",
                f"For {platform} that is the manifest {image.manifest.digest}, and the statement has"
                f" {used.manifest}. It was changed, or it isn't of this buildbox's making.",
            )
        found[name] = image
    return found


def _weighed(
    statement: Statement,
    inputs: Inputs,
    needed: Mapping[str, Made],
    images: Mapping[str, ArchivedImage],
    env: Mapping[str, str],
    missing: list[str],
) -> Weighed:
    """What is to run, as one document; tells where that isn't what ran."""
    image = images[""]
    settled = settled_environment(statement.step, image.document.environment, {}, statement.epoch)
    of = document(
        statement.step,
        Ingredients(
            image=image.manifest.digest,
            platform=image.platform,
            env=settled,
            passed=env,
            inputs=statement.inputs,
            needs={name: made.tree for name, made in needed.items()},
            services={
                name: (images[name].manifest.digest, images[name].platform) for name in statement.services
            },
        ),
    )
    tree = InputTree(statement.inputs, len(inputs.entries), (), (), 0.0, lambda: inputs.entries)
    weighed = Weighed(fingerprint(of), of, tree, needed, statement.epoch)
    if weighed.fingerprint != statement.fingerprint:
        names = statement.step.task.pass_env
        if names and settled == dict(statement.environment):
            given = f"{', '.join(env)} had other values, or others were set, too" if env else "none is given"
            missing.append(
                f"what the caller's environment let through: --env gives those that were set among"
                f" {', '.join(names)}; {given}"
            )
        else:
            missing.append("a buildbox that gives tasks the same environment as the one that built it")
    return weighed
