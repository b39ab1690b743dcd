from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.config.edit import pin_images, write_file
from buildbox.errors import ConfigError
from tests.unit.config.test_places import Document, documents

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OLD = "registry.example.com/old:1"
NEW = "registry.example.com:5000/a/new:1@sha256:" + "0123456789abcdef" * 4
FORMS = [
    '[toolchains.{0}]\nimage = "{1}"  # the tag is for people\n',
    "[toolchains.{0}]\nshell=['sh', '-c']\n\nimage='{1}'\n",
    '[toolchains]\n{0}.image = "{1}"\n{0}.platform = "linux/amd64"\n',
    '[toolchains]\n{0} = {{ image = "{1}", platform = "linux/amd64" }}\n',
    'toolchains.{0}.image = "{1}"\n',
    'toolchains = {{ {0} = {{ image = "{1}" }} }}\n',
    '[toolchains . "{0}" ]\n  "image"\t=\t"""{1}"""\n',
    "[ toolchains.'{0}' ]\nimage = '''{1}'''\n# the end",
    '[a]\n[toolchains.{0}]\nimage = """\n{1}"""\n',
]


@settings(max_examples=60, deadline=None)
@given(documents(), st.sampled_from(FORMS), st.booleans())
def test_only_the_image_changes(other: Document, form: str, crlf: bool) -> None:
    before = "toolchains" in form.split("\n")[0] and not form.startswith("[")
    text = form.format("python", OLD)
    # Where the form has no header of its own, it must stand before the first one of the rest.
    rest = other.text if other.text.endswith("\n") else other.text + "\n"
    text = text + rest if before else rest + text
    if crlf:
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    new = pin_images(text, {("toolchains", "python"): NEW})
    assert tomllib.loads(new)["toolchains"]["python"]["image"] == NEW
    # The first line break after an opening """ is not part of the string, nor kept.
    strip = text.replace('"""\r\n' + OLD, '"""' + OLD).replace('"""\n' + OLD, '"""' + OLD)
    assert new.replace(NEW, OLD) == strip


def test_several_at_once() -> None:
    text = "\n".join(f'[toolchains.t{i}]\nimage = "{OLD}{i}"  # {i}' for i in range(5))
    new = pin_images(
        text, {("toolchains", "t3"): NEW, ("toolchains", "t0"): NEW, ("toolchains", "t4"): "short"}
    )
    assert new.split("\n")[1] == f'image = "{NEW}"  # 0'
    assert new.split("\n")[7] == f'image = "{NEW}"  # 3'
    assert new.split("\n")[9] == 'image = "short"  # 4'
    assert new.split("\n")[3] == f'image = "{OLD}1"  # 1'


def test_nothing_to_pin_changes_nothing() -> None:
    assert pin_images("# é\r\n\r\n", {}) == "# é\r\n\r\n"


@pytest.mark.parametrize(
    "text", ["", "[toolchains.other]\nimage='x'\n", "[toolchains.python]\n", "[toolchains]\npython = 1"]
)
def test_a_toolchain_without_image(text: str) -> None:
    with pytest.raises(ConfigError, match=r"toolchains\.python has no image to pin"):
        pin_images(text, {("toolchains", "python"): NEW})


def test_only_references_are_written() -> None:
    with pytest.raises(ValueError, match="not a"):
        pin_images(f'[toolchains.python]\nimage = "{OLD}"\n', {("toolchains", "python"): 'x"\n[tasks.evil]'})


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / ".buildbox.toml"
    path.write_text("old")
    path.chmod(0o640)
    inode = path.stat().st_ino
    write_file(path, "new é\r\n")
    assert path.read_bytes() == "new é\r\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_ino != inode
    assert [entry.name for entry in tmp_path.iterdir()] == [".buildbox.toml"]


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    write_file(tmp_path / ".buildbox.toml", "new")
    (tmp_path / "other").touch()
    assert (tmp_path / ".buildbox.toml").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "real.toml").write_text("old")
    link = tmp_path / ".buildbox.toml"
    link.symlink_to("config/real.toml")
    write_file(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "config" / "real.toml").read_text() == "new"


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("old")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / ".buildbox.toml").symlink_to("../other")
    with pytest.raises(ConfigError, match="leads out of the project"):
        write_file(tmp_path / "project" / ".buildbox.toml", "new")
    assert (tmp_path / "other").read_text() == "old"


def test_what_can_not_be_written_stays(tmp_path: Path) -> None:
    path = tmp_path / ".buildbox.toml"
    path.mkdir()
    (path / "x").touch()
    with pytest.raises(ConfigError, match="can't be written"):
        write_file(path, "new")
    assert [entry.name for entry in tmp_path.iterdir()] == [".buildbox.toml"]
    with pytest.raises(ConfigError, match="can't be written"):
        write_file(tmp_path / "gone" / ".buildbox.toml", "new")


def test_a_service_is_pinned_in_its_own_section() -> None:
    text = f'[toolchains.db]\nimage = "{OLD}"\n[services.db]\nimage = "{OLD}"  # the database\n'
    new = pin_images(text, {("services", "db"): NEW})
    assert new == f'[toolchains.db]\nimage = "{OLD}"\n[services.db]\nimage = "{NEW}"  # the database\n'
