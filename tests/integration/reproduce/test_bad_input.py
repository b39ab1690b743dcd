"""What `verify` and `reproduce` say of what is damaged, forged or gone: which status, in which words."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from buildbox.capsule.form import BLOBS, INDEX_FILE
from buildbox.capsule.members import plain_header
from buildbox.digest import Digest
from buildbox.oci import OCI_LAYER_GZIP, canonical
from tests.support.engines import SOCKET
from tests.support.project import Project, keep_image
from tests.support.real import commit, git
from tests.support.tiny_image import FILES, tiny_image

CANT_TELL, DIFFERENT, USAGE = 119, 122, 2
IMAGE = tiny_image(files={**FILES, "etc/mark": "bad input"})
TASKS = """
[tasks.first]
hermetic = true
inputs = ["in"]
outputs = ["half"]
run = "cat in in > half"

[tasks.make]
hermetic = true
needs = ["first"]
inputs = ["in"]
outputs = ["out"]
run = "cat in half > out"

[tasks.flaky]
hermetic = true
inputs = []
outputs = ["one", "two"]
caches = { kept = "~/kept" }
run = "echo 1 > one; test ! -e ~/kept/seen || echo 2 > two; touch ~/kept/seen"

[tasks.rooted]
hermetic = true
user = "root"
rootfs = "writable"
inputs = []
outputs = ["owned"]
run = "id -u > owned"
"""


def forget_image() -> None:
    """The engine hasn't got it any more."""
    client = docker.DockerClient(base_url=SOCKET)
    for image in client.images.list(all=True):
        if image.id in IMAGE.ids:
            client.images.remove(image.id, force=True)
    client.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project whose `out` was made and signed; to be copied, not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    project = Project(folder / "project", folder / "home")
    for each in (project.root, project.home):
        each.mkdir()
    pin = keep_image(project.home, IMAGE, "tests/bad-input:1")
    project.write({".buildbox.toml": f'[toolchains.box]\nimage = "{pin}"\n{TASKS}', "in": "text\n"})
    commit(project)
    project.ok("keygen")
    project.ok("run", "--sign", "make")
    yield project
    forget_image()


@pytest.fixture(scope="module")
def capsule(made: Project) -> Path:
    """A capsule of `out`; to be copied, too."""
    made.ok("capsule", "create", "out", "-o", "../capsule.tar")
    return made.root.parent / "capsule.tar"


@pytest.fixture
def own(made: Project, tmp_path: Path) -> Project:
    """A copy of it that a test may change."""
    for name in ("project", "home"):
        shutil.copytree(made.root.parent / name, tmp_path / name, symlinks=True)
    return replace(made, root=tmp_path / "project", home=tmp_path / "home")


def refused(project: Project, status: int, *line: str) -> str:
    """What buildbox says of a call that ends with `status`."""
    result = project.run(*line)
    assert result.status == status, f"{line}: exit status {result.status}\n{result.out}\n{result.err}"
    assert not list(project.root.glob(".buildbox/reproduced/*"))
    return result.err


def envelope(project: Project) -> tuple[Path, dict[str, str], dict[str, object]]:
    """The file beside `out`, what is in it, and the statement in that."""
    path = project.root / "out.intoto.jsonl"
    found = json.loads(path.read_text())
    return path, found, json.loads(base64.b64decode(found["payload"]))


@pytest.mark.parametrize("signed", [True, False])
def test_a_statement_with_a_changed_byte(own: Project, signed: bool) -> None:
    path, dsse, statement = envelope(own)
    changed = json.dumps(statement).replace("cat in half", "cat in hale").encode()
    assert changed != json.dumps(statement).encode()
    path.write_bytes(
        json.dumps({**dsse, "payload": base64.b64encode(changed).decode()}).encode() if signed else changed
    )
    assert "changed" in refused(own, DIFFERENT, "verify", *([] if signed else ["--unsigned"]), "out")
    assert "changed" in refused(own, DIFFERENT, "reproduce", str(path))


def test_a_signature_by_another_key(own: Project, tmp_path: Path) -> None:
    other = tmp_path / "other"
    own.ok("keygen", "-o", str(other))
    own.ok("verify", "out")
    assert "another key" in refused(own, DIFFERENT, "verify", "--key", f"{other}.pub", "out")
    path, dsse, _ = envelope(own)
    own.ok("run", "--sign", "--key", str(other), "make")
    assert path.read_text() != json.dumps(dsse)
    assert "another key" in refused(own, DIFFERENT, "verify", "out")
    own.ok("verify", "--key", f"{other}.pub", "out")


def test_another_file_than_the_statement_is_of(own: Project) -> None:
    own.write({"out": "text\ntext\nmore\n"})
    assert "out" in refused(own, DIFFERENT, "verify", "out")


def test_an_artifact_that_no_statement_knows(own: Project) -> None:
    own.write({"stranger": "made elsewhere\n"})
    for verb in ("verify", "reproduce"):
        assert str(Digest.of(b"made elsewhere\n").hex) in refused(own, CANT_TELL, verb, "stranger")


@pytest.mark.parametrize(("file", "text"), [("what", "text"), ("what.intoto.jsonl", "{"), ("what", "{}")])
def test_a_file_that_is_none_of_these(own: Project, file: str, text: str) -> None:
    own.write({file: text})
    assert file in refused(own, USAGE, "verify", "--statement", file, "out")
    assert "there" in refused(own, USAGE, "reproduce", "nothing/of/that/name")


def test_a_newer_format(own: Project) -> None:
    path, _, statement = envelope(own)
    path.write_text(json.dumps(statement).replace("urn:buildbox:task:v1", "urn:buildbox:task:v2"))
    assert "v2" in refused(own, CANT_TELL, "verify", "--unsigned", "out")
    assert "v2" in refused(own, CANT_TELL, "reproduce", str(path))
    predicate = statement["predicate"]
    assert isinstance(predicate, dict)
    predicate["buildDefinition"]["externalParameters"]["novelty"] = True
    path.write_text(json.dumps(statement))
    assert "novelty" in refused(own, CANT_TELL, "reproduce", str(path))


def test_all_that_is_gone_is_told_at_once(own: Project) -> None:
    """The commit, the image, and the result that is needed."""
    before = git(own, "rev-parse", "HEAD").strip()
    own.write({"in": "other\n"})
    shutil.rmtree(own.root / ".git")
    commit(own)
    forget_image()
    shutil.rmtree(own.home / "archive")
    said = refused(own, CANT_TELL, "reproduce", "out.intoto.jsonl")
    for what in (before, "tests/bad-input:1", "the result of first"):
        assert what in said


def test_a_commit_that_is_gone_while_its_files_are_there(own: Project) -> None:
    own.write({".gitignore": "/half\n"})
    shutil.rmtree(own.root / ".git")
    commit(own)
    done = own.run("reproduce", "out")
    assert done.status == 0, done.err
    assert "working tree" in done.err


def test_a_build_that_passes_but_lacks_an_output(own: Project) -> None:
    """Its second output is there only where its cache has been filled by a run before."""
    assert own.run("run", "flaky").status != 0
    own.ok("run", "--provenance", "--force", "flaky")
    said = own.run("reproduce", "one")
    assert said.status == DIFFERENT
    assert "two wasn't built" in said.out
    assert (own.root / "two").read_text() == "2\n"
    own.ok("clean", "--caches")


def test_what_only_the_user_may_grant(own: Project) -> None:
    """It isn't granted by a statement or a capsule, whoever made them."""
    own.ok("run", "--allow", "root", "--provenance", "rooted")
    assert "--allow root" in refused(own, USAGE, "reproduce", "owned")
    assert "--allow root" in refused(own, USAGE, "capsule", "create", "-o", "../it.tar", "rooted")
    own.ok("capsule", "create", "--allow", "root", "--check", "-o", "../it.tar", "rooted")
    allowed = f'[allow."{own.root}"]\nroot = true\n'
    (own.home / "config.toml").write_text(allowed)
    own.ok("reproduce", "-o", "../again", "owned")
    told = refused(own, USAGE, "reproduce", "../it.tar")
    assert told.endswith("Only if you trust it with that: --allow root\n"), (
        "a project's leave isn't a capsule's"
    )
    own.ok("reproduce", "--allow", "root", "../it.tar")


def members(capsule: Path) -> dict[str, bytes]:
    with tarfile.open(capsule) as tar:
        found = {}
        for member in tar:
            file = tar.extractfile(member)
            assert file
            found[member.name] = file.read()
        return found


def rewrite(capsule: Path, files: Mapping[str, bytes]) -> None:
    """A tar with these files, in the order and the form that a capsule has."""
    blobs = sorted(name for name in files if name.startswith(BLOBS))
    others = [name for name in files if name not in blobs]
    with capsule.open("wb") as file:
        for name in [*others, *blobs]:
            data = files[name]
            file.write(plain_header(name, len(data)) + data + bytes(-len(data) % 512))
        file.write(bytes(1024))


def cut_short(capsule: Path) -> None:
    with capsule.open("r+b") as file:
        file.truncate(capsule.stat().st_size // 2)


def with_an_extra_blob(capsule: Path) -> None:
    data = b"#!/bin/sh\n"
    rewrite(capsule, {**members(capsule), f"{BLOBS}{Digest.of(data).hex}": data})


def with_a_name_that_leads_out(capsule: Path) -> None:
    rewrite(capsule, {**members(capsule), "../../escaped": b"text"})


def with_a_link_that_leads_out(capsule: Path) -> None:
    link = tarfile.TarInfo("blobs/sha256/" + "0" * 64)
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    _insert(capsule, link.tobuf())


def with_a_sparse_member(capsule: Path) -> None:
    huge = tarfile.TarInfo("blobs/sha256/" + "0" * 64)
    huge.type, huge.size = tarfile.GNUTYPE_SPARSE, 1 << 42
    _insert(capsule, huge.tobuf(tarfile.GNU_FORMAT))


def with_a_member_larger_than_it(capsule: Path) -> None:
    _insert(capsule, plain_header("blobs/sha256/" + "0" * 64, 1 << 42))


def with_other_bytes(capsule: Path) -> None:
    """One byte of a blob is another."""
    files = members(capsule)
    name = max((name for name in files if name.startswith(BLOBS)), key=lambda name: len(files[name]))
    rewrite(capsule, {**files, name: files[name][:-1] + bytes([files[name][-1] ^ 1])})


def with_a_layer_that_fills_the_disk(capsule: Path) -> None:
    """Small here, 16 GiB where an engine unpacks it; all that leads to it has its digest."""
    files = members(capsule)
    layer = gzip.compress(bytes(64 << 20), 9) * 256
    index = json.loads(files[INDEX_FILE])
    for entry in index["manifests"]:
        name = f"{BLOBS}{Digest.parse(entry['digest']).hex}"
        manifest = json.loads(files[name])
        if [each["mediaType"] for each in manifest["layers"]] == [OCI_LAYER_GZIP]:
            for part in manifest["layers"]:
                del files[f"{BLOBS}{Digest.parse(part['digest']).hex}"]
                part.update(digest=str(Digest.of(layer)), size=len(layer))
            del files[name]
            data = canonical(manifest)
            entry.update(digest=str(Digest.of(data)), size=len(data))
            files[f"{BLOBS}{Digest.of(data).hex}"] = data
    files[f"{BLOBS}{Digest.of(layer).hex}"] = layer
    rewrite(capsule, {**files, INDEX_FILE: canonical(index)})


def _insert(capsule: Path, header: bytes) -> None:
    """Puts a header where the first blob is."""
    with tarfile.open(capsule) as tar:
        place = next(member.offset for member in tar if member.name.startswith(BLOBS))
    data = capsule.read_bytes()
    capsule.write_bytes(data[:place] + header + data[place:])


SPOILT: dict[Callable[[Path], None], str] = {
    cut_short: "cut short",
    with_an_extra_blob: "nothing in it leads to",
    with_a_name_that_leads_out: "../../escaped",
    with_a_link_that_leads_out: "is a link",
    with_a_sparse_member: "a sparse file",
    with_a_member_larger_than_it: "cut short",
    with_other_bytes: "has other bytes than its name says",
    with_a_layer_that_fills_the_disk: "unpack to more than",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_a_spoilt_capsule(capsule: Path, tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    project = Project(tmp_path / "place", tmp_path / "home")
    for each in (project.root, project.home):
        each.mkdir()
    spoil(Path(shutil.copy(capsule, project.root / "capsule.tar")))
    assert SPOILT[spoil] in refused(project, DIFFERENT, "reproduce", "capsule.tar")
    assert [path.name for path in project.root.iterdir()] == ["capsule.tar"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "place"]
