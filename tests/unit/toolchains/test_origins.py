"""Where what the archive keeps could be had again."""

from __future__ import annotations

from buildbox.archive.names import RECOVERED
from buildbox.config.user import ArchiveSettings
from buildbox.reference import ImageRef
from buildbox.toolchains.origins import Origin, find_origin

DIGEST = f"sha256:{'1' * 64}"
SETTINGS = ArchiveSettings(remote="kept.example.com/team", mirrors={"docker.io": ("mirror.example.com/hub",)})


def origin(
    name: str, recipe: str | None = None, settings: ArchiveSettings = SETTINGS
) -> tuple[list[str], str]:
    def recipe_for(ref: ImageRef) -> str | None:
        return recipe

    found = find_origin(f"{name}@{DIGEST}", recipe_for, settings)
    return [str(place) for place in found.places], found.command


def test_a_registrys_image() -> None:
    assert origin("registry.example.com/tools/x:1") == (
        ["kept.example.com/team/registry-example-com/tools/x", "registry.example.com/tools/x"],
        "",
    )
    assert origin("registry.example.com/x:1", "x/1", ArchiveSettings()) == (
        ["registry.example.com/x"],
        "buildbox images build x/1",
    )


def test_what_was_built_here_is_not_looked_for_among_other_peoples() -> None:
    places, command = origin("docker.io/buildbox/python:3.11")
    assert places == [
        "kept.example.com/team/docker-io/buildbox/python",
        "mirror.example.com/hub/buildbox/python",
    ]
    assert command == "buildbox images build python/3.11"
    assert origin("docker.io/buildbox/python:3.11", "python/3.12")[1] == "buildbox images build python/3.12"


def test_only_a_recipe_that_has_recorded_the_very_image_surely_gives_it_again() -> None:
    name = f"docker.io/buildbox/python:3.11@{DIGEST}"
    assert find_origin(name, lambda ref: "python/3.11", SETTINGS).surely
    assert not find_origin(name, lambda ref: None, SETTINGS).surely


def test_packages_come_from_no_registry() -> None:
    assert origin("docker.io/buildbox/python:3.11-packages") == ([], "buildbox images build python/3.11")


def test_a_recovered_image_has_lost_where_it_came_from() -> None:
    assert origin(RECOVERED) == ([], "")
    assert origin(RECOVERED, "python/3.11") == ([], "buildbox images build python/3.11")


def test_another_tools_name() -> None:
    for name in ("Some Thing", "latest"):
        assert find_origin(name, lambda ref: None, SETTINGS) == Origin()


def test_a_statement_may_be_in_the_remote_archive_beside_its_result() -> None:
    assert origin("provenance") == (["kept.example.com/team/results"], "")
    assert origin("provenance", settings=ArchiveSettings()) == ([], "")
    assert origin("result") == ([], "")
