"""Debian's repository for Maven, which stands in for what a project would download from Maven's own."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.recipes.resolve import resolve
from tests.support.recipes import recipe
from tests.support.workshops import fetch_packages, workshop

_PLUGINS = """\
format = 1
title = "Plugins"
description = "What a simple project needs of Maven"
[debian]
suite = "{suite}"
packages = [
    "junit4",
    "libmaven-compiler-plugin-java",
    "libmaven-jar-plugin-java",
    "libmaven-resources-plugin-java",
    "libsurefire-java",
    "maven",
]
"""


def maven_repository(suite: str, folder: Path) -> Path:
    """A Maven repository, somewhere in `folder`, with the plugins that `suite` has."""
    shop = workshop(folder, Archive.open(folder / "archive"))
    lock = resolve(recipe(_PLUGINS.format(suite=suite)), shop)
    java = tuple(each for each in lock.packages if re.search(r"-java$|^junit|^maven", each.name))
    for deb in fetch_packages(replace(lock, packages=java), shop):
        (folder / "one.deb").write_bytes(deb)
        subprocess.run(["dpkg-deb", "--extract", folder / "one.deb", folder / "root"], check=True)
    return folder / "root/usr/share/maven-repo"
