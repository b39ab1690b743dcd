"""Go and Rust projects."""

from __future__ import annotations

import re
import sys
from typing import Any

from buildbox.starter.folder import Folder
from buildbox.starter.parts import OWN, PREPARE, Job, Part, fitting

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GO_VERSIONS = ("1.19", "1.24")
RUST_VERSIONS = ("1.63", "1.85")
_DEPENDENCIES = ("dependencies", "dev-dependencies", "build-dependencies")


def go(folder: Folder) -> Part | None:
    """The part for a Go project; None where there is none."""
    if "go.mod" not in folder.files:
        return None
    text = folder.text("go.mod")
    jobs = [
        Job("test", "Run the tests", ("go", "test", "./...")),
        Job("lint", "Static checks", ("go", "vet", "./...")),
        Job("build", "Compile everything", ("go", "build", "./...")),
    ]
    env = {}
    if re.search(r"^\s*require\b", text, re.MULTILINE) and "vendor/modules.txt" not in folder.files:
        env = {"GOMODCACHE": f"/src/{OWN}/go", "GOFLAGS": "-modcacherw"}
        download = Job(
            "deps",
            f"Download the modules into {OWN}/go",
            run=f"{PREPARE}\ngo mod download",
            networked=True,
        )
        jobs.insert(0, download)
    wanted = re.search(r"^\s*go\s+(\S+)", text, re.MULTILINE)
    version, notes = fitting("go.mod", wanted[1] if wanted else None, GO_VERSIONS)
    return Part(
        "go",
        version,
        "go.mod",
        "go (and gcc for cgo)",
        tuple(jobs),
        env=env,
        notes=notes,
    )


def rust(folder: Folder) -> Part | None:
    """The part for a Rust project; None where there is none."""
    if "Cargo.toml" not in folder.files:
        return None
    locked = ("--locked",) if "Cargo.lock" in folder.files else ()
    jobs = [
        Job("test", "Run the tests", ("cargo", "test", "--offline", *locked)),
        Job("build", "Build for release", ("cargo", "build", "--release", "--offline", *locked)),
    ]
    if folder.first("clippy.toml", ".clippy.toml"):
        clippy = ("cargo", "clippy", "--offline", *locked, "--", "-D", "warnings")
        jobs.insert(1, Job("lint", "Static checks", clippy))
    env = {}
    if _needs_crates(folder):
        env = {"CARGO_HOME": f"/src/{OWN}/cargo"}
        fetch = " ".join(("cargo", "fetch", *locked))
        jobs.insert(
            0, Job("deps", f"Download the crates into {OWN}/cargo", run=f"{PREPARE}\n{fetch}", networked=True)
        )
    version, notes = fitting("the project", _wanted_rust(folder), RUST_VERSIONS)
    return Part(
        "rust",
        version,
        ", ".join(name for name in ("Cargo.toml", "Cargo.lock") if name in folder.files),
        "cargo and rustc",
        tuple(jobs),
        env=env,
        notes=notes,
    )


def _needs_crates(folder: Folder) -> bool:
    """Whether there are crates to download: by the lock where there is one."""
    if "vendored-sources" in folder.text(".cargo/config.toml") + folder.text(".cargo/config"):
        return False
    if "Cargo.lock" in folder.files:
        return 'source = "' in folder.text("Cargo.lock")
    manifest = _toml(folder.text("Cargo.toml"))
    tables = [manifest, *_tables(manifest.get("target")), *_tables({"": manifest.get("workspace")})]
    listed = [table.get(key) for table in tables for key in _DEPENDENCIES]
    members = "workspace" in manifest  # whose own manifests weren't read
    return members or any(
        not (isinstance(crate, dict) and "path" in crate)
        for crates in listed
        if isinstance(crates, dict)
        for crate in crates.values()
    )


def _wanted_rust(folder: Folder) -> str | None:
    package = _toml(folder.text("Cargo.toml")).get("package")
    package = package if isinstance(package, dict) else {}
    if package.get("edition") == "2024":
        return "1.85"
    if re.search(r"^version = 4$", folder.text("Cargo.lock"), re.MULTILINE):
        return "1.78"  # the first that reads such a lock
    wanted = package.get("rust-version")
    return wanted if isinstance(wanted, str) else None


def _tables(value: Any) -> list[dict[str, Any]]:
    return [item for item in value.values() if isinstance(item, dict)] if isinstance(value, dict) else []


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}
