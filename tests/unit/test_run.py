"""From a step to its outcome, with an archive of real bytes and processes for containers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from buildbox.config.user import Allowance
from buildbox.container import RUN_LABEL, ContainerSpec
from buildbox.errors import EngineError, ImageError, NotAllowed
from buildbox.execute import Outcome, Streams
from buildbox.leases import lease
from buildbox.oci import Platform
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.run import run_step, sweep_dead, sweep_orphans
from buildbox.session import Session
from buildbox.tasks.plan import Step, plan_tasks
from buildbox.trust import Bounds
from buildbox.vetting import vet, vet_place
from tests.support.connected import connected_to
from tests.support.executing import Collected
from tests.support.fake_engine import FakeEngine
from tests.support.images import MadeImage, Settings, make_image
from tests.support.values import config, host, task, toolchain

IMAGE = make_image(
    {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n"}, settings=Settings(env=("FROM=image", "ODD"))
)
REF = ImageRef.parse(f"registry.example.com/tools:1@{IMAGE.digest}")


def no_registry(name: str) -> Registry:
    raise AssertionError(f"{name} was asked")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session whose archive has IMAGE and whose engine has nothing yet."""
    root = tmp_path / "project"
    root.mkdir()
    archive = Archive.open(tmp_path / "data/archive")
    IMAGE.put_into(archive)
    return Session(
        host=host(tmp_path, {"LEVEL": "caller", "EMPTY": ""}),
        bounds=Bounds(root, Allowance(), (), tmp_path / "config.toml"),
        connection=connected_to(FakeEngine(), "0123456789ab"),
        platform=lambda: Platform("linux", "amd64"),
        archive=archive,
        offline=False,
        registry_for=no_registry,
        recipe_for=lambda ref: None,
        progress=Silent(),
    )


def step(image: ImageRef = REF, args: Sequence[str] = (), **of_the_task: Any) -> Step:
    chosen = config(task("test", **of_the_task), toolchains=(toolchain(image=image),))
    return plan_tasks(chosen, ["test"], args).steps["test"]


def run(session: Session, step: Step) -> tuple[Outcome, Collected]:
    output = Collected()
    return run_step(session, step, Streams(output, None, None), say=print), output


def fake(session: Session) -> FakeEngine:
    assert isinstance(session.engine, FakeEngine)
    return session.engine


def task_spec(session: Session) -> ContainerSpec:
    return fake(session).made[-1]


def test_a_step_runs_in_the_project(session: Session) -> None:
    (session.bounds.root / "here").write_text("found\n")
    outcome, output = run(session, step(run='cat here; echo "$1"; exit 3', args=["x y"]))
    assert outcome.status == 3
    assert output.data[1] == b"found\nx y\n"
    assert fake(session).left == []


def test_the_image_is_loaded_once_from_the_archive(session: Session) -> None:
    loads: list[int] = []

    class Counting(FakeEngine):
        def load(self, tar: Any) -> None:
            loads.append(1)
            super().load(tar)

    session = replace(session, connection=connected_to(Counting(), "0123456789ab"))
    for _ in range(2):
        assert run(session, step(run="true"))[0].status == 0
    assert loads == [1]
    assert task_spec(session).image in fake(session).images


def test_an_image_that_went_away_between_two_steps_is_loaded_again(session: Session) -> None:
    assert run(session, step(run="true"))[0].status == 0
    fake(session).images.clear()
    assert run(session, step(run="true"))[0].status == 0


def test_an_image_that_is_nowhere_starts_nothing(session: Session) -> None:
    other: MadeImage = make_image({"other": b""})
    ref = ImageRef.parse(f"registry.example.com/tools:1@{other.digest}")
    with pytest.raises(ImageError) as caught:
        run(replace(session, offline=True), step(ref, run="true"))
    assert "--offline" in caught.value.reason + caught.value.hint
    assert fake(session).made == []


def test_an_unpinned_image_never_runs(session: Session) -> None:
    unpinned = step(ImageRef.parse("registry.example.com/tools:1"), run="true")
    with pytest.raises(ImageError, match="not pinned"):
        vet([unpinned], session.bounds)
    with pytest.raises(ImageError, match="not pinned"):
        run(session, unpinned)
    assert fake(session).made == []


def test_what_is_not_allowed_is_refused_before_anything_starts(session: Session) -> None:
    with pytest.raises(NotAllowed):
        vet([step(run="true"), step(run="true", network="host")], session.bounds)
    assert fake(session).made == []


def test_the_environment_is_the_images_and_what_is_passed(session: Session) -> None:
    run(session, step(run="true", pass_env=("LEVEL", "EMPTY", "UNSET")))
    env = dict(task_spec(session).env)
    assert (env["FROM"], env["LEVEL"], env["EMPTY"]) == ("image", "caller", "")
    assert not {"UNSET", "ODD"} & set(env)


@pytest.mark.parametrize(
    ("user", "rootless", "expected"),
    [
        ("caller", False, "1234:2345"),
        ("root", False, "0:0"),
        ("77:88", False, "77:88"),
        ("caller", True, "0:0"),
        ("77:88", True, "0:0"),
    ],
)
def test_users(session: Session, user: str, rootless: bool, expected: str) -> None:
    run(
        replace(session, connection=connected_to(session.engine, "0123456789ab", rootless=rootless)),
        step(run="true", user=user),
    )
    assert task_spec(session).user == expected


def test_only_what_dead_runs_left_is_swept(session: Session, tmp_path: Path) -> None:
    engine, runs = fake(session), tmp_path / "runs"
    engine.images["sha256:x"] = {}

    def container(run: str) -> str:
        return engine.create(ContainerSpec("sha256:x", ("true",), (), "/", "0:0", labels=((RUN_LABEL, run),)))

    with lease(runs, engine.address) as alive:
        (runs / "dead00000000").write_text(engine.address)
        (runs / "other0000000").write_text("unix:///other.sock")
        kept = [container(alive), container("other0000000"), container("unknown00000")]
        container("dead00000000")
        container("dead00000000")
        for run in (alive, "dead00000000"):
            engine.make_volume(f"volume-{run}", {RUN_LABEL: run})
            engine.make_network(f"network-{run}", {RUN_LABEL: run}, internal=True)
        assert sweep_dead(engine, runs, session.host.now) == 2
        assert engine.left == kept
        assert [run for _, run in engine.volumes(RUN_LABEL)] == [alive]
        assert [run for _, run in engine.networks(RUN_LABEL)] == [alive]
    engine.close()


def test_what_a_run_left_goes_with_the_container_that_its_buildbox_was_in(
    session: Session, tmp_path: Path
) -> None:
    """Nobody else may touch it while that runs, and nobody's whose runs were in none."""
    engine = fake(session)
    engine.images["sha256:x"] = {}

    def container(*argv: str, run: str = "") -> str:
        labels = ((RUN_LABEL, run),) if run else ()
        return engine.create(ContainerSpec("sha256:x", argv, (), "/", "0:0", labels=labels))

    alive, ended = container("sleep", "60"), container("true")
    for each in (alive, ended):
        engine.start(each)
    engine.wait(ended)
    kept = [alive, ended]
    for run in ("0123456789ab", f"1123456789abin{alive}"):
        kept.append(container("true", run=run))
    for gone in (ended, "nobody"):
        container("true", run=f"2123456789abin{gone}")
        engine.make_volume(f"volume-{gone}", {RUN_LABEL: f"2123456789abin{gone}"})
        engine.make_network(f"network-{gone}", {RUN_LABEL: f"3123456789abin{gone}"}, internal=True)
    assert sweep_orphans(engine) == 2
    assert engine.left == kept
    assert engine.volumes(RUN_LABEL) == engine.networks(RUN_LABEL) == []
    engine.close()


@pytest.mark.parametrize("name", ["test", "shell"])
def test_a_mounted_step_is_for_an_engine_of_this_machine(name: str) -> None:
    """And what could be done about it, which for a shell is nothing else."""
    made = step()
    mounted = replace(made, name=name)
    vet_place([mounted], "unix:///run/docker.sock")
    vet_place([replace(made, task=replace(made.task, hermetic=True))], "tcp://elsewhere:2375")
    with pytest.raises(EngineError, match="tcp://elsewhere:2375 is on another machine") as caught:
        vet_place([mounted], "tcp://elsewhere:2375")
    assert name in caught.value.reason
    assert ("--hermetic" in caught.value.hint) == (name == "test")
