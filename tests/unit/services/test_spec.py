"""A service's container, from its configuration and its image's own words."""

from __future__ import annotations

from typing import Any

import pytest

from buildbox.archive.images import ImageConfig
from buildbox.container import ContainerSpec, Tmpfs, Volume
from buildbox.oci import Platform
from buildbox.services.faults import ServiceFailed
from buildbox.services.spec import service_spec
from tests.support.served import service

IMAGE = ImageConfig(
    Platform("linux", "amd64"),
    ("PATH=/bin", "A=image"),
    entrypoint=("entry",),
    cmd=("serve",),
    user="postgres",
    workdir="/var/lib",
    volumes=("/data", "/var/tmp"),
)
BARE = ImageConfig(Platform("linux", "amd64"), ())


def spec(image: ImageConfig = IMAGE, **changes: Any) -> ContainerSpec:
    return service_spec(service(**changes), image, "sha256:1", network="net", run="abc", mark="m")


def test_the_image_says_it_all() -> None:
    found = spec()
    assert (found.argv, found.user, found.workdir) == (("entry", "serve"), "postgres", "/var/lib")
    assert found.env == (("A", "image"), ("PATH", "/bin"))
    assert (found.network, found.aliases, found.hostname) == ("net", ("db",), "db")
    assert dict(found.labels) == {"buildbox.name": "buildbox-abc-m-db", "buildbox.run": "abc"}
    assert (found.binds, found.stdin, found.tty) == ((), False, False)


def test_the_service_says_otherwise() -> None:
    found = spec(argv=("own", "x"), env={"A": "own", "B": "1"}, user="7:8", memory=5, cpus=0.5, pids=9)
    assert (found.argv, found.user) == (("own", "x"), "7:8")
    assert found.env == (("A", "own"), ("B", "1"), ("PATH", "/bin"))
    assert (found.memory, found.cpus, found.pids) == (5, 0.5, 9)
    assert spec(run="a; b").argv == ("/bin/sh", "-e", "-c", "a; b")
    assert spec(user="root").user == "0:0"


def test_what_can_be_written() -> None:
    """The image's volumes, and beside them what servers need; all of it where the user says so."""
    found = spec()
    assert found.read_only
    assert found.volumes == (Volume("", "/data"), Volume("", "/run"), Volume("", "/var/tmp"))
    assert found.tmpfs == (Tmpfs("/tmp", "mode=1777,exec"),)
    writable = spec(rootfs="writable")
    assert not writable.read_only
    assert (writable.volumes, writable.tmpfs) == ((Volume("", "/data"), Volume("", "/var/tmp")), ())


def test_an_image_without_words() -> None:
    found = spec(BARE, argv=("x",))
    assert (found.user, found.workdir, found.env) == ("", "/", ())
    with pytest.raises(ServiceFailed, match="has no command of its own") as caught:
        spec(BARE)
    assert "[services.db]" in caught.value.hint
