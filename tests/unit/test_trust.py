"""What a task may have. What it may not is in test_hostile."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.config.load import parse
from buildbox.config.model import MountEntry, Service, Task
from buildbox.config.user import Allowance, SecretSource
from buildbox.errors import ConfigError, NotAllowed
from buildbox.reference import ImageRef
from buildbox.trust import Bounds, ResolvedMount, check_service, check_task

TASK = parse('[toolchains.x]\nimage = "x"\n[tasks.t]\nrun = "x"\n', Path("/p/.buildbox.toml")).tasks["t"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "project" / "data").mkdir(parents=True)
    (tmp_path / "shared" / "below").mkdir(parents=True)
    return tmp_path / "project"


def check(
    root: Path, task: Task = TASK, allowance: Allowance | None = None, *, socket: str = "engine.sock"
) -> tuple[ResolvedMount, ...]:
    around = root.parent
    return check_task(
        task, Bounds(root, allowance or Allowance(), (around / socket,), around / "config.toml")
    )


def mounting(source: str, target: str = "/data", *, read_only: bool = False) -> Task:
    return replace(TASK, mounts=(MountEntry(source, target, read_only),))


def test_a_plain_task_needs_no_allowance(root: Path) -> None:
    (root / ".git").mkdir()
    for task in (
        TASK,
        replace(TASK, network="bridge", pass_env=("LANG", "PYTEST_ADDOPTS", "MONKEY", "AUTHOR")),
        replace(TASK, user="root"),
        replace(TASK, user="1000:0", rootfs="writable"),
        replace(TASK, workdir="data"),
        replace(TASK, secrets=("TOKEN",)),
        replace(TASK, caches={"pip": "/home/build/.cache/pip", "data": "/src/data"}),
    ):
        assert check(root, task) == ()


def test_a_secret_goes_with_a_network_where_its_user_says_so(root: Path) -> None:
    task = replace(TASK, secrets=("A", "B", "C"), network="bridge", pass_env=("B", "TOKEN"))
    allowed = Allowance(secrets={"A": SecretSource(file=Path("/a"))}, env=frozenset({"TOKEN"}))
    with pytest.raises(NotAllowed) as caught:
        check(root, task, allowed)
    assert caught.value.reason.splitlines()[1:] == [
        "  tasks.t.secrets: B of yours, together with a network",
        "  tasks.t.secrets: C of yours, together with a network",
    ]
    assert 'env = ["TOKEN", "B", "C"]' in caught.value.hint
    assert caught.value.hint.endswith("or allow it this once: --allow env=B --allow env=C")
    check(root, task, allowed.plus(["env=B", "env=C"]))


@pytest.mark.parametrize(
    ("user", "rootfs", "allowed"),
    [
        (None, "read-only", True),
        ("root", "read-only", True),
        ("999:999", "writable", True),
        (None, "writable", False),
        ("root", "writable", False),
        ("0:5", "writable", False),
    ],
)
def test_which_services_may_write_to_their_root_as_who(
    user: str | None, rootfs: str, allowed: bool, root: Path
) -> None:
    service = Service("db", ImageRef.parse("x"), user=user, rootfs=rootfs)
    bounds = Bounds(root, Allowance(), (), root.parent / "config.toml")
    if allowed:
        check_service(service, bounds)
    else:
        with pytest.raises(NotAllowed, match="service 'db' wants what") as caught:
            check_service(service, bounds)
        assert "root = true" in caught.value.hint
    check_service(service, replace(bounds, allowance=Allowance(root=True)))


def test_a_cache_in_the_source_needs_a_folder_there(root: Path) -> None:
    (root / "file").touch()
    for place in ("/src/new", "/src/file"):
        with pytest.raises(ConfigError) as caught:
            check(root, replace(TASK, caches={"x": place}))
        assert "the project needs a folder" in caught.value.problems[0]


def test_a_mount_within_the_project(root: Path) -> None:
    (root / "data" / "file").touch()
    (root / "link").symlink_to("data")
    assert check(root, mounting("data")) == (ResolvedMount(root / "data", "/data", False),)
    assert check(root, mounting(f"{root}/link/file", read_only=True)) == (
        ResolvedMount(root / "data" / "file", "/data", True),
    )
    assert check(root, mounting(".")) == (ResolvedMount(root, "/data", False),)  # there is no .git


def test_a_project_reached_by_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to("project")
    assert check(link, mounting("data")) == (ResolvedMount(root / "data", "/data", False),)


def test_what_is_allowed_is_allowed_with_all_below_it(root: Path) -> None:
    shared = root.parent / "shared"
    allowance = Allowance(mounts=(shared,))
    assert check(root, mounting("../shared"), allowance)[0].source == shared
    assert check(root, mounting("../shared/below"), allowance)[0].source == shared / "below"
    with pytest.raises(NotAllowed):
        check(root, mounting("../shared/.."), allowance)
    (shared / "out").symlink_to("../project/../..")
    with pytest.raises(NotAllowed):
        check(root, mounting("../shared/out"), allowance)


def test_a_folder_with_the_engines_socket_is_allowed_by_its_own_name_only(root: Path) -> None:
    shared = root.parent / "shared"
    around = Allowance(mounts=(root.parent,))
    with pytest.raises(NotAllowed, match="engine's socket"):
        check(root, mounting("../shared"), around, socket="shared/engine.sock")
    named = Allowance(mounts=(shared,))
    assert check(root, mounting("../shared"), named, socket="shared/engine.sock")[0].source == shared


def test_the_users_own_configuration_is_allowed_by_its_own_name_only(root: Path) -> None:
    folder = root.parent / "shared"
    config = folder / "config.toml"
    config.touch()
    for source in (folder, config):
        task = mounting(str(source))
        with pytest.raises(NotAllowed, match="your own configuration"):
            check_task(task, Bounds(root, Allowance(mounts=(root.parent,)), (), config))
        assert check_task(task, Bounds(root, Allowance(mounts=(source,)), (), config))[0].source == source


def test_a_project_that_holds_the_engines_socket(root: Path) -> None:
    assert check(root, socket="project/engine.sock") == ()  # there is none there
    (root / "engine.sock").touch()
    with pytest.raises(NotAllowed, match="holds the engine's socket") as caught:
        check(root, socket="project/engine.sock")
    assert f"--allow mount={root}/engine.sock" in caught.value.hint
    assert check(root, TASK, Allowance(mounts=(root / "engine.sock",)), socket="project/engine.sock") == ()


def test_a_project_that_holds_the_users_configuration(root: Path) -> None:
    config = root / ".config" / "config.toml"
    assert check_task(TASK, Bounds(root, Allowance(), (), config)) == ()
    config.parent.mkdir()
    config.symlink_to("/nowhere")
    assert check_task(TASK, Bounds(root, Allowance(), (), config)) == ()
    config.unlink()
    config.touch()
    with pytest.raises(NotAllowed, match="the project could have written it"):
        check_task(TASK, Bounds(root, Allowance(), (), config))


def test_a_place_within_the_sources_for_a_mount(root: Path) -> None:
    (root / "data" / "file").touch()
    (root / "place").mkdir()
    assert check(root, mounting("data", "/src/place"))[0].target == "/src/place"
    for source, target in (("data", "/src/data/file"), ("data/file", "/src/place"), ("data", "/src/gone")):
        with pytest.raises(ConfigError) as caught:
            check(root, mounting(source, target))
        assert "the project needs a" in caught.value.problems[0]


def test_the_repository_read_only_along_with_the_project(root: Path) -> None:
    (root / ".git").mkdir()
    assert check(root, mounting(".", read_only=True))
    with pytest.raises(NotAllowed):
        check(root, mounting("."))
    with pytest.raises(NotAllowed):
        check(root, mounting(".git", read_only=True))
    assert check(root, mounting(".git"), Allowance(git=True))


def test_everything_wrong_is_said_at_once(root: Path) -> None:
    mounts = (MountEntry("gone", "/a"), MountEntry("data/gone", "/b"), MountEntry("/etc", "/c"))
    with pytest.raises(ConfigError) as caught:
        check(root, replace(TASK, mounts=mounts, workdir="nowhere"))
    assert [problem.split(": ")[1] for problem in caught.value.problems] == [
        "tasks.t.workdir",
        "tasks.t.mounts[0]",
        "tasks.t.mounts[1]",
    ]


def test_the_lines_to_add_keep_what_is_allowed_already(root: Path) -> None:
    folder = root.parent / 'a "quoted" b'
    folder.mkdir()
    with pytest.raises(NotAllowed) as caught:
        check(root, mounting(str(folder)), Allowance(mounts=(Path("/x"),)))
    quoted = str(folder).replace('"', '\\"')
    assert f'    [allow."{root}"]\n    mounts = ["/x", "{quoted}"]\n' in caught.value.hint
    assert f"--allow 'mount={folder}'" in caught.value.hint
    assert str(root.parent / "config.toml") in caught.value.hint


def test_a_command_without_a_task(root: Path) -> None:
    with pytest.raises(NotAllowed, match="the command wants") as caught:
        check(root, replace(TASK, name="", network="host"))
    assert "defaults.network" in caught.value.reason


def test_tasks_that_see_a_copy_have_what_the_project_is_allowed(root: Path, tmp_path: Path) -> None:
    """A mount from within the project comes from the copy, all else from around the project itself."""
    copy = tmp_path / "copies" / "one"
    for folder in (root / "data", copy / "data", root.parent / "shared"):
        folder.mkdir(parents=True, exist_ok=True)
    shared = root.parent / "shared"
    mounts = (
        MountEntry("data", "/a"),
        MountEntry(str(root / "data"), "/b"),
        MountEntry("../shared", "/c"),
    )
    bounds = Bounds(copy, Allowance(mounts=(shared,)), (), tmp_path / "config.toml", home=root)
    found = check_task(replace(TASK, mounts=mounts), bounds)
    assert [mount.source for mount in found] == [copy / "data", copy / "data", shared]
    with pytest.raises(NotAllowed) as caught:
        check_task(replace(TASK, mounts=mounts), replace(bounds, allowance=Allowance()))
    assert f'[allow."{root}"]' in caught.value.hint
    with pytest.raises(NotAllowed, match="lies in the project's folder"):
        (root / "config.toml").write_text("")
        check_task(TASK, replace(bounds, user_config=root / "config.toml"))
