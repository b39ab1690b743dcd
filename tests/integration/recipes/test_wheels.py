"""Python requirements, with wheels from a folder that pip is set up with; some are from its own index."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.errors import ConfigError, ImageError
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.kept import keep_listed
from buildbox.recipes.lock import Wheel
from buildbox.recipes.wheels import INSTALLER, descriptors, gather_wheels, lock_wheels
from buildbox.reference import ImageRef
from tests.support.wheels import make_wheel, pinned, target
from tests.support.workshops import workshop

CHECKOUT = Path(__file__).parents[3]


def only(*folders: Path) -> dict[str, str]:
    """An environment in which pip knows just these folders."""
    links = " ".join(map(str, folders))
    return {**os.environ, "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": links}


def locked(text: str, folder: Path, env: Mapping[str, str] | None = None) -> tuple[Wheel, ...]:
    folder.mkdir()
    shop = workshop(folder.parent, Archive(folder.parent / "archive"), env)
    return lock_wheels(text, target(), folder, shop)


@pytest.fixture(scope="module")
def with_installer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive that has what installs wheels, from the machine's own index."""
    folder = tmp_path_factory.mktemp("installer")
    (folder / "wheels").mkdir()
    archive = Archive.open(folder / "archive")
    gather_wheels([INSTALLER], target(), folder / "wheels", workshop(folder, archive))
    assert archive.is_sound(INSTALLER.digest)
    return archive.path


def another(path: Path, with_installer: Path) -> Archive:
    """A new archive that has it, too."""
    archive = Archive.open(path)
    archive.add_bytes(Archive(with_installer).read(INSTALLER.digest, INSTALLER.size))
    keep((INSTALLER,), archive)
    return archive


def keep(wheels: Sequence[Wheel], archive: Archive) -> None:
    """What a build does once it has them all."""
    keep_listed(descriptors(wheels), ImageRef.parse("tests/wheels:1"), Digest.of(b"a lock"), archive)


@pytest.fixture
def archive(with_installer: Path, tmp_path: Path) -> Archive:
    """See another."""
    return another(tmp_path / "archive", with_installer)


def test_the_catalogues_requirements_are_whole(tmp_path: Path) -> None:
    text = (own_catalogue() / "python/3.11/requirements.txt").read_text()
    found = locked(text, tmp_path / "wheels")
    by_name = {wheel.name: wheel for wheel in found}
    assert {"build", "pytest", "ruff", "pyproject-hooks"} <= by_name.keys()
    assert "x86_64" in by_name["ruff"].file
    assert list(found) == sorted(found)
    assert all(wheel.sha256 in text for wheel in found)


def test_the_wheel_that_fits_the_image_and_not_this_machine(tmp_path: Path) -> None:
    links = tmp_path / "links"
    tags = ("cp311-cp311-manylinux_2_36_x86_64", "cp311-cp311-manylinux2014_x86_64", "py3-none-any")
    others = (
        "cp311-cp311-manylinux_2_37_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp312-abi3-linux_x86_64",
    )
    made = [make_wheel(links, "tool", files={"x": tag}, tag=tag) for tag in tags]
    made += [make_wheel(links, "tool", files={"x": tag}, tag=f"cp311-cp311-{tag}") for tag in others]
    text = pinned(*made) + "absent==1; sys_platform == 'win32' --hash=sha256:" + "0" * 64
    [best] = locked(text, tmp_path / "one", only(links))
    assert best.file == made[0].name
    made[0].unlink()
    [second] = locked(text, tmp_path / "two", only(links))
    assert second == Wheel("tool", "1.0", made[1].stat().st_size, second.sha256, made[1].name)


def test_what_the_wheels_need_must_be_listed(tmp_path: Path) -> None:
    links = tmp_path / "links"
    needs = ("Requires-Dist: other>=2", 'Requires-Dist: never; python_version < "3.11"')
    text = pinned(make_wheel(links, "tool", metadata=needs), make_wheel(links, "third"))
    with pytest.raises(ConfigError) as caught:
        locked(text, tmp_path / "wheels", only(links))
    assert caught.value.problems == ("tool 1.0 needs other>=2, which isn't listed",)


def test_what_pip_cant_get(tmp_path: Path) -> None:
    links = tmp_path / "links"
    text = pinned(make_wheel(links, "tool"))
    make_wheel(links, "tool", files={"evil": "yes"})
    with pytest.raises(ImageError, match=r"tool==1\.0") as caught:
        locked(text, tmp_path / "one", only(links))
    assert "DO NOT MATCH THE HASHES" in caught.value.hint
    with pytest.raises(ImageError) as caught:
        locked(text, tmp_path / "two", only(tmp_path / "nowhere"))
    assert "No matching distribution" in caught.value.hint


def test_from_pip_and_then_from_the_archive(tmp_path: Path, archive: Archive) -> None:
    links = tmp_path / "links"
    one, two = make_wheel(links, "one"), make_wheel(links, "two")
    wheels = locked(pinned(one, two), tmp_path / "locked", only(links))
    for name, offline in (("first", False), ("second", True)):
        folder = tmp_path / name
        folder.mkdir()
        gather_wheels(wheels, target(), folder, workshop(tmp_path, archive, only(links), offline))
        assert {path.name for path in folder.iterdir()} == {one.name, two.name, INSTALLER.file}
        assert (folder / one.name).read_bytes() == one.read_bytes()
        keep(wheels, archive)
    assert [each.digest for each in descriptors(wheels)] == [*(w.digest for w in wheels), INSTALLER.digest]
    assert descriptors(()) == []


def test_what_nobody_has_is_named_with_all_that_was_tried(tmp_path: Path, archive: Archive) -> None:
    links = tmp_path / "links"
    made = [make_wheel(links, name) for name in ("gone", "kept", "turned")]
    wheels = locked(pinned(*made), tmp_path / "locked", only(links))
    made[0].unlink()
    make_wheel(links, "turned", files={"evil": "yes"})
    (tmp_path / "wheels").mkdir()
    with pytest.raises(ImageError) as caught:
        gather_wheels(wheels, target(), tmp_path / "wheels", workshop(tmp_path, archive, only(links)))
    assert caught.value.reason.endswith("gone 1.0, turned 1.0")
    for said in (str(archive.path), str(links), "No matching distribution found for gone", "DO NOT MATCH"):
        assert said in caught.value.hint
    assert [archive.has(wheel.digest) for wheel in wheels] == [False, True, False]
    (tmp_path / "again").mkdir()
    with pytest.raises(ImageError) as caught:
        gather_wheels(wheels, target(), tmp_path / "again", workshop(tmp_path, archive, offline=True))
    assert "not asked (--offline)" in caught.value.hint


RECIPE = """\
format = 1
title = "Tool"
description = "Python with a tool"

[debian]
suite = "bookworm"
packages = ["python3"]

[python]
requirements = "requirements.txt"
"""
# Whoever imports it, or starts a Python that looks into dist-packages, leaves a trace where that is possible.
TRACE = "import contextlib\nwith contextlib.suppress(OSError):\n    open('/trace', 'w').close()\n"
FILES = {
    "greeting/__init__.py": TRACE + "def main():\n    print('hello from', __cached__)\n",
    "greeting/old.py": "print 'of another Python'\n",
    "sitecustomize.py": TRACE,
    "installer.py": TRACE,
    "greeting.pth": "import greeting\n",
    "greeting-1.0.data/scripts/wave": "#!python\nprint('waves')\n",
    "greeting-1.0.data/data/share/greeting/it's me": "me\n",
    "greeting-1.0.dist-info/entry_points.txt": "[console_scripts]\ngreet = greeting:main\n",
}
TASK = """\
greet
wave
head -qn1 /usr/local/bin/greet /usr/local/bin/wave
cat "/usr/local/share/greeting/it's me"
ls -A / | grep -c -e wheels -e trace || true
! find /usr/local -newermt @1783764997 | grep .
! grep -rl -e "$HOME" -e wheels/ /usr/local | grep .
grep -c __pycache__ /usr/local/lib/python3.11/dist-packages/greeting-1.0.dist-info/RECORD || true
python3 -c 'import other, sys; print(other.VERSION, sys.version_info[:2])'
! python3 -m pip --version 2>/dev/null
"""
SAID = """\
hello from /usr/local/lib/python3.11/dist-packages/greeting/__pycache__/__init__.cpython-311.pyc
waves
#!/usr/bin/python3
#!/usr/bin/python3
me
0
0
1.0 (3, 11)
"""


def call(project: Path, env: Mapping[str, str], *args: str) -> str:
    """What buildbox in `project` says on stdout when all goes well."""
    done = subprocess.run(
        [sys.executable, "-m", "buildbox", "-C", str(project), *args],
        env={**env, "PYTHONPATH": str(CHECKOUT), "BUILDBOX_HOME": str(project / "home")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        umask=int(env.get("UMASK", "022"), 8),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_image_with_a_tool_of_wheels_is_the_same_each_time_and_runs_nothing_of_them(
    tmp_path: Path, with_installer: Path
) -> None:
    links = tmp_path / "links"
    text = pinned(make_wheel(links, "greeting", files=FILES), make_wheel(links, "other"))
    folder = tmp_path / "images/tool/1"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "requirements.txt").write_text(text)
    (tmp_path / ".buildbox.toml").write_text("")
    another(tmp_path / "home/archive", with_installer)
    call(tmp_path, only(links), "images", "lock", "tool/1")
    assert "greeting-1.0-py3-none-any.whl" in (folder / "recipe.lock").read_text()
    one = call(tmp_path, only(links), "--json", "images", "build", "tool/1")
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    others = {
        "PATH": "/usr/bin",
        "TMPDIR": str(elsewhere),
        "TZ": "Pacific/Apia",
        "UMASK": "077",
        "HOME": "/nowhere",
    }
    other = call(tmp_path, others, "--offline", "--json", "images", "build", "tool/1")
    assert one == other
    lines = f"[toolchains.tool]\nimage = \"{json.loads(one)['pin']}\"\n[tasks.look]\nrun = '''\n{TASK}'''\n"
    (tmp_path / ".buildbox.toml").write_text(lines)
    assert call(tmp_path, os.environ, "--offline", "run", "look") == SAID
