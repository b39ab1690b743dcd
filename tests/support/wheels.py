"""Small wheels, made here."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from buildbox.recipes.lock import Package
from buildbox.recipes.target import Target, target_of

BOOKWORM = (("libc6", "2.36-9+deb12u14"), ("python3", "3.11.2-1+b1"))


def target(architecture: str = "amd64", packages: Sequence[tuple[str, str]] = BOOKWORM) -> Target:
    """The Python of a bookworm."""
    listed = [Package(name, architecture, version, 0, "", "") for name, version in packages]
    return target_of(listed, architecture)


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, str] | None = None,
    metadata: Sequence[str] = (),
    tag: str = "py3-none-any",
) -> Path:
    """A wheel (PyPA: binary distribution format) with `files` and more lines of `metadata`."""
    inside = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    contents = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n",
        **(files or {}),
        f"{inside}/METADATA": "\n".join(lines) + "\n",
        f"{inside}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = [f"{path},{_hash(text)},{len(text.encode())}" for path, text in contents.items()]
    contents[f"{inside}/RECORD"] = "\n".join([*record, f"{inside}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as file:
        for inner, text in contents.items():
            file.writestr(inner, text)
    return path


def pinned(*wheels: Path) -> str:
    """A requirements file for exactly these wheels, in order."""
    by_name: dict[str, list[str]] = {}
    for wheel in wheels:
        name, version = wheel.name.split("-")[:2]
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        by_name.setdefault(f"{name}=={version}", []).append(f"--hash=sha256:{digest}")
    return "".join(" ".join([name, *hashes]) + "\n" for name, hashes in by_name.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).decode().rstrip("=")
