"""Registries that lack an image, lie about it, ask for a login or drop the line: exit status 121."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping

import pytest

from buildbox.archive.layout import Archive
from buildbox.errors import Exit
from buildbox.oci import Platform
from tests.integration.badinput.conftest import NOWHERE, MakeTrial, box
from tests.support.faulty import Call, Rule, only, range_start, run_faulty, status
from tests.support.images import MadeImage, make_image, make_index
from tests.support.refusal import Trial
from tests.support.registry import PASSWORD, USER, RealRegistry
from tests.support.tiny_image import PLATFORM

OTHER = Platform("linux", "s390x")


def kept(trial: Trial) -> set[str]:
    """Names of all blobs in the archive, whole or not."""
    archive = trial.project.home / "archive"
    return {path.name for folder in ("blobs/sha256", "partial") for path in (archive / folder).iterdir()}


def test_a_tag_that_is_not_in_the_registry(make_trial: MakeTrial, real_registry: RealRegistry) -> None:
    trial = make_trial(text=box(f"{real_registry.host}/tools/box:9"), archived=False)
    says = [f"{real_registry.host} has no tag 9 in tools/box", "Check the name, the tag"]
    trial.refused("pin", status=Exit.IMAGE, says=says)
    other = make_trial(text=box(f"{real_registry.host}/tools/bax:1"), archived=False)
    other.refused("pin", status=Exit.IMAGE, says=f"{real_registry.host} has no tag 1 in tools/bax")


def test_a_digest_that_is_nowhere(make_trial: MakeTrial, real_registry: RealRegistry) -> None:
    host = real_registry.host
    trial = make_trial(text=box(f"{host}/tools/box:1@{NOWHERE}"), archived=False)
    message = trial.refused("run", "t", status=Exit.IMAGE, says="Check the name, the tag and the digest.")
    first, engine, archive, registry, _ = message.splitlines()
    assert first == f"buildbox: the image {host}/tools/box:1@{NOWHERE} can't be had"
    assert engine.startswith("  engine: can't be asked: ")
    assert archive == f"  archive: doesn't have it ({trial.project.home / 'archive'})"
    assert registry.startswith(f"  registry: {host} has no image {NOWHERE} in tools/box")
    assert trial.engine.changes == []
    assert kept(trial) == set()


def test_offline_asks_no_registry(make_trial: MakeTrial, real_registry: RealRegistry) -> None:
    with run_faulty(make_image()) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1@{NOWHERE}"), archived=False)
        says = [
            "engine: can't be asked",
            "archive: doesn't have it",
            f"registry: {registry.host} is not asked",
        ]
        trial.refused("--offline", "run", "t", status=Exit.IMAGE, says=says)
        trial = make_trial(text=box(f"{registry.host}/tools/box:1"), archived=False)
        says = [f"{registry.host} is not asked (--offline)", "Leave --offline out"]
        trial.refused("--offline", "pin", status=Exit.IMAGE, says=says)
        assert registry.asked == []


@pytest.mark.parametrize("line", ["run t", "exec box -- true", "shell box", "check", "pin --check"])
def test_an_image_that_is_not_pinned(make_trial: MakeTrial, line: str) -> None:
    with run_faulty(make_image()) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1"), archived=False)
        message = trial.refused(*line.split(), status=Exit.IMAGE, says=": buildbox pin")
        assert "not pinned" in message
        assert registry.asked == []  # nothing is looked up, let alone pulled
    assert trial.engine.changes == []


# registries that serve other bytes


def instead(body: bytes) -> Rule:
    def answer(call: Call) -> bool:
        call.reply(200, body)
        return True

    return answer


def damaged(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("change", [damaged, lambda data: data + b"more", lambda data: data[:100]])
@pytest.mark.parametrize("part", ["layer", "config", "manifest"])
def test_other_bytes_than_the_digest_says(
    make_trial: MakeTrial, runnable: MadeImage, part: str, change: Callable[[bytes], bytes]
) -> None:
    layer = runnable.layers()[0]
    config = next(digest for digest in runnable.blobs if digest != layer)
    digest = {"layer": layer, "config": config, "manifest": runnable.digest}[part]
    data = runnable.manifests[digest][1] if part == "manifest" else runnable.blobs[digest]
    with run_faulty(runnable, only(str(digest), instead(change(data)))) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1@{runnable.digest}"), archived=False)
        says = [
            f"registry: {registry.host} serves other bytes than those of {digest}",
            "Nothing of it was kept",
        ]
        trial.refused("run", "t", status=Exit.IMAGE, says=says, notes=True)
    assert kept(trial) <= {config.hex}  # which was right, where the layer wasn't
    assert Archive.open(trial.project.home / "archive").refs() == ()
    assert trial.engine.changes == []


def test_what_is_no_registry(make_trial: MakeTrial, runnable: MadeImage) -> None:
    with run_faulty(runnable, only("/manifests/", instead(b"<html>Welcome!</html>"))) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1"), archived=False)
        says = ["is not an image: not JSON", "something else than a registry may answer there"]
        trial.refused("pin", status=Exit.IMAGE, says=says)


def test_a_registry_that_is_not_there(make_trial: MakeTrial) -> None:
    trial = make_trial(text=box(f"127.0.0.1:1/tools/box:1@{NOWHERE}"), archived=False)
    says = ["registry: 127.0.0.1:1 can't be reached: ", "Connection refused", "Check the network"]
    trial.refused("run", "t", status=Exit.IMAGE, says=says)


# logins


def test_a_login_that_is_missing(make_trial: MakeTrial, login_registry: RealRegistry) -> None:
    host = login_registry.host
    trial = make_trial(text=box(f"{host}/tools/box:1"), archived=False)
    says = [f"{host} refuses access to tag 1 in tools/box (401", f"`docker login {host}`"]
    trial.refused("pin", status=Exit.IMAGE, says=says)
    trial = make_trial(text=box(f"{host}/tools/box:1@{NOWHERE}"), archived=False)
    says = ["engine: ", "archive: ", f"registry: {host} refuses access", f"`docker login {host}`"]
    trial.refused("run", "t", status=Exit.IMAGE, says=says)


def docker_config(trial: Trial, settings: Mapping[str, object] | str) -> Trial:
    """The trial with this docker configuration, and programs of its own first on the PATH."""
    folder = trial.project.home / "docker"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(settings if isinstance(settings, str) else json.dumps(settings))
    programs = trial.project.home / "programs"
    programs.mkdir(exist_ok=True)
    path = f"{programs}:{trial.project.environment()['PATH']}"
    return trial.with_env(DOCKER_CONFIG=str(folder), PATH=path)


def auth(password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}


def test_a_login_in_the_docker_configuration(
    make_trial: MakeTrial, login_registry: RealRegistry, runnable: MadeImage
) -> None:
    host = login_registry.host
    trial = make_trial(text=box(f"{host}/tools/box:1@{runnable.digest}"), archived=False)
    wrong = docker_config(trial, {"auths": {host: auth("wrong")}})
    wrong.refused("run", "t", status=Exit.IMAGE, says=f"`docker login {host}`")
    broken = docker_config(trial, "{ nothing")
    says = [f"the docker configuration {trial.project.home}/docker/config.json gives no login", "Repair it"]
    broken.refused("run", "t", status=Exit.IMAGE, says=says)
    right = docker_config(trial, {"auths": {host: auth(PASSWORD)}})
    assert right.project.ok("run", "t") == "ran\n"
    assert PASSWORD not in right.project.run("-v", "run", "t").err


def test_a_login_that_a_helper_knows(
    make_trial: MakeTrial, login_registry: RealRegistry, runnable: MadeImage
) -> None:
    host = login_registry.host
    trial = make_trial(text=box(f"{host}/tools/box:1@{runnable.digest}"), archived=False)
    helped = docker_config(trial, {"credHelpers": {host: "tests"}})
    says = ["docker-credential-tests not installed or not available in PATH", "Repair it"]
    helped.refused("run", "t", status=Exit.IMAGE, says=says)
    helper = trial.project.home / "programs" / "docker-credential-tests"
    answer = json.dumps({"ServerURL": host, "Username": USER, "Secret": PASSWORD})
    helper.write_text(f"#!/bin/sh\n[ \"$1 $(cat)\" = 'get {host}' ] && echo '{answer}'\n")
    helper.chmod(0o755)
    assert helped.project.ok("run", "t") == "ran\n"


# lines that drop


def drops_after(image: MadeImage, amount: int) -> Rule:
    """Announces a whole blob, sends this much of it and hangs up."""

    def answer(call: Call) -> bool:
        data = next(blob for digest, blob in image.blobs.items() if str(digest) in call.path)
        start = range_start(call)
        call.send_response(206 if start else 200)
        call.send_header("Content-Length", str(len(data) - start))
        if start:
            call.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        call.end_headers()
        call.wfile.write(data[start : start + amount])
        call.hang_up()
        return True

    return answer


def test_a_connection_that_drops_is_resumed_and_that_is_said(
    make_trial: MakeTrial, runnable: MadeImage
) -> None:
    layer = runnable.layers()[0]
    with run_faulty(runnable, only(str(layer), drops_after(runnable, 600_000), times=1)) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1@{runnable.digest}"), archived=False)
        result = trial.project.run("run", "t")
        ranges = [asked.headers.get("range") for asked in registry.requests(str(layer))]
    assert (result.status, result.out) == (0, "ran\n"), result.err
    lines = result.err.splitlines()
    assert all(line.startswith("buildbox: ") for line in lines)
    assert lines[0].startswith(f"buildbox: fetching {registry.host}/tools/box:1: 1 layer, 1.")
    resumed = next(line for line in lines if "resuming" in line)
    assert f"the connection to {registry.host} broke: it ended too early" in resumed
    assert re.search(rf"resuming {layer.short} at \d+\.\d kB of 1\.\d MB$", resumed)
    assert re.fullmatch(r"bytes=[1-9]\d{4,}-", ranges[1] or "")
    trial.left_nothing()


def test_a_fetch_that_was_given_up_goes_on_later(make_trial: MakeTrial, runnable: MadeImage) -> None:
    layer = str(runnable.layers()[0])
    drop_and_deny = [only(layer, drops_after(runnable, 600_000), times=1), only(layer, status(403), times=1)]
    with run_faulty(runnable, *drop_and_deny) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1@{runnable.digest}"), archived=False)
        trial.refused("run", "t", status=Exit.IMAGE, says="can't be had", notes=True)
        assert Archive.open(trial.project.home / "archive").refs() == ()
        assert trial.project.ok("run", "t") == "ran\n"
        assert registry.requests(layer)[-1].headers["range"] > "bytes=1"
    assert list((trial.project.home / "archive" / "partial").iterdir()) == []


def test_a_registry_that_fails(make_trial: MakeTrial, runnable: MadeImage) -> None:
    with run_faulty(runnable, only("/manifests/", status(500))) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1"), archived=False)
        says = [f"{registry.host} fails on tag 1 in tools/box: 500", "Try again later."]
        trial.refused("pin", status=Exit.IMAGE, says=says)


# platforms


@pytest.fixture
def both(runnable: MadeImage) -> MadeImage:
    return make_index(runnable, make_image(platform=OTHER))


def test_a_platform_that_the_image_lacks(make_trial: MakeTrial, both: MadeImage) -> None:
    with run_faulty(both) as registry:
        image = f"{registry.host}/tools/box:1@{both.digest}"
        text = box(image).replace("[tasks.t]", 'platform = "linux/ppc64le"\n[tasks.t]')
        trial = make_trial(text=text, archived=False)
        says = [
            f"is not for linux/ppc64le; it is for: {PLATFORM}, {OTHER}",
            "Set the toolchain's platform to one of these",
        ]
        trial.refused("run", "t", status=Exit.IMAGE, says=says)
        assert registry.requests("/blobs/") == []  # nothing is fetched that can't run
    assert trial.engine.changes == []


def test_an_image_for_another_machine(make_trial: MakeTrial) -> None:
    other = make_image(platform=OTHER)
    with run_faulty(other) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1@{other.digest}"), archived=False)
        says = [f"is not for {PLATFORM}; it is for: {OTHER}", "pin an image that has yours"]
        trial.refused("run", "t", status=Exit.IMAGE, says=says)
        assert registry.requests(str(other.layers()[0])) == []


def test_a_pinned_image_that_is_none(make_trial: MakeTrial) -> None:
    """The pin of a layer, say, or of what another tool keeps in a registry."""
    image = make_image(config_type="application/vnd.example.chart.config.v1+json")
    with run_faulty(image) as registry:
        trial = make_trial(text=box(f"{registry.host}/tools/box:1@{image.digest}"), archived=False)
        says = ["is not a container image: its config is a application/vnd.example", "Pin the image of"]
        trial.refused("run", "t", status=Exit.IMAGE, says=says)
        assert registry.requests("/blobs/") == []
