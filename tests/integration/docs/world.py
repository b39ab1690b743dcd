"""The machine that documents are run on: the home of Ada, who has never used buildbox."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from buildbox.archive import savers
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.recipes.lock import LOCK, parse_lock
from buildbox.recipes.record import recorded_pin
from tests.support.documents import Shell
from tests.support.project import REPOSITORY

_GITCONFIG = """\
[user]
name = Ada
email = ada@example.com
[init]
defaultBranch = main
"""
_ENV = {"LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1", "TZ": "UTC"}
_MANIFESTS = 1 << 20  # bytes that one has at most


@contextmanager
def home_of_ada(
    folder: Path,
    archive: Path,
    recipe: str = "python/3.11",
    env: Mapping[str, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Iterator[Shell]:
    """A shell in her home, below `folder`; her archive has the image of `recipe` and its packages.

    `names` are what documents call things, with what they are here.
    """
    home = folder / "ada"
    lend(archive, home / ".local/share/buildbox/archive", recipe)
    (home / ".gitconfig").write_text(_GITCONFIG)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
    everything = {"PATH": path, "HOME": str(home), **_ENV, **engine, **(env or {})}
    shell = Shell(home, everything, names={**(names or {}), "/home/ada": str(home)})
    try:
        yield shell
    finally:
        shell.close()


def lend(source: Path, target: Path, recipe: str) -> None:
    """Makes an archive in `target` with nothing but the recorded image of `recipe` and its packages."""
    target.parent.mkdir(parents=True)
    lender, borrower = Archive.open(source, create=False), Archive.open(target)
    folder = REPOSITORY / "images" / recipe
    pin, lock = recorded_pin(folder), parse_lock((folder / LOCK).read_text())
    assert pin
    for named, descriptor in lender.refs():
        is_list = named.startswith(f"docker.io/{pin.tagged}-packages@")
        if is_list and str(lock.checksum) not in lender.read(descriptor, _MANIFESTS).decode():
            continue  # of an older lock
        if is_list or named == f"docker.io/{pin}":
            for digest in {descriptor.digest, *_reached(lender, descriptor.digest)}:
                if not borrower.has(digest):
                    os.link(lender.blob_path(digest), borrower.blob_path(digest))
            borrower.keep(descriptor, named)
    savers.end(borrower.path)  # else this process keeps a file open there


def _reached(archive: Archive, digest: Digest) -> Iterator[Digest]:
    """What an index or a manifest refers to, all the way down."""
    document = json.loads(archive.read(digest, _MANIFESTS))
    for child in document.get("manifests", []):
        yield Digest.parse(child["digest"])
        yield from _reached(archive, Digest.parse(child["digest"]))
    for blob in [document[key] for key in ("config",) if key in document] + document.get("layers", []):
        yield Digest.parse(blob["digest"])
