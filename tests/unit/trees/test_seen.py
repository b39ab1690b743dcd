"""Files as they are seen: read when they must be, never through a link."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from buildbox.trees.entry import FILE, LINK, PROGRAM
from buildbox.trees.faults import TreeError
from buildbox.trees.folders import Folders
from buildbox.trees.seen import Seen, is_special, see


def seen(root: Path, path: str, known: dict[str, Seen] | None = None) -> Seen | None:
    with Folders(root) as folders:
        return see(folders, path, known or {})


def test_files_programs_and_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc" * 10**5)
    (tmp_path / "program").write_bytes(b"")
    (tmp_path / "program").chmod(0o711)
    (tmp_path / "link").symlink_to("no where")
    found = [seen(tmp_path, name) for name in ("file", "program", "link")]
    assert [file and (file.mode, file.digest, file.size) for file in found] == [
        (FILE, hashlib.sha256(b"abc" * 10**5).hexdigest(), 3 * 10**5),
        (PROGRAM, hashlib.sha256(b"").hexdigest(), 0),
        (LINK, hashlib.sha256(b"no where").hexdigest(), 8),
    ]


def test_what_is_known_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    file = seen(tmp_path, "file")
    assert file is not None
    known = {"file": file._replace(digest="known")}
    assert seen(tmp_path, "file", known) == known["file"]
    one = known["file"]
    for was in (one._replace(size=5), one._replace(mtime=5), one._replace(ctime=5), one._replace(inode=5)):
        assert seen(tmp_path, "file", {"file": was}) == file
    (tmp_path / "file").chmod(0o755)
    changed = seen(tmp_path, "file", known)
    assert changed is not None and (changed.mode, changed.digest) == (PROGRAM, file.digest)


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("a")
    (tmp_path / "link").symlink_to("real")
    assert seen(tmp_path, "real/file") is not None
    assert seen(tmp_path, "link/file") is None


@pytest.mark.parametrize("path", ["nothing", "no/thing", "file/below", "folder", "pipe"])
def test_where_there_is_no_file(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("a")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert seen(tmp_path, path) is None


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(TreeError, match="can't be read"):
        seen(tmp_path, "x" * 300)


def test_what_can_be_no_input(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/null")
    with Folders(tmp_path) as folders:
        assert is_special(folders, "pipe") == "a pipe"
        assert is_special(folders, "device") is None
        assert is_special(folders, "nothing/there") is None
    with Folders(Path("/dev")) as folders:
        assert is_special(folders, "null") == "a device"
