"""Trees whose folders list their files the other way round."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildbox.tasks.plan import Step
from buildbox.trees.stage import remove
from buildbox.vary.choice import Surroundings, choose
from buildbox.vary.order import copy_reversed, memory_folder
from buildbox.vary.variations import ORDER
from tests.support.fake_engine import FakeEngine
from tests.support.values import task, toolchain

IMAGE = "sha256:" + "1" * 64


@pytest.fixture
def memory() -> Iterator[Path]:
    above = memory_folder(os.getuid())
    assert above, "a Linux machine has /dev/shm"
    folder = above / f"test-{os.urandom(4).hex()}"
    folder.mkdir()
    yield folder
    remove(folder)


def listed(folder: Path) -> dict[str, list[str]]:
    """The names in each folder, in the order in which the file system gives them."""
    found = {}
    left = [folder]
    while left:
        each = left.pop()
        found[str(each.relative_to(folder))] = names = os.listdir(each)  # noqa: PTH208
        left += [each / name for name in names if (each / name).is_dir() and not (each / name).is_symlink()]
    return found


def facts(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = str(path.readlink()).encode() if path.is_symlink() else b""
        if stat.S_ISREG(state.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, content)
    return found


def test_each_folder_lists_the_other_way_round_and_all_else_is_the_same(tmp_path: Path, memory: Path) -> None:
    for name in ("zeta", "alpha", "mid/x", "mid/a", "mid/deep/1", "mid/deep/2", "omega"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (0, 315532800))
    (tmp_path / "mid/x").chmod(0o755)
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "empty").mkdir()
    os.utime(tmp_path / "mid", (0, 315532800))
    copy_reversed(tmp_path, memory)
    assert listed(memory) == {folder: names[::-1] for folder, names in listed(tmp_path).items()}
    assert facts(memory) == facts(tmp_path)


def test_it_is_the_callers_alone() -> None:
    folder = memory_folder(os.getuid())
    assert folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_none_is_made_for_another_user() -> None:
    assert memory_folder(4_000_000) is None
    assert not Path("/dev/shm/buildbox-4000000").exists()


def test_files_in_memory_are_only_for_whom_they_can_be_given_to(tmp_path: Path) -> None:
    def why(uid: int, **of_task: object) -> str:
        step = Step("test", task("test", **of_task), toolchain(), ("true",))
        engine = FakeEngine({IMAGE: {}}, address="unix:///fake")  # which sees nothing of this machine
        choice = choose(engine, IMAGE, (), step, Surroundings(uid, False, "run", tmp_path, shares_files=True))
        return next(each.why for each in choice.unvaried if each.name == ORDER)

    assert "can give files" in why(1, user="7:7")
    assert "doesn't see" in why(os.getuid())
