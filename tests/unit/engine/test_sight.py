"""Whether an engine sees this machine's files: known, or found out by a file that nobody could guess."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from buildbox.engine.find import Address
from buildbox.engine.sight import Outlook, Peer, Sight, outlook, peer_of
from tests.support.fake_engine import FakeEngine

DOUBT = Outlook(None, "the engine at {} is elsewhere")


@dataclass
class Shown(FakeEngine):
    """An engine that sees what is below some folders, and notes what it was asked."""

    folders: tuple[Path, ...]
    asked: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def has_path(self, path: str) -> bool:
        assert Path(path).exists(), "it is asked while the file is there"
        self.asked.append(Path(path))
        return any(folder in Path(path).parents for folder in self.folders)


@contextmanager
def listening() -> Iterator[Path]:
    """A socket at which this process listens."""
    with tempfile.TemporaryDirectory(prefix="bb") as folder, socket.socket(socket.AF_UNIX) as server:
        path = Path(folder) / "s"
        server.bind(str(path))
        server.listen()
        yield path


def test_who_listens_is_known() -> None:
    with listening() as path:
        assert peer_of(path) == Peer(os.getpid(), Path("/proc/self/comm").read_text().strip())
    assert peer_of(path) is None


def test_what_is_no_engine_is_in_doubt() -> None:
    """It may pass on what it is told to another machine, as ssh does."""
    with listening() as path:
        found = outlook(Address(f"unix://{path}", "the tests"))
        assert found.sees_all is None
        assert found.why.endswith(f"by way of {found.peer and found.peer.name}")
        assert not found.is_outside


@pytest.mark.parametrize(("url", "expected"), [("tcp://127.0.0.1:1", False), ("unix:///nowhere", True)])
def test_nothing_is_asked_where_there_is_no_doubt(url: str, expected: bool, tmp_path: Path) -> None:
    """That there is no such socket is for others to tell."""
    view = outlook(Address(url, "the tests"))
    engine = Shown(())
    sight = Sight(engine, view)
    assert view.sees_all is expected
    assert sight.sees(tmp_path) == sight.sees_tree(tmp_path) == expected
    assert engine.asked == []


def test_in_doubt_the_engine_is_asked_once_for_each_folder(tmp_path: Path) -> None:
    shown, hidden = tmp_path / "shown", tmp_path / "hidden"
    for folder in (shown / "below", hidden):
        folder.mkdir(parents=True)
    (shown / "file").touch()
    engine = Shown((shown,))
    sight = Sight(engine, DOUBT)
    for _ in range(2):
        assert sight.sees(shown) and sight.sees_tree(shown)
        assert sight.sees(shown / "below") and sight.sees(shown / "file")
        assert not sight.sees(hidden) and not sight.sees_tree(hidden)
    assert [path.parent for path in engine.asked] == [shown, hidden]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["below", "file", "hidden", "shown"]


def test_nothing_is_proven_of_what_cannot_be_written() -> None:
    assert not Sight(Shown((Path("/"),)), DOUBT).sees(Path("/proc/self"))


def test_what_is_mounted_in_between_is_asked_for_itself(tmp_path: Path) -> None:
    """/dev/shm is another file system than /."""
    engine = Shown((Path("/tmp"), tmp_path))
    sight = Sight(engine, DOUBT)
    assert not sight.sees(Path("/dev/shm/x"))
    assert sight.sees(tmp_path)
    assert len(engine.asked) == 2


def test_in_a_project_no_input_is_made_while_others_look(tmp_path: Path) -> None:
    """As soon as buildbox has a folder of its own there; a link isn't one."""
    for make, place in (
        (lambda own: None, "."),
        (lambda own: own.symlink_to("/"), "."),
        (lambda own: (own.unlink(), own.mkdir()), ".buildbox"),
    ):
        make(tmp_path / ".buildbox")
        engine = Shown((tmp_path,))
        assert Sight(engine, DOUBT).sees_tree(tmp_path)
        assert [path.parent for path in engine.asked] == [tmp_path / place]


def test_a_path_that_is_seen_through_the_peers_own_eyes(tmp_path: Path) -> None:
    """For an engine whose process may be looked into, it is the same file, or it isn't."""
    engine = Shown(())
    view = Outlook(None, "", Peer(os.getpid(), "dockerd"))
    assert Sight(engine, view).sees(tmp_path)
    assert engine.asked == []
