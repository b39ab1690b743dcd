from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.layout import Archive
from buildbox.container import CA_FILE, RUN_LABEL, Bind, ContainerSpec
from buildbox.engine.sight import Outlook, Sight
from buildbox.errors import EngineError, ImageError
from buildbox.images import RegistryFor
from buildbox.progress import Silent
from buildbox.recipes.tools import NOT_FOUND, PATH, Command
from buildbox.recipes.workplace import Workplace
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.toolchains.builder import Builder, ContainerTools, container_of, obtain_builder
from tests.support.fake_engine import FakeEngine
from tests.support.values import PIN, host

IMAGE = "sha256:" + "1" * 64
SEES_ALL = Sight(FakeEngine(), Outlook(True))
PLACE = Workplace(Path("/scratch/it's here"), -1)


def container(command: Command, rootless: bool = False, uid: int = 1234) -> ContainerSpec:
    builder = Builder(FakeEngine(), IMAGE, "0123456789ab", rootless, SEES_ALL)
    env = {"https_proxy": "http://proxy.example.com:3128", "SSL_CERT_FILE": __file__, "SECRET": "x"}
    return container_of(command, builder, host(Path("/home/me"), env, uid=uid), 7)


def test_a_command_that_only_reads_and_writes_the_place() -> None:
    made = container(Command(("gzip", "-k", "layer.tar"), PLACE, {"TZ": "UTC0"}))
    assert (made.image, made.argv, made.user) == (IMAGE, ("gzip", "-k", "layer.tar"), "1234:2345")
    assert made.env == (("PATH", PATH), ("TZ", "UTC0"))
    assert made.binds == (Bind("/scratch/it's here", "/scratch/it's here"),)
    assert (made.network, made.read_only, made.may_mount) == ("none", True, False)
    assert dict(made.labels)[RUN_LABEL] == "0123456789ab"


def test_what_talks_to_mirrors_has_a_network_and_what_that_takes() -> None:
    made = container(Command(("apt-get", "update"), PLACE, reads=(Path("/srv/mirror"),), network=True))
    assert (made.network, made.user, made.may_mount) == ("bridge", "1234:2345", False)
    assert dict(made.env) == {"PATH": PATH, "https_proxy": "http://proxy.example.com:3128"}
    assert Bind("/srv/mirror", "/srv/mirror", read_only=True) in made.binds
    assert Bind(__file__, CA_FILE, read_only=True) in made.binds


def test_what_makes_a_root_is_root_may_mount_and_gives_the_result_away() -> None:
    command = Command(("mmdebstrap", "--mode=root"), PLACE, {"SOURCE_DATE_EPOCH": "1"}, isolated=True)
    made = container(command)
    assert (made.user, made.network, made.read_only, made.may_mount) == ("0:0", "none", False, True)
    assert dict(made.env) == {"PATH": PATH, "SOURCE_DATE_EPOCH": "1", "TMPDIR": "/var/tmp"}
    assert made.argv[:2] == ("sh", "-c")
    assert made.argv[3:] == ("sh", "1234:2345", "/scratch/it's here", "mmdebstrap", "--mode=root")
    assert container(command, rootless=True).argv[4] == "0:0", "who is the caller outside"


def tools(folder: Path, engine: FakeEngine | None = None, sight: Sight = SEES_ALL) -> ContainerTools:
    builder = Builder(engine or FakeEngine({IMAGE: {}}), IMAGE, "0123456789ab", False, sight)
    return ContainerTools(host(folder, uid=os.getuid(), gid=os.getgid()), lambda: builder)


def sh(script: str) -> Command:
    return Command(("/bin/sh", "-c", script))


def test_what_a_command_says(tmp_path: Path) -> None:
    lines: list[str] = []
    engine = FakeEngine({IMAGE: {}})
    done = tools(tmp_path, engine).run(
        sh("echo out; printf 'one\\ntw' >&2; echo o >&2; exit 3"), lines.append
    )
    assert (done.status, done.output, done.errors) == (3, "out\n", "one\ntwo\n")
    assert lines == ["one", "two"]
    assert engine.left == []


def test_no_such_program(tmp_path: Path) -> None:
    assert tools(tmp_path).run(Command(("/no/such/program",))).status == NOT_FOUND


def test_somebody_watches(tmp_path: Path) -> None:
    looked = threading.Event()

    def look() -> None:
        (tmp_path / "go").touch()
        looked.set()

    script = f"until [ -e {tmp_path}/go ]; do sleep 0.05; done"
    assert tools(tmp_path).run(sh(script), watch=look).status == 0
    assert looked.is_set()


def test_a_signal_is_for_us_too(tmp_path: Path) -> None:
    engine = FakeEngine({IMAGE: {}})
    with pytest.raises(KeyboardInterrupt):
        tools(tmp_path, engine).run(
            sh(f"trap 'exit 130' INT; kill -INT {os.getpid()}; while :; do sleep 0.1; done")
        )
    assert engine.left == []


def test_folders_that_the_engine_does_not_see_are_refused(tmp_path: Path) -> None:
    """Else it would build in empty ones, or in another machine's."""
    engine = FakeEngine({IMAGE: {}})
    blind = tools(tmp_path, engine, Sight(engine, Outlook(False, "the engine at {} is on another machine")))
    plain = sh("true")
    for command in (replace(plain, reads=(tmp_path,)), replace(plain, place=Workplace(tmp_path, -1))):
        with pytest.raises(EngineError, match=f"is on another machine, and doesn't see {tmp_path} of here"):
            blind.run(command)
    assert engine.made == []


def test_the_image_is_asked_for_once_and_only_if_it_is_needed(tmp_path: Path) -> None:
    asked = []
    found = Builder(FakeEngine({IMAGE: {}}), IMAGE, "0123456789ab", False, SEES_ALL)
    lazy = ContainerTools(host(tmp_path, uid=os.getuid()), lambda: asked.append(1) or found)  # type: ignore[func-returns-value]
    assert asked == []
    lazy.run(sh("true"))
    lazy.run(sh("true"))
    assert asked == [1]


def test_a_mirror_that_is_no_folder_is_refused_by_name(tmp_path: Path) -> None:
    command = replace(sh("true"), reads=(tmp_path / "none",))
    with pytest.raises(ImageError, match=f"the mirror {tmp_path}/none is not a folder"):
        tools(tmp_path).run(command)


def nobody(name: str) -> Registry:
    raise ImageError(f"{name} is not there")


@pytest.mark.parametrize("pin", [None, ImageRef.parse(PIN)])
def test_nowhere_to_be_had(pin: ImageRef | None, tmp_path: Path) -> None:
    archive, registry_for = Archive.open(tmp_path / "archive"), nobody
    error = refusal(pin, archive, tmp_path / "config.toml", registry_for)
    assert "builder" in error.reason
    for way in ("apt-get install mmdebstrap", "images build builder/12", "images publish", "builder = "):
        assert way in error.hint
    assert str(archive.path) in error.hint
    assert f"{tmp_path}/config.toml" in error.hint
    assert ("registry.example.com is not there" in error.hint) is (pin is not None)


def refusal(pin: ImageRef | None, archive: Archive, path: Path, registry_for: RegistryFor) -> ImageError:
    with pytest.raises(ImageError) as caught:
        obtain_builder(
            pin,
            archive,
            FakeEngine(),
            path,
            offline=False,
            registry_for=registry_for,
            progress=Silent(),
        )
    return caught.value
