from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from buildbox.digest import Digest
from buildbox.errors import ConfigError, UsageError
from buildbox.recipes.catalogue import own_catalogue
from buildbox.recipes.lock import Wheel, parse_lock, render_lock
from buildbox.recipes.recipe import LaidIn
from buildbox.recipes.sbom import bill_of_materials, need_lock, package_url, render_bill, write_bill
from buildbox.reference import ImageRef
from tests.support.recipes import lock, package, recipe, write_recipe

RECIPE = replace(
    recipe(),
    files=(LaidIn("/etc/pip.conf", Path("pip.conf"), 0o644, Digest.of(b"[global]\n")),),
)
LOCK = replace(
    lock(
        package("libstdc++6", "12.2.0-14+deb12u1", data=b"one"),
        package("zlib1g", "1:1.2.13.dfsg-1~x", data=b"two"),
        package("adduser", "3.134", "all", b"three"),
    ),
    wheels=(
        Wheel("build", "1.2.2", 5, Digest.of(b"wheel").hex, "build-1.2.2-py3-none-any.whl"),
        Wheel("local", "1.0+cpu", 5, Digest.of(b"local").hex, "local-1.0+cpu-py3-none-any.whl"),
    ),
)
PIN = ImageRef.parse(f"buildbox/tool:1@{Digest.of(b'tool')}")
BILL = bill_of_materials(RECIPE, LOCK, PIN)
PARTS = {part["name"]: part for part in BILL["components"]}


def faults(bill: dict[str, Any]) -> object:
    """What the specification's own schema has against the document."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(render_bill(bill))


@pytest.mark.parametrize("pin", [PIN, None])
def test_is_what_the_specification_asks_for(pin: ImageRef | None) -> None:
    assert faults(bill_of_materials(RECIPE, LOCK, pin)) is None


def test_the_specification_is_asked() -> None:
    assert faults({**BILL, "serialNumber": "1"}) is not None
    assert faults({**BILL, "ingredients": []}) is not None


def test_a_real_lock() -> None:
    found = parse_lock((own_catalogue() / "python/3.11/recipe.lock").read_text())
    bill = bill_of_materials(RECIPE, found, None)
    assert faults(bill) is None
    assert len(bill["components"]) == len(found.packages) + len(found.wheels) + 1
    for part in bill["components"]:
        if "purl" in part:
            parsed = PackageURL.from_string(part["purl"])
            assert (parsed.name, parsed.version) == (part["name"], part["version"])
            assert parsed.to_string() == part["purl"]


def test_the_image_is_the_subject() -> None:
    image = BILL["metadata"]["component"]
    assert (image["type"], image["name"], image["version"]) == ("container", "buildbox/tool", "1")
    assert image["hashes"] == [{"alg": "SHA-256", "content": Digest.of(b"tool").hex}]
    parsed = PackageURL.from_string(image["purl"])
    assert (parsed.type, parsed.name, parsed.version) == ("oci", "tool", str(PIN.digest))
    properties = {item["name"]: item["value"] for item in image["properties"]}
    assert properties["buildbox:lock.checksum"] == str(LOCK.checksum)
    assert BILL["dependencies"][0]["ref"] == image["bom-ref"]


def test_an_image_that_was_never_built_has_no_digest() -> None:
    image = bill_of_materials(RECIPE, LOCK, None)["metadata"]["component"]
    assert "hashes" not in image
    assert "purl" not in image


@pytest.mark.parametrize(
    ("name", "purl"),
    [
        ("adduser", "pkg:deb/debian/adduser@3.134?arch=all&distro=debian-12.15"),
        (
            "libstdc++6",
            "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12.15",
        ),
        ("zlib1g", "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1~x?arch=amd64&distro=debian-12.15"),
        ("build", "pkg:pypi/build@1.2.2?file_name=build-1.2.2-py3-none-any.whl"),
        ("local", "pkg:pypi/local@1.0%2Bcpu?file_name=local-1.0%2Bcpu-py3-none-any.whl"),
    ],
)
def test_parts_have_package_urls(name: str, purl: str) -> None:
    assert PARTS[name]["purl"] == purl
    assert PackageURL.from_string(purl).to_string() == purl  # the reference implementation's own spelling


def test_package_urls_leave_out_what_is_not_there() -> None:
    assert package_url("deb", "debian", "mmdebstrap", "1.3.5-7") == "pkg:deb/debian/mmdebstrap@1.3.5-7"


def test_parts_have_hash_and_size() -> None:
    assert PARTS["adduser"]["hashes"] == [{"alg": "SHA-256", "content": Digest.of(b"three").hex}]
    assert {"name": "buildbox:size", "value": "5"} in PARTS["adduser"]["properties"]
    assert PARTS["build"]["hashes"][0]["content"] == Digest.of(b"wheel").hex
    assert PARTS["/etc/pip.conf"]["hashes"][0]["content"] == Digest.of(b"[global]\n").hex


def test_tools_are_told_but_are_no_part_of_the_image() -> None:
    (formula,) = BILL["formulation"]
    assert [(tool["name"], tool["version"]) for tool in formula["components"]] == list(LOCK.tools)
    assert "mmdebstrap" not in PARTS


def test_the_same_lock_gives_the_same_bytes() -> None:
    again = parse_lock(render_lock(LOCK, "tool/1"))
    assert render_bill(bill_of_materials(RECIPE, again, PIN)) == render_bill(BILL)
    assert BILL["metadata"]["timestamp"] == "2026-07-11T10:16:37Z"


def test_another_lock_or_pin_gives_another_serial_number() -> None:
    fewer = replace(LOCK, packages=LOCK.packages[1:])
    bills = [BILL, bill_of_materials(RECIPE, fewer, PIN), bill_of_materials(RECIPE, LOCK, None)]
    assert len({bill["serialNumber"] for bill in bills}) == len(bills)


def test_a_suite_without_a_number_is_named() -> None:
    bill = bill_of_materials(RECIPE, replace(LOCK, suite="sid", release=""), PIN)
    assert bill["components"][0]["purl"].endswith("distro=debian-sid")
    assert faults(bill) is None


def test_a_dockerfile_recipe_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "tool" / "1"
    folder.mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    with pytest.raises(UsageError) as caught:
        need_lock(folder)
    assert "tool/1 is a Dockerfile recipe" in caught.value.reason
    assert caught.value.hint
    need_lock(write_recipe(tmp_path, "tool/2"))


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "tool.cdx.json"
    path.write_text("old")
    write_bill(path, render_bill(BILL))
    assert json.loads(path.read_text()) == BILL
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["nowhere/tool.json", "."])
def test_what_cannot_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        write_bill(tmp_path / name, "{}")
    assert "can't be written" in caught.value.reason
    assert list(tmp_path.iterdir()) == []
