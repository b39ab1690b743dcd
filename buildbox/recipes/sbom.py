"""A software bill of materials of an image, made from its recipe, its lock and its recorded pin alone.

CycloneDX 1.6 in JSON (ECMA-424); components are named by package URLs (ECMA-427). The same lock and pin
give the same bytes: the time is the lock's, and the serial number is computed from what the document says.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from buildbox.config.edit import write_file
from buildbox.errors import ConfigError, UsageError
from buildbox.oci import canonical
from buildbox.recipes.catalogue import kind
from buildbox.recipes.dockerfile import DOCKERFILE
from buildbox.recipes.lock import Lock, Package, Wheel
from buildbox.recipes.recipe import LaidIn, Recipe
from buildbox.reference import ImageRef

_SPEC = "1.6"
_NAMESPACE = uuid.UUID("9d9f3d10-7a5a-5d0c-8f0e-3f1e5b7c2a64")  # of our serial numbers; any fixed one does
_VENDOR = "debian"


def need_lock(folder: Path) -> None:
    """Raises UsageError for a Dockerfile recipe: what it installs, no file of it says."""
    if kind(folder) == DOCKERFILE:
        raise UsageError(
            f"{folder.parent.name}/{folder.name} is a Dockerfile recipe: no lock lists its parts",
            "Look into its image with a scanner, or write a recipe.toml that lists its packages.",
        )


def bill_of_materials(recipe: Recipe, lock: Lock, pin: ImageRef | None) -> dict[str, Any]:
    """The document for the image that `lock` makes, and that `pin` (None where unknown) names."""
    image = _image(recipe, lock, pin)
    parts = [
        *(_package(package, lock) for package in lock.packages),
        *(_wheel(wheel) for wheel in lock.wheels),
        *(_file(file) for file in recipe.files),
    ]
    value: dict[str, Any] = {
        "$schema": f"http://cyclonedx.org/schema/bom-{_SPEC}.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": _SPEC,
        "version": 1,
        "metadata": {
            "timestamp": _date(lock.source_date_epoch),
            "tools": {"components": [{"type": "application", "name": "buildbox"}]},
            "component": image,
        },
        "components": parts,
        "dependencies": [{"ref": image["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}],
        # All of the image is listed; how the packages need each other isn't.
        "compositions": [{"aggregate": "complete", "assemblies": [image["bom-ref"]]}],
        "formulation": [{"components": [_tool(*tool) for tool in lock.tools]}],
    }
    value["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, canonical(value).decode())}"
    return value


def render_bill(bill: Mapping[str, Any]) -> str:
    """The document's text."""
    return json.dumps(bill, indent=2, ensure_ascii=False) + "\n"


def write_bill(path: Path, text: str) -> None:
    """Writes the document to `path`: a file gets all of it or stays as it was. Raises ConfigError."""
    if not path.exists() or path.is_file():
        write_file(path, text)
        return
    try:
        path.write_text(text, encoding="utf-8")  # a device or a pipe
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from None


def package_url(
    kind: str, namespace: str, name: str, version: str, qualifiers: Mapping[str, str] | None = None
) -> str:
    """`pkg:KIND/NAMESPACE/NAME@VERSION?…` for parts that are in their type's normal form already.

    ECMA-427, section "Rules for each purl component": all but unreserved characters and the colon is
    percent-encoded, and qualifiers are sorted.
    """
    path = "/".join(quote(part, safe=":") for part in (kind, namespace, name) if part)
    pairs = [f"{key}={quote(value, safe=':')}" for key, value in sorted((qualifiers or {}).items())]
    return f"pkg:{path}@{quote(version, safe=':')}" + ("?" + "&".join(pairs) if pairs else "")


def _image(recipe: Recipe, lock: Lock, pin: ImageRef | None) -> dict[str, Any]:
    name = recipe.image.name
    image: dict[str, Any] = {
        "type": "container",
        "bom-ref": f"{name}:{recipe.version}",
        "name": name,
        "version": recipe.version,
        "description": recipe.description,
    }
    if pin and pin.digest:
        image["hashes"] = _sha256(pin.digest.hex)
        image["purl"] = package_url("oci", "", recipe.name, str(pin.digest), {"tag": recipe.version})
    image["properties"] = _properties(
        ("recipe", recipe.text),
        ("recipe.checksum", str(lock.recipe)),
        ("lock.checksum", str(lock.checksum)),
        ("suite", lock.suite),
        ("release", lock.release),
        ("architecture", lock.architecture),
        ("source-date-epoch", str(lock.source_date_epoch)),
    )
    return image


def _package(package: Package, lock: Lock) -> dict[str, Any]:
    # As scanners for vulnerabilities write the distribution, "debian-12.15"; a suite without a number has
    # its name only.
    distro = f"{_VENDOR}-{lock.release or lock.suite}"
    qualifiers = {"arch": package.architecture, "distro": distro}
    purl = package_url("deb", _VENDOR, package.name, package.version, qualifiers)
    return {
        "type": "library",
        "bom-ref": purl,
        "supplier": {"name": "Debian"},
        "name": package.name,
        "version": package.version,
        "hashes": _sha256(package.sha256),
        "purl": purl,
        "properties": _properties(("size", str(package.size)), ("path", package.path)),
    }


def _wheel(wheel: Wheel) -> dict[str, Any]:
    purl = package_url("pypi", "", wheel.name, wheel.version, {"file_name": wheel.file})
    return {
        "type": "library",
        "bom-ref": purl,
        "name": wheel.name,
        "version": wheel.version,
        "hashes": _sha256(wheel.sha256),
        "purl": purl,
        "properties": _properties(("size", str(wheel.size)), ("path", wheel.file)),
    }


def _file(file: LaidIn) -> dict[str, Any]:
    return {
        "type": "file",
        "bom-ref": f"file:{file.target}",
        "name": file.target,
        "hashes": _sha256(file.digest.hex),
    }


def _tool(name: str, version: str) -> dict[str, Any]:
    """What the image was made with, and isn't in it."""
    purl = package_url("deb", _VENDOR, name, version)
    return {"type": "application", "bom-ref": f"tool:{name}", "name": name, "version": version, "purl": purl}


def _sha256(digits: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": digits}]


def _properties(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": f"buildbox:{name}", "value": value} for name, value in pairs if value]


def _date(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
