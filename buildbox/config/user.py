"""The user's own `config.toml`: what the projects on this machine are allowed (SPEC section 2, Trust),
where images are made with what, where they are kept, and whose statements are believed.

[allow."/home/me/project"]      # one folder, no pattern; `~/project` works too
mounts = ["/data", "~/.m2"]     # each with all that is below it
network = ["host", "mynet"]     # engine networks, by name
env = ["NPM_TOKEN"]             # credentials that pass-env may let through
root = true                     # root in a writable root file system
git = true                      # the project's .git folder, where a task could plant hooks
snapshot = ["https://snapshot.example.com/debian/{time}/"] # where packages for its own recipes may come from
[allow."/home/me/project".secrets]           # where the values of its tasks' secrets are from
NPM_TOKEN = { file = "~/.npm-token" }        # all of it but a line end at its end
PYPI_TOKEN = { command = ["pass", "show", "pypi"] } # what it prints; no shell, in the user's home

[images]
mirrors = ["https://mirror.example.com/debian/"] # asked for packages before those of this machine's apt
builder = "registry.example.com/tools/builder:12@sha256:…" # instead of the catalogue's builder image

[archive]
path = "~/archive"                           # instead of the user's data folder
remote = "registry.example.com/team/archive" # a registry that keeps images, too
max-size = "50GB"                            # what `archive gc` brings it down to
results = "push"                             # with the remote: off | pull (default) | push, which pulls, too
plain-http = ["10.0.0.5:5000"]               # registries that are asked without TLS
[archive.mirrors]                            # asked before the registry itself, in this order
"docker.io" = ["mirror.example.com", "registry.example.com/proxied"]

[provenance]
key = "~/keys/mine"                          # signs; instead of signing.key beside this file
keys = ["~/keys/mine.pub", "~/keys/ci.pub"]  # public keys that `verify` trusts, instead of that key's own
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from buildbox.config import values
from buildbox.config.keys import USER_FILE
from buildbox.config.near import did_you_mean
from buildbox.config.reading import KeyPath, Reading, show
from buildbox.config.text import parse_toml, read_text, refuse
from buildbox.errors import UsageError
from buildbox.reference import ImageRef

_WHAT = ("mount", "network", "env", "root", "git", "snapshot")
_ALLOW_HINT = "Write mount=/PATH, network=NAME, env=NAME, root, git or snapshot=URL."


@dataclass(frozen=True)
class SecretSource:
    """Where the value of a secret comes from. Exactly one of the two is set."""

    file: Path | None = None  # a real path
    command: tuple[str, ...] | None = None  # a program of the host and its arguments; its output is the value


@dataclass(frozen=True)
class Allowance:
    """What the user lets one project have beyond the project's own folder."""

    mounts: tuple[Path, ...] = ()  # real paths; each stands for itself and all below it
    networks: frozenset[str] = frozenset()  # names of engine networks; "host" is the host's own
    root: bool = False  # may run as root in a writable root file system
    git: bool = False  # may mount the project's .git folder, and a git folder that isn't sure to be its own
    # Names of credentials that pass-env lets through, and that secrets take from the caller for a network.
    env: frozenset[str] = frozenset()
    snapshots: frozenset[str] = frozenset()  # services that its own recipes may have packages from
    secrets: Mapping[str, SecretSource] = field(default_factory=dict)  # by name; others: the environment

    def plus(self, texts: Sequence[str], home: Path | None = None) -> Allowance:
        """This and what the `--allow` options `texts` give (`mount=/data`, `network=host`, `root`, `git`).

        `home` stands in for a leading `~`. Raises UsageError.
        """
        allowance = self
        for text in texts:
            try:
                allowance = _plus_one(allowance, text, home)
            except ValueError as error:
                raise UsageError(f"--allow {show(text)[1:-1]}: {error}", _ALLOW_HINT) from None
        return allowance


@dataclass(frozen=True)
class ImageMaking:
    """Where images are made with what."""

    mirrors: tuple[str, ...] = ()  # addresses with a slash at their end
    builder: ImageRef | None = None  # pinned; instead of the catalogue's


@dataclass(frozen=True)
class ArchiveSettings:
    """Where images are kept, and asked for."""

    path: Path | None = None  # a real path; None: in the user's data folder
    remote: str = ""  # host[:port]/path; nothing: there is none
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # registry's host -> host[/path]
    max_size: int | None = None  # bytes
    plain_http: tuple[str, ...] = ()  # hosts that are asked without TLS
    results: str = "pull"  # "off", "pull", or "push" (and pull): what the remote has to do with results


@dataclass(frozen=True)
class ProvenanceSettings:
    """What statements are signed with, and whose signatures are trusted."""

    key: Path | None = None  # a real path; None: signing.key beside config.toml
    keys: tuple[Path, ...] = ()  # real paths of public keys; none: the own key's


@dataclass(frozen=True)
class UserConfig:
    """The user's config.toml."""

    path: Path
    allowances: Mapping[Path, Allowance]  # by the project's folder, a real path
    images: ImageMaking = ImageMaking()
    archive: ArchiveSettings = ArchiveSettings()
    provenance: ProvenanceSettings = ProvenanceSettings()

    @property
    def signing_key(self) -> Path:
        """The private key of the user, which needn't be there."""
        return self.provenance.key or self.path.with_name("signing.key")

    def allowance(self, project_root: Path) -> Allowance:
        """What is allowed to the project in exactly this folder, links followed."""
        return self.allowances.get(real_path(project_root), Allowance())


def load_user(path: Path, home: Path) -> UserConfig:
    """The user's configuration; an empty one where there is no file. Raises ConfigError.

    `home` stands in for a leading `~` of a path.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return UserConfig(path, {})
    document = parse_toml(text, path, str(path))
    reading = Reading(USER_FILE)
    read = reading.table(USER_FILE, document, ())
    allowances: dict[Path, Allowance] = {}
    for folder, allowed in read.get("allow", {}).items():
        key = ("allow", folder)
        try:
            root = _absolute(folder, home)
        except ValueError as error:
            reading.refuse(key, str(error))
            continue
        if root in allowances:
            reading.refuse(key, f"is the same folder as another one here: {root}")
        mounts = []
        for index, mount in enumerate(allowed.get("mounts", ())):
            try:
                mounts.append(_absolute(mount, home))
            except ValueError as error:
                reading.refuse((*key, "mounts", index), str(error))
        secrets = _secrets(allowed.get("secrets", {}), (*key, "secrets"), home, reading)
        allowances[root] = _allowance(allowed, mounts, secrets)
    archive = _archive(read.get("archive", {}), home, reading)
    provenance = _provenance(read.get("provenance", {}), home, reading)
    if reading.problems:
        raise refuse(reading.problems, text, path, str(path))
    images = read.get("images", {})
    making = ImageMaking(images.get("mirrors", ()), images.get("builder"))
    return UserConfig(path, allowances, making, archive, provenance)


def real_path(path: Path) -> Path:
    """`path` with every link followed, as far as it exists; never raises."""
    return Path(os.path.realpath(path))


def _secrets(
    read: Mapping[str, Any], key: KeyPath, home: Path, reading: Reading
) -> Mapping[str, SecretSource]:
    found = {}
    for name, source in read.items():
        if "file" in source and "command" in source:
            reading.refuse((*key, name), "has both file and command; keep one")
        elif not source and all(problem.path[: len(key) + 1] != (*key, name) for problem in reading.problems):
            reading.refuse((*key, name), "names neither a file nor a command")
        try:
            file = _absolute(source["file"], home) if "file" in source else None
        except ValueError as error:
            reading.refuse((*key, name, "file"), str(error))
            continue
        if source.get("command", ("-",))[0] == "":
            reading.refuse((*key, name, "command", 0), "is empty; it is the program to run")
        found[name] = SecretSource(file, source.get("command"))
    return found


def _allowance(
    allowed: Mapping[str, Any], mounts: Sequence[Path], secrets: Mapping[str, SecretSource]
) -> Allowance:
    return Allowance(
        tuple(mounts),
        frozenset(allowed.get("network", ())),
        allowed.get("root", False),
        allowed.get("git", False),
        frozenset(allowed.get("env", ())),
        frozenset(allowed.get("snapshot", ())),
        secrets,
    )


def _provenance(read: Mapping[str, Any], home: Path, reading: Reading) -> ProvenanceSettings:
    key = _path(read, ("provenance", "key"), home, reading)
    found = []
    for index, text in enumerate(read.get("keys", ())):
        try:
            found.append(_absolute(text, home))
        except ValueError as error:
            reading.refuse(("provenance", "keys", index), str(error))
    return ProvenanceSettings(key, tuple(found))


def _path(read: Mapping[str, Any], key: tuple[str, str], home: Path, reading: Reading) -> Path | None:
    try:
        return _absolute(read[key[1]], home) if key[1] in read else None
    except ValueError as error:
        reading.refuse(key, str(error))
        return None


def _archive(read: Mapping[str, Any], home: Path, reading: Reading) -> ArchiveSettings:
    path = _path(read, ("archive", "path"), home, reading)
    return ArchiveSettings(
        path,
        read.get("remote", ""),
        read.get("mirrors", {}),
        read.get("max-size"),
        read.get("plain-http", ()),
        read.get("results", "pull"),
    )


def _plus_one(allowance: Allowance, text: str, home: Path | None) -> Allowance:
    what, equals, value = text.partition("=")
    if what not in _WHAT:
        raise ValueError(f"nothing that can be allowed{did_you_mean(what, _WHAT)}")
    if what in ("root", "git"):
        if equals:
            raise ValueError(f"{what} takes no value")
        return replace(allowance, root=True) if what == "root" else replace(allowance, git=True)
    if not value:
        raise ValueError(f"which {what}?")
    if what == "mount":
        return replace(allowance, mounts=(*allowance.mounts, _absolute(value, home)))
    if what == "network":
        return replace(allowance, networks=allowance.networks | {values.network(value)})
    if what == "snapshot":
        return replace(allowance, snapshots=allowance.snapshots | {values.address(value)})
    return replace(allowance, env=allowance.env | {values.env_name(value)})


def _absolute(text: str, home: Path | None) -> Path:
    """The real path that `text` names. Raises ValueError."""
    if home is not None and (text == "~" or text.startswith("~/")):
        path = home / text[2:]
    elif text.startswith("/"):
        path = Path(text)
    else:
        raise ValueError(f"{show(text)} is not an absolute path (nor one that starts with ~/)")
    if any(sign in text for sign in "*?[") and not os.path.lexists(path):
        raise ValueError(f"{show(text)}: patterns are not understood here; name each folder")
    return real_path(path)
