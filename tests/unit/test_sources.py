from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from buildbox.archive.images import ArchivedImage, ImageConfig
from buildbox.container import Bind
from buildbox.digest import Digest
from buildbox.engine.protocol import ImageMissing
from buildbox.errors import ArchiveError, EngineError
from buildbox.oci import OCI_CONFIG, OCI_MANIFEST, Descriptor, Platform
from buildbox.project import GitFolder
from buildbox.sources import ca_bundle, git_binds, identity_binds, kept_file, proxies, source_binds
from buildbox.trust import ResolvedMount
from tests.support.fake_engine import FakeEngine

IMAGE = ArchivedImage(
    None,
    Descriptor(OCI_MANIFEST, Digest("a" * 64), 1),
    Descriptor(OCI_CONFIG, Digest("b" * 64), 1),
    (),
    ImageConfig(Platform("linux", "amd64"), ()),
)
ID = IMAGE.ids[0]
FILES = {
    "/etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nj\xf6rg:x:7:7:\x0b:/:/bin/sh\n",
    "/etc/group": b"root:x:0:\n",
    "/etc/gitconfig": b"[core]\r\n\tautocrlf = false\r\n",
}


def identity(engine: FakeEngine, data: Path, user: tuple[int, int] = (5, 6)) -> dict[str, bytes]:
    binds = identity_binds(engine, IMAGE, ID, data, "run1", user, ("/bin/bash", "-c"))
    assert all(bind.read_only for bind in binds)
    return {bind.target: Path(bind.source).read_bytes() for bind in binds}


# sources and repository


def test_the_project_is_writable_and_its_mounts_as_they_are() -> None:
    mount = ResolvedMount(Path("/data/shared"), "/data", read_only=True)
    assert source_binds(Path("/home/x/my project"), [mount]) == (
        Bind("/home/x/my project", "/src"),
        Bind("/data/shared", "/data", read_only=True),
    )


def test_the_repository_is_read_only_unless_the_user_allows_more(tmp_path: Path) -> None:
    dot_git = tmp_path / ".git"
    dot_git.mkdir()
    git = GitFolder(dot_git, dot_git, dot_git, trusted=True)
    assert git_binds(tmp_path, git, tmp_path / "data", writable=False) == (
        Bind(str(dot_git), "/src/.git", read_only=True),
    )
    assert git_binds(tmp_path, git, tmp_path / "data", writable=True) == ()


def test_no_repository_or_one_that_is_not_the_projects(tmp_path: Path) -> None:
    foreign = GitFolder(tmp_path / ".git", Path("/etc"), Path("/etc"), trusted=False)
    for git in (None, foreign):
        assert git_binds(tmp_path, git, tmp_path, writable=True) == ()


@pytest.mark.parametrize("writable", [True, False])
def test_a_worktree_finds_its_repository(tmp_path: Path, writable: bool) -> None:
    main = tmp_path / "main/.git"
    git = GitFolder(tmp_path / "tree/.git", main / "worktrees/tree", main, trusted=True)
    repository, link = git_binds(tmp_path / "tree", git, tmp_path / "data", writable=writable)
    assert repository == Bind(str(main), "/run/buildbox/git", read_only=not writable)
    assert (link.target, link.read_only) == ("/src/.git", True)
    assert Path(link.source).read_text() == "gitdir: /run/buildbox/git/worktrees/tree\n"


def test_a_submodule_finds_its_repository_and_its_sources(tmp_path: Path) -> None:
    module = tmp_path / ".git/modules/sub"
    module.mkdir(parents=True)
    (module / "config").write_text("[core]\n\tworktree = ../../../sub")
    git = GitFolder(tmp_path / "sub/.git", module, module, trusted=True)
    repository, config, link = git_binds(tmp_path / "sub", git, tmp_path / "data", writable=False)
    assert repository == Bind(str(module), "/run/buildbox/git", read_only=True)
    assert config.target == "/run/buildbox/git/config"
    assert Path(config.source).read_text().endswith("[core]\n\tworktree = /src\n")
    assert Path(link.source).read_text() == "gitdir: /run/buildbox/git\n"
    assert (module / "config").read_text() == "[core]\n\tworktree = ../../../sub"


# identity


def test_the_images_files_with_the_tasks_user(tmp_path: Path) -> None:
    engine = FakeEngine({ID: FILES})
    files = identity(engine, tmp_path)
    assert files["/etc/passwd"] == b"build:x:5:6:buildbox:/home/build:/bin/bash\n" + FILES["/etc/passwd"]
    assert files["/etc/group"] == b"build:x:6:\nroot:x:0:\n"
    assert files["/etc/gitconfig"] == FILES["/etc/gitconfig"] + b"[safe]\n\tdirectory = *\n"
    assert engine.left == []


def test_an_image_is_asked_only_once(tmp_path: Path) -> None:
    engine = FakeEngine({ID: FILES})
    first = identity(engine, tmp_path)
    assert identity(engine, tmp_path) == first
    assert identity(engine, tmp_path, (0, 0)) != first
    assert len(engine.made) == 1
    assert dict(engine.made[0].labels) == {"buildbox.run": "run1"}, "a sweep would find it"


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"unknown": "key"}'])
def test_what_is_known_of_an_image_may_be_damaged(tmp_path: Path, damage: bytes) -> None:
    engine = FakeEngine({ID: FILES})
    first = identity(engine, tmp_path)
    [facts] = (tmp_path / "facts").iterdir()
    facts.write_bytes(damage)
    assert identity(engine, tmp_path) == first


def test_an_image_without_any_files(tmp_path: Path) -> None:
    files = identity(FakeEngine({ID: {}}), tmp_path)
    assert files["/etc/passwd"] == b"build:x:5:6:buildbox:/home/build:/bin/bash\n"


def test_an_image_that_is_not_there_is_left_to_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ImageMissing):
        identity(FakeEngine(), tmp_path)


def test_a_fault_while_an_image_is_asked_leaves_nothing(tmp_path: Path) -> None:
    class Failing(FakeEngine):
        def read_file(self, container: str, path: str) -> bytes | None:
            raise EngineError("no")

    engine = Failing({ID: FILES})
    with pytest.raises(EngineError):
        identity(engine, tmp_path)
    assert engine.left == []
    assert not (tmp_path / "facts").exists()


# files of buildbox's own


def test_a_kept_file_is_written_once_and_mended(tmp_path: Path) -> None:
    path = kept_file(tmp_path, "a\r\nb\udcff\n")
    assert path.read_bytes() == b"a\r\nb\xff\n"
    before = path.stat().st_ino
    assert kept_file(tmp_path, "a\r\nb\udcff\n") == path
    assert path.stat().st_ino == before
    path.write_text("damaged")
    assert kept_file(tmp_path, "a\r\nb\udcff\n").read_bytes() == b"a\r\nb\xff\n"
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_a_kept_file_is_readable_by_tasks_and_its_folder_by_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        path = kept_file(tmp_path / "data", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "files").write_text("in the way")
    with pytest.raises(ArchiveError, match="can't be written: File exists") as caught:
        kept_file(tmp_path, "text")
    assert "BUILDBOX_HOME" in caught.value.hint


# the network's surroundings


def test_proxies_in_either_spelling() -> None:
    env = {"http_proxy": "http://a", "HTTPS_PROXY": "http://b", "NO_PROXY": "", "PATH": "/bin"}
    assert proxies(env) == {"http_proxy": "http://a", "HTTPS_PROXY": "http://b"}


def test_the_callers_own_certificates_come_first(tmp_path: Path) -> None:
    (tmp_path / "real.pem").touch()
    (tmp_path / "ca.pem").symlink_to("real.pem")
    assert ca_bundle({"SSL_CERT_FILE": str(tmp_path / "ca.pem")}) == str(tmp_path / "real.pem")
    assert ca_bundle({"SSL_CERT_FILE": str(tmp_path / "missing")}) == ca_bundle({})
