"""A capsule of a build that never ran, made of values; and what somebody could have made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from buildbox.archive.images import full_name
from buildbox.archive.layout import Archive
from buildbox.archive.results import Result
from buildbox.capsule.create import Made, Origin, create
from buildbox.capsule.form import BLOBS, INDEX_FILE
from buildbox.capsule.members import plain_header
from buildbox.digest import Digest
from buildbox.errors import CantTell
from buildbox.oci import canonical
from buildbox.progress import Silent
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Need, Statement, UsedImage
from buildbox.rebuilding.subject import Chosen
from buildbox.rebuilding.supply import Inputs
from buildbox.reference import ImageRef
from buildbox.saving import Sources
from buildbox.trees.entry import Entry, tree_digest
from buildbox.trees.tar import END, padding
from tests.support import results, trees
from tests.support.images import AMD64, MadeImage, make_image
from tests.support.statements import a_statement, a_step

FILES: Mapping[str, str | bytes] = {"README": "hello", "src/main.c": "int main;", "src/link@": "/etc/passwd"}
NAME = "registry.example.com/tools:1"


@dataclass(frozen=True)
class Source:
    """A Supply of files in a folder; `gone`: it hasn't got them any more."""

    archive: Archive
    root: Path
    gone: bool = False
    closed: bool = False

    @contextmanager
    def inputs(self, statement: Statement) -> Iterator[Inputs]:
        if self.gone:
            raise CantTell("the source isn't at hand", missing=["commit 1234 is gone"])
        yield Inputs(self.root, entries_of(FILES), "here")


@dataclass(frozen=True)
class Sample:
    """A build and all that it takes, in an archive and a folder."""

    folder: Path
    archive: Archive
    image: MadeImage
    need: Result
    statement: Statement
    supply: Source

    @property
    def data(self) -> bytes:
        return statement_bytes(self.statement)

    def create(self, to: Path, **changes: Any) -> Made:
        """A capsule of it."""
        chosen = changes.pop("chosen", [Chosen(self.statement, self.data, None)])
        scratch = self.folder / f"scratch-{len(list(self.folder.iterdir()))}"
        scratch.mkdir()
        sources = Sources(True, lambda ref: (), _no_registry, lambda ref: None)
        given: dict[str, Any] = {
            "supply": self.supply,
            "root": None,
            "env": {},
            "catalogues": [],
            "sources": sources,
            "pull": lambda fingerprint: None,
            "progress": Silent(),
        }
        given |= {name: changes.pop(name) for name in list(changes) if name in given}
        return create(to, chosen, Origin(**given), scratch, **changes)


def sample(folder: Path, *, image: MadeImage | None = None, **changes: Any) -> Sample:
    """A build of the files FILES that needs the outputs of another; `changes` are its statement's."""
    folder.mkdir(exist_ok=True)
    archive = Archive.open(folder / "archive")
    (folder / "outputs").mkdir()
    need = results.keep(archive, folder / "outputs")
    image = image or make_image()
    image.put_into(archive)
    ref = ImageRef.parse(f"{NAME}@{image.digest}")
    archive.keep(image.top, full_name(ref, image.digest))
    config = Digest.parse(image.document()["config"]["digest"])  # type: ignore[index]
    step = a_step()
    step = replace(step, toolchain=replace(step.toolchain, image=ref, platform=AMD64))
    given: dict[str, Any] = {
        "image": UsedImage(str(ref), None, image.digest, config, AMD64),
        "inputs": tree_digest(entries_of(FILES)),
        "needs": (Need("deps", need.tree, need.fingerprint, need.manifest),),
        "source": None,
    }
    statement = a_statement(step, **{**given, **changes})
    return Sample(
        folder, archive, image, need, statement, Source(archive, trees.write(folder / "src", FILES))
    )


def entries_of(files: Mapping[str, str | bytes]) -> tuple[Entry, ...]:
    found = []
    for name, content in files.items():
        text = content if isinstance(content, str) else content.decode()
        found.append(trees.link(name[:-1], text) if name.endswith("@") else trees.file(name, text))
    return tuple(sorted(found))


def _no_registry(host: str) -> Any:
    raise AssertionError(f"{host} is asked")


@dataclass
class Contents:
    """The members of a capsule, to be changed and written again."""

    members: dict[str, bytes] = field(default_factory=dict)

    def blob(self, data: bytes) -> Digest:
        digest = Digest.of(data)
        self.members[f"{BLOBS}{digest.hex}"] = data
        return digest

    def drop(self, digest: Digest) -> bytes:
        return self.members.pop(f"{BLOBS}{digest.hex}")

    def get(self, digest: Digest) -> bytes:
        return self.members[f"{BLOBS}{digest.hex}"]

    @property
    def index(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.members[INDEX_FILE])["manifests"]
        return found

    def set_index(self, entries: Sequence[Mapping[str, Any]]) -> None:
        value = json.loads(self.members[INDEX_FILE])
        self.members[INDEX_FILE] = canonical({**value, "manifests": list(entries)})

    def change(self, name: str, new: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Changes a document that index.json names, and what names it."""
        entries = self.index
        for entry in entries:
            if entry["annotations"]["org.opencontainers.image.ref.name"] == name:
                data = canonical(new(json.loads(self.drop(Digest.parse(entry["digest"])))))
                entry |= {"digest": str(self.blob(data)), "size": len(data)}
        self.set_index(entries)

    def change_config(self, new: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Changes what the capsule says of itself."""

        def change(manifest: dict[str, Any]) -> dict[str, Any]:
            data = canonical(new(json.loads(self.drop(Digest.parse(manifest["config"]["digest"])))))
            manifest["config"] |= {"digest": str(self.blob(data)), "size": len(data)}
            return manifest

        self.change("capsule", change)

    def exchange(self, title: str, data: bytes) -> None:
        """Gives a file of the capsule other bytes, everywhere."""

        def change(manifest: dict[str, Any]) -> dict[str, Any]:
            (layer,) = [
                each
                for each in manifest["layers"]
                if each["annotations"]["org.opencontainers.image.title"].startswith(title)
            ]
            old = layer["digest"]
            self.drop(Digest.parse(old))
            layer |= {"digest": str(self.blob(data)), "size": len(data)}
            config = json.loads(self.drop(Digest.parse(manifest["config"]["digest"])))
            builds = [
                {key: layer["digest"] if value == old else value for key, value in build.items()}
                for build in config["builds"]
            ]
            text = canonical({**config, "builds": builds})
            manifest["config"] |= {"digest": str(self.blob(text)), "size": len(text)}
            return manifest

        self.change("capsule", change)

    def write(self, to: Path) -> Path:
        """All of it as a capsule has it: the first three, then the others by name."""
        first = ("README.md", "oci-layout", INDEX_FILE)
        names = [*first, *sorted(self.members.keys() - set(first))]
        with to.open("wb") as file:
            for name in names:
                data = self.members[name]
                file.write(plain_header(name, len(data)) + data + padding(len(data)))
            file.write(END)
        return to


def contents(path: Path) -> Contents:
    """What is in a capsule."""
    from buildbox.capsule.members import read_members

    with path.open("rb") as file:
        return Contents({member.name: b"".join(member.chunks) for member in read_members(file)})
