"""Hermetic tasks in real containers that try to get more out of their tree than files."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import ME, STRANGER, Caller, Project, keep_image, let_others_pass
from tests.support.tiny_image import tiny_image
from tests.support.trees import seen

CALLERS = [ME, Caller(STRANGER, STRANGER)] if ME.uid == 0 else [ME]
CONFIG = """
[toolchains.box]
image = "{pin}"
[tasks.make]
hermetic = true
run = '''
{script}
'''
outputs = {outputs}
"""
MakeProject = Callable[..., Project]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """Makes a project with one hermetic task, in a busybox image."""
    let_others_pass(tmp_path)

    def make(script: str, outputs: list[str], caller: Caller = ME) -> Project:
        (tmp_path / "home").mkdir()
        pin = keep_image(tmp_path / "home", tiny_image(), "tests/busybox:1")
        project = Project(tmp_path / "project", tmp_path / "home", caller)
        project.root.mkdir()
        project.write(
            {
                ".buildbox.toml": CONFIG.format(pin=pin, script=script.strip(), outputs=outputs),
                "dist/old": "1",
                "source": "2",
            }
        )
        return project

    return make


HOSTILE = r"""
mkdir -p dist/sub dist/zz dist/$(printf 'a/%.0s' $(seq 150))
echo fine > dist/fine
ln -s /etc/passwd dist/absolute
ln -s ../../secret dist/out
ln -s sub/../../.. dist/up
mkfifo dist/fifo
touch "dist/$(printf 'line\nfeed')" "dist/$(printf 'latin-\344')"
mknod dist/device c 1 3 2> /dev/null || true
rm -rf other && ln -s /etc other
for n in $(seq 30); do ln -s /root dist/zz/$n; done
"""


@pytest.mark.parametrize("caller", CALLERS, ids=["root", "user"][: len(CALLERS)])
def test_hostile_outputs_are_refused_together_and_change_nothing(
    make_project: MakeProject, caller: Caller
) -> None:
    project = make_project(HOSTILE, ["dist/", "other/x"], caller)
    before = seen(project.root)
    result = project.run("run", "make")
    assert result.status == 2, result.err
    assert seen(project.root) == before
    for line in (
        "dist/absolute is a link to an absolute path, /etc/passwd",
        "dist/out is a link that leads out of the project, to ../../secret",
        "dist/up is a link that goes up again behind a name",
        "dist/fifo is a fifo",
        r"'dist/line\nfeed' has a name with control characters in it",
        r"'dist/latin-\udce4' has a name that isn't UTF-8",
        "lies in more than 100 folders",
        "more",
    ):
        assert line in result.err
    assert "fine" not in result.err
    assert list((project.root / ".buildbox/stage").glob("*/*")) == []
    again = project.run("run", "make")
    assert again.status == 2, "no result was kept"


ODD = r"""
mkdir -p dist/a/b dist/many dist/empty
echo 1 > dist/a/b/c; echo 2 > dist/setuid; echo 3 > dist/none; ln dist/none dist/second; ln -s a/b dist/link
for n in $(seq 3000); do echo $n > dist/many/$n; done
chmod 6755 dist/setuid; chmod 0 dist/none dist/a/b/c; chmod 0 dist/a/b; chmod 500 dist/a
chmod 1777 dist/empty
mkdir -p left/over; touch left/over/x; chmod 0 left/over left; chmod 0 source .
"""


@pytest.mark.parametrize("caller", CALLERS, ids=["root", "user"][: len(CALLERS)])
def test_odd_modes_come_back_as_plain_files(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(ODD, ["dist/"], caller)
    for _ in ("ran", "from its result"):
        project.ok("run", "make")
        found = {name: text for name, text in seen(project.root / "dist").items() if "many" not in name}
        assert found == {
            "a/b/c": "1\n",
            "setuid*": "2\n",
            "none": "3\n",
            "second": "3\n",
            "link@": "a/b",
            "empty/": "",
        }
        assert sum(1 for _ in (project.root / "dist/many").iterdir()) == 3000
        for path in (project.root / "dist").rglob("*"):
            state = path.lstat()
            assert (state.st_uid, state.st_gid) == (caller.uid, caller.gid)
            assert path.is_symlink() or stat.S_IMODE(state.st_mode) in (0o644, 0o755), path
            assert path.is_dir() or state.st_nlink == 1
        assert list((project.root / ".buildbox/stage").glob("*/*")) == []
        assert (project.root / "source").read_text() == "2"
        (project.root / "dist/none").unlink()
