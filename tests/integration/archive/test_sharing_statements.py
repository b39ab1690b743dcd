"""Statements that go along with results by way of a registry, and registries that lie about them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.marks import statement_name
from buildbox.archive.result_form import Result, result_tag
from buildbox.archive.results import find_result, keep_result
from buildbox.archive.sharing import RemoteResults
from buildbox.archive.statements import KeptStatement, all_statements, keep_statement
from buildbox.digest import Digest
from buildbox.oci import OCI_MANIFEST, Descriptor, canonical
from buildbox.provenance.form import statement_bytes
from buildbox.provenance.statement import Statement
from buildbox.registry.client import Registry
from buildbox.tasks.fingerprint import Ingredients, document
from tests.support import results
from tests.support.faulty import Call, Rule, only, run_faulty, status
from tests.support.images import MadeImage, make_image
from tests.support.kept_statements import envelope_of
from tests.support.project import Project
from tests.support.registry import RealRegistry
from tests.support.results import NOW
from tests.support.statements import a_statement


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@pytest.fixture
def other(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "other")


def remote(archive: Archive, host: str, told: list[str], path: str = "team") -> RemoteResults:
    def open_registry(name: str) -> Registry:
        return Registry(name, quick=True, pause=0.01, read_timeout=1.0)

    return RemoteResults(
        archive, f"{host}/{path}", "push", open_registry, note=told.append, detail=told.append
    )


def a_build(archive: Archive, scratch: Path, name: str, now: float = NOW) -> tuple[Result, Statement]:
    """The result of a step that never ran, and the statement that would be on it."""
    statement = a_statement(inputs=Digest.of(name.encode()))
    ingredients = Ingredients(
        image=statement.image.manifest,
        platform=statement.image.platform,
        env=statement.environment,
        passed={},
        inputs=statement.inputs,
        needs={need.step: need.tree for need in statement.needs},
        services={},
    )
    folder = scratch / f"{name}-{len(list(scratch.iterdir()))}"
    folder.mkdir()
    result = keep_result(
        archive,
        fingerprint=statement.fingerprint,
        document=canonical(document(statement.step, ingredients)),
        step="package",
        entries=results.write_outputs(folder, {"dist/a.bin": b"a"}),
        folder=folder,
        log=results.write_log(folder / "log"),
        seconds=1.5,
        now=now,
    )
    return result, replace(statement, outputs=result.entries)


def state(
    archive: Archive, result: Result, statement: Statement, *, signed: bool = False, now: float = NOW
) -> KeptStatement:
    data = statement_bytes(statement)
    return keep_statement(
        archive,
        data,
        fingerprint=result.fingerprint,
        result=result.manifest,
        now=now,
        envelope=envelope_of(data) if signed else None,
    )


def there(scratch: Path, host: str, fingerprint: Digest) -> KeptStatement | None:
    """What a fresh machine gets beside the result."""
    fresh = Archive.open(scratch / f"fresh{len(list(scratch.iterdir()))}")
    assert remote(fresh, host, []).pull(fingerprint, NOW + 100)
    return next(all_statements(fresh), None)


@pytest.mark.parametrize("signed", [False, True])
def test_a_statement_comes_with_the_result_that_it_is_on(
    archive: Archive, other: Archive, real_registry: RealRegistry, scratch: Path, signed: bool
) -> None:
    told: list[str] = []
    result, statement = a_build(archive, scratch, f"both {signed}")
    kept = state(archive, result, statement, signed=signed)
    remote(archive, real_registry.host, told).push(result)
    assert remote(other, real_registry.host, told).pull(result.fingerprint, NOW + 1) == result
    assert tuple(all_statements(other)) == (kept,)
    assert len(told) == 3


def test_a_result_without_one_comes_alone(
    archive: Archive, real_registry: RealRegistry, scratch: Path
) -> None:
    result, _ = a_build(archive, scratch, "alone")
    remote(archive, real_registry.host, []).push(result)
    assert there(scratch, real_registry.host, result.fingerprint) is None


def test_only_a_signed_one_on_the_same_result_takes_the_place_of_one(
    archive: Archive, other: Archive, real_registry: RealRegistry, scratch: Path
) -> None:
    host = real_registry.host
    result, statement = a_build(archive, scratch, "signed later")
    bare = state(archive, result, statement)
    remote(archive, host, []).push(result)
    newer = state(archive, result, replace(statement, run="newer"), now=NOW + 1)
    remote(archive, host, []).push(result)
    assert there(scratch, host, result.fingerprint) == bare
    mine, statement = a_build(other, scratch, "signed later", NOW + 7)
    state(other, mine, replace(statement, run="elsewhere"), signed=True)
    remote(other, host, []).push(mine)  # theirs is the result there
    assert there(scratch, host, result.fingerprint) == bare
    signed = keep_statement(
        archive,
        newer.data,
        fingerprint=result.fingerprint,
        result=result.manifest,
        now=NOW,
        envelope=envelope_of(newer.data),
    )
    remote(archive, host, []).push(result)
    assert there(scratch, host, result.fingerprint) == signed


def test_one_that_was_made_after_its_result_was_pushed_is_pushed_by_itself(
    archive: Archive, real_registry: RealRegistry, scratch: Path
) -> None:
    result, statement = a_build(archive, scratch, "later")
    remote(archive, real_registry.host, []).push(result)
    kept = state(archive, result, statement)
    remote(archive, real_registry.host, []).push(result)
    assert there(scratch, real_registry.host, result.fingerprint) == kept


def served(archive: Archive, manifest: dict[str, Any], *extra: bytes) -> MadeImage:
    data = canonical(manifest)
    digest = Digest.of(data)
    blobs = {Digest(path.name): path.read_bytes() for path in archive.blobs.iterdir()}
    blobs |= {Digest.of(each): each for each in extra}
    return MadeImage(Descriptor(OCI_MANIFEST, digest, len(data)), {digest: (OCI_MANIFEST, data)}, blobs)


Change = Callable[[dict[str, Any]], Any]  # of a manifest, or of a statement


def manifest_says(**annotations: Any) -> Change:
    return lambda manifest: manifest["annotations"].update(annotations)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("artifactType"),
        lambda manifest: manifest.pop("annotations"),
        lambda manifest: manifest["layers"].pop(0),
        lambda manifest: manifest["layers"].reverse(),
        lambda manifest: manifest["layers"][0].update(size=1 << 40),
        lambda manifest: manifest["layers"][0].update(size=1),
        lambda manifest: manifest["layers"][1].update(size=1 << 40),
        lambda manifest: manifest["layers"][1].update(digest=manifest["layers"][0]["digest"]),
        lambda manifest: manifest["layers"][0].update(digest=f"sha256:{'0' * 64}"),
        manifest_says(**{"buildbox.result.fingerprint": "x"}),
        manifest_says(**{"buildbox.provenance.result": "x"}),
        manifest_says(**{"org.opencontainers.image.created": "0001-01-01T00:00:00"}),
        manifest_says(**{"org.opencontainers.image.created": None}),
    ],
)
def test_what_is_no_statement_is_passed_over_and_the_result_counts(
    archive: Archive, other: Archive, scratch: Path, change: Change
) -> None:
    result, statement = a_build(archive, scratch, "no statement")
    kept = state(archive, result, statement, signed=True)
    manifest = json.loads(archive.blob_path(kept.manifest).read_bytes())
    change(manifest)
    told = pull_beside(archive, other, result, served(archive, manifest))
    assert len(told) == 2
    assert tuple(all_statements(other)) == ()


def about_others(statement: dict[str, Any]) -> None:
    """Another build, which says so wherever it can be told."""
    wrong = a_statement(inputs=Digest.of(b"others"))
    statement.clear()
    statement.update(json.loads(statement_bytes(wrong)))


@pytest.mark.parametrize(
    "change",
    [
        about_others,
        lambda statement: statement["subject"][0]["digest"].update(sha256="0" * 64),
        lambda statement: statement["subject"].clear(),
        lambda statement: statement.update(predicateType="https://slsa.dev/provenance/v2"),
        lambda statement: statement.update(novelty=1),
        lambda statement: statement.clear(),
    ],
)
def test_a_statement_on_something_else_is_passed_over(
    archive: Archive, other: Archive, scratch: Path, change: Change
) -> None:
    result, statement = a_build(archive, scratch, "something else")
    kept = state(archive, result, statement)
    value, manifest = json.loads(kept.data), json.loads(archive.blob_path(kept.manifest).read_bytes())
    change(value)
    data = canonical(value)
    manifest["layers"][0].update(digest=str(Digest.of(data)), size=len(data))
    told = pull_beside(archive, other, result, served(archive, manifest, data))
    assert "can't be used" in told[-1]
    assert tuple(all_statements(other)) == ()


@pytest.mark.parametrize("code", [401, 403, 500, 503])
def test_a_registry_that_refuses_statements_is_told_of_once_and_the_result_counts(
    archive: Archive, other: Archive, scratch: Path, code: int
) -> None:
    result, statement = a_build(archive, scratch, "refused")
    image = served(
        archive, json.loads(archive.blob_path(state(archive, result, statement).manifest).read_bytes())
    )
    told = pull_beside(archive, other, result, image, only("/manifests/provenance-", status(code)))
    assert ["asked of" in each for each in told] == [False, True]


def pull_beside(
    archive: Archive, other: Archive, result: Result, image: MadeImage, *rules: Rule
) -> list[str]:
    """What a machine says that gets `result`, and `image` as the statement on it."""
    told: list[str] = []
    data = archive.blob_path(result.manifest).read_bytes()

    def answer(call: Call) -> bool:
        call.reply(200, data, Content_Type=OCI_MANIFEST)
        return True

    with run_faulty(image, only(f"/manifests/{result_tag(result.fingerprint)}", answer), *rules) as registry:
        assert remote(other, registry.host, told).pull(result.fingerprint, NOW) == result
    assert find_result(other, result.fingerprint) == result
    return told


def test_by_hand_they_go_along_with_all_results(
    tmp_path: Path, real_registry: RealRegistry, scratch: Path
) -> None:
    project = Project(tmp_path / "project", tmp_path / "home")
    archive = Archive.open(project.home / "archive")
    image = make_image()
    image.put_into(archive, f"registry.example.com/x:1@{image.digest}")
    project.write({".buildbox.toml": f'[toolchains.x]\nimage = "registry.example.com/x:1@{image.digest}"\n'})
    (first, statement), (second, _) = (a_build(archive, scratch, f"by hand {n}") for n in range(2))
    kept = state(archive, first, statement, signed=True)
    line = ("--json", "archive", "push", "--to", f"{real_registry.host}/team", "--results")
    pushed, again = (json.loads(project.ok(*line))["results"] for _ in range(2))
    assert (pushed["pushed"], pushed["present"], pushed["statements"]) == (2, 0, 1)
    assert again == {"pushed": 0, "present": 2, "statements": 0, "bytes": 0}
    assert there(scratch, real_registry.host, first.fingerprint) == kept
    assert there(scratch, real_registry.host, second.fingerprint) is None


@pytest.mark.parametrize("part", ["manifest", "statement", "envelope"])
def test_repair_brings_what_is_damaged_back_from_the_remote_archive(
    tmp_path: Path, real_registry: RealRegistry, scratch: Path, part: str
) -> None:
    project = Project(tmp_path / "project", tmp_path / "home")
    project.root.mkdir()
    archive = Archive.open(project.home / "archive")
    result, statement = a_build(archive, scratch, f"repair {part}")
    kept = state(archive, result, statement, signed=True)
    remote(archive, real_registry.host, []).push(result)
    digests = {
        "manifest": kept.manifest,
        "statement": Digest.of(kept.data),
        "envelope": Digest.of(kept.envelope or b""),
    }
    archive.blob_path(digests[part]).write_bytes(b"other")
    config = f'[archive]\nremote = "{real_registry.host}/team"\n'
    (project.home / "config.toml").write_text(config)
    repaired = json.loads(project.ok("--json", "archive", "check", "--repair"))
    assert [(each["digest"], each["images"]) for each in repaired["repaired"]] == [
        (str(digests[part]), [statement_name(kept.manifest)])
    ]
    assert tuple(all_statements(archive)) == (kept,)
