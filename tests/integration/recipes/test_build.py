from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import Platform
from buildbox.recipes.bootstrap import bootstrap
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.lock import Package
from buildbox.recipes.record import recorded_pin
from buildbox.recipes.workplace import workplace
from tests.support.recipes import lock, recipe
from tests.support.workshops import workshop

ROOT = os.getuid() == 0
BUILD = (sys.executable, "-m", "buildbox", "images", "build", "python/3.11")
CHECKOUT = Path(__file__).parents[3]
# Nothing of these may show in the image.
SURROUNDINGS = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nowhere",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "tr_TR.UTF-8",
    "TZ": "Pacific/Apia",
    "PYTHONPATH": str(CHECKOUT),
    "DPKG_ROOT": "/nowhere",
    "SOURCE_DATE_EPOCH": "1",
}


def scratch(folder: Path) -> Path:
    """A folder to build in that a user namespace's root can reach, with a name that needs quotes."""
    folder = folder / "it's scratch"
    folder.mkdir()
    for each in (folder, *folder.parents[:3]):
        if each.owner() == folder.owner():
            each.chmod(0o755)
    return folder


def test_the_recorded_pin_is_rebuilt_without_network(home: Path, tmp_path: Path) -> None:
    pin = recorded_pin(own_catalogue() / "python/3.11")
    temp = scratch(tmp_path)
    elsewhere = "hostname elsewhere; " if ROOT else ""
    script = f'{elsewhere}umask 077; cd /; exec "$@"'
    done = subprocess.run(
        [*(("unshare", "--net", "--uts") if ROOT else ()), "sh", "-c", script, "sh", *BUILD],
        env={**SURROUNDINGS, "BUILDBOX_HOME": str(home), "TMPDIR": str(temp)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{pin}\n", done.stderr
    assert list(temp.iterdir()) == []
    archive = Archive.open(home / "archive")
    assert f"docker.io/{pin}" in dict(archive.refs())
    assert pin
    assert pin.digest
    image = find_image(archive, pin.digest, Platform("linux", "amd64"))
    assert image
    assert archive.is_sound(image.layers[0].digest)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_build_leaves_nothing(home: Path, tmp_path: Path, number: int, status: int) -> None:
    temp = scratch(tmp_path)
    archive = Archive.open(home / "archive")
    kept = {name for name, _ in archive.refs()}
    process = subprocess.Popen(
        BUILD,
        env={**os.environ, "BUILDBOX_HOME": str(home), "TMPDIR": str(temp)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    for line in process.stderr:
        if "installing essential" in line:
            process.send_signal(number)
            break
    output, _ = process.communicate()
    assert (process.returncode, output) == (status, "")
    assert list(temp.iterdir()) == []
    assert str(temp) not in Path("/proc/self/mountinfo").read_text()
    new = {name for name, _ in archive.refs()} - kept
    assert all("-packages@" in name for name in new)


def test_a_full_disk(home: Path, tmp_path: Path) -> None:
    temp = scratch(tmp_path)
    script = 'mount -t tmpfs -o size=20m tmpfs "$TMPDIR"; "$@"; status=$?; ls -A "$TMPDIR"; exit $status'
    done = subprocess.run(
        ["unshare", "--mount", *(() if ROOT else ("--map-root-user",)), "sh", "-c", script, "sh", *BUILD],
        env={**os.environ, "BUILDBOX_HOME": str(home), "TMPDIR": str(temp)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (121, "")
    assert "no space left in" in done.stderr
    assert "TMPDIR" in done.stderr


def test_a_package_that_is_not_what_the_lock_says(tmp_path: Path) -> None:
    control = tmp_path / "tree" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: evil\nVersion: 1.0-1\nArchitecture: all\nMaintainer: me\nDescription: x\n")
    debs = tmp_path / "debs"
    debs.mkdir()
    path = "pool/main/g/good/good_1.0-1_all.deb"
    deb = debs / "good_1.0-1_all.deb"
    subprocess.run(["dpkg-deb", "--build", str(tmp_path / "tree"), str(deb)], check=True, capture_output=True)
    data = deb.read_bytes()
    locked = lock(Package("good", "all", "1.0-1", len(data), Digest.of(data).hex, path))
    shop = workshop(tmp_path, Archive.open(tmp_path / "archive"))
    with (
        workplace(tmp_path, shop.host) as place,
        pytest.raises(ImageError, match="is not the package good"),
    ):
        bootstrap(recipe(), locked, debs, debs, place, shop)
