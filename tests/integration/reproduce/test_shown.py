"""The same bytes a year later, of real projects: from the archive, and from a capsule."""

from __future__ import annotations

import errno
import filecmp
import json
import time
from pathlib import Path

import pytest

from tests.integration.reproduce.conftest import Recorded
from tests.support.graphs import digests
from tests.support.later import DAYS, HEIR, a_year_later, ask, give
from tests.support.own_engine import OwnEngine
from tests.support.project import Project, lend_archive
from tests.support.real import git

pytestmark = pytest.mark.timeout(900)  # the first test of a recipe waits for its image
SURROUNDINGS = """
import os, shutil, socket, time
try:
    socket.create_connection(("127.0.0.1", 80))
except OSError as error:
    print(os.getuid(), int(time.time()), error.errno, bool(shutil.which("git")))
"""


def check_surroundings(later: Project, *, has_git: bool) -> None:
    """It is another user, a year later, without a network: not even of their own machine."""
    uid, now, error, git = ask(later, SURROUNDINGS).split()
    assert (int(uid), int(error), git) == (HEIR.uid, errno.ENETUNREACH, str(has_git))
    assert int(now) - time.time() > (DAYS - 1) * 24 * 60 * 60


def test_from_the_archive(recorded: Recorded, next_generation: OwnEngine, tmp_path: Path) -> None:
    with a_year_later(tmp_path, next_generation, ("git",)) as later:
        check_surroundings(later, has_git=True)
        lend_archive(recorded.project.home / "archive", later.home, HEIR, apart=True)
        give(recorded.project.root / ".git", later, later.root / ".git")
        git(later, "checkout", "-q", ".")
        key = later.home / "their.pub"
        give(recorded.key, later, key)
        artifacts = {path: later.home / Path(path).name for path in recorded.artifacts}
        for path, artifact in artifacts.items():
            give(recorded.project.root / path, later, artifact)
            later.ok("verify", "--key", str(key), str(artifact))
            found = json.loads(later.ok("--json", "reproduce", str(artifact), "-o", f"made/{artifact.name}"))
            assert found["state"] == "identical"
            assert digests(later.root / "made" / artifact.name, path) == {path: recorded.artifacts[path]}
        later.ok("capsule", "create", *map(str, artifacts.values()), "-o", "capsule.tar")
        assert filecmp.cmp(later.root / "capsule.tar", recorded.capsule, shallow=False)


def test_from_a_capsule(recorded: Recorded, wiped: OwnEngine, tmp_path: Path) -> None:
    """An empty archive, no repository and no git; the clock of the build itself is ahead, too."""
    with a_year_later(tmp_path, wiped) as later:
        check_surroundings(later, has_git=False)
        give(recorded.capsule, later, later.root / "capsule.tar")
        found = json.loads(later.ok("--json", "reproduce", "--vary", "capsule.tar", "-o", "made"))
        assert found["state"] == "identical"
        for build in found["builds"]:
            assert build["varied"]["causes"] == []
            assert "clock" in [each["name"] for each in build["varied"]["varied"]]
        assert not list(later.home.glob("archive/blobs/*/*")), "a stranger's results aren't one's own"
