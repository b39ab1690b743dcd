"""What a hook says of images that aren't on this machine: it gets none by itself."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from buildbox.errors import ImageError

if TYPE_CHECKING:
    from buildbox.cli.call import Call
    from buildbox.config.model import Pinned

ANYWAY = "To commit without the check: git commit --no-verify"


def refuse_missing(call: Call, missing: Sequence[Pinned]) -> None:
    """Raises ImageError where images are missing, with the commands that get them."""
    if missing:
        raise ImageError(said_of(missing), f"Get it with: {' && '.join(ways_to(call, missing))}\n{ANYWAY}")


def said_of(missing: Sequence[Pinned]) -> str:
    """Which images are missing, in a line."""
    names = ", ".join(f"{pinned.title} ({pinned.image})" for pinned in missing)
    plural = "s" if len(missing) > 1 else ""
    return f"not on this machine, and a commit hook fetches nothing: the image{plural} of {names}"


def ways_to(call: Call, missing: Sequence[Pinned]) -> list[str]:
    """The commands that get the images, from the folder that the caller is in."""
    here = call.host.cwd.resolve()
    folder = (here / (call.folder or ".")).resolve()
    program = "buildbox"
    if folder != here:  # whoever commits may be elsewhere than git's hook
        program = shlex.join((program, "-C", str(folder)))
    recipes = {pinned: call.recipe_for(pinned.image) for pinned in missing}
    builds = [f"{program} images build {recipe}" for recipe in dict.fromkeys(recipes.values()) if recipe]
    others = [pinned.title for pinned, recipe in recipes.items() if not recipe]
    return [*builds, *([f"{program} archive restore {' '.join(others)}"] if others else [])]
