"""What a rebuild takes: all of it found, or all that is missing told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result
from buildbox.config.user import Allowance
from buildbox.digest import Digest
from buildbox.errors import CantTell, ImageError, Mismatch
from buildbox.oci import Platform
from buildbox.progress import Silent
from buildbox.provenance.statement import Need, Statement, UsedImage
from buildbox.rebuilding.gather import gather
from buildbox.rebuilding.supply import Inputs
from buildbox.registry.client import Registry
from buildbox.session import Session
from buildbox.tasks.environment import settled_environment
from buildbox.tasks.fingerprint import FORMAT
from buildbox.tasks.plan import Step
from buildbox.trees.entry import tree_digest
from buildbox.trust import Bounds
from tests.support.connected import connected_to
from tests.support.fake_engine import FakeEngine
from tests.support.images import Settings, make_image
from tests.support.results import keep
from tests.support.statements import a_statement, a_step
from tests.support.values import host

IMAGE = make_image({"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}, settings=Settings(env=("FROM=image",)))
LINUX = Platform("linux", "amd64")


@dataclass(frozen=True)
class Given:
    """A Supply of what a test has."""

    archive: Archive
    closed: bool = False
    gone: tuple[str, ...] = ()

    @contextmanager
    def inputs(self, statement: Statement) -> Iterator[Inputs]:
        if self.gone:
            raise CantTell("the source isn't at hand", missing=self.gone)
        yield Inputs(Path("/source"), (), "a test")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive.open(tmp_path / "given")
    IMAGE.put_into(made)
    return made


@pytest.fixture
def needed(archive: Archive, tmp_path: Path) -> Result:
    return keep(archive, tmp_path, step="deps")


def nobody(name: str) -> Registry:
    raise ImageError(f"{name} doesn't answer")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session that knows nothing by itself."""
    return Session(
        host=host(tmp_path),
        bounds=Bounds(tmp_path, Allowance(), (), tmp_path / "config.toml"),
        connection=connected_to(FakeEngine(), "0123456789ab"),
        platform=lambda: LINUX,
        archive=Archive.open(tmp_path / "own"),
        offline=False,
        registry_for=nobody,
        recipe_for=lambda ref: None,
        progress=Silent(),
    )


def stated(needed: Result | None = None, passed: Mapping[str, str] | None = None, **task: Any) -> Statement:
    """A statement of a build in IMAGE, which needed a result."""
    step = a_step(**task)
    ref = replace(step.toolchain.image, digest=IMAGE.digest)
    step = Step(step.name, step.task, replace(step.toolchain, image=ref), step.argv)
    config = next(digest for digest, data in IMAGE.blobs.items() if data.startswith(b"{"))
    need = needed and Need("deps", needed.tree, needed.fingerprint, needed.manifest)
    statement = a_statement(
        step,
        image=UsedImage(str(ref), None, IMAGE.digest, config, LINUX),
        environment=settled_environment(step, {"FROM": "image"}, {}, 315532800),
        inputs=tree_digest(()),
        needs=(need,) if need else (),
    )
    return replace(statement, fingerprint=statement.fingerprint_with(passed or {}))


def missing(session: Session, supply: Given, statement: Statement, **options: Any) -> tuple[str, ...]:
    with pytest.raises(CantTell) as caught, gather(session, supply, statement, **options):
        pass
    return caught.value.missing


def test_what_is_gathered_has_the_fingerprint_of_the_statement(
    session: Session, archive: Archive, needed: Result
) -> None:
    statement = stated(needed, caches={"pip": "/home/build/.cache/pip"})
    with gather(session, Given(archive), statement) as gathered:
        assert gathered.weighed.fingerprint == statement.fingerprint
        assert gathered.weighed.inputs.entries() == ()
        assert {name: made.tree for name, made in gathered.weighed.needed.items()} == {"deps": needed.tree}
        assert (gathered.step.task.caches, gathered.caches) == ({}, ("/home/build/.cache/pip",))
        assert gathered.session.archive is archive


def test_all_that_is_missing_is_told_at_once(session: Session, archive: Archive, needed: Result) -> None:
    statement = replace(
        stated(needed, network="bridge", secrets=("TOKEN",)),
        format=FORMAT + 1,
        needs=(
            Need("deps", Digest.of(b"gone"), needed.fingerprint, needed.manifest),
            Need("here", Digest.of(b"mounted")),
        ),
    )
    elsewhere = Given(session.archive, gone=("commit 1111", "commit 2222 of the submodule lib"))
    found = missing(session, elsewhere, statement)
    assert [line.partition("\n")[0] for line in found] == [
        f"a buildbox that knows fingerprints of format {FORMAT + 1}; this one knows {FORMAT}",
        "what it had from its network (bridge): a rebuild has none",
        "the outputs of here, which worked in the project's own folder: nothing has kept them",
        "the secret TOKEN: --secret TOKEN gives it",
        "commit 1111",
        "commit 2222 of the submodule lib",
        f"the result of deps ({needed.manifest.short}): a run of deps at that commit makes it",
        f"the image {statement.step.toolchain.image} can't be had",
    ]
    assert "doesn't answer" in found[-1], "and what each place said"


def test_values_that_were_let_through_are_given_again(session: Session, archive: Archive) -> None:
    statement = stated(None, {"LEVEL": "3"}, pass_env=("LEVEL", "OTHER"))
    (line,) = missing(session, Given(archive), statement)
    assert "LEVEL, OTHER" in line
    assert "none is given" in line
    (line,) = missing(session, Given(archive), statement, env={"LEVEL": "4"})
    assert "LEVEL had other values" in line
    with gather(session, Given(archive), statement, env={"LEVEL": "3", "FOREIGN": "x"}) as gathered:
        assert gathered.step.task.env == {"LEVEL": "3"}
        assert gathered.step.task.pass_env == ()


def test_nothing_was_let_through(session: Session, archive: Archive) -> None:
    with gather(session, Given(archive), stated(pass_env=("LEVEL",))) as gathered:
        assert gathered.step.task.env == {"LEVEL": "2"}, "the task's own"


def test_another_result_with_the_same_outputs_will_do(
    session: Session, archive: Archive, needed: Result, tmp_path: Path
) -> None:
    again = keep(archive, tmp_path, step="deps", now=needed.created + 1)
    assert again.manifest != needed.manifest
    archive.blob_path(needed.manifest).unlink()
    with gather(session, Given(archive), stated(needed)) as gathered:
        made = gathered.weighed.needed["deps"].result
        assert made
        assert made.manifest == again.manifest


def test_another_result_with_other_outputs_will_not(
    session: Session, archive: Archive, needed: Result, tmp_path: Path
) -> None:
    statement = stated(needed)
    keep(archive, tmp_path, outputs={"dist/other": b"other"}, step="deps")
    archive.blob_path(needed.manifest).unlink()
    (line,) = missing(session, Given(archive), statement)
    assert "the result of deps" in line


def test_a_result_is_asked_for_elsewhere_unless_all_is_here(
    session: Session, archive: Archive, needed: Result
) -> None:
    statement = stated(needed)
    archive.blob_path(needed.manifest).unlink()
    asked: list[Digest] = []

    def pull(fingerprint: Digest) -> Result:
        asked.append(fingerprint)
        return needed

    missing(session, Given(archive, closed=True), statement, pull=pull)
    assert asked == []
    with gather(session, Given(archive), statement, pull=pull) as gathered:
        assert gathered.weighed.needed["deps"].result == needed
    assert asked == [needed.fingerprint]


def test_a_supply_that_has_all_there_is_asks_no_registry(session: Session, archive: Archive) -> None:
    archive.blob_path(IMAGE.digest).unlink()
    (line,) = missing(session, Given(archive, closed=True), stated())
    assert line.endswith("isn't in what was given")


def test_a_statement_of_another_image_than_its_pin(session: Session, archive: Archive) -> None:
    statement = stated()
    other = replace(statement, image=replace(statement.image, config=Digest.of(b"other")))
    with pytest.raises(Mismatch, match="another image"), gather(session, Given(archive), other):
        pass


def test_an_environment_that_this_version_does_not_give(session: Session, archive: Archive) -> None:
    statement = stated()
    other = replace(statement, environment={**statement.environment, "OLD": "1"})
    other = replace(other, fingerprint=other.fingerprint_with({}))
    (line,) = missing(session, Given(archive), other)
    assert "the same environment" in line
