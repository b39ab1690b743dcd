"""From a folder of packages to a root file system as one tar, by mmdebstrap.

Everything that would differ between two machines is left out or fixed here: the surroundings that the
packages' scripts see, and the files that mmdebstrap copies from the machine or writes for itself.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Sequence
from email.utils import formatdate
from pathlib import Path
from shlex import quote as shell_quote
from urllib.parse import quote

from buildbox.errors import ImageError
from buildbox.recipes.lock import Lock
from buildbox.recipes.tools import PLAIN, Command
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop

# dpkg(1): documentation that no build reads; the copyright files stay, as their licences ask.
_SETTINGS = """path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-include=/usr/share/locale/locale.alias
path-exclude=/usr/share/bug/*
path-exclude=/usr/share/doc-base/*
path-exclude=/usr/share/lintian/*
force-unsafe-io
"""
_SETTINGS_FILE = "/etc/dpkg/dpkg.cfg.d/buildbox"
# Hooks get the new root as $1. First, mmdebstrap unpacks the essential packages whole, for dpkg to install
# them again with its settings: what those leave out goes in between. (Given as --dpkgopt, the settings would
# send each package through a filter of mmdebstrap's that takes a quarter of the build's time.)
_EXTRACTED = rf"""set -eu
cd "$1"
set --
while read -r line; do
    case $line in path-exclude=*) set -- "$@" -o -path ".${{line#*=}}" ;; esac
done < .{_SETTINGS_FILE}
shift
find . -xdev \( "$@" \) -prune -exec rm -rf {{}} +
"""
# Last: mmdebstrap copies the machine's hostname and resolv.conf, and apt makes folders that belong to the
# machine's own user _apt. Set-id bits do nothing under no-new-privileges.
_FINISH = r"""set -eu
cd "$1"
: > etc/resolv.conf
echo buildbox > etc/hostname
printf '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n' > etc/hosts
chmod 644 etc/resolv.conf etc/hostname etc/hosts
echo '# Installed from a lock, from no mirror in particular.' > etc/apt/sources.list
rm -rf etc/apt/apt.conf.d/00mmdebstrap var/lib/apt/* var/cache/apt/* var/cache/ldconfig/*
rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- etc/.pwd.lock
rm -f var/cache/debconf/*-old var/lib/dpkg/*-old
find var/log -type f -delete
find . -xdev -type f -perm /6000 -exec chmod ug-s {} +
"""
# Every package's own description, each with a NUL behind it.
_DESCRIBED = r"""for deb; do dpkg-deb --field "$deb" || exit; printf '\0'; done"""
_NAMESPACES = ("unshare", "newuidmap", "newgidmap", "subuid", "subgid")
_TAIL = 25  # last lines of the log that a failure shows
_WIDTH = 300  # characters of a line of it


def bootstrap(lock: Lock, exclude: Sequence[str], debs: Path, place: Workplace, shop: Workshop) -> Path:
    """A tar of a root file system in which exactly the lock's packages, all in `debs`, are installed.

    Raises ImageError with the end of the log and the command to run by hand.
    """
    _index(lock, debs, place, shop)
    settings = place.path / "dpkg.cfg"
    settings.write_text(_SETTINGS + "".join(f"path-exclude={pattern}\n" for pattern in exclude))
    settings.chmod(0o644)
    tar = place.path / "layer.tar"
    env = {
        "HOME": "/nonexistent",
        "TZ": "UTC0",
        "SOURCE_DATE_EPOCH": str(lock.source_date_epoch),
        "PYTHONHASHSEED": "0",  # the order in which Python packages are compiled
    }
    argv = _command(lock, settings, debs, tar, "root" if shop.tools.as_root else "unshare")
    _run(Command(argv, place, env, isolated=True), place, shop)
    return tar


def _command(lock: Lock, settings: Path, debs: Path, tar: Path, mode: str) -> tuple[str, ...]:
    return (
        "mmdebstrap",
        f"--mode={mode}",
        "--variant=essential",
        "--format=tar",
        f"--architectures={lock.architecture}",
        "--skip=output/dev,cleanup/apt,cleanup/mmdebstrap",
        f"--setup-hook=upload {shell_quote(str(settings))} {_SETTINGS_FILE}",
        f"--extract-hook={_EXTRACTED}",
        "--include=" + ",".join(f"{package.name}={package.version}" for package in lock.packages),
        f"--customize-hook={_FINISH}",
        "",  # any suite: the repository is ours and holds nothing else
        str(tar),
        f"deb [trusted=yes] copy:{quote(str(debs))} ./",
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
