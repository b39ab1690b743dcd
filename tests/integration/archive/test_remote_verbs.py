"""`archive push`, `archive pull` and `check --remote` as users call them, with a real registry."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

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
    assert "the archive lacks linux/arm64/v8; " in result.err
    assert "buildbox archive save --all-platforms" in result.err
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


# check --remote


def remove_tag(registry: RealRegistry, repository: str, tag: str) -> None:
    shutil.rmtree(registry.root / "docker/registry/v2/repositories" / repository / "_manifests/tags" / tag)


def delete(registry: RealRegistry, repository: str, image: MadeImage) -> None:
    url = f"{registry.scheme}://{registry.host}/v2/{repository}/manifests/{image.digest}"
    with requests.Session() as session:
        session.trust_env = False
        session.delete(url).raise_for_status()


def test_what_is_still_there(make_project: MakeProject, real_registry: RealRegistry) -> None:
    real_registry.push(INDEX, "check/there", "1")
    pin = real_registry.pull_ref("check/there", INDEX)
    project = make_project(debian=pin, same=pin)
    result = project.run("check", "--remote")
    assert result.status == 0, result.err
    assert result.out.splitlines() == [f"ok    debian, same: {pin}", "      there, held by the tag 1"]
    assert "is in order" in result.err
    assert not (project.home / "archive").exists()
    assert project.ok("-q", "check", "--remote") == ""


def test_what_no_tag_holds_any_more(make_project: MakeProject, real_registry: RealRegistry) -> None:
    real_registry.push(INDEX, "check/moved", "1")
    pin = real_registry.pull_ref("check/moved", INDEX)
    project = make_project(debian=pin)
    real_registry.push(TWO, "check/moved", "1")
    result = project.run("check", "--remote")
    assert result.status == 0, result.err
    assert "warn  debian" in result.out
    assert "no tag is known to hold it (the tag 1 means another image now)" in result.out
    assert "buildbox archive save" in result.out
    (found,) = answer(project, "check", "--remote")["remote"]
    assert (found["state"], found["archive"]) == ("loose", None)
    for tag in (f"1-{INDEX.digest.short}", retention_tag(INDEX.digest)):  # by publish, by push
        real_registry.push(INDEX, "check/moved", tag)
        (found,) = answer(project, "check", "--remote")["remote"]
        assert (found["state"], found["tag"]) == ("there", tag)
        remove_tag(real_registry, "check/moved", tag)


def test_what_is_gone(make_project: MakeProject, real_registry: RealRegistry) -> None:
    real_registry.push(INDEX, "check/gone", "1")
    delete(real_registry, "check/gone", INDEX)
    pin = real_registry.pull_ref("check/gone", INDEX)
    project = make_project(debian=pin)
    result = project.run("check", "--remote")
    assert result.status == Exit.IMAGE
    assert f"fail  debian: {pin}" in result.out
    assert f"{real_registry.host} doesn't have it any more" in result.out
    assert "the archive doesn't have it" in result.out
    keep(project, ONE, pin)
    archive_of(project).add_bytes(INDEX.manifests[INDEX.digest][1])
    remote = f"{real_registry.host}/check/remote"
    (project.home / "config.toml").write_text(f'[archive]\nremote = "{remote}"\n')
    out = project.run("check", "--remote").out
    assert "the archive has it (linux/amd64)\n      the remote archive lacks it\n" in out
    project.ok("archive", "push")
    assert "      the remote archive has it\n" in project.run("check", "--remote").out


def test_a_child_that_is_gone(make_project: MakeProject, real_registry: RealRegistry) -> None:
    real_registry.push(INDEX, "check/child", "1")
    delete(real_registry, "check/child", OTHER)
    pin = real_registry.pull_ref("check/child", INDEX)
    project = make_project(debian=pin)
    result = project.run("--json", "check", "--remote")
    assert result.status == Exit.IMAGE
    (found,) = json.loads(result.out)["remote"]
    assert (found["state"], found["gone"]) == ("gone", [str(OTHER.digest)])
    assert "linux/arm64/v8" in found["why"]
    text = (project.root / ".buildbox.toml").read_text()
    project.write({".buildbox.toml": text.replace("[tasks", 'platform = "linux/amd64"\n[tasks', 1)})
    done = project.run("check", "--remote")
    assert done.status == 0, done.out
    assert "not there any more for linux/arm64/v8, which nothing here needs" in done.out


def test_what_cannot_be_asked_and_what_need_not(make_project: MakeProject) -> None:
    built = f"buildbox/python:3.11@{ONE.digest}"
    project = make_project(python=built, nowhere=f"127.0.0.1:1/x:1@{TWO.digest}")
    result = project.run("check", "--remote")
    assert result.status == Exit.IMAGE
    assert f"warn  python: {built}\n      built from a recipe; no registry is asked" in result.out
    assert "127.0.0.1:1 can't be reached" in result.out
    assert "      Check the network" in result.out
    assert "1 pinned image can't be had" in result.err
    assert project.run("--offline", "check", "--remote").status == Exit.USAGE
    project.ok("--offline", "check")


# pull


def blobs(project: Project) -> set[str]:
    return {path.name for path in archive_of(project).blobs.iterdir()}


def test_pull_brings_what_push_took(make_project: MakeProject, real_registry: RealRegistry) -> None:
    """Neither docker.io nor registry.example.com can be asked here: all comes from the remote archive."""
    first, remote = make_project("first"), f"{real_registry.host}/verbs/pull"
    keep(first, INDEX, DEBIAN)
    keep(first, TWO, TOOLS)
    first.ok("archive", "push", "--to", remote)
    second = make_project("second")
    found = answer(second, "archive", "pull", "--all-platforms", "--from", remote)
    assert [image["platforms"] for image in found["images"]] == [
        ["linux/amd64", "linux/arm64/v8"],
        ["linux/amd64"],
    ]
    assert blobs(second) == blobs(first)
    assert {name for name, _ in archive_of(second).refs()} == {name for name, _ in archive_of(first).refs()}
    third = make_project("third")
    (third.home / "config.toml").write_text(f'[archive]\nremote = "{remote}"\n')
    third.ok("archive", "pull", "debian", "--platform", "linux/amd64")
    assert blobs(third) == {digest.hex for digest in (*ONE.blobs, ONE.digest, INDEX.digest)}


def test_pull_of_what_was_only_partly_pushed(make_project: MakeProject, real_registry: RealRegistry) -> None:
    first, remote = make_project("first", debian=DEBIAN), f"{real_registry.host}/verbs/less"
    ONE.put_into(archive_of(first))
    archive_of(first).add_bytes(INDEX.manifests[INDEX.digest][1])
    first.ok("archive", "push", "--to", remote)
    second = make_project("second", debian=DEBIAN)
    (image,) = answer(second, "archive", "pull", "--all-platforms", "--from", remote)["images"]
    assert image["platforms"] == ["linux/amd64"]
    assert [left["what"] for left in image["left"]] == ["linux/arm64/v8"]
    assert blobs(second) == blobs(first)
    refused = make_project("third", debian=DEBIAN).run(
        "archive", "pull", "--platform", "linux/arm64", "--from", remote
    )
    assert refused.status == Exit.IMAGE
    assert f"{real_registry.host} has no image {OTHER.digest}" in refused.err


def test_pull_of_what_is_not_there(make_project: MakeProject, real_registry: RealRegistry) -> None:
    project = make_project()
    result = project.run("archive", "pull", "--from", f"{real_registry.host}/verbs/nothing")
    assert (result.status, result.out) == (Exit.IMAGE, "")
    assert f"remote archive: {real_registry.host} has no image {INDEX.digest}" in result.err
    assert "docker.io is" not in result.err
    assert project.run("archive", "pull").status == Exit.USAGE


def test_check_asks_the_remote_archives_own_layout(
    make_project: MakeProject, real_registry: RealRegistry
) -> None:
    """A pin that names the remote archive's copy: its keep tag holds it."""
    first, remote = make_project("first", tools=TOOLS), f"{real_registry.host}/verbs/own"
    keep(first, TWO, TOOLS)
    place = first.ok("archive", "push", "--to", remote).strip()
    (found,) = answer(make_project("second", tools=place), "check", "--remote")["remote"]
    assert (found["state"], found["tag"]) == ("there", retention_tag(TWO.digest))
