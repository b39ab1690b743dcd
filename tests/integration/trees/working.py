"""A working tree to try things in, and what its inputs are by the plainest reading of the disk."""

from __future__ import annotations

import hashlib
import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from buildbox.digest import Digest
from buildbox.trees.entry import FILE, LINK, PROGRAM, Entry, tree_digest
from buildbox.trees.selection import InputTree, WorkTree


class Working:
    """A folder, with git or without, and buildbox's memos of it."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root, self.data = root, data
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "C",
            "GIT_COMMITTER_EMAIL": "c@example.com",
            "GIT_COMMITTER_DATE": "1234567890 +0100",
        }
        root.mkdir(parents=True, exist_ok=True)
        data.mkdir(parents=True, exist_ok=True)

    def git(self, *arguments: str, at: str = ".") -> str:
        line = ["git", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main", *arguments]
        done = subprocess.run(line, cwd=self.root / at, env=self.env, capture_output=True, check=False)
        assert done.returncode == 0 or arguments[0] == "merge", done.stderr
        return os.fsdecode(done.stdout)

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes]) -> None:
        """A repository with these files, committed."""
        self.write(files)
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def look(self, env: Mapping[str, str] | None = None) -> WorkTree:
        env = self.env if env is None else env
        return WorkTree.look(self.root, self.data / "own", env, time.time())

    def select(self, *inputs: str, without: tuple[str, ...] = ()) -> InputTree:
        """The inputs; and that they are what is on the disk, as found out now and as kept for the next."""
        tree = self.look().select(inputs or None, without)
        for again in (tree, self.look().select(inputs or None, without)):
            assert again.digest == tree.digest == self.digest(*names(again))
            assert again.count == len(again.entries())
            assert again.unmatched == tree.unmatched
        return tree

    def digest(self, *paths: str) -> Digest:
        return tree_digest(entry(self.root, path) for path in paths)


def entry(root: Path, path: str) -> Entry:
    place = root / path
    if place.is_symlink():
        target = os.fsencode(place.readlink())
        return Entry(path, LINK, hashlib.sha256(target).hexdigest(), len(target))
    data = place.read_bytes()
    mode = PROGRAM if place.stat().st_mode & 0o100 else FILE
    return Entry(path, mode, hashlib.sha256(data).hexdigest(), len(data))


def names(tree: InputTree) -> list[str]:
    return [entry.path for entry in tree.entries()]
