"""What a hermetic step's result depends on, found out; and the result, if it has passed before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from buildbox.archive.images import ArchivedImage
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.ground import Ground, Made
from buildbox.tasks.environment import settled_environment
from buildbox.tasks.fingerprint import Ingredients, document, fingerprint
from buildbox.tasks.plan import Step

if TYPE_CHECKING:
    from buildbox.oci import Platform
    from buildbox.reference import ImageRef
    from buildbox.session import Session
    from buildbox.trees.selection import InputTree


@dataclass(frozen=True)
class Weighed:
    """A hermetic step with all that its result depends on."""

    fingerprint: Digest
    document: Mapping[str, Any]
    inputs: InputTree
    needed: Mapping[str, Made]
    epoch: int  # seconds


def weigh(ground: Ground, step: Step, *, fetch: bool = True) -> Weighed:
    """What the result of `step` depends on, when all that it needs has passed.

    `fetch`: images that the archive doesn't know are fetched, since only their manifests tell which they are.
    Raises ImageError (without `fetch` where one isn't known), ArchiveError, EngineError, ConfigError.
    """
    session = ground.session
    image = image_of(session, step.toolchain.image, step.toolchain.platform, fetch=fetch)
    services = {
        service.name: image_of(session, service.image, service.platform, fetch=fetch)
        for service in step.services
    }
    inputs, needed, epoch = ground.inputs(step), ground.needed(step), ground.epoch(step)
    passed = {name: session.host.env[name] for name in step.task.pass_env if name in session.host.env}
    of = document(
        step,
        Ingredients(
            image=image.manifest.digest,
            platform=image.platform,
            env=settled_environment(step, image.document.environment, {}, epoch),
            passed=passed,
            inputs=inputs.digest,
            needs={name: made.tree for name, made in needed.items()},
            services={name: (found.manifest.digest, found.platform) for name, found in services.items()},
        ),
    )
    return Weighed(fingerprint(of), of, inputs, needed, epoch)


def image_of(
    session: Session, ref: ImageRef, platform: Platform | None, *, fetch: bool = True
) -> ArchivedImage:
    """What is known of an image that something runs in. Raises as `weigh`."""
    known = session.known_image(ref, platform)
    if known:
        return known
    if not fetch:
        raise ImageError(f"the image {ref} isn't in the archive yet")
    return session.image(ref, platform)[0]
