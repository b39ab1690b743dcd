"""Names of files, as a hook's caller gives them and as a task sees them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def names_for_task(names: Sequence[str], cwd: Path, root: Path, workdir: str) -> tuple[str, ...]:
    """`names`, relative to `cwd`, as a task in the folder `workdir` of the project at `root` sees them.

    What isn't in the project is left out. A name that begins with a dash gets `./` in front: tools would
    take it for an option. Links are followed in `cwd` and `root` alone; no name is looked at.
    """
    here, top = os.path.realpath(cwd), os.path.realpath(root)
    found = (os.path.normpath(Path(here, name)) for name in names)
    own = (name for name in found if Path(name).is_relative_to(top))
    seen = (os.path.relpath(name, Path(top, workdir)) for name in own)
    return tuple(f"./{name}" if name.startswith("-") else name for name in seen)
