from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.digest import Digest
from buildbox.errors import ConfigError
from buildbox.recipes.recipe import Recipe, read_recipe
from tests.support.recipes import RECIPE, recipe, write_recipe


def problems(text: str, name: str = "tool") -> str:
    with pytest.raises(ConfigError) as caught:
        recipe(text, name)
    return "\n".join([caught.value.reason, *caught.value.problems])


def test_reads_what_is_written() -> None:
    found = recipe()
    assert (found.text, str(found.image)) == ("tool/1", "buildbox/tool:1")
    assert found.components == ("main",)
    assert found.packages == ("make", "tzdata")
    assert found.env == (("LANG", "C.UTF-8"),)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[debian]", "# a comment\n[debian]"),
        ('["make", "tzdata"]', '[\n  "tzdata",\n  "make",\n]'),
        ('suite = "bookworm"', 'components = ["main"]\nsuite = "bookworm"'),
    ],
)
def test_layout_does_not_change_the_checksum(old: str, new: str) -> None:
    assert recipe(RECIPE.replace(old, new)).checksum == recipe().checksum


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"make", ', ""),
        ("bookworm", "trixie"),
        ("gitweb", "perl"),
        ("C.UTF-8", "C"),
        ("A tool", "The tool"),
    ],
)
def test_what_shapes_the_image_changes_the_checksum(old: str, new: str) -> None:
    assert recipe(RECIPE.replace(old, new)).checksum != recipe().checksum


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "format 2 of a recipe is not known"),
        ("packages =", "pakages =", "debian.pakages: unknown key; did you mean 'packages'?"),
        ('"make", "tzdata"', "", "debian.packages: lists no package"),
        ('"make"', '"make=4.3"', "'make=4.3' won't do"),
        ('"make"', '"-o=Dir::Etc=/x"', "won't do"),
        ('"bookworm"', '"book worm"', "suite: 'book worm' won't do"),
        ('"/usr/share/gitweb/*"', '"/x\'; rm -rf /"', "won't do"),
        ('LANG = "C.UTF-8"', '"A B" = "c"', "image.env.A B: is no variable's name"),
        ('LANG = "C.UTF-8"', "LANG = 1", "image.env.LANG: is a string"),
        ('title = "Tool 1"', "", "title: is missing"),
        ("[image]", "[image", "recipe.toml:"),
    ],
)
def test_says_what_is_wrong(old: str, new: str, said: str) -> None:
    assert said in problems(RECIPE.replace(old, new))


def test_all_problems_are_said_at_once() -> None:
    said = problems(RECIPE.replace("title", "tilte").replace('"make"', '"Make"'))
    assert "tilte" in said
    assert "'Make'" in said


def test_a_folder_whose_name_makes_no_image_name() -> None:
    assert "makes no image name" in problems(RECIPE, "My Tool")


MORE = (
    RECIPE
    + """\
user = "build"
workdir = "/work"

[python]
requirements = "requirements.txt"

[files]
"/usr/local/bin/tool" = "files/tool"
"/etc/tool.conf" = "tool.conf"

[smoke]
starts = "tool --version"
"does a thing" = '''
tool make
'''
"""
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of MORE, with all that it names."""
    folder = write_recipe(tmp_path, text=MORE)
    (folder / "files").mkdir()
    (folder / "files/tool").write_text("#!/bin/sh\n")
    (folder / "files/tool").chmod(0o700)
    (folder / "tool.conf").write_text("a = b\n")
    (folder / "requirements.txt").write_text(
        "# why\nb==1 \\\n  --hash=sha256:00  # here\na==2 --hash=sha256:11\n"
    )
    return folder


def test_files_requirements_and_smoke_checks(folder: Path) -> None:
    found = read_recipe(folder)
    assert [(file.target, oct(file.mode)) for file in found.files] == [
        ("/etc/tool.conf", "0o644"),
        ("/usr/local/bin/tool", "0o755"),
    ]
    assert found.files[1].digest == Digest.of(b"#!/bin/sh\n")
    assert "b==1" in found.requirements
    assert (found.user, found.workdir) == ("build", "/work")
    assert found.smoke == (("starts", "tool --version"), ("does a thing", "tool make\n"))


def change(folder: Path, file: str, text: str) -> Recipe:
    (folder / file).write_text(text)
    return read_recipe(folder)


def test_the_checksum_covers_the_files_that_a_recipe_names(folder: Path) -> None:
    before = read_recipe(folder).checksum
    requirements = (folder / "requirements.txt").read_text()
    assert change(folder, "tool.conf", "a = c\n").checksum != before
    assert change(folder, "tool.conf", "a = b\n").checksum == before
    assert (
        change(folder, "requirements.txt", "a==2  --hash=sha256:11\nb==1 --hash=sha256:00\n").checksum
        == before
    )
    assert (
        change(folder, "requirements.txt", "a==2 --hash=sha256:12\nb==1 --hash=sha256:00\n").checksum
        != before
    )
    (folder / "requirements.txt").write_text(requirements)
    (folder / "files/tool").chmod(0o600)
    assert read_recipe(folder).checksum != before


def test_the_checksum_does_not_cover_what_leaves_the_image_as_it_is(folder: Path) -> None:
    before = read_recipe(folder).checksum
    other = MORE.replace("tool --version", "true").replace("[image]", "[image]\n# why")
    snapshot = 'snapshot = "https://snapshot.example.com/archive/{time}/"\nsuite ='
    assert change(folder, "recipe.toml", other.replace("suite =", snapshot)).checksum == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            '"tool.conf"',
            '"../../secret"',
            "/etc/tool.conf: ../../secret: is outside of the recipe's folder",
        ),
        ('"tool.conf"', '"/etc/shadow"', "/etc/shadow: is outside of the recipe's folder"),
        ('"tool.conf"', '"link"', "link: is outside of the recipe's folder"),
        ('"tool.conf"', '"tool.cfg"', "tool.cfg: No such file or directory"),
        ('"tool.conf"', '"files"', "files: Is a directory"),
        ('"tool.conf"', "7", "files./etc/tool.conf: is a string"),
        ('"/etc/tool.conf"', '"/etc/../x"', "is not an absolute path of plain names"),
        ('"/etc/tool.conf"', '"etc/x"', "is not an absolute path of plain names"),
        ('"/etc/tool.conf"', '"/etc/a b"', "is not an absolute path of plain names"),
        ('"/etc/tool.conf"', '"/tmp/x"', "/tmp is the container's own"),
        ('"/etc/tool.conf"', '"/var/run/x"', "/var/run is the container's own"),
        (
            '"requirements.txt"',
            '"../r.txt"',
            "requirements: ../r.txt: is outside of",
        ),
        ('"requirements.txt"', '"binary"', "python.requirements: binary: isn't UTF-8 text"),
        ('"build"', '"Build Er"', "image.user: 'Build Er' won't do"),
        ('"/work"', '"work"', "image.workdir: 'work' won't do"),
        (
            "suite =",
            'snapshot = "snapshot.example.com"\nsuite =',
            "debian.snapshot: 'snapshot.example.com' won't do",
        ),
        ("[smoke]", "[smok]", "smok: unknown key; did you mean 'smoke'?"),
    ],
)
def test_says_what_is_wrong_with_what_a_recipe_names(folder: Path, old: str, new: str, said: str) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "binary").write_bytes(b"\xff\xfe")
    assert old in MORE
    (folder / "recipe.toml").write_text(MORE.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_recipe(folder)
    assert said in "\n".join(caught.value.problems)
