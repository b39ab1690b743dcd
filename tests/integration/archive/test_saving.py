"""`archive save` and `archive restore` as a user calls them: a pinned image outlives its registry."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.archive.layout import Archive
from buildbox.oci import OCI_MANIFEST
from tests.integration.archive.engines import SOCKET, remove
from tests.support import registry
from tests.support.faulty import Call, run_faulty, status
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index
from tests.support.project import Project
from tests.support.registry import RealRegistry
from tests.support.tiny_image import PLATFORM, tiny_image

TASKS = """
[tasks.first]
toolchain = "one"
run = "echo in $MARK"
[tasks.second]
toolchain = "two"
run = "echo in $MARK"
"""


def runnable(mark: str) -> MadeImage:
    """A busybox image that no other test has, and that says `mark`."""
    own = {"tests": secrets.token_hex(6)}
    tiny = tiny_image(config={"Env": ["PATH=/bin", f"MARK={mark}"], "Labels": own})
    top = tiny.descriptor
    blobs = {digest: data for digest, data in tiny.blobs.items() if digest != top.digest}
    return MadeImage(top, {top.digest: (OCI_MANIFEST, tiny.manifest)}, blobs)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    return Project(tmp_path / "project", tmp_path / "home")


@pytest.fixture
def two() -> Iterator[tuple[MadeImage, MadeImage]]:
    """Two images, removed from the engine afterwards."""
    found = runnable("one"), runnable("two")
    yield found
    wipe(found)


def wipe(images: Sequence[MadeImage]) -> None:
    api = APIClient(base_url=SOCKET, version="auto")
    remove(api, images)
    api.close()


def pins(project: Project, **images: str) -> None:
    toolchains = "".join(f'[toolchains.{name}]\nimage = "{image}"\n' for name, image in images.items())
    project.write({".buildbox.toml": toolchains + TASKS})


def settings(project: Project, text: str) -> None:
    (project.home / "config.toml").write_text(text)


def archive(project: Project) -> Archive:
    return Archive.open(project.home / "archive", create=False)


def test_a_project_with_two_pins_outlives_registry_and_engine(
    project: Project, two: tuple[MadeImage, MadeImage], tmp_path: Path
) -> None:
    one, other = two
    both = make_index(other, make_image({"a": b"arm"}, platform=ARM64))
    with registry.serve(tmp_path / "registry") as running:
        running.push(one, "tools/one", "1")
        running.push(both, "tools/two", "1")
        pins(project, one=running.pull_ref("tools/one", one), two=running.pull_ref("tools/two", both))
        assert project.run("run", "first", "second").status == 0
        project_home = archive(project).blobs
        for blob in project_home.iterdir():
            blob.unlink()  # only `save` is to bring them
        saved = json.loads(project.ok("--json", "archive", "save"))
    assert [each["toolchain"] for each in saved["images"]] == ["one", "two"]
    assert all(each["platforms"] == [str(PLATFORM)] for each in saved["images"])
    assert all(each["fetched"] == each["size"] > 1_000_000 for each in saved["images"][:1])
    assert saved["failed"] == []
    for options in (["--offline"], []):
        wipe(two)
        lines = project.ok(*options, "run", "-j1", "first", "second").splitlines()
        assert lines == ["first | in one", "second | in two"]


def test_saving_again_asks_nobody_and_says_so(
    project: Project, two: tuple[MadeImage, MadeImage], tmp_path: Path
) -> None:
    with registry.serve(tmp_path / "registry") as running:
        running.push(two[0], "tools/one", "1")
        image = running.pull_ref("tools/one", two[0])
        pins(project, one=image, two=image)
        first = project.run("archive", "save")
    assert first.status == 0 and " of them new" in first.err, first.err
    assert "two: kept" in first.err.splitlines()[-1] and "there already" in first.err.splitlines()[-1]
    index = (archive(project).path / "index.json").stat()
    again = project.run("archive", "save", "one")
    assert (again.status, again.out) == (0, "")
    assert len(again.err.splitlines()) == 1 and "all of it there already" in again.err
    assert (archive(project).path / "index.json").stat().st_mtime_ns == index.st_mtime_ns


def test_one_pin_that_is_nowhere_does_not_keep_the_others_back(
    project: Project, two: tuple[MadeImage, MadeImage], tmp_path: Path
) -> None:
    with registry.serve(tmp_path / "registry") as running:
        running.push(two[1], "tools/two", "1")
        pins(project, one=running.pull_ref("tools/one", two[0]), two=running.pull_ref("tools/two", two[1]))
        result = project.run("--json", "archive", "save")
        assert result.status == 121
        found = json.loads(result.out)
        assert [each["toolchain"] for each in found["images"]] == ["two"]
        assert [each["toolchain"] for each in found["failed"]] == ["one"]
        assert "registry: " in found["failed"][0]["hint"]
        assert f"buildbox: one: the image {running.host}/tools/one:1@" in result.err


def test_restore_puts_the_images_into_the_engine_and_prints_their_ids(
    project: Project, two: tuple[MadeImage, MadeImage]
) -> None:
    for image in two:
        project.home.joinpath("archive").mkdir(exist_ok=True)
        image.put_into(Archive.open(project.home / "archive"))
    pins(project, **{n: f"r.invalid/{n}:1@{i.digest}" for n, i in zip(("one", "two"), two, strict=True)})
    ids = [str(next(digest for digest in image.blobs if digest != image.layers()[0])) for image in two]
    first = project.run("--offline", "archive", "restore")
    assert first.status == 0, first.err
    assert first.out.splitlines() == [f"one  {ids[0]}", f"two  {ids[1]}"]
    assert "already" not in first.err
    again = project.run("--offline", "archive", "restore", "two")
    assert (again.status, again.out) == (0, f"two  {ids[1]}\n")
    assert again.err == "buildbox: two: the engine has it already\n"
    found = json.loads(project.ok("--json", "--offline", "archive", "restore", "one"))
    assert found["images"][0] == {
        "toolchain": "one",
        "pin": f"r.invalid/one:1@{two[0].digest}",
        "platform": str(PLATFORM),
        "id": ids[0],
        "before": True,
    }


def test_a_mirror_is_asked_before_the_registry_and_the_registry_where_it_lacks_the_image(
    project: Project, two: tuple[MadeImage, MadeImage]
) -> None:
    with run_faulty(two[0]) as mirror, run_faulty(two[1]) as own:
        pins(
            project, one=f"{own.host}/tools/one:1@{two[0].digest}", two=f"{own.host}/a/two:1@{two[1].digest}"
        )
        settings(project, f'[archive.mirrors]\n"{own.host}" = ["{mirror.host}/proxied"]\n')
        project.ok("archive", "save")
        assert own.requests("/v2/tools/one") == []
        assert mirror.requests(f"/v2/proxied/tools/one/manifests/{two[0].digest}")
        assert mirror.requests(f"/v2/proxied/a/two/manifests/{two[1].digest}")
    with run_faulty(two[0]) as mirror, run_faulty(two[0]) as own:
        other = make_image({"nowhere": b""})
        pins(project, one=f"{own.host}/tools/x:1@{other.digest}", two=f"{own.host}/x:1@{two[1].digest}")
        mirrors = f'[archive.mirrors]\n"{own.host}" = ["{mirror.host}"]\n'
        settings(project, f'[archive]\nremote = "{mirror.host}/team"\n{mirrors}')
        result = project.run("run", "first")
        assert result.status == 121
        lines = [line.strip().partition(": ")[0] for line in result.err.splitlines()]
        assert lines[-6:-1] == ["engine", "archive", "remote archive", "mirror", "registry"]


def test_a_mirror_that_lies_is_told_of_and_the_registry_asked(
    project: Project, two: tuple[MadeImage, MadeImage]
) -> None:
    layer = two[0].layers()[0]
    evil = MadeImage(two[0].top, two[0].manifests, {**two[0].blobs, layer: b"x" * len(two[0].blobs[layer])})
    with run_faulty(evil) as mirror, run_faulty(two[0]) as own:
        pins(project, one=f"{own.host}/tools/one:1@{two[0].digest}", two=f"{own.host}/a:1@{two[1].digest}")
        settings(project, f'[archive.mirrors]\n"{own.host}" = ["{mirror.host}"]\n')
        result = project.run("archive", "save", "one")
        assert result.status == 0, result.err
        assert f"{mirror.host} serves other bytes than those of {layer}" in result.err
        assert f"asking {own.host}" in result.err
    assert archive(project).is_sound(layer)


def test_the_archive_is_where_the_configuration_says(
    project: Project, two: tuple[MadeImage, MadeImage], tmp_path: Path
) -> None:
    settings(project, f'[archive]\npath = "{tmp_path}/elsewhere"\n')
    with run_faulty(two[0]) as own:
        pins(project, one=f"{own.host}/tools/one:1@{two[0].digest}", two=f"{own.host}/a:1@{two[1].digest}")
        project.ok("archive", "save", "one")
    assert Archive.open(tmp_path / "elsewhere", create=False).has(two[0].digest)
    assert not (project.home / "archive").exists()
    assert project.ok("--offline", "run", "first") == "in one\n"


def test_an_unpinned_image_is_refused_before_anything_is_asked(project: Project) -> None:
    with run_faulty(make_image(), status(500)) as own:
        pins(project, one=f"{own.host}/tools/one:1", two=f"{own.host}/tools/two:1")
        result = project.run("archive", "save")
        assert result.status == 121 and "buildbox pin" in result.err
        assert own.asked == []


def test_without_an_engine_this_machines_platform_is_saved(
    project: Project, two: tuple[MadeImage, MadeImage]
) -> None:
    index = make_index(two[0], make_image({"a": b"arm"}, platform=ARM64))
    with run_faulty(index) as own:
        pins(project, one=f"{own.host}/one:1@{index.digest}", two=f"{own.host}/two:1@{two[1].digest}")
        result = project.run("--engine", "unix:///nowhere/engine.sock", "archive", "save", "one")
    assert result.status == 0, result.err
    assert f"keeping what {PLATFORM}, this machine's platform, needs" in result.err
    assert archive(project).has(two[0].digest)


def test_platforms_that_are_asked_for(project: Project, real_registry: RealRegistry) -> None:
    amd, arm = make_image({"a": b"amd"}, platform=AMD64), make_image({"a": b"arm"}, platform=ARM64)
    index = make_index(amd, arm)
    real_registry.push(index, "tools/platforms", "1")
    pins(project, one=real_registry.pull_ref("tools/platforms", index), two=f"r.invalid/x@{arm.digest}")
    platforms = ["--platform", "linux/amd64", "--platform", "linux/arm64"]
    found = json.loads(project.ok("--json", "archive", "save", "one", *platforms))
    assert found["images"][0]["platforms"] == ["linux/amd64", "linux/arm64/v8"]
    both = project.run("archive", "save", "one", "--platform", "linux/amd64", "--all-platforms")
    assert both.status == 2 and "Keep one of them" in both.err
    odd = project.run("archive", "save", "one", "--platform", "amd64")
    assert odd.status == 2 and "is not a platform" in odd.err
    lacking = project.run("archive", "save", "one", "--platform", "linux/s390x")
    assert lacking.status == 121 and "it is for: linux/amd64, linux/arm64/v8" in lacking.err


def test_a_registry_without_tls_is_asked_where_its_user_says_so(
    project: Project, two: tuple[MadeImage, MadeImage]
) -> None:
    """By way of a proxy, so that it needs no other machine."""
    host = "registry.example.com:5000"
    pins(project, one=f"{host}/one:1@{two[0].digest}", two=f"{host}/two:1@{two[1].digest}")
    with run_faulty(two[0]) as own:
        proxy = f"http://{own.host}"
        project = replace(project, env={"http_proxy": proxy, "https_proxy": proxy})
        assert project.run("archive", "save", "one").status == 121
        assert own.asked == []
        settings(project, f'[archive]\nplain-http = ["{host}"]\n')
        project.ok("archive", "save", "one")
    assert archive(project).is_sound(two[0].layers()[0])


def test_a_login_is_made_once_for_a_whole_save(project: Project, two: tuple[MadeImage, MadeImage]) -> None:
    index = make_index(two[0], make_image({"a": b"arm"}, platform=ARM64))
    tokens: list[str] = []

    def token(call: Call) -> bool:
        if call.path.startswith("/token"):
            tokens.append(call.path)
            call.reply(200, b'{"token": "t"}')
        elif call.headers.get("Authorization") != "Bearer t" and call.path != "/v2/":
            realm = f'Bearer realm="http://{call.headers["Host"]}/token",service="s"'
            call.reply(401, WWW_Authenticate=realm)
        else:
            return False
        return True

    with run_faulty(index, token) as own:
        image = f"{own.host}/one:1@{index.digest}"
        pins(project, one=image, two=image)
        project.ok("archive", "save", "--all-platforms")
    assert len(tokens) == 1
