"""A recipe's Python requirements as wheels: pinned by the machine's pip, then had from the archive or by it.

They are installed by the library installer, itself a wheel, run by the image's own Python. pip would have
to be in every such image, and can't be kept from running the .pth files that wheels bring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from buildbox.errors import ConfigError, ImageError
from buildbox.oci import Descriptor
from buildbox.recipes import pip
from buildbox.recipes.distributions import read_distribution, unmet
from buildbox.recipes.kept import copy_out, listed, take_in
from buildbox.recipes.lock import Wheel
from buildbox.recipes.requirements import Requirement, applicable, parse_requirements
from buildbox.recipes.target import Target
from buildbox.recipes.workshop import Workshop
from buildbox.units import show_size

MEDIA_TYPE = "application/vnd.buildbox.wheel.v1+zip"
# Shapes the bytes of an image: another version of it is another lock.BUILDER.
INSTALLER = Wheel(
    "installer",
    "1.1.0",
    464466,
    "f55f5728ff61d3dd54dbc5a397cf3f7307cb64b180c20b72afbebf01c9e2c8a0",
    "installer-1.1.0-py3-none-any.whl",
)
_SHOWN = 5  # wheels that a message names
_ONE_BY_ONE = ("--retries", "1")  # pip has just tried as long as it is set up to


def lock_wheels(text: str, target: Target, folder: Path, shop: Workshop) -> tuple[Wheel, ...]:
    """The wheels that the requirements file `text` means for `target`, sorted; they are in `folder` then.

    `folder` is empty. Raises ConfigError for a file that isn't pinned or isn't whole, ImageError where a
    wheel can't be had.
    """
    requirements = applicable(parse_requirements(text), target.environment)
    if not requirements:
        return ()
    shop.progress.note(f"resolving {len(requirements)} Python requirements for Python {target.python}")
    complaints = pip.download([each.line for each in requirements], target, folder, shop.host.env)
    if complaints:
        names = ", ".join(str(each) for each in requirements)
        raise ImageError(f"pip can't get the Python requirements {names}", "\n".join(complaints))
    files = sorted(folder.glob("*.whl"))
    wheels = tuple(sorted(_wheel(path, requirements) for path in files))
    _check_whole(files, wheels, requirements, target)
    return wheels


def gather_wheels(wheels: Sequence[Wheel], target: Target, folder: Path, shop: Workshop) -> None:
    """Puts a lock's wheels, and what installs them, into `folder`, from the archive or else by pip.

    Raises ImageError naming what can't be had and all that was tried.
    """
    wanted = _with_installer(wheels)
    among = listed(shop.archive)
    missing = [wheel for wheel in wanted if not copy_out(wheel, among, shop.archive, folder)]
    if not missing:
        return
    size = show_size(sum(wheel.size for wheel in missing))
    shop.progress.note(f"wheels not in the archive yet: {len(missing)} of {len(wanted)} ({size})")
    tried = [f"the archive at {shop.archive.path}: doesn't have it"]
    if shop.offline:
        tried.append("pip: not asked (--offline)")
    else:
        missing, complaints = _fetch(missing, target, folder, shop)
        tried += ["pip:", *(f"  {line}" for line in complaints)]
    if missing:
        names = ", ".join(str(wheel) for wheel in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        lines = ["Tried:", *(f"  {line}" for line in tried), "Set pip up with an index that has them."]
        raise ImageError(f"wheels of the lock can't be had: {names}{more}", "\n".join(lines))


def descriptors(wheels: Sequence[Wheel]) -> list[Descriptor]:
    """The wheels, and what installs them, as layers of an artifact in the archive."""
    return [
        Descriptor(
            MEDIA_TYPE, wheel.digest, wheel.size, annotations={"org.opencontainers.image.title": wheel.file}
        )
        for wheel in _with_installer(wheels)
    ]


def _fetch(
    missing: Sequence[Wheel], target: Target, folder: Path, shop: Workshop
) -> tuple[list[Wheel], list[str]]:
    """Which of the wheels pip can't bring, and what it says of them."""
    pip.download([_line(wheel) for wheel in missing], target, folder, shop.host.env)
    missing = [wheel for wheel in missing if not take_in(wheel, shop.archive, folder)]
    complaints: dict[str, None] = {}
    for wheel in missing:  # pip keeps nothing where it lacks one, and names only that
        said = pip.download([_line(wheel)], target, folder, shop.host.env, *_ONE_BY_ONE)
        complaints.update(dict.fromkeys(said))
    return [wheel for wheel in missing if not take_in(wheel, shop.archive, folder)], list(complaints)


def _with_installer(wheels: Sequence[Wheel]) -> list[Wheel]:
    return list(dict.fromkeys((*wheels, INSTALLER))) if wheels else []


def _line(wheel: Wheel) -> str:
    return f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}"


def _wheel(path: Path, requirements: Sequence[Requirement]) -> Wheel:
    """The file `path` as a lock has it. Raises ImageError where it isn't what was asked for."""
    data = path.read_bytes()
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename as error:
        raise ImageError(f"pip brought a file that is no wheel: {error}") from None
    wheel = Wheel(name, str(version), len(data), hashlib.sha256(data).hexdigest(), path.name)
    if not any(each.name == name and wheel.sha256 in each.hashes for each in requirements):
        raise ImageError(f"pip brought {path.name}, whose bytes aren't those of the requirements")
    return wheel


def _check_whole(
    files: Sequence[Path], wheels: Sequence[Wheel], requirements: Sequence[Requirement], target: Target
) -> None:
    lacking = {each.name for each in requirements} - {wheel.name for wheel in wheels}
    if lacking:
        raise ImageError(f"pip said nothing, and brought no wheel of: {', '.join(sorted(lacking))}")
    try:
        found = [read_distribution(path) for path in files]
    except ValueError as error:
        raise ImageError(str(error)) from None
    problems = unmet(found, {each.name: each.extras for each in requirements}, target.environment)
    if problems:
        raise ConfigError(
            "the Python requirements are not whole",
            "List what is missing too, as `pip-compile --generate-hashes --allow-unsafe` does.",
            problems,
        )
