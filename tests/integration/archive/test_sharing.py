"""Results that go from one archive to another by way of a registry, and registries that lie or are down."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.hints import all_hints
from buildbox.archive.layout import Archive
from buildbox.archive.result_form import Result, result_tag
from buildbox.archive.results import extract, find_result, replay
from buildbox.archive.sharing import RemoteResults
from buildbox.digest import Digest
from buildbox.oci import OCI_MANIFEST, Descriptor, canonical
from buildbox.registry.client import Registry
from tests.support.faulty import Call, FaultyRegistry, Rule, only, run_faulty, status
from tests.support.images import MadeImage, make_image
from tests.support.project import Project
from tests.support.registry import RealRegistry, serve
from tests.support.results import NOW, WRITES, Written, document, keep

FINGERPRINT = document()[0]


@dataclass
class Told:
    """What a run would have said."""

    notes: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    opened: int = 0

    def remote(self, archive: Archive, host: str, mode: str = "push", path: str = "team") -> RemoteResults:
        def open_registry(name: str) -> Registry:
            self.opened += 1
            return Registry(name, quick=True, pause=0.01, read_timeout=1.0)

        return RemoteResults(
            archive,
            f"{host}/{path}",
            mode,
            open_registry,
            note=self.notes.append,
            detail=self.details.append,
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@pytest.fixture
def other(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "other")


def test_what_one_machine_has_made_another_has(
    archive: Archive, other: Archive, real_registry: RealRegistry, scratch: Path, tmp_path: Path, told: Told
) -> None:
    kept = keep(archive, scratch)
    told.remote(archive, real_registry.host).push(kept)
    remote = told.remote(other, real_registry.host, "pull")
    assert remote.pull(FINGERPRINT, NOW) == kept
    remote.close()
    found = find_result(other, FINGERPRINT)
    assert found == kept
    (tmp_path / "to").mkdir()
    extract(other, found, tmp_path / "to")
    output = Written()
    replay(other, found, output)
    assert output.writes == list(WRITES)
    assert (tmp_path / "to/dist/run").read_bytes() == b"#!/bin/sh\n"
    assert told.notes == []


def test_what_is_not_there_is_a_miss_and_nothing_is_said(
    archive: Archive, real_registry: RealRegistry, told: Told
) -> None:
    remote = told.remote(archive, real_registry.host, path="nothing/here")
    assert [remote.pull(document(number)[0], NOW) for number in range(3)] == [None] * 3
    assert (told.notes, told.details, told.opened) == ([], [], 1)


@pytest.mark.parametrize("mode", ["off", "pull"])
def test_only_those_that_are_to_push_push(archive: Archive, scratch: Path, mode: str, told: Told) -> None:
    told.remote(archive, "127.0.0.1:1", mode).push(keep(archive, scratch))
    RemoteResults(archive, "", "push", lambda host: pytest.fail(), note=print, detail=print).push(
        keep(archive, scratch)
    )
    assert (told.opened, told.notes) == (0, [])


def test_off_asks_nothing(archive: Archive, told: Told) -> None:
    assert told.remote(archive, "127.0.0.1:1", "off").pull(FINGERPRINT, NOW) is None
    assert told.opened == 0


def test_the_first_result_stays(
    archive: Archive, other: Archive, real_registry: RealRegistry, scratch: Path, told: Told
) -> None:
    first, second = keep(archive, scratch, 5), keep(other, scratch, 5, now=NOW + 1)
    told.remote(archive, real_registry.host).push(first)
    told.remote(other, real_registry.host).push(second)
    fresh = Archive.open(scratch / "fresh")
    assert told.remote(fresh, real_registry.host).pull(first.fingerprint, NOW) == first


def made(archive: Archive, result: Result) -> MadeImage:
    """The result as what a faulty registry serves."""
    data = archive.blob_path(result.manifest).read_bytes()
    return served(archive, json.loads(data))


def served(archive: Archive, value: Mapping[str, Any], *extra: bytes) -> MadeImage:
    data = canonical(value)
    digest = Digest.of(data)
    blobs = {Digest(path.name): path.read_bytes() for path in archive.blobs.iterdir()}
    blobs |= {Digest.of(each): each for each in extra}
    return MadeImage(Descriptor(OCI_MANIFEST, digest, len(data)), {digest: (OCI_MANIFEST, data)}, blobs)


def garbled(call: Call) -> bool:
    """The bytes of a blob with one bit turned."""
    data = bytearray(call.registry.image.blobs[Digest.parse(call.path.rpartition("/")[2])])
    data[len(data) // 2] ^= 1
    call.reply(200, bytes(data))
    return True


def larger(call: Call) -> bool:
    """A blob that never ends."""
    call.reply(200, call.registry.image.blobs[Digest.parse(call.path.rpartition("/")[2])] + b"more")
    return True


def not_a_manifest(call: Call) -> bool:
    call.reply(200, b"<html>", Content_Type="text/html")
    return True


@pytest.mark.parametrize(
    "rule",
    [
        only("/manifests/", not_a_manifest),
        only("/blobs/", garbled),
        only("/blobs/", larger),
        only("/blobs/", status(404)),
    ],
    ids=["no manifest", "garbled", "larger", "without blobs"],
)
def test_a_registry_that_lies_is_a_miss(
    archive: Archive, other: Archive, scratch: Path, told: Told, rule: Rule
) -> None:
    kept = keep(archive, scratch)
    with run_faulty(made(archive, kept), rule) as registry:
        remote = told.remote(other, registry.host)
        assert remote.pull(FINGERPRINT, NOW) is None
        assert (len(told.details), told.notes) == (1, [])
        registry.rules.clear()
        assert remote.pull(FINGERPRINT, NOW) == kept  # it is asked on
    assert find_result(other, FINGERPRINT) == kept


Change = Callable[[dict[str, Any], dict[str, Any]], None]  # of a manifest, and of its config


def config_says(**changes: Any) -> Change:
    return lambda manifest, config: config.update(changes)


def lies_in_entries(index: int, value: Any) -> Change:
    def change(manifest: dict[str, Any], config: dict[str, Any]) -> None:
        config["entries"][-1][index] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest, config: manifest.pop("artifactType"),
        lambda manifest, config: manifest["annotations"].pop("buildbox.result.fingerprint"),
        lambda manifest, config: manifest["layers"].pop(0),
        lambda manifest, config: manifest["layers"].reverse(),
        lambda manifest, config: manifest["layers"].append(manifest["config"]),
        lambda manifest, config: manifest["layers"][0].update(size=1 << 40),
        lambda manifest, config: manifest["layers"][1].update(size=1 << 40),
        config_says(version=2),
        config_says(fingerprint="sha256:" + "0" * 64),
        config_says(document={"argv": ["evil"]}),
        config_says(document=None),
        config_says(entries=[]),
        config_says(entries="x"),
        config_says(tree="sha256:" + "0" * 64),
        config_says(seconds="x"),
        config_says(seconds=float("nan")),
        config_says(created=1e300),
        config_says(step="\x1b[2Jcleared"),
        lambda manifest, config: manifest["annotations"].update({"buildbox.result.step": "\x1b[2J"}),
        lies_in_entries(0, "../../etc/passwd"),
        lies_in_entries(0, "/etc/passwd"),
        lies_in_entries(1, "104755"),
        lies_in_entries(2, "0" * 64),
        lies_in_entries(3, 5),
        lies_in_entries(3, -1),
    ],
)
def test_a_result_that_is_not_what_it_says_is_a_miss(
    archive: Archive, other: Archive, scratch: Path, told: Told, change: Change
) -> None:
    kept = keep(archive, scratch)
    manifest = json.loads(archive.blob_path(kept.manifest).read_bytes())
    config = json.loads(archive.blob_path(Digest.parse(manifest["config"]["digest"])).read_bytes())
    change(manifest, config)
    data = json.dumps(config).encode()
    manifest["config"].update(digest=str(Digest.of(data)), size=len(data))
    with run_faulty(served(archive, manifest, data)) as registry:
        assert told.remote(other, registry.host).pull(FINGERPRINT, NOW) is None
    assert (len(told.details), told.notes) == (1, [])
    assert all_hints(other) == ()


def test_the_result_of_another_fingerprint_is_a_miss(
    archive: Archive, other: Archive, scratch: Path, told: Told
) -> None:
    with run_faulty(made(archive, keep(archive, scratch, 9))) as registry:
        assert told.remote(other, registry.host).pull(FINGERPRINT, NOW) is None
    assert "another fingerprint" in told.details[0]


def test_a_bad_result_in_the_remote_is_replaced_by_a_good_one(
    archive: Archive, other: Archive, real_registry: RealRegistry, scratch: Path, told: Told
) -> None:
    wrong = keep(archive, scratch, 21)
    right = keep(archive, scratch, 22)
    image = made(archive, wrong)
    needed = {blob for blob in image.blobs if blob in (wrong.outputs.digest, wrong.log and wrong.log.digest)}
    config = json.loads(image.manifests[image.digest][1])["config"]["digest"]
    blobs = {digest: image.blobs[digest] for digest in (*needed, Digest.parse(config))}
    only_that = MadeImage(image.top, image.manifests, blobs)
    real_registry.push(only_that, "team/results", result_tag(right.fingerprint))
    remote = told.remote(other, real_registry.host)
    assert remote.pull(right.fingerprint, NOW) is None
    remade = keep(other, scratch, 22, now=NOW + 7)
    remote.push(remade)
    fresh = Archive.open(scratch / "fresh")
    assert told.remote(fresh, real_registry.host).pull(right.fingerprint, NOW) == remade


def test_a_remote_that_is_down_is_told_of_once_and_asked_no_more(
    archive: Archive, scratch: Path, told: Told
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
    remote = told.remote(archive, host)
    begin = time.monotonic()
    threads = [threading.Thread(target=remote.pull, args=(document(number)[0], NOW)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    remote.push(keep(archive, scratch))
    assert len(told.notes) == 1
    assert "results aren't asked of" in told.notes[0]
    assert time.monotonic() - begin < 5


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_remote_that_hangs_is_not_waited_for_again(archive: Archive, told: Told) -> None:
    with silent() as host:
        remote = told.remote(archive, host)
        begin = time.monotonic()
        assert remote.pull(FINGERPRINT, NOW) is None
        first = time.monotonic() - begin
        assert [remote.pull(document(number)[0], NOW) for number in range(20)] == [None] * 20
        assert time.monotonic() - begin < first + 1
    assert first < 5
    assert len(told.notes) == 1


@pytest.mark.parametrize("code", [401, 403, 500, 503])
def test_a_remote_that_refuses_is_told_of_once(archive: Archive, told: Told, code: int) -> None:
    image = MadeImage(Descriptor(OCI_MANIFEST, FINGERPRINT, 2), {}, {})
    with run_faulty(image, only("/manifests/", status(code))) as registry:
        remote = told.remote(archive, registry.host)
        assert [remote.pull(document(number)[0], NOW) for number in range(5)] == [None] * 5
        assert len(asked(registry)) <= 2
    assert len(told.notes) == 1


def asked(registry: FaultyRegistry) -> list[str]:
    return [each.path for each in registry.requests("/manifests/")]


def test_who_may_only_read_pulls_on(
    archive: Archive, other: Archive, scratch: Path, tmp_path: Path, told: Told
) -> None:
    results = [keep(archive, scratch, number) for number in range(2)]
    with serve(tmp_path / "registry") as registry:
        remote = told.remote(archive, registry.host)
        remote.push(results[0])
    (tmp_path / "registry/config.yml").unlink()
    with serve(tmp_path / "registry", read_only=True) as registry:
        remote = told.remote(other, registry.host)
        remote.push(keep(other, scratch, 1))
        remote.push(keep(other, scratch, 1))
        assert len(told.notes) == 1
        assert remote.pull(FINGERPRINT, NOW) == results[0]


def test_all_results_are_pushed_by_hand(tmp_path: Path, real_registry: RealRegistry, scratch: Path) -> None:
    project = Project(tmp_path / "project", tmp_path / "home")
    archive = Archive.open(project.home / "archive")
    image = make_image()
    image.put_into(archive, f"registry.example.com/x:1@{image.digest}")
    project.write({".buildbox.toml": f'[toolchains.x]\nimage = "registry.example.com/x:1@{image.digest}"\n'})
    for number in range(30, 33):
        keep(archive, scratch, number)
    remote = f"{real_registry.host}/by/hand"
    first = json.loads(project.ok("--json", "archive", "push", "--to", remote, "--results"))
    again = json.loads(project.ok("--json", "archive", "push", "--to", remote, "--results"))
    assert (first["results"]["pushed"], first["results"]["present"]) == (3, 0)
    assert again["results"] == {"pushed": 0, "present": 3, "statements": 0, "bytes": 0}
