"""One commit as a git bundle, which git itself reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from buildbox.trees.borrowed import CommitGone
from buildbox.trees.bundle import explain_bundle, write_bundle
from buildbox.trees.checkout import find_parts
from tests.integration.trees.working import Working
from tests.support.trees import link, program

LARGE = bytes(range(256)) * 40_000  # 10 MB: more than one read, and many stored blocks


def bundled(work: Working, to: Path) -> str:
    """The id of HEAD's commit, which is in the bundle `to` now."""
    commit = work.git("rev-parse", "HEAD").strip()
    (part,) = find_parts(work.root, commit, work.env, {})
    write_bundle(part.repository, commit, to, work.env)
    return commit


def fetched(work: Working, bundle: Path, commit: str, folder: Path) -> Working:
    """A working tree made of the bundle as people are told to."""
    new = Working(folder, work.data)
    script = explain_bundle(str(bundle), commit)
    done = subprocess.run(["sh", "-ec", script], cwd=folder, env=new.env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return new


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_git_makes_the_same_tree_of_it(work: Working, tmp_path: Path, form: str) -> None:
    work.git("init", "-q", f"--object-format={form}")
    work.write({"run": "#!/bin/sh\n"})
    (work.root / "run").chmod(0o755)
    (work.root / "link").symlink_to("run")
    work.commit({"before": "gone\n"})
    work.git("rm", "-q", "before")
    work.commit({"large": LARGE, "empty": "", "a/b/c.txt": "c\n", "a/b/same.txt": "c\n", "ä/ö": "x" * 65535})
    commit = bundled(work, tmp_path / "source.bundle")
    new = fetched(work, tmp_path / "source.bundle", commit, tmp_path / "new")
    assert new.select().digest == work.select().digest
    assert {program("run", "#!/bin/sh\n"), link("link", "run")} <= {*new.select().entries()}
    assert new.git("rev-parse", "HEAD").strip() == commit
    assert new.git("status", "--porcelain") == ""
    new.git("fsck", "--strict", "--no-dangling")
    assert "before" not in new.git("log", "--all", "--name-only", "--format=")


def test_the_same_commit_is_the_same_bytes_however_it_is_stored(work: Working, tmp_path: Path) -> None:
    texts = {f"f{n}": "".join(f"{n} {line}\n" for line in range(300)) for n in range(20)}
    work.commit({**texts, "large": LARGE})
    commit = bundled(work, tmp_path / "loose")
    work.git("config", "pack.compression", "9")
    work.git("gc", "-q", "--aggressive")
    bundled(work, tmp_path / "packed")
    new = fetched(work, tmp_path / "loose", commit, tmp_path / "new")
    bundled(new, tmp_path / "again")
    data = (tmp_path / "loose").read_bytes()
    assert data == (tmp_path / "packed").read_bytes() == (tmp_path / "again").read_bytes()
    assert len(data) < 1.01 * (len(LARGE) + sum(map(len, texts.values()))) + 2000


def test_a_submodule_is_a_bundle_of_its_own(work: Working, tmp_path: Path) -> None:
    lib = Working(tmp_path / "lib", work.data)
    lib.commit({"lib.txt": "lib\n"})
    work.commit({"a.txt": "one\n"})
    work.git("submodule", "add", "-q", str(lib.root), "lib")
    work.git("commit", "-q", "-m", "lib")
    commit = work.git("rev-parse", "HEAD").strip()
    for number, part in enumerate(find_parts(work.root, commit, work.env)):
        write_bundle(part.repository, part.commit, tmp_path / str(number), work.env)
    top = fetched(work, tmp_path / "0", commit, tmp_path / "new")
    fetched(work, tmp_path / "1", lib.git("rev-parse", "HEAD").strip(), tmp_path / "new" / "lib")
    assert top.git("status", "--porcelain") == ""
    assert (tmp_path / "new" / "lib" / "lib.txt").read_text() == "lib\n"


def test_what_isnt_there_or_is_damaged_makes_no_bundle(work: Working, tmp_path: Path) -> None:
    work.commit({"a.txt": "one\n", "b.txt": "two\n"})
    one, two = (work.git("rev-parse", f"HEAD:{name}.txt").strip() for name in "ab")
    objects = work.root / ".git" / "objects"
    place = objects / one[:2] / one[2:]
    place.chmod(0o644)
    place.write_bytes((objects / two[:2] / two[2:]).read_bytes())
    with pytest.raises(CommitGone, match=f"git object {one} isn't in the repository, or is damaged"):
        bundled(work, tmp_path / "source.bundle")
    place.unlink()
    with pytest.raises(CommitGone) as caught:
        bundled(work, tmp_path / "source.bundle")
    assert caught.value.missing == (f"git object {one}",)
    assert not (tmp_path / "source.bundle").exists()
