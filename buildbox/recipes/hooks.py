"""What is done to a new root file system before, between and after its packages are installed.

Each is a script for mmdebstrap(1), section "HOOKS", which gives it the new root as $1. Commands that write
there where a link of the root may lead run in a chroot, so that no link leads out of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from buildbox.digest import Digest
from buildbox.errors import ConfigError
from buildbox.recipes.recipe import LaidIn

SETTINGS_FILE = "/etc/dpkg/dpkg.cfg.d/buildbox"
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
# Instead of the package usrmerge, which brings perl to do the same to a root that is full already.
# lib64 is where these architectures' ABIs have their loader.
_MERGED = r"""set -eu
umask 022
for folder in bin sbin lib {more}; do
    mkdir -p "$1/usr/$folder"
    ln -s "usr/$folder" "$1/$folder"
done
"""
_LIB64 = ("amd64", "ppc64", "ppc64el", "mips64el", "sparc64")
# mmdebstrap unpacks the essential packages whole, for dpkg to install them again with its settings: what
# those leave out goes in between. (Given as --dpkgopt, the settings would send each package through a filter
# of mmdebstrap's that takes a quarter of the build's time.)
EXTRACTED = rf"""set -eu
cd "$1"
set --
while read -r line; do
    case $line in path-exclude=*) set -- "$@" -o -path ".${{line#*=}}" ;; esac
done < .{SETTINGS_FILE}
shift
find . -xdev \( "$@" \) -prune -exec rm -rf {{}} +
"""
_LAID_IN = r"""set -eu
while read -r number mode target; do
    chroot "$1" /bin/sh -euc 'umask 022
mkdir -p "${{0%/*}}/"
rm -f -- "$0"
cat > "$0"
chmod "$1" "$0"' "$target" "$mode" < {folder}/"$number"
done < {folder}/list
"""
# Last: mmdebstrap copies the machine's hostname and resolv.conf, and apt makes folders that belong to the
# machine's own user _apt. A key that the package ssl-cert makes would be everyone's, and another each time.
# Set-id bits do nothing under no-new-privileges.
FINISH = r"""set -eu
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
test ! -d etc/ssl/certs || find etc/ssl/certs -lname ssl-cert-snakeoil.pem -delete
rm -f etc/ssl/certs/ssl-cert-snakeoil.pem etc/ssl/private/ssl-cert-snakeoil.key
find . -xdev -type f -perm /6000 -exec chmod ug-s {} +
"""


def settings(exclude: Sequence[str]) -> str:
    """dpkg's settings: what of its packages stays out of the root."""
    return _SETTINGS + "".join(f"path-exclude={pattern}\n" for pattern in exclude)


def merged_usr(architecture: str) -> str:
    """The links from /bin and the like into /usr, as debootstrap and base-files 13 make them."""
    return _MERGED.format(more="lib64" if architecture in _LIB64 else "")


def lay_in(files: Sequence[LaidIn], folder: Path) -> str:
    """Puts copies of `files` into the new `folder`, from where the script puts them into the root.

    Raises ConfigError where one of them has changed since the recipe was read.
    """
    folder.mkdir()
    folder.chmod(0o755)  # in a user namespace, its root is a stranger to us
    lines = []
    for number, file in enumerate(files):
        data = file.source.read_bytes()
        if Digest.of(data) != file.digest:
            raise ConfigError(f"{file.source} has just changed", "Build again.")
        (folder / str(number)).write_bytes(data)
        (folder / str(number)).chmod(0o644)
        lines.append(f"{number} {file.mode:o} {file.target}\n")
    (folder / "list").write_text("".join(lines))
    (folder / "list").chmod(0o644)
    return _LAID_IN.format(folder=quote(str(folder)))
