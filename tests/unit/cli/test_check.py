"""`check` where the project has a policy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from buildbox.archive.layout import Archive
from tests.support.images import make_image
from tests.support.terminal import ROOT


def check(folder: Path, policy: str, *options: str) -> subprocess.CompletedProcess[str]:
    archive = Archive.open(folder / "own" / "archive")
    images = {"old": make_image({"a": b""}, created="2020-01-01T00:00:00Z"), "undated": make_image()}
    text = ""
    for name, image in images.items():
        image.put_into(archive)
        text += f'[toolchains.{name}]\nimage = "registry.example.com/{name}@{image.digest}"\n'
    (folder / ".buildbox.toml").write_text(f"{text}{policy}\n")
    env = {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "buildbox", "check", *options],
        cwd=folder,
        env={**env, "BUILDBOX_HOME": str(folder / "own")},
        capture_output=True,
        text=True,
    )


def test_an_image_that_is_too_old(tmp_path: Path) -> None:
    done = check(tmp_path, '[policy]\nmax-pin-age = "365d"', "--json")
    assert done.returncode == 2
    first, second = done.stderr.splitlines()[:2]
    assert first == "buildbox: a pinned image is older than [policy] lets it be"
    assert second.startswith("  .buildbox.toml:2: toolchains.old.image: its image was made ")
    ages = json.loads(done.stdout)["ages"]
    assert [(age["toolchain"], age["made"], age["state"]) for age in ages] == [
        ("old", "2020-01-01", "too-old"),
        ("undated", None, "unknown"),
    ]


def test_a_warning_and_what_is_not_known(tmp_path: Path) -> None:
    done = check(tmp_path, '[policy]\nwarn-pin-age = "365d"', "-v")
    assert done.returncode == 0
    first, second, third = done.stderr.splitlines()
    assert first.startswith("buildbox: old: its image was made ")
    assert second == "buildbox: undated: how old its image is isn't known: it has no date"
    assert third.startswith("buildbox: .buildbox.toml is in order: ")


def test_without_a_policy_nobody_asks(tmp_path: Path) -> None:
    done = check(tmp_path, "", "-v", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ages" not in json.loads(done.stdout)
