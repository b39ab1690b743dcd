from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from buildbox.engine.docker import unignored
from buildbox.errors import ConfigError
from buildbox.recipes.context import TIME, context_tar, read_ignore


def tar_of(folder: Path, own: dict[str, bytes] | None = None) -> bytes:
    names = unignored(folder, read_ignore(folder), "own/Dockerfile")
    return b"".join(context_tar(folder, names, own or {}))


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


def fill(folder: Path) -> Path:
    (folder / "sub/deep").mkdir(parents=True)
    (folder / "sub/deep/é").write_bytes(b"x" * 513)
    (folder / ("long" * 50)).write_text("y")
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o700)
    return folder


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    first = tar_of(fill(tmp_path / "a"))
    other = fill(tmp_path / "b")
    (other / "run").chmod(0o755)
    (other / "sub").chmod(0o700)
    os.utime(other / "run", (1, 1))
    assert tar_of(other) == first
    found = members(first)
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in found.values()} == {(0, 0, "", TIME)}
    assert (found["run"].mode, found["sub"].mode, found["sub/deep/é"].mode) == (0o755, 0o755, 0o644)
    assert list(found) == sorted(found)


def test_links_are_links_wherever_they_lead(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("the key")
    folder = tmp_path / "recipe"
    folder.mkdir()
    (folder / "file").symlink_to(secret / "key")
    (folder / "folder").symlink_to("../secret")
    (folder / "nowhere").symlink_to("missing")
    os.mkfifo(folder / "pipe")
    data = tar_of(folder)
    assert b"the key" not in data
    found = members(data)
    assert sorted(found) == ["file", "folder", "nowhere"]
    assert found["folder"].linkname == "../secret"


def test_what_is_ignored(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "recipe.pin").write_text("made by the last build")
    (tmp_path / "Dockerfile").write_text("FROM scratch")
    (tmp_path / ".dockerignore").write_text("# words\n\nsub/**\n!sub/deep/é\n  long*  \nDockerfile\n")
    assert sorted(members(tar_of(tmp_path))) == [".dockerignore", "run", "sub", "sub/deep/é"]


def test_our_own_files_come_instead(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("theirs")
    data = tar_of(tmp_path, {"Dockerfile": b"ours", "more": b""})
    assert b"ours" in data
    assert b"theirs" not in data
    assert sorted(members(data)) == ["Dockerfile", "more"]


def test_a_file_that_goes_away(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gone can't be read: No such file"):
        list(context_tar(tmp_path, ["gone"], {}))


def test_a_file_that_grows_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 << 20))
    chunks = context_tar(tmp_path, ["file"], {})
    next(chunks)
    with open(tmp_path / "file", "ab") as file:
        file.write(b"more")
    with pytest.raises(ConfigError, match="changed while"):
        list(chunks)


def test_ignore_files_that_lead_elsewhere_or_are_no_text(tmp_path: Path) -> None:
    folder = tmp_path / "recipe"
    folder.mkdir()
    (tmp_path / "outside").write_text("x")
    (folder / ".dockerignore").symlink_to("../outside")
    with pytest.raises(ConfigError, match="outside"):
        read_ignore(folder)
    (folder / ".dockerignore").unlink()
    (folder / ".dockerignore").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="can't be read"):
        read_ignore(folder)
