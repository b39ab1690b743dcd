"""Checks of single values: each takes what stands in the file and gives what buildbox works with,
or raises ValueError with what is wrong and what to write instead."""

from __future__ import annotations

import posixpath
import re

from buildbox.config.reading import show
from buildbox.oci import Platform
from buildbox.reference import ImageRef
from buildbox.units import parse_duration, parse_size

VERSION = 1  # of the format of .buildbox.toml
_LEAST_MEMORY = 6 << 20  # bytes; what the engines ask for at least
_MOST_MEMORY = 1 << 60
_MOST_SECONDS = 365 * 86400.0
_MOST_PIDS = 1 << 22  # Linux's own limit (proc(5), pid_max)
_LARGEST_ID = 2**31 - 1  # what engines take for a uid or gid
_LONGEST_PATH = 4096  # characters; Linux's PATH_MAX is as many bytes
_LONGEST_ARGUMENT = (128 << 10) - 1  # bytes; Linux's MAX_ARG_STRLEN without the NUL (execve(2))
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
_ADDRESS = re.compile(r"https?://[^\s\"'/]+(/[^\s\"']*)?")
_MIRROR = re.compile(rf"{_ADDRESS.pattern}|file:/[^\s\"']*")
_ID = r"(0|[1-9][0-9]{0,9})"
_IDS = re.compile(rf"{_ID}:{_ID}")
# C0, DEL, C1, line separators and the marks that turn the direction of writing: they could make a
# terminal show something else than what is there.
_CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

# What buildbox itself puts into a container. A mount may not replace or hide it; below the ones in
# _CLOSED it may not reach either.
_CLOSED = (
    *("/proc", "/sys", "/dev", "/var/run"),
    *("/src/.git", "/src/.buildbox", "/run/buildbox", "/run/secrets"),
)
_OWN = (
    *_CLOSED,
    "/src",
    "/tmp",
    "/home/build",
    "/etc/passwd",
    "/etc/group",
    "/etc/gitconfig",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
    "/sbin/docker-init",
)


def version(value: int) -> int:
    if value != VERSION:
        raise ValueError(f"version {show(value)} is not known to this buildbox, which knows {VERSION}")
    return value


def name(text: str) -> str:
    """The name of a task or toolchain."""
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{show(text)} is not a name (letters, digits, '_', '.', '-'; at most 64; no sign first)"
        )
    return text


def line(text: str) -> str:
    """One line for people."""
    if not text.strip():
        raise ValueError("is empty")
    if _CONTROL.search(text):
        raise ValueError("must be one line without control characters")
    return text


def project_name(text: str) -> str:
    if len(line(text)) > 100:
        raise ValueError("is longer than 100 characters")
    return text


def script(text: str) -> str:
    """A script for a shell, of any number of lines."""
    if not text.strip():
        raise ValueError("is empty")
    return argument(text)


def program(text: str) -> str:
    """An argument that must not be empty."""
    if not text:
        raise ValueError("is empty")
    return argument(text)


def argument(text: str) -> str:
    """Any string that a process can be given."""
    if "\0" in text:
        raise ValueError("has a NUL byte in it")
    if len(text.encode()) > _LONGEST_ARGUMENT:
        raise ValueError("is longer than 128 KiB, which Linux gives no program; put it into a file")
    return text


def env_name(text: str) -> str:
    if not _ENV_NAME.fullmatch(text):
        raise ValueError(
            f"{show(text)} is not a variable's name (letters, digits, '_'; at most 256; no digit first)"
        )
    if text.startswith("BUILDBOX_"):
        raise ValueError(f"{show(text)}: variables that start with BUILDBOX_ are buildbox's own")
    return text


def image(text: str) -> ImageRef:
    if len(text) > 1024:
        raise ValueError("is longer than an image reference can be")
    return ImageRef.parse(text)


def pinned_image(text: str) -> ImageRef:
    ref = image(text)
    if ref.digest is None:
        raise ValueError(f"{show(text)} has no digest, and an unpinned image never runs")
    return ref


def address(text: str) -> str:
    """Of a server of packages."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"{show(text)} is not an address that starts with https:// or http://")
    return text


def mirror(text: str) -> str:
    """Of a mirror of packages, with a slash at its end."""
    if not _MIRROR.fullmatch(text):
        raise ValueError(f"{show(text)} is not an address that starts with https://, http:// or file:/")
    return text if text.endswith("/") else f"{text}/"


def registry_host(text: str) -> str:
    """A registry as images name it: its host, with a port if need be."""
    _without_scheme(text)
    try:
        host = ImageRef.parse(f"{text}/x").registry
    except ValueError:
        host = ""
    if host != text:
        hint = f"; write {show(host)}" if text.endswith(host) and host else ""
        raise ValueError(f"{show(text)} is not a registry's host (host[:port]){hint}")
    return text


def registry_place(text: str) -> str:
    """A registry's host, and a path in it if need be; no slash at its end."""
    _without_scheme(text)
    place = text.rstrip("/")
    host, slash, path = place.partition("/")
    registry_host(host)
    if slash:
        _repository(path, host)
    return place


def remote_archive(text: str) -> str:
    """A registry's host and a path in it; no slash at its end."""
    place = registry_place(text)
    if "/" not in place:
        raise ValueError(f"{show(text)} names no path in the registry; e.g. {place}/archive")
    return place


def _repository(path: str, host: str) -> None:
    ref = ImageRef.parse(f"{host}/{path}")
    if ref.tag or ref.digest:
        raise ValueError(f"{show(f'{host}/{path}')} has a tag or a digest; write the registry and the path")


def _without_scheme(text: str) -> None:
    scheme, colon, _ = text.partition("://")
    if colon:
        plain = "; plain HTTP is allowed by plain-http" if scheme == "http" else ""
        raise ValueError(f"{show(text)}: a registry is named without {scheme}://{plain}")


def platform(text: str) -> Platform:
    if len(text) > 64:
        raise ValueError("is longer than a platform can be")
    return Platform.parse(text)


def duration(text: str) -> float:
    """Seconds."""
    seconds = parse_duration(_short(text))
    if seconds > _MOST_SECONDS:
        raise ValueError(f"{show(text)} is more than 365d")
    return seconds


def age(text: str) -> float:
    """Seconds that something may be old, of which a duration has fewer."""
    return parse_duration(_short(text))


def size(text: str) -> int:
    """Bytes of memory."""
    count = parse_size(_short(text))
    if not _LEAST_MEMORY <= count <= _MOST_MEMORY:
        raise ValueError(f"{show(text)}: a container's memory is between 6m and 1048576t")
    return count


def room(text: str) -> int:
    """Bytes on a disk."""
    return parse_size(_short(text))


def _short(text: str) -> str:
    if len(text) > 64:
        raise ValueError(f"{show(text)} is too long for a number and a unit")
    return text


def cpus(value: float) -> float:
    if not 0.01 <= value <= 65536:  # engines count hundredths; also refuses nan
        raise ValueError(f"{show(value)} is not a number of CPUs (0.01 or more)")
    return float(value)


def pids(value: int) -> int:
    if not 1 <= value <= _MOST_PIDS:
        raise ValueError(f"{show(value)} is not a number of processes (1 to {_MOST_PIDS})")
    return value


def network(text: str) -> str:
    if not _NETWORK.fullmatch(text):
        raise ValueError(f"{show(text)} is not a network (none, bridge, or the name of an engine's network)")
    return text


def user(text: str) -> str:
    if text in ("caller", "root"):
        return text
    ids = _IDS.fullmatch(text)
    if not ids or max(int(ids[1]), int(ids[2])) > _LARGEST_ID:
        raise ValueError(
            f'{show(text)} is not a user (caller, root, or numbers "uid:gid" up to {_LARGEST_ID})'
        )
    return text


def rootfs(text: str) -> str:
    if text not in ("read-only", "writable"):
        raise ValueError(f"{show(text)} is neither read-only nor writable")
    return text


def path(text: str) -> str:
    if len(line(text)) > _LONGEST_PATH:
        raise ValueError(f"is longer than a path can be ({_LONGEST_PATH})")
    return text


def workdir(text: str) -> str:
    """A folder of the project, normalised; `.` is the project's own."""
    path(text)
    if text.startswith("/"):
        raise ValueError(f"{show(text)} is absolute; write it relative to the project's folder")
    if ".." in text.split("/"):
        raise ValueError(f"{show(text)} has '..' in it; a task works inside its project")
    return posixpath.normpath(text)


def source(text: str) -> str:
    """A mount's source, as written. Whether it may be mounted is a question for `trust`."""
    path(text)
    if text.startswith("~"):
        raise ValueError(
            f"{show(text)}: '~' is not followed in a project's file; write an absolute path"
            " or one relative to the project ('./~…' if it really is called so)"
        )
    return text


def target(text: str) -> str:
    """A mount's place in the container."""
    path(text)
    if not text.startswith("/"):
        raise ValueError(f"{show(text)} is not absolute; e.g. /data")
    if text.startswith("//") or posixpath.normpath(text) != text:
        raise ValueError(f"{show(text)} is not in its shortest form; write {show(posixpath.normpath(text))}")
    if ":" in text or "," in text:
        raise ValueError(f"{show(text)} has ':' or ',' in it")
    for own in _OWN:
        if own == text or own.startswith(text.rstrip("/") + "/"):
            raise ValueError(f"{show(text)} would hide the container's own {own}; choose another place")
    for closed in _CLOSED:
        if text.startswith(closed + "/"):
            raise ValueError(f"{show(text)} lies in the container's own {closed}; choose another place")
    return text


_ADDRESS_OF_TASK = re.compile(rf"(?P<name>{_NAME.pattern})(\[(?P<variant>[^\[\]]*)\])?")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, section 2.1, in lower case
_HOME = "/home/build"
_MOST_RETRIES = 100
_LONGEST_VALUE = 64  # characters of a value in a matrix
_MOST_EPOCH = 4354819199  # 2107-12-31, the last day that a zip file can hold


def address_of_task(text: str) -> str:
    """A task, or some of its variants: `test`, `test[python313,DJANGO=5]`."""
    if len(line(text)) > 1024 or not _ADDRESS_OF_TASK.fullmatch(text):
        raise ValueError(f'{show(text)} names no task; e.g. "test" or "test[python313,DJANGO=5]"')
    return text


def matrix_value(text: str) -> str:
    """A value that is a part of its variant's name."""
    if text and (len(line(text)) > _LONGEST_VALUE or "[" in text or "]" in text):
        raise ValueError(
            f"{show(text)} can't be in a variant's name: at most {_LONGEST_VALUE} characters, no brackets"
        )
    return text


def host_name(text: str) -> str:
    """The name of a service, which is its host name in the task's network."""
    if not _HOST_NAME.fullmatch(text) or text in ("buildbox", "localhost"):
        raise ValueError(
            f"{show(text)} can't be a service's name, which is a host name: a-z, 0-9 and -, e.g. \"db\""
        )
    return text


def cache_place(text: str) -> str:
    """A cache's place in the container, absolute; `~` is the task's home."""
    path(text)
    place = _HOME + text[1:] if text == "~" or text.startswith("~/") else text
    if place.startswith(f"{_HOME}/") and posixpath.normpath(place) == place:
        return place
    return target(place)


def pattern(text: str) -> str:
    """A pattern of paths in the project; see trees/patterns.py."""
    negated = text.startswith("!")
    body = path(text)[negated:]
    if not body or body.startswith("/"):
        raise ValueError(f"{show(text)}: a pattern is relative to the project's folder")
    if ".." in body.split("/"):
        raise ValueError(f"{show(text)} has '..' in it; a pattern stays inside the project")
    return text


def retries(value: int) -> int:
    if not 0 <= value <= _MOST_RETRIES:
        raise ValueError(f"{show(value)} is not a number of retries (0 to {_MOST_RETRIES})")
    return value


def port(value: int) -> int:
    if not 1 <= value <= 65535:
        raise ValueError(f"{show(value)} is not a TCP port (1 to 65535)")
    return value


def epoch(value: int) -> int:
    """Seconds since 1970."""
    if not 0 <= value <= _MOST_EPOCH:
        raise ValueError(f"{show(value)} is not a time (seconds since 1970, up to {_MOST_EPOCH})")
    return value


def epoch_name(text: str) -> str:
    if text != "commit":
        raise ValueError(f'{show(text)} is neither "commit" nor a number of seconds')
    return text


def service_user(text: str) -> str:
    if text == "caller":
        raise ValueError('a service has nothing of its caller\'s; write root or numbers "uid:gid"')
    return user(text)


def sharing(text: str) -> str:
    """What is done with results and the remote archive."""
    if text not in ("off", "pull", "push"):
        raise ValueError(f"{show(text)} is neither off, pull nor push")
    return text
