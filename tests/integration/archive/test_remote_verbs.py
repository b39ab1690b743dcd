"""`archive push`, `archive pull` and `check --remote` as users call them, with a real registry."""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.archive.remote import retention_tag
from buildbox.errors import Exit
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from tests.support import registry as support
from tests.support.images import ARM64, MadeImage, make_image, make_index
from tests.support.project import Project
from tests.support.registry import PASSWORD, USER, RealRegistry

BASE = {"base": random.Random(2).randbytes(300_000)}
ONE = make_image(BASE, {"one": b"1"})
TWO = make_image(BASE, {"two": b"2"})
OTHER = make_image({"arm": b"arm"}, platform=ARM64)
INDEX = make_index(ONE, OTHER)
DEBIAN = f"debian:12@{INDEX.digest}"
TOOLS = f"registry.example.com/tools:1@{TWO.digest}"
TASK = '[tasks.t]\ntoolchain = "debian"\nrun = "true"\n'

MakeProject = Callable[..., Project]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    def make(name: str = "project", **images: str) -> Project:
        project = Project(tmp_path / name, tmp_path / f"{name}-home")
        project.home.mkdir()
        images = images or {"debian": DEBIAN, "tools": TOOLS}
        toolchains = "".join(f'[toolchains.{key}]\nimage = "{image}"\n' for key, image in images.items())
        project.write({".buildbox.toml": toolchains + TASK.replace("debian", next(iter(images)))})
        return project

    return make


def archive_of(project: Project) -> Archive:
    return Archive.open(project.home / "archive")


def keep(project: Project, image: MadeImage, pin: str) -> None:
    image.put_into(archive_of(project), full_name(ImageRef.parse(pin), image.digest))


def answer(project: Project, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.ok("--json", *args))
    return found


def test_push_says_where_it_put_what(make_project: MakeProject, real_registry: RealRegistry) -> None:
    project, remote = make_project(), f"{real_registry.host}/verbs/push"
    keep(project, INDEX, DEBIAN)
    keep(project, TWO, TOOLS)
    (project.home / "config.toml").write_text(f'[archive]\nremote = "{remote}"\n')
    result = project.run("archive", "push")
    assert result.status == 0, result.err
    assert result.out.splitlines() == [
        f"{remote}/docker-io/library/debian@{INDEX.digest}",
        f"{remote}/registry-example-com/tools@{TWO.digest}",
    ]
    assert "mounted" in result.err
    client = Registry(real_registry.host)
    assert client.resolve("verbs/push/docker-io/library/debian", retention_tag(ONE.digest)) == ONE.digest
    again = answer(project, "archive", "push", "tools")
    (image,) = again["images"]
    assert (image["toolchains"], image["image"], image["missing"]) == (["tools"], TOOLS, [])
    assert (image["pushed"], image["mounted"]) == (0, 0)
    assert image["present"] > 300_000


def test_push_of_what_is_only_partly_there(make_project: MakeProject, real_registry: RealRegistry) -> None:
    project, remote = make_project(), f"{real_registry.host}/verbs/part"
    ONE.put_into(archive_of(project))
    archive_of(project).add_bytes(INDEX.manifests[INDEX.digest][1])
    result = project.run("archive", "push", "--to", remote)
    assert result.status == Exit.IMAGE
    assert f"tools: {TOOLS}" in result.err
    assert "buildbox archive save" in result.err
    assert "the archive lacks linux/arm64/v8; to push these, too: buildbox archive save --all" in result.err
    assert result.out.splitlines() == [f"{remote}/docker-io/library/debian@{INDEX.digest}"]
    (image,) = answer(project, "archive", "push", "debian", "--to", remote)["images"]
    assert (image["platforms"], image["missing"]) == (["linux/amd64"], ["linux/arm64/v8"])
    assert "blob unknown" in image["refused"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((), "there is no remote archive"),
        (("--to", "https://registry.example.com/x"), "--to: .* is named without https://"),
        (("--to", "registry.example.com"), "--to: .* names no path in the registry"),
        (("--to", "registry.example.com/x:1"), "--to: .* has a tag"),
        (("nothing", "--to", "registry.example.com/x"), "there is no toolchain 'nothing'"),
        (("--offline", "--to", "registry.example.com/x"), "without a network"),
    ],
)
def test_push_nowhere(make_project: MakeProject, args: tuple[str, ...], words: str) -> None:
    result = make_project().run("archive", "push", *args)
    assert (result.status, result.out) == (Exit.USAGE, "")
    assert re.search(words, result.err), result.err


def test_push_with_a_login_and_a_private_authority(make_project: MakeProject, tmp_path: Path) -> None:
    with support.serve(tmp_path / "registry", login=True, tls=True) as registry:
        remote = f"{registry.host}/private"
        plain = make_project(tools=TOOLS)
        keep(plain, TWO, TOOLS)
        assert registry.verify
        env = {"SSL_CERT_FILE": registry.verify, "DOCKER_CONFIG": str(tmp_path)}
        project = Project(plain.root, plain.home, env=env)
        assert "TLS certificate" in plain.run("archive", "push", "--to", remote).err
        result = project.run("archive", "push", "--to", remote)
        assert result.status == Exit.IMAGE
        assert f"docker login {registry.host}" in result.err
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": secret}}}))
        project.ok("archive", "push", "--to", remote)
