"""Builds in containers of the catalogue's builder image, held against builds by this machine's own tools."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from buildbox.archive.layout import Archive
from buildbox.container import RUN_LABEL
from buildbox.engine.docker import connect
from buildbox.engine.find import Address
from buildbox.engine.protocol import Engine
from buildbox.engine.sight import Outlook, Sight
from buildbox.errors import ImageError
from buildbox.leases import lease
from buildbox.progress import Silent
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.record import recorded_pin
from buildbox.registry.client import Registry
from buildbox.toolchains.builder import Builder, ContainerTools, obtain_builder
from tests.integration.run.conftest import CALLERS
from tests.support.engines import SOCKET
from tests.support.project import ME, Project, lend_archive, let_others_pass
from tests.support.recipes import lock, package
from tests.support.workshops import fetch_packages, workshop

OTHER = CALLERS[-1]  # who isn't root, where that can be had
RECIPE = """\
format = 1
title = "Small"
description = "Next to nothing"
[debian]
suite = "bookworm"
packages = ["netbase"]
"""
# This machine without its mmdebstrap, without a network.
BARE = 'mount --bind /dev/null "$0" && exec "$@"'
NAMESPACES = ("unshare", "--mount", "--net", *(() if ME.uid == 0 else ("--map-root-user",)))


@dataclass(frozen=True)
class Small:
    """Projects of two callers with one small recipe that is locked; and its pin, by this machine's tools."""

    mine: Project
    others: Project
    pin: str

    def scratch(self, project: Project) -> Path:
        return Path(project.env["TMPDIR"])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, need_toolchain: Callable[[str], Path]) -> Small:
    archive = need_toolchain("builder/12")
    projects = []
    for name, caller in (("mine", ME), ("others", OTHER)):
        folder = tmp_path_factory.mktemp(name)
        let_others_pass(folder)
        temp = folder / "it's scratch"
        project = Project(folder / "project", folder / "home", caller, {"TMPDIR": str(temp)}, patience=300)
        for each in (project.root, project.home, temp):
            each.mkdir()
        subprocess.run(["chown", f"{caller.uid}:{caller.gid}", str(temp)], check=True)
        lend_archive(archive, project.home, caller)
        project.write({".buildbox.toml": "", "images/small/1/recipe.toml": RECIPE})
        projects.append(project)
    mine, others = projects
    mine.ok("images", "lock", "small/1")
    locked = (mine.root / "images/small/1/recipe.lock").read_text()
    others.write({"images/small/1/recipe.lock": locked})
    return Small(mine, others, mine.ok("images", "build", "small/1", "--tools", "host"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = connect(Address(SOCKET, "the tests"))
    yield engine
    engine.close()


def packages(project: Project) -> list[str]:
    text = (project.root / "images/small/1/recipe.lock").read_text()
    return re.findall(r"^  (\{ name = .*\}),$", text, re.MULTILINE)


def until_installing(process: subprocess.Popen[bytes]) -> None:
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if b"installing essential" in line:
            return
    raise AssertionError(said)


def test_a_machine_without_mmdebstrap_and_network_builds_the_same_in_a_container(small: Small) -> None:
    line = ["--offline", "images", "build", "small/1"]
    done = subprocess.run(
        [*NAMESPACES, "sh", "-c", BARE, "/usr/bin/mmdebstrap", *small.mine.command(*line)],
        cwd=small.mine.root,
        env=small.mine.environment(),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (0, small.pin), done.stderr
    assert list(small.scratch(small.mine).iterdir()) == []


def test_without_the_builder_image_it_says_all_ways_out(small: Small, tmp_path: Path) -> None:
    pin = recorded_pin(own_catalogue() / "builder/12")
    empty = Project(small.mine.root, tmp_path, ME, small.mine.env)
    result = empty.run("--offline", "images", "build", "small/1", "--tools", "container")
    assert (result.status, result.out) == (121, "")
    for words in (str(pin), "apt-get install mmdebstrap", "images publish builder/12", "[images]"):
        assert words in result.err


def test_a_lock_made_in_a_container_lists_the_same(small: Small) -> None:
    before = packages(small.others)
    assert len(before) > 40
    small.others.ok("images", "lock", "small/1", "--tools", "container")
    assert packages(small.others) == before


def test_packages_of_a_mirror_that_is_a_folder(
    engine: Engine, tmp_path: Path, need_toolchain: Callable[[str], Path]
) -> None:
    """apt in the container checks them, and they are the caller's then."""
    good, bad = package("good", data=b"good bytes"), package("bad", data=b"bad bytes")
    mirror = tmp_path / "it's a mirror"
    for each, data in ((good, b"good bytes"), (bad, b"evil bytes")):
        (mirror / each.path).parent.mkdir(parents=True)
        (mirror / each.path).write_bytes(data)
    shop = workshop(tmp_path, Archive.open(tmp_path / "archive"), {"APT_CONFIG": "/dev/null"})
    with lease(tmp_path / "runs", engine.address) as run:
        sight = Sight(engine, Outlook(True))
        builder = Builder(engine, engine_id(engine, need_toolchain("builder/12")), run, False, sight)
        tools = ContainerTools(shop.host, lambda: builder)
        shop = replace(shop, tools=tools, mirrors=(f"file:{quote(str(mirror))}/",))
        assert fetch_packages(lock(good), shop) == [b"good bytes"]
        with pytest.raises(ImageError, match=r"bad 1\.0-1") as caught:
            fetch_packages(lock(good, bad), shop)
    assert "Hash Sum mismatch" in caught.value.hint
    assert not shop.archive.has(bad.digest)


def engine_id(engine: Engine, archive: Path) -> str:
    def nobody(name: str) -> Registry:
        raise AssertionError(f"{name} was asked")

    return obtain_builder(
        recorded_pin(own_catalogue() / "builder/12"),
        Archive.open(archive),
        engine,
        Path("/config.toml"),
        offline=True,
        registry_for=nobody,
        progress=Silent(),
    )


def test_a_stopped_build_leaves_no_container_and_no_file(small: Small, engine: Engine) -> None:
    process = small.mine.start("images", "build", "small/1", "--tools", "container")
    until_installing(process)
    [run] = [path.name for path in (small.mine.home / "runs").iterdir()]
    assert engine.containers(RUN_LABEL, run)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b""), err
    assert engine.containers(RUN_LABEL, run) == []
    assert list(small.scratch(small.mine).iterdir()) == []


def test_after_a_killed_build_the_next_one_is_right_and_nothing_is_roots(
    small: Small, engine: Engine
) -> None:
    scratch = small.scratch(small.others)
    process = small.others.start("images", "build", "small/1", "--tools", "container")
    until_installing(process)
    runs = [path.name for path in (small.others.home / "runs").iterdir()]
    process.kill()
    process.communicate()
    assert all(path.stat().st_uid == OTHER.uid for path in scratch.rglob("**/"))
    assert small.others.ok("images", "build", "small/1", "--tools", "container") == small.pin
    assert [run for run in runs if engine.containers(RUN_LABEL, run)] == []
    assert len(list(scratch.iterdir())) == 1, "what the killed one left is swept up when it is a minute old"
