"""What Podman is told instead."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.api.client import APIClient

from buildbox.container import Bind, ContainerSpec, Tmpfs
from buildbox.engine.clients import Clients
from buildbox.engine.docker import DockerEngine
from buildbox.engine.podman import in_its_words, is_podman, not_started, signal_all, with_name
from buildbox.errors import EngineError


def spec(**changes: Any) -> ContainerSpec:
    values = {"image": "sha256:1", "argv": ("true",), "env": (), "workdir": "/", "user": "7:8", "labels": ()}
    return ContainerSpec(**{**values, **changes})


def told(spec: ContainerSpec, local: bool = False) -> dict[str, Any]:
    mounts = [{"Source": bind.source} for bind in spec.binds]
    body = {"Image": spec.image, "HostConfig": {"Mounts": mounts, "Tmpfs": {}, "Init": True}}
    return in_its_words(body, spec, local=local)


def test_it_is_known_by_its_header() -> None:
    assert is_podman({"Libpod-Api-Version": "4.3.1", "Api-Version": "1.41"})
    assert not is_podman({"Api-Version": "1.51", "Server": "Docker/28.5.2"})


def test_the_rest_of_the_request_stays() -> None:
    body = told(spec())
    assert (body["Image"], body["HostConfig"]["Init"]) == ("sha256:1", True)


def test_a_path_with_a_comma_goes_another_way() -> None:
    quoted = Bind('/with "quotes"\n', "/f")
    binds = (Bind("/plain: it", "/a"), Bind("/a, b", "/b"), Bind("/c,d", "/e", read_only=True), quoted)
    host = told(spec(binds=binds))["HostConfig"]
    assert host["Mounts"] == [{"Source": "/plain: it"}]
    assert host["Binds"] == ["/a, b:/b:rw", "/c,d:/e:ro", '/with "quotes"\n:/f:rw']


def test_a_path_with_a_comma_and_a_colon_goes_no_way() -> None:
    with pytest.raises(EngineError, match=r"both a colon and a comma, .*: '/a, b: c'"):
        told(spec(binds=(Bind("/a, b: c", "/a"),)))


def test_only_an_engine_of_this_machine_is_spared_what_is_not_here(tmp_path: Path) -> None:
    missing = spec(binds=(Bind(str(tmp_path / "missing"), "/a"),))
    with pytest.raises(EngineError, match="bind source path does not exist"):
        told(missing, local=True)
    assert len(told(missing)["HostConfig"]["Mounts"]) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("mode=0755,exec,uid=7,gid=8", "mode=0755,exec,U,notmpcopyup"),
        ("mode=1777,exec", "mode=1777,exec,notmpcopyup"),
        ("mode=0755,uid=1,gid=8", "mode=0755,uid=1,gid=8,notmpcopyup"),  # which it refuses
    ],
)
def test_the_owner_of_a_tmpfs(options: str, words: str) -> None:
    assert told(spec(tmpfs=(Tmpfs("/t", options),)))["HostConfig"]["Tmpfs"] == {"/t": words}


def test_it_is_not_asked_to_build() -> None:
    api = APIClient("unix:///nowhere/to/be/found.sock", version="1.41")
    engine = DockerEngine(Clients(lambda: api), "unix:///nowhere/to/be/found.sock", podman=True)
    with pytest.raises(EngineError, match="host's network"):
        engine.build(iter([]), "Dockerfile", print, args={}, cache=True, network="none")


def test_volumes_are_mounts_behind_the_binds() -> None:
    body = {"HostConfig": {"Mounts": [{"Source": "/a,b"}, {"Source": "volume"}], "Tmpfs": {}}}
    told = in_its_words(body, spec(binds=(Bind("/a,b", "/x"),)), local=False)["HostConfig"]
    assert (told["Mounts"], told["Binds"]) == ([{"Source": "volume"}], ["/a,b:/x:rw"])


def test_the_tar_of_a_volume_gets_its_name() -> None:
    """Whatever the size of the pieces that it comes in; and another tar stays as it is."""
    big = bytes(range(256)) * 5000

    def tar(*names: str) -> bytes:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as made:
            for name in names:
                member = tarfile.TarInfo(name)
                member.type, member.size = (tarfile.DIRTYPE, 0) if name == "" else (tarfile.REGTYPE, len(big))
                made.addfile(member, io.BytesIO(big))
            link = tarfile.TarInfo(f"{names[0]}/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            made.addfile(link)
        return data.getvalue()

    def named(data: bytes) -> dict[str, bytes | str]:
        pieces = [data[at : at + 700] for at in range(0, len(data), 700)]
        with tarfile.open(fileobj=io.BytesIO(b"".join(with_name(pieces, "/some/data")))) as read:
            files = {member.name: read.extractfile(member) if member.isreg() else member for member in read}
            return {
                name: file.linkname if isinstance(file, tarfile.TarInfo) else file.read() if file else ""
                for name, file in files.items()
            }

    assert named(tar("", "/a")) == {"data": "", "data/a": big, "data/link": "/etc/passwd"}
    assert named(tar("data/a")) == {"data/a": big, "data/a/link": "/etc/passwd"}


class Files:
    """An engine that has these files, with their modes, in any container; and a folder."""

    base_url, api_version, timeout = "http://x", "1.41", 1

    def __init__(self, files: dict[str, int], folder: str) -> None:
        self.files = {**files, folder: 1 << 31 | 0o755}  # as Go has it
        self.folder = folder

    def head(self, url: str, params: dict[str, str], timeout: int) -> requests.Response:
        answer = requests.Response()
        path = params["path"]
        there = url == "http://x/v1.41/containers/c0ffee/archive" and path in self.files
        answer.status_code = 200 if there else 404
        told = {"mode": self.files.get(path), "isDir": path == self.folder}
        answer.headers["X-Docker-Container-Path-Stat"] = base64.b64encode(json.dumps(told).encode()).decode()
        return answer


@pytest.mark.parametrize(
    ("program", "status"),
    [
        ("/bin/x", None),
        ("/bin/y", 127),
        ("/bin", 126),
        ("x", None),
        ("z", 126),
        ("y", 127),
        ("sub/w", None),
        ("./sub/w", None),
        ("../x", 127),
    ],
)
def test_a_program_that_did_not_start(program: str, status: int | None) -> None:
    config = {"Entrypoint": [program, "x"], "WorkingDir": "/src", "Env": ["A=b=c", "PATH=/sbin:/bin"]}
    files = Files({"/bin/x": 0o755, "/sbin/x": 0o644, "/sbin/z": 0o644, "/src/sub/w": 0o100}, "/bin")
    assert not_started(files, {"Id": "c0ffee", "Config": config}) == status


def test_a_signal_for_all() -> None:
    assert signal_all("SIGINT") == ("/bin/sh", "-c", "kill -s INT -1")
