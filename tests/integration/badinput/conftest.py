"""Projects in which buildbox is to fail, an engine that is watched, and real registries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker.api.client import APIClient

from buildbox.oci import OCI_MANIFEST
from tests.support import registry
from tests.support.images import MadeImage
from tests.support.project import Project, keep_image, let_others_pass
from tests.support.refusal import Trial
from tests.support.registry import RealRegistry
from tests.support.tiny_image import tiny_image
from tests.support.watched import WatchedEngine, watched_engine

MakeTrial = Callable[..., Trial]
NOWHERE = "sha256:" + "ab" * 32  # a digest that nothing has


def box(image: str, more: str = "") -> str:
    """A configuration with one toolchain and one task, and what `more` adds to the task."""
    return f'[toolchains.box]\nimage = "{image}"\n[tasks.t]\nrun = "echo ran"\n{more}'


@pytest.fixture(scope="session")
def engine() -> Iterator[WatchedEngine]:
    # With the image there, each container that a run asks for is made at once; so they can be counted.
    APIClient(version="auto").load_image(tiny_image().tar())  # type: ignore[no-untyped-call]
    with watched_engine() as found:
        yield found


@pytest.fixture
def make_trial(tmp_path: Path, engine: WatchedEngine) -> MakeTrial:
    """Makes a project with `more` in its task and its image in the archive; or one with this very `text`."""
    let_others_pass(tmp_path)  # callers differ here

    def make(more: str = "", *, text: str | None = None, archived: bool = True) -> Trial:
        engine.asked.clear()
        home, root = tmp_path / "home", tmp_path / "project"
        home.mkdir(exist_ok=True)
        root.mkdir(exist_ok=True)
        pin = keep_image(home, tiny_image(), "tests/busybox:1") if archived else ""
        project = Project(root, home, env={"DOCKER_HOST": engine.url})
        project.write({".buildbox.toml": box(pin, more) if text is None else text})
        return Trial(project, engine)

    return make


@pytest.fixture(scope="session")
def runnable() -> MadeImage:
    """An image that runs here, as a registry takes it."""
    tiny = tiny_image()
    top = tiny.descriptor
    blobs = {digest: data for digest, data in tiny.blobs.items() if digest != top.digest}
    return MadeImage(top, {top.digest: (OCI_MANIFEST, tiny.manifest)}, blobs)


@pytest.fixture(scope="session")
def real_registry(tmp_path_factory: pytest.TempPathFactory, runnable: MadeImage) -> Iterator[RealRegistry]:
    """A registry with the image tools/box:1."""
    with registry.serve(tmp_path_factory.mktemp("registry")) as running:
        running.push(runnable, "tools/box", "1")
        yield running


@pytest.fixture(scope="session")
def login_registry(tmp_path_factory: pytest.TempPathFactory, runnable: MadeImage) -> Iterator[RealRegistry]:
    """One that wants a login, with the same image."""
    with registry.serve(tmp_path_factory.mktemp("login"), login=True) as running:
        running.push(runnable, "tools/box", "1")
        yield running
