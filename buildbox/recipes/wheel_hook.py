"""The step of a build that installs wheels, for mmdebstrap to take after the packages."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from buildbox.recipes.lock import Wheel
from buildbox.recipes.tools import PATH
from buildbox.recipes.wheels import INSTALLER

_SCRIPT = Path(__file__).with_name("install_wheels.py")
# Gets the new root as $1. Python has its own library and what is in the folder, nothing else; a pyc file
# depends on all that Python had seen before it wrote it, hence the bare environment and the fixed seed.
_INSTALL = """set -eu
umask 022
mkdir "$1{place}"
cp -R {folder}/. "$1{place}"
env -i PATH={path} LC_ALL=C.UTF-8 TZ=UTC0 PYTHONHASHSEED=0 PYTHONPATH={place}/with/{installer} \\
    chroot "$1" /usr/bin/python3 -s -S -B {place}/{script}
rm -rf "$1{place}"
"""
_PLACE = "/.wheels"  # in the new root, while they are installed


def wheel_hook(wheels: Sequence[Wheel], folder: Path) -> str:
    """A shell script that installs `wheels`, which gather_wheels has put into `folder`.

    Needs no network and runs nothing of the wheels. Arranges `folder`, which others may read then.
    """
    (folder / "with").mkdir()
    installer = folder / INSTALLER.file
    shutil.copyfile(installer, folder / "with" / INSTALLER.file)
    if INSTALLER not in wheels:
        installer.unlink()
    shutil.copyfile(_SCRIPT, folder / _SCRIPT.name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)  # in a user namespace, its root is a stranger to us
    return _INSTALL.format(
        place=_PLACE, folder=quote(str(folder)), path=PATH, installer=INSTALLER.file, script=_SCRIPT.name
    )
