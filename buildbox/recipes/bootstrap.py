"""From a folder of packages to a root file system as one tar, by mmdebstrap.

Everything that would differ between two machines is left out or fixed here: the surroundings that the
packages' scripts see, and the files that mmdebstrap copies from the machine or writes for itself.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from email.utils import formatdate
from pathlib import Path
from shlex import quote
from urllib.parse import quote as url_quote

from buildbox.errors import ImageError
from buildbox.recipes import hooks
from buildbox.recipes.lock import MERGED, Lock
from buildbox.recipes.recipe import Recipe
from buildbox.recipes.tools import PLAIN, Command
from buildbox.recipes.wheel_hook import wheel_hook
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop

# Every package's own description, each with a NUL behind it.
_DESCRIBED = r"""for deb; do dpkg-deb --field "$deb" || exit; printf '\0'; done"""
_NAMESPACES = ("unshare", "newuidmap", "newgidmap", "subuid", "subgid")
_TAIL = 25  # last lines of the log that a failure shows
_WIDTH = 300  # characters of a line of it


def bootstrap(recipe: Recipe, lock: Lock, debs: Path, wheels: Path, place: Workplace, shop: Workshop) -> Path:
    """A tar of the root file system with exactly what the lock lists, and the recipe's files.

    The lock's packages are all in the folder `debs`, its wheels and their installer in `wheels`.
    Raises ImageError with the end of the log and the command to run by hand.
    """
    _index(lock, debs, place, shop)
    tar = place.path / "layer.tar"
    env = {
        "HOME": "/nonexistent",
        "TZ": "UTC0",
        "SOURCE_DATE_EPOCH": str(lock.source_date_epoch),
        "PYTHONHASHSEED": "0",  # the order in which Python packages are compiled
    }
    argv = _command(
        lock, _hooks(recipe, lock, wheels, place), debs, tar, "root" if shop.tools.as_root else "unshare"
    )
    _run(Command(argv, place, env, isolated=True), place, shop)
    return tar


def _hooks(recipe: Recipe, lock: Lock, wheels: Path, place: Workplace) -> Iterator[str]:
    """mmdebstrap's options for what is done to the root, in its order."""
    settings = place.path / "dpkg.cfg"
    settings.write_text(hooks.settings(recipe.exclude))
    settings.chmod(0o644)
    yield f"--setup-hook=upload {quote(str(settings))} {hooks.SETTINGS_FILE}"
    if any(package.name == MERGED for package in lock.packages):
        yield f"--setup-hook={hooks.merged_usr(lock.architecture)}"
    yield f"--extract-hook={hooks.EXTRACTED}"
    if lock.wheels:
        yield f"--customize-hook={wheel_hook(lock.wheels, wheels)}"
    if recipe.files:
        yield f"--customize-hook={hooks.lay_in(recipe.files, place.path / 'files')}"
    yield f"--customize-hook={hooks.FINISH}"


def _command(lock: Lock, options: Iterable[str], debs: Path, tar: Path, mode: str) -> tuple[str, ...]:
    return (
        "mmdebstrap",
        f"--mode={mode}",
        "--variant=essential",
        "--format=tar",
        f"--architectures={lock.architecture}",
        "--skip=output/dev,cleanup/apt,cleanup/mmdebstrap",
        *options,
        "--include=" + ",".join(f"{package.name}={package.version}" for package in lock.packages),
        "",  # any suite: the repository is ours and holds nothing else
        str(tar),
        f"deb [trusted=yes] copy:{url_quote(str(debs))} ./",
    )


def _index(lock: Lock, debs: Path, place: Workplace, shop: Workshop) -> None:
    """Makes `debs` a repository. Raises ImageError where a package isn't what the lock says it is."""
    debs.chmod(0o755)
    for package in lock.packages:
        (debs / package.file).chmod(0o644)
    lines = []
    for package, described in zip(lock.packages, _described(lock, debs, place, shop), strict=True):
        fields = (
            f"Package: {package.name}\n",
            f"Version: {package.version}\n",
            f"Architecture: {package.architecture}\n",
        )
        if not all(f"\n{field}" in f"\n{described}" for field in fields):
            raise ImageError(
                f"{package.file} is not the package {package} that the lock says it is",
                "The lock was made wrongly or changed by hand; lock the recipe again.",
            )
        lines.append(f"{described.rstrip()}\nFilename: ./{package.file}\n")
        lines.append(f"Size: {package.size}\nSHA256: {package.sha256}\n\n")
    data = "".join(lines).encode()
    (debs / "Packages").write_bytes(data)
    (debs / "Release").write_text(
        f"Codename: {lock.suite}\nDate: {formatdate(lock.source_date_epoch, usegmt=True)}\n"
        f"SHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} Packages\n"
    )
    for name in ("Packages", "Release"):
        (debs / name).chmod(0o644)


def _described(lock: Lock, debs: Path, place: Workplace, shop: Workshop) -> list[str]:
    """The control data of each of the lock's packages, in its order. Raises ImageError."""
    files = (str(debs / package.file) for package in lock.packages)
    done = shop.tools.run(Command(("sh", "-c", _DESCRIBED, "sh", *files), place, env=PLAIN))
    found = done.output.split("\0")[:-1]
    if done.status or len(found) != len(lock.packages):
        raise ImageError(f"a package of the lock can't be read: {done.errors.strip() or done.status}")
    return found


def _run(command: Command, place: Workplace, shop: Workshop) -> None:
    log: deque[str] = deque(maxlen=_TAIL)

    def on_line(line: str) -> None:
        log.append(line)
        if line.startswith("I: ") and line.endswith("...") and "tempdir" not in line:
            shop.progress.note(line[3:].rstrip("."))

    status = shop.tools.run(command, on_line).status
    if status:
        raise _failed(status, log, place)


def _failed(status: int, log: Sequence[str], place: Workplace) -> ImageError:
    why, todo, shown = f"status {status}", "This is the end of its log:", _TAIL
    if any("No space left on device" in line for line in log):
        why, shown = f"no space left in {place.path.parent}", 3
        todo = "Free some space there, or set TMPDIR to a folder with 2 GB free."
    elif any(word in line for line in log if line.startswith("E: ") for word in _NAMESPACES):
        why, shown = "user namespaces can't be used here", 3
        todo = "Build as root, or install uidmap and give your user a line in /etc/subuid and /etc/subgid."
    lines = [f"  {line[:_WIDTH]}" for line in list(log)[-shown:]]
    return ImageError(f"mmdebstrap failed: {why}", "\n".join([todo, *lines]))
