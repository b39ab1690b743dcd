"""Node projects, whichever of npm, yarn and pnpm they use."""

from __future__ import annotations

import json
import re
from typing import Any

from buildbox.starter.folder import Folder
from buildbox.starter.parts import Job, Part, fitting

VERSIONS = ("18", "20")
_NO_TEST = "no test specified"  # what `npm init` writes for want of a test
_TEST_FILE = r"(.*/)?(test/.*|test|test-.*|.*[._-]test)\.[cm]?js"  # what `node --test` looks for
_DESCRIPTIONS = {
    "lint": "Static checks",
    "typecheck": "Check the types",
    "build": "Build the project",
}
_VERSION = re.compile(r"\d+(\.\d+)*")


def node(folder: Folder) -> Part | None:
    """The part for a Node project; None where there is none."""
    if "package.json" not in folder.files:
        return None
    package = _object(folder.text("package.json"))
    scripts = package.get("scripts")
    scripts = scripts if isinstance(scripts, dict) else {}
    jobs = [_test(folder, scripts)]
    for name, description in _DESCRIPTIONS.items():
        if isinstance(scripts.get(name), str):
            jobs.append(Job(name, description, ("npm", "run", name, "--")))
    lock = folder.first("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock")
    if any(package.get(key) for key in ("dependencies", "devDependencies", "workspaces")):
        jobs.insert(0, _deps(package, lock, folder))
    engines = package.get("engines")
    wanted = engines.get("node") if isinstance(engines, dict) else None
    wanted = wanted if isinstance(wanted, str) and "||" not in wanted else None
    version, notes = fitting("engines.node", wanted, VERSIONS)
    return Part(
        "node",
        version,
        ", ".join(name for name in ("package.json", lock) if name),
        "node and npm",
        tuple(jobs),
        env={"NPM_CONFIG_UPDATE_NOTIFIER": "false"},
        notes=notes,
    )


def _test(folder: Folder, scripts: dict[str, Any]) -> Job:
    test = scripts.get("test")
    if isinstance(test, str) and _NO_TEST not in test:
        return Job("test", "Run the tests", ("npm", "test", "--"))
    if folder.any(_TEST_FILE):
        return Job("test", "Run the tests", ("node", "--test"))
    return Job(
        "test",
        "Check that it is a package",
        ("npm", "pack", "--dry-run"),
        comment='package.json has no script "test". Once it has: ["npm", "test", "--"]',
    )


def _deps(package: dict[str, Any], lock: str | None, folder: Folder) -> Job:
    """The project's own package manager fills node_modules; the image needs npm only."""
    manager, _, version = str(package.get("packageManager") or "").partition("@")
    match = _VERSION.match(version)
    version = match[0] if match else ""
    if manager not in ("npm", "yarn", "pnpm"):
        manager = {"yarn.lock": "yarn", "pnpm-lock.yaml": "pnpm"}.get(lock or "", "npm")
    env = {}
    if manager == "pnpm":
        run = f"npx --yes pnpm@{version or '9'} install{' --frozen-lockfile' if lock else ''}"
    elif manager == "yarn" and (".yarnrc.yml" in folder.files or version.partition(".")[0] not in ("", "1")):
        run = f"npx --yes @yarnpkg/cli-dist@{version or '4'} install{' --immutable' if lock else ''}"
        env = {"YARN_NODE_LINKER": "node-modules"}  # so that npm runs the scripts, whoever installed
    elif manager == "yarn":
        run = f"npx --yes yarn@{version or '1'} install{' --frozen-lockfile' if lock else ''}"
    else:
        run = "npm ci" if lock else "npm install"
    return Job("deps", "Install what the project needs into node_modules", run=run, env=env, networked=True)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
