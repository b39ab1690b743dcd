"""What is told of a build, by an engine that is none and of a folder that isn't in git."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.results import Result, keep_result
from buildbox.archive.statements import statements_of
from buildbox.config.user import Allowance
from buildbox.engine.protocol import EngineInfo
from buildbox.errors import EngineError
from buildbox.ground import Ground, made_of
from buildbox.hermetic.telling import ask_ahead, keep_telling, tell
from buildbox.hermetic.weighing import Weighed, weigh
from buildbox.oci import Platform, canonical
from buildbox.progress import Silent
from buildbox.provenance.form import parse_statement
from buildbox.provenance.statement import Machine, Need
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.session import Session
from buildbox.tasks.plan import plan_tasks
from buildbox.trust import Bounds
from tests.support.connected import connected_to
from tests.support.fake_engine import FakeEngine
from tests.support.images import Settings, make_image
from tests.support.results import write_log, write_outputs
from tests.support.values import config, host, task, toolchain

IMAGE = make_image({}, settings=Settings(env=("FROM=image",)))
REF = ImageRef.parse(f"registry.example.com/tools:1@{IMAGE.digest}")
TIMES = (1_700_000_001.25, 1_700_000_003.5)


def no_registry(name: str) -> Registry:
    raise AssertionError(f"{name} was asked")


class Counting(FakeEngine):
    """Counts how often it is asked about itself; a broken one doesn't answer."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.asked, self._broken = 0, broken

    def info(self) -> EngineInfo:
        self.asked += 1
        if self._broken:
            raise EngineError("it went away")
        return super().info()


def a_ground(folder: Path, engine: FakeEngine) -> Ground:
    """A project whose step `pack` needs the step `gen`."""
    root = folder / "project"
    root.mkdir()
    (root / "in.txt").write_text("in")
    archive = Archive.open(folder / "data/archive")
    IMAGE.put_into(archive)
    session = Session(
        host=host(folder, {"LEVEL": "a private level"}),
        bounds=Bounds(root, Allowance(), (), folder / "config.toml"),
        connection=connected_to(engine, "0123456789ab"),
        platform=lambda: Platform("linux", "amd64"),
        archive=archive,
        offline=True,
        registry_for=no_registry,
        recipe_for=lambda ref: None,
        progress=Silent(),
    )
    gen = task("gen", hermetic=True, inputs=("in.txt",), outputs=("gen/",), run="make gen")
    pack = replace(
        gen, name="pack", needs=("gen",), outputs=("dist/",), pass_env=("LEVEL",), network="bridge"
    )
    plan = plan_tasks(config(gen, pack, toolchains=(toolchain(image=REF),)), ["pack"])
    return Ground(session, plan, ("gen/", "dist/"), "a name")


def a_result(ground: Ground, name: str, folder: Path, files: dict[str, bytes]) -> tuple[Weighed, Result]:
    weighed = weigh(ground, ground.plan.steps[name])
    folder.mkdir()
    result = keep_result(
        ground.session.archive,
        fingerprint=weighed.fingerprint,
        document=canonical(weighed.document),
        step=name,
        entries=write_outputs(folder, files),
        folder=folder,
        log=write_log(folder.with_suffix(".log")),
        seconds=2.25,
        now=TIMES[1],
    )
    ground.made(name, made_of(result.entries, result))
    return weighed, result


def test_a_statement_is_kept_and_is_understood_again(tmp_path: Path) -> None:
    ground = a_ground(tmp_path, FakeEngine())
    _, gen = a_result(ground, "gen", tmp_path / "gen", {"gen/a": b"a"})
    weighed, result = a_result(ground, "pack", tmp_path / "pack", {"dist/run": b"r", "dist/latest": b"run"})
    step = ground.plan.steps["pack"]
    kept = keep_telling(ground, step, weighed, result, TIMES)
    assert kept and (kept.result, kept.created, kept.kept) == (result.manifest, TIMES[1], False)
    assert statements_of(ground.session.archive, weighed.fingerprint) == (kept,)
    found = parse_statement(kept.data)
    assert (found.started, found.finished, found.tree, found.log) == (
        *TIMES,
        result.tree,
        result.log and result.log.digest,
    )
    assert (found.project, found.step.argv, found.step.task.outputs) == ("a name", step.argv, ("dist/",))
    assert found.fingerprint_with({"LEVEL": "a private level"}) == weighed.fingerprint
    assert b"private level" not in kept.data
    assert found.needs == (Need("gen", gen.tree, gen.fingerprint, gen.manifest),)
    assert (found.image.index, found.image.manifest, found.image.platform) == (
        None,
        IMAGE.digest,
        Platform("linux", "amd64"),
    )
    assert found.limits == (
        "it had a network (bridge)",
        "the caller's environment was let through: LEVEL",
        "there was no commit of its source",
    )
    assert found.run.startswith("0123456789ab-")
    assert (found.machine.kernel, found.machine.engine) == (os.uname().release, "Fake Engine 1")


def test_the_engine_is_asked_once_a_run_and_may_be_gone(tmp_path: Path) -> None:
    engine = Counting()
    ground = a_ground(tmp_path, engine)
    weighed, result = a_result(ground, "gen", tmp_path / "gen", {"gen/a": b"a"})
    step = ground.plan.steps["gen"]
    ask_ahead(ground, step)
    assert all(tell(ground, step, weighed, result, TIMES).machine.cpus for _ in range(3))
    assert engine.asked == 1
    broken = replace(ground.session, connection=connected_to(Counting(broken=True), "0123456789ab"), _told=[])
    ground.session = broken
    told = tell(ground, step, weighed, result, TIMES)
    assert told.machine == Machine(told.machine.buildbox, "", "")


@pytest.mark.parametrize("files", [{}, {"gen/empty": b""}, {"gen/latest": b"nothing"}])
def test_there_is_nothing_to_tell_of_what_left_no_file(tmp_path: Path, files: dict[str, bytes]) -> None:
    ground = a_ground(tmp_path, FakeEngine())
    weighed, result = a_result(ground, "gen", tmp_path / "gen", files)
    assert keep_telling(ground, ground.plan.steps["gen"], weighed, result, TIMES) is None
    assert statements_of(ground.session.archive, weighed.fingerprint) == ()


@pytest.mark.parametrize(
    ("secret", "files", "args", "told"),
    [
        (b"hunter2\n", {"gen/a-hunter2": b"a"}, (), False),
        (b"hunter2", {"gen/a": b"a"}, ("--token=hunter2",), False),
        (b"make gen", {"gen/a": b"a"}, ("make gen",), True),  # the project tells it to everybody
        (b"a", {"gen/a": b"a"}, (), True),
        (b"hunter2", {"gen/a": b"hunter2"}, (), True),
    ],
)
def test_a_statement_that_would_give_a_secret_away_is_none(
    tmp_path: Path, secret: bytes, files: dict[str, bytes], args: tuple[str, ...], told: bool
) -> None:
    ground = a_ground(tmp_path, FakeEngine())
    ground.session = replace(ground.session, secrets={"TOKEN": secret})
    weighed, result = a_result(ground, "gen", tmp_path / "gen", files)
    step = ground.plan.steps["gen"]
    step = replace(step, argv=(*step.argv, *args))
    kept = keep_telling(ground, step, weighed, result, TIMES)
    assert (kept is not None) == told
