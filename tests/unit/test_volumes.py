"""Files of this machine in volumes of the engine's."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from buildbox.container import RUN_LABEL, Bind, ContainerSpec, Volume
from buildbox.engine.protocol import Ended
from buildbox.errors import EngineError
from buildbox.volumes import carried, copy, own, reached
from tests.support.fake_engine import FakeEngine

IMAGE = "sha256:1"


class Taking(FakeEngine):
    """Keeps the tars that it is given, and where they were to go."""

    def __init__(self) -> None:
        super().__init__({IMAGE: {}}, address="tcp://elsewhere:2375")
        self.taken: list[tuple[str, list[tarfile.TarInfo]]] = []

    def put_tree(self, container: str, path: str, tar: Iterable[bytes]) -> None:
        with tarfile.open(fileobj=io.BytesIO(b"".join(tar))) as opened:
            self.taken.append((path, list(opened)))


def spec(*binds: Bind, read_only: bool = True) -> ContainerSpec:
    return ContainerSpec(IMAGE, ("true",), (), "/", "7:8", binds=binds, read_only=read_only)


def test_a_volume_is_given_to_its_user_from_the_folder_above() -> None:
    engine = Taking()
    engine.make_volume("v", {})
    with reached(engine, IMAGE, [Volume("v", "/src")], "run") as container:
        own(engine, container, ["/src", "/home/build/x"], (7, 8), 99)
        assert engine.containers(RUN_LABEL) == [(container, "run")]
    assert engine.left == []
    ((path, members),) = engine.taken
    assert path == "/"
    assert [(m.name, m.isdir(), m.uid, m.gid, m.mode, m.mtime) for m in members] == [
        ("src", True, 7, 8, 0o755, 99),
        ("home/build/x", True, 7, 8, 0o755, 99),
    ]
    engine.close()


@pytest.mark.parametrize("read_only", [True, False])
def test_files_below_etc_are_carried_to_an_engine_elsewhere(tmp_path: Path, read_only: bool) -> None:
    engine = Taking()
    for name in ("passwd", "crt"):
        (tmp_path / name).write_text(name)
    binds = (
        Bind(f"{tmp_path}/passwd", "/etc/passwd", read_only=True),
        Bind(f"{tmp_path}/crt", "/etc/ssl/certs/ca-certificates.crt", read_only=True),
    )
    with carried(engine, spec(*binds, read_only=read_only), "run") as found:
        (volume,) = found.volumes
        assert (found.binds, volume.target, volume.read_only, volume.copy) == ((), "/etc", read_only, True)
        assert engine.volumes(RUN_LABEL) == [(volume.name, "run")]
        ((path, members),) = engine.taken
        assert (path, [member.name for member in members]) == (
            "/etc",
            ["hostname", "hosts", "resolv.conf", "passwd", "ssl/certs/ca-certificates.crt"],
        )
    assert (engine.volumes(RUN_LABEL), engine.left) == ([], [])


@pytest.mark.parametrize(
    "bind",
    [Bind("/here", "/src"), Bind("/here", "/etc/passwd"), Bind("/here", "/run/secrets/A", read_only=True)],
)
def test_nothing_else_is(bind: Bind) -> None:
    engine = Taking()
    with pytest.raises(EngineError, match="doesn't see it"), carried(engine, spec(bind), "run"):
        pass
    assert (engine.volumes(RUN_LABEL), engine.left) == ([], [])


def test_a_container_without_binds_stays_as_it_is() -> None:
    with carried(Taking(), spec(), "run") as found:
        assert found == spec()


class Copying(FakeEngine):
    """Its containers end as it is told."""

    def __init__(self, ended: int | None) -> None:
        super().__init__({IMAGE: {}}, address="tcp://elsewhere:2375")
        self.ended, self.specs = ended, list[ContainerSpec]()

    def create(self, spec: ContainerSpec) -> str:
        self.specs.append(spec)
        return super().create(spec)

    def start(self, container: str) -> None:
        if self.ended is None:
            raise EngineError("no such program")

    def wait(self, container: str, *, after_output: bool = False) -> Ended:
        return Ended(self.ended or 0)


@pytest.mark.parametrize(("ended", "copied"), [(0, True), (1, False), (None, False)])
def test_files_are_copied_by_a_program_that_may_not_be_there(ended: int | None, copied: bool) -> None:
    engine = Copying(ended)
    for name in ("from", "to"):
        engine.make_volume(name, {})
    assert copy(engine, IMAGE, "from", "to", "run") is copied
    assert engine.left == []
    (made,) = engine.specs
    assert [(volume.name, volume.read_only) for volume in made.volumes] == [("from", True), ("to", False)]
    assert (made.network, made.read_only) == ("none", True)
    engine.close()
