"""`pin` on a real registry: what it writes, what it leaves as it is, and what it refuses."""

from __future__ import annotations

import json

import pytest

from buildbox.errors import Exit
from buildbox.oci import Platform
from tests.integration.badinput.conftest import NOWHERE, MakeTrial, box
from tests.support.images import MadeImage, make_image, make_index
from tests.support.refusal import another_user
from tests.support.registry import RealRegistry

TEXT = """\
# What builds this.
version = 1   # the format's

[toolchains]
  box = {{ image = '{box}' , shell = [ "/bin/sh", "-c" ] } # single
[toolchains."other"]   # the one for "other" things

image   =   "{other}"     # no digest yet
# image = "{other}"

[defaults]
toolchain = "box"
[tasks.t]
run = '''
  echo ran
'''
#the end, without a newline"""


@pytest.fixture(scope="session")
def many(real_registry: RealRegistry, runnable: MadeImage) -> MadeImage:
    """tools/many:latest, for two platforms."""
    index = make_index(runnable, make_image(platform=Platform("linux", "s390x")))
    real_registry.push(index, "tools/many", "latest")
    return index


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_digests_are_written_and_all_else_stays(
    make_trial: MakeTrial, real_registry: RealRegistry, runnable: MadeImage, many: MadeImage, newline: str
) -> None:
    """A manifest's digest for one platform, the index's for several; then the task runs in it."""
    host = real_registry.host
    text = TEXT.replace("{box}", f"{host}/tools/box:1").replace("{other}", f"{host}/tools/many")
    text = text.replace("} }", "}").replace("{{", "{").replace("\n", newline)
    trial = make_trial(archived=False)
    trial.file().write_bytes(text.encode())
    trial.file().chmod(0o640)
    message = trial.refused("pin", "--check", status=Exit.IMAGE, says="2 images are not pinned")
    assert f".buildbox.toml:5: toolchains.box.image: {host}/tools/box:1 has no digest" in message
    result = trial.project.run("pin")
    assert (result.status, result.out) == (0, "")
    assert result.err.splitlines() == [
        f"buildbox: box: {host}/tools/box:1@{runnable.digest} (from {host})",
        f"buildbox: other: {host}/tools/many:latest@{many.digest} (from {host})",
    ]
    wanted = text.replace(f"'{host}/tools/box:1'", f"'{host}/tools/box:1@{runnable.digest}'")
    wanted = wanted.replace(
        f'image   =   "{host}/tools/many"', f'image   =   "{host}/tools/many:latest@{many.digest}"'
    )
    assert trial.file().read_bytes() == wanted.encode()
    assert trial.file().stat().st_mode & 0o777 == 0o640
    assert [path.name for path in trial.project.root.iterdir()] == [".buildbox.toml"]
    assert trial.project.ok("run", "t") == "ran\n"
    assert trial.project.ok("exec", "other", "--", "echo", "index") == "index\n"


def test_check_says_yes_and_writes_nothing(make_trial: MakeTrial) -> None:
    trial = make_trial()
    before = trial.file().stat().st_mtime_ns
    result = trial.project.run("pin", "--check")
    assert (result.status, result.out, result.err) == (0, "", "buildbox: every image is pinned\n")
    assert json.loads(trial.project.ok("--json", "pin", "--check")) == {"changes": []}
    assert trial.project.run("pin").err == "buildbox: every image is pinned already\n"
    assert trial.file().stat().st_mtime_ns == before


def test_where_one_tag_is_missing_nothing_is_written(
    make_trial: MakeTrial, real_registry: RealRegistry, runnable: MadeImage
) -> None:
    host = real_registry.host
    text = box(f"{host}/tools/box:1", 'toolchain = "box"\n') + (
        f'[toolchains.gone]\nimage = "{host}/tools/box:gone"\n'
    )
    trial = make_trial(text=text, archived=False)
    trial.refused("pin", status=Exit.IMAGE, says=f"{host} has no tag gone in tools/box")
    trial.project.ok("pin", "box")
    assert f'"{host}/tools/box:1@{runnable.digest}"' in trial.file().read_text()
    trial.refused("pin", "--check", status=Exit.IMAGE, says=["an image is not pinned", "toolchains.gone"])


def test_what_is_pinned_stays_pinned(make_trial: MakeTrial, real_registry: RealRegistry) -> None:
    """Whatever its tag means now: moving a pin is another command's business."""
    text = box(f"{real_registry.host}/tools/box:1@{NOWHERE}")
    trial = make_trial(text=text, archived=False)
    trial.project.ok("pin")
    assert trial.file().read_text() == text


def test_a_folder_that_may_not_be_written(make_trial: MakeTrial, real_registry: RealRegistry) -> None:
    trial = make_trial(text=box(f"{real_registry.host}/tools/box:1"), archived=False).by(another_user())
    trial.project.root.chmod(0o555)
    says = [f"{trial.file()} can't be written: Permission denied", "It is as it was."]
    trial.refused("pin", status=Exit.USAGE, says=says)


def test_an_image_of_the_catalogue_is_never_looked_for_in_a_registry(make_trial: MakeTrial) -> None:
    trial = make_trial(text=box("buildbox/python:3.11"), archived=False)
    says = ["the image buildbox/python:3.11 is not in the archive yet", "buildbox images build python/3.11"]
    trial.refused("pin", status=Exit.IMAGE, says=says)
