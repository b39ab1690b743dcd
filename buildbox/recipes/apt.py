"""The machine's own apt: its mirrors, its downloads with their proxies and logins, its resolver.

apt decides; nothing here knows how dependencies are met or how a mirror is spoken to.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildbox.errors import ImageError
from buildbox.progress import Meter
from buildbox.recipes.lock import Package

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"  # where Debian's tools are; the caller's own PATH isn't asked
_HELPER = "/usr/lib/apt/apt-helper"  # apt's own downloader, for scripts
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_POLL = 0.2  # seconds between two looks at how much has arrived
# Without release info, since apt otherwise lists only what it has fetched before.
_LISTED = ("apt-get", "indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE)")


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """The caller's variables, for proxies, with a fixed PATH and language."""
    return {**env, "PATH": PATH, "LC_ALL": "C.UTF-8", "LANGUAGE": "C", "DEBIAN_FRONTEND": "noninteractive"}


def mirrors(suite: str, env: Mapping[str, str]) -> list[str]:
    """Addresses of the mirrors that this machine's apt is set up with; those that list `suite` first."""
    try:
        done = subprocess.run(_LISTED, env=environment(env), capture_output=True, text=True, check=False)
    except OSError:
        return []  # no apt here
    listed = [line.rsplit(" ", 1) for line in done.stdout.splitlines() if " " in line]
    listed.sort(key=lambda item: item[1] != suite)
    return list(dict.fromkeys(address if address.endswith("/") else f"{address}/" for address, _ in listed))


def download(
    packages: Sequence[Package], mirror: str, folder: Path, env: Mapping[str, str], meter: Meter
) -> list[str]:
    """Fetches what the mirror has of `packages` into `folder`; gives apt's complaints about the others.

    apt checks each file against its sha256; one that isn't right isn't there afterwards.
    """
    argv = [_HELPER, "download-file"]
    for package in packages:
        argv += [mirror + package.path, str(folder / package.file), f"SHA256:{package.sha256}"]
    _give_to_apt(folder)
    seen = _arrived(folder)
    log = folder.parent / "download.log"
    with open(log, "wb") as output:
        process = subprocess.Popen(
            argv, env=environment(env), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        while _running(process):
            now = _arrived(folder)
            meter.advance(max(0, now - seen))
            seen = max(seen, now)
    finally:
        process.terminate()
        process.wait()
    meter.advance(max(0, _arrived(folder) - seen))
    text = log.read_text(encoding="utf-8", errors="replace")
    return [
        line[3:] for line in text.splitlines() if line.startswith("E: ") and "Download Failed" not in line
    ]


class Resolver:
    """An apt that knows one suite of one mirror and thinks that nothing is installed yet."""

    def __init__(
        self,
        folder: Path,
        mirror: str,
        suite: str,
        components: Sequence[str],
        architecture: str,
        env: Mapping[str, str],
    ) -> None:
        self._folder, self._env = folder, environment(env)
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_text("")
        signed = f" signed-by={_KEYRING}" if _KEYRING.exists() else ""
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
        releases = sorted((self._folder / "lists").glob("*Release"))
        if not releases:
            raise ImageError(f"apt got no Release file from: {self._source.strip()}")
        return releases[0].read_text(encoding="utf-8")

    def install(self, names: Sequence[str]) -> list[tuple[str, str, str]]:
        """What installing the essential packages and `names` takes: name, architecture, version each.

        Raises ImageError with what apt says of it.
        """
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
        argv = [program, *self._options, *arguments]
        done = subprocess.run(argv, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line[:2] in ("E:", "W:")] or [done.stderr]
            raise ImageError(
                f"apt can't resolve the recipe: {said[0].removeprefix('E: ')}",
                "\n".join([*said[1:12], f"The source was: {self._source.strip()}"]),
            )
        return done.stdout


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL)
    except subprocess.TimeoutExpired:
        return True
    return False


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
