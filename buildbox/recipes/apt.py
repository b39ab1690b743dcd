"""The machine's own apt: its mirrors, its downloads with their proxies and logins, its resolver.

apt decides; nothing here knows how dependencies are met or how a mirror is spoken to.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from buildbox.config.near import did_you_mean
from buildbox.errors import ImageError
from buildbox.progress import Meter
from buildbox.recipes.hosttools import HostTools
from buildbox.recipes.lock import Package
from buildbox.recipes.tools import PLAIN, Command, Tools
from buildbox.recipes.workplace import Workplace
from buildbox.recipes.workshop import Workshop

_HELPER = "/usr/lib/apt/apt-helper"  # apt's own downloader, for scripts
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Without release info, since apt otherwise lists only what it has fetched before.
_LISTED = ("apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE)")


def mirrors(suite: str, shop: Workshop) -> list[str]:
    """Addresses of the workshop's mirrors, then of those that the machine's apt is set up with.

    Of the latter those that list `suite` come first. It is the machine's apt, if there is one, wherever the
    tools run: a builder image brings no mirrors.
    """
    done = HostTools(shop.host.env, as_root=False).run(Command(_LISTED, env=PLAIN, network=True))
    listed = [line.rsplit(" ", 1) for line in done.output.splitlines() if " " in line]
    listed.sort(key=lambda item: item[1] != suite)
    found = (address if address.endswith("/") else f"{address}/" for address, _ in listed)
    return list(dict.fromkeys((*shop.mirrors, *found)))


def download(
    packages: Sequence[Package], mirror: str, folder: Path, place: Workplace, tools: Tools, meter: Meter
) -> list[str]:
    """Fetches what the mirror has of `packages` into `folder`; gives apt's complaints about the others.

    apt checks each file against its sha256; one that isn't right isn't there afterwards.
    """
    argv = [_HELPER, "download-file"]
    for package in packages:
        argv += [mirror + package.path, str(folder / package.file), f"SHA256:{package.sha256}"]
    _give_to_apt(folder)
    seen = _arrived(folder)

    def look() -> None:
        nonlocal seen
        now = _arrived(folder)
        meter.advance(max(0, now - seen))
        seen = max(seen, now)

    done = tools.run(Command(tuple(argv), place, PLAIN, _folders(mirror), network=True), watch=look)
    look()
    lines = f"{done.output}\n{done.errors}".splitlines()
    return [line[3:] for line in lines if line.startswith("E: ") and "Download Failed" not in line]


class Resolver:
    """An apt that knows one suite of one mirror and thinks that nothing is installed yet."""

    def __init__(
        self,
        mirror: str,
        suite: str,
        components: Sequence[str],
        architecture: str,
        place: Workplace,
        tools: Tools,
    ) -> None:
        self._place, self._tools, self._reads = place, tools, _folders(mirror)
        folder = place.path
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
        has_keyring = not tools.run(Command(("test", "-e", _KEYRING))).status
        signed = f" signed-by={_KEYRING}" if has_keyring else ""
        self._source = f"deb [arch={architecture}{signed}] {mirror} {suite} {' '.join(components)}\n"
        (folder / "sources.list").write_text(self._source)
        settings = {
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Default-Release": "",
            "APT::Install-Recommends": "false",
            "APT::Install-Suggests": "false",
            "APT::Solver": "internal",
            "APT::Sandbox::User": "root",  # the folder is ours alone; signatures are checked all the same
            "Acquire::Languages": "none",
            "pkgCacheGen::ForceEssential": ",",  # apt counts itself as essential otherwise
        }
        self._options = [part for key, value in settings.items() for part in ("-o", f"{key}={value}")]

    def update(self) -> str:
        """Fetches the suite's index; gives the text of its Release file. Raises ImageError."""
        self._run("apt-get", "update", "--error-on=any")
        releases = sorted((self._place.path / "lists").glob("*Release"))
        if not releases:
            raise ImageError(f"apt got no Release file from: {self._source.strip()}")
        return releases[0].read_text(encoding="utf-8")

    def install(self, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """What installing the essential packages and `names` takes: name, architecture, version each.

        Raises ImageError with what apt says of it, or with all of `names` that it doesn't know.
        """
        known = self._run("apt-cache", "pkgnames").split()
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ImageError(
                f"there is no such package: {', '.join(f'{name}{_meant(name, known)}' for name in unknown)}",
                f"The source was: {self._source.strip()}",
            )
        output = self._run("apt-get", "install", "--simulate", "--yes", "?essential", *names)
        found = []
        for line in output.splitlines():  # "Inst NAME (VERSION ORIGIN [ARCHITECTURE])", apt-get(8) --simulate
            if line.startswith("Inst "):
                name, inside = line[5:].split(" (", 1)
                words = inside.partition(")")[0].split()
                found.append((name.partition(":")[0], words[-1].strip("[]"), words[0]))
        return found

    def show(self, packages: Sequence[tuple[str, str, str]]) -> str:
        """The index's stanzas of exactly these packages. Raises ImageError."""
        return self._run("apt-cache", "show", *(f"{name}={version}" for name, _, version in packages))

    def _run(self, program: str, *arguments: str) -> str:
        argv = (program, *self._options, *arguments)
        done = self._tools.run(Command(argv, self._place, PLAIN, self._reads, network=True))
        if done.status:
            said = [line for line in done.errors.splitlines() if line[:2] in ("E:", "W:")] or [done.errors]
            raise ImageError(
                f"apt can't resolve the recipe: {said[0].removeprefix('E: ')}",
                "\n".join([*said[1:12], f"The source was: {self._source.strip()}"]),
            )
        return done.output


def _meant(name: str, known: Sequence[str]) -> str:
    """What comes near, of those that begin alike: there are some 60,000."""
    return did_you_mean(
        name, (each for each in known if each[0] == name[0] and abs(len(each) - len(name)) < 3)
    )


def _folders(mirror: str) -> tuple[Path, ...]:
    """The folder that a mirror is, where it is one of this machine's."""
    scheme, _, path = mirror.partition(":")
    return (Path("/", unquote(path.lstrip("/"))),) if scheme in ("file", "copy") else ()


def _arrived(folder: Path) -> int:
    """Bytes in the files of `folder`; apt renames them while we look."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            pass
    return total


def _give_to_apt(folder: Path) -> None:
    """apt as root downloads as the user _apt, who then must be able to write there."""
    try:
        shutil.chown(folder, "_apt")
    except (LookupError, PermissionError):
        pass  # not root, or no such user: apt downloads as who it is
