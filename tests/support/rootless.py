"""Engines that run as somebody who isn't root: Docker and Podman, in namespaces that root makes ready.

The somebody is known there alone: user and group, a range of ids below, a network device that others may use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.support.own_engine import Program, dockerd, podman_of

OWNER = 34567  # uid and gid outside that the engine and, outside, root in its containers run as

# Arguments: a folder, the uid, the command. Where cgroups don't limit what an unprivileged user's containers
# take, as with version 1, a fork bomb in one would take the whole machine: so the user has few processes.
_BECOME = """
folder=$1 uid=$2
shift 2
know() { { cat "$1"; echo "$2"; } >"$folder/$3"; mount --bind "$folder/$3" "$1"; }
know /etc/passwd "engine:x:$uid:$uid::$folder/home:/bin/sh" passwd
know /etc/group "engine:x:$uid:" group
know /etc/subuid engine:200000000:65536 subuid
know /etc/subgid engine:200000000:65536 subgid
mkdir "$folder/devices" "$folder/home" "$folder/temporary" "$folder/runtime"
mount -t tmpfs tmpfs "$folder/devices"
mknod -m 666 "$folder/devices/tun" c 10 200
mount --bind "$folder/devices/tun" /dev/net/tun
chmod 700 "$folder/runtime"
chown "$uid:$uid" "$folder" "$folder/home" "$folder/temporary" "$folder/runtime"
export HOME="$folder/home" USER=engine XDG_RUNTIME_DIR="$folder/runtime" TMPDIR="$folder/temporary"
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd "$folder"
set -- --reuid="$uid" --regid="$uid" --clear-groups --inh-caps=-all --ambient-caps=-all "$@"
exec prlimit --nproc=3000 setpriv "$@"
"""


def rootless_docker() -> Program:
    """The machine's Docker Engine as OWNER, as `dockerd-rootless.sh` starts it."""

    def command(folder: Path) -> list[str]:
        plain = [word for word in dockerd(folder)[:-2] if not word.startswith("--iptables")]
        return _as_owner(
            folder,
            [
                *("rootlesskit", "--state-dir", f"{folder}/rootlesskit", "--net=slirp4netns", "--mtu=65520"),
                *("--disable-host-loopback", "--port-driver=none", "--propagation=rslave"),
                *("--copy-up=/etc", "--copy-up=/run"),
                *("sh", "-euc", 'rm -rf /run/docker /run/containerd /run/xtables.lock; exec "$@"', "start"),
                *(*plain, "--rootless", "--ip6tables=false"),
            ],
        )

    return Program(command)


def rootless_podman() -> Program:
    """The machine's Podman as OWNER."""
    as_root = podman_of("")
    return replace(as_root, command=lambda folder: _as_owner(folder, as_root.command(folder)))


def _as_owner(folder: Path, command: Sequence[str]) -> list[str]:
    return ["sh", "-euc", _BECOME, "become", str(folder), str(OWNER), *command]
