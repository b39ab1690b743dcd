from __future__ import annotations

import pytest

from buildbox.errors import ConfigError
from tests.support.recipes import RECIPE, recipe


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
