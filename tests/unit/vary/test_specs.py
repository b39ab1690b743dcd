"""Containers with one thing in them changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.container import Bind, ContainerSpec, Tmpfs, Volume
from buildbox.vary.changes import Changes, together
from buildbox.vary.specs import (
    moved,
    renamed,
    with_env,
    with_home,
    with_host_name,
    with_name,
    with_umask,
)

SPEC = ContainerSpec(
    image="sha256:" + "b" * 64,
    argv=("sh", "-c", "cd /src/lib && make"),
    env=(("HOME", "/home/build"), ("PYTHONPATH", "/src/lib:/usr/src"), ("USER", "build")),
    workdir="/src/lib",
    user="1:2",
    binds=(Bind("/a", "/src"), Bind("/b", "/etc/x")),
    volumes=(Volume("v", "/src/cache"),),
    tmpfs=(Tmpfs("/tmp", ""), Tmpfs("/home/build", "uid=1")),
    hosts=(("buildbox", "127.0.0.1"), ("db", "10.0.0.2")),
)
PASSWD = "build:x:1:2:buildbox:/home/build:/bin/sh\nroot:x:0:0:build:/root:/bin/sh\n"


def test_another_folder() -> None:
    spec = moved(SPEC, "/src", "/else/where")
    assert spec.argv[2] == "cd /else/where/lib && make"
    assert dict(spec.env)["PYTHONPATH"] == "/else/where/lib:/usr/src"
    assert spec.workdir == "/else/where/lib"
    assert [bind.target for bind in spec.binds] == ["/else/where", "/etc/x"]
    assert spec.volumes[0].target == "/else/where/cache"
    assert spec.tmpfs == SPEC.tmpfs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/src", "/new"),
        ("make -C /src all", "make -C /new all"),
        ("-I/src/include -L/src", "-I/new/include -L/new"),
        ("-ffile-prefix-map=/src=.", "-ffile-prefix-map=/new=."),
        ('cp "/src/a" ${OUT:-/src/b}', 'cp "/new/a" ${OUT:-/src/b}'),
        ("a:/src:/src/b", "a:/new:/new/b"),
        ("/usr/src ./src ~/src $X/src ${X}/src $(pwd)/src", None),
        ('"$PWD"/src \'$x\'/src "${x}"/src "$(pwd)"/src', None),
        ("/srcs /src-1 /src.c https://example.com/src", None),
    ],
)
def test_what_names_a_folder(text: str, expected: str | None) -> None:
    assert renamed(text, "/src", "/new") == (text if expected is None else expected)


def test_another_user_has_another_name_in_all_places(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text(PASSWD)
    (tmp_path / "group").write_text("build:x:2:\nroot:x:0:\n")
    binds = tuple(Bind(str(tmp_path / name), f"/etc/{name}", read_only=True) for name in ("passwd", "group"))
    given = with_env(SPEC, LOGNAME="build")
    spec = with_name(ContainerSpec(**{**vars(given), "binds": binds}), "other", tmp_path)
    assert {dict(spec.env)[name] for name in ("USER", "LOGNAME")} == {"other"}
    passwd, group = (Path(bind.source).read_text() for bind in spec.binds)
    assert passwd == PASSWD.replace("build:x:1", "other:x:1", 1)
    assert group == "other:x:2:\nroot:x:0:\n"
    home = with_home(spec, "/home/new", tmp_path)
    assert Path(home.binds[0].source).read_text() == passwd.replace("/home/build", "/home/new")
    assert dict(home.env)["HOME"] == "/home/new"
    assert home.tmpfs[1] == Tmpfs("/home/new", "uid=1")


def test_another_umask_is_set_by_a_shell_that_becomes_the_command() -> None:
    spec = with_umask(SPEC, "0002")
    assert spec.argv == ("/bin/sh", "-c", 'umask 0002; exec "$@"', "sh", *SPEC.argv)


def test_another_host_name_keeps_its_address() -> None:
    spec = with_host_name(SPEC, "new")
    assert (spec.hostname, spec.hosts) == ("new", (("new", "127.0.0.1"), ("db", "10.0.0.2")))


def test_changes_go_together() -> None:
    both = together(
        [
            Changes(spec=lambda spec: with_env(spec, A="1", B="1")),
            Changes("4:5", spec=lambda spec: with_env(spec, B="2")),
            Changes(reversed_order=True),
        ]
    )
    assert (both.user, both.reversed_order) == ("4:5", True)
    assert {("A", "1"), ("B", "2")} <= set(both.spec(SPEC).env)
    assert together([]).spec(SPEC) == SPEC
