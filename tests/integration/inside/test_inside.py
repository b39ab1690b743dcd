"""buildbox in a container with the host's engine: what the engine doesn't see is sent, or refused."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.inside.conftest import MARK, MakeProject
from tests.support.boxed import Boxed
from tests.support.project import DOCKER_SOCKET, STRANGER, Project

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="containers give root's files to the tests")

TASKS = """
[tasks.mounted]
run = "cat sub/input; echo made > made"
[tasks.built]
hermetic = true
inputs = ["sub/**"]
outputs = ["out/"]
caches = { own = "~/.cache/own" }
services = ["web"]
run = '''
mkdir out
find sub -exec stat -c '%n %u:%g %a %Y %F' {} + | sort > out/tree
id -un > out/who; cat /etc/hostname >> out/who
wget -q -O- http://web:8080/page > out/page
touch ~/.cache/own/x
'''
[services.web]
image = "{pin}"
run = "mkdir /tmp/w; echo served > /tmp/w/page; exec httpd -f -p 8080 -h /tmp/w"
ready-port = 8080
[tasks.secret]
secrets = ["TOKEN"]
hermetic = true
outputs = ["size"]
run = "wc -c < /run/secrets/TOKEN > size"
"""
ELSEWHERE = Path("/src/project")
HOME = Path("/home/own")


@pytest.fixture
def project(make_project: MakeProject) -> Project:
    return make_project(TASKS)


def elsewhere(image: str, project: Project, **options: object) -> Boxed:
    """A container that has the project, and buildbox's own folder, under other paths."""
    mounts = {project.root: ELSEWHERE, project.home: HOME}
    return Boxed(image, mounts, ELSEWHERE, HOME, **options)  # type: ignore[arg-type]


def test_under_another_path_mounted_tasks_are_refused(python_image: str, project: Project) -> None:
    """Instead of mounting what has that path on the host, which is nothing or somebody else's."""
    inside = elsewhere(python_image, project)
    for words in (("run", "mounted"), ("exec", "box", "--", "true"), ("shell", "box")):
        refused = inside.run(*words)
        assert refused.status == 120
        assert (
            "this buildbox runs in a container; the engine at unix:///var/run/docker.sock is outside of it,"
            f" and doesn't see the folder {ELSEWHERE} of here, which is mounted for"
        ) in refused.err
        assert ("--hermetic" in refused.err) == (words[0] == "run")
    assert inside.ok("run", "--hermetic", "mounted") == "of the host\n"
    assert not ELSEWHERE.exists()


def test_a_hermetic_task_gives_the_same_as_on_the_host(python_image: str, project: Project) -> None:
    """Also the same fingerprint: whoever comes second with the same archive finds the result there."""
    names = ("tree", "who", "page")

    def made() -> list[bytes]:
        return [(project.root / "out" / name).read_bytes() for name in names]

    project.ok("run", "built")
    here = made()
    assert here[1:] == [b"build\nbuildbox\n", b"served\n"]
    inside = elsewhere(python_image, project)
    inside.ok("run", "--force", "built")
    assert made() == here
    events = [json.loads(line) for line in project.ok("run", "--json", "built").splitlines()]
    assert [line["state"] for line in events if line["event"] == "end"] == ["cached"]
    assert "identical" in inside.run("reproduce", "out/page").out
    project.ok("clean", "--caches")


def test_under_the_same_path_it_is_as_on_the_host(python_image: str, project: Project) -> None:
    """Whether or not the engine sees buildbox's own folder, too."""
    subprocess.run(["git", "init", "-q", project.root], check=True)
    for home in (HOME, project.home):
        inside = Boxed(
            python_image, {project.root: project.root, project.home: home}, project.root / "sub", home
        )
        assert inside.ok("run", "mounted") == "of the host\n"
        assert (project.root / "made").read_text() == "made\n"
        (project.root / "made").unlink()
        inside.ok("exec", "box", "--", "sh", "-c", "id -un > who; test -d /src/.git")
        assert (project.root / "sub/who").read_text() == "build\n"


def test_another_folder_of_the_same_path(python_image: str, project: Project, tmp_path: Path) -> None:
    """The engine has a folder of that path: an empty one, or one without what is mounted in it here."""
    trap = tmp_path / "project"
    trap.mkdir()
    empty = Boxed(python_image, {project.root: trap, project.home: HOME}, trap, HOME)
    mounts = {project.root: project.root, trap: project.root / "sub", project.home: HOME}
    covered = Boxed(python_image, mounts, project.root, HOME)
    own = tmp_path / "own"
    own.mkdir()
    (own / ".buildbox.toml").write_bytes((project.root / ".buildbox.toml").read_bytes())
    mounts = {own: project.root, project.root / "sub": project.root / "sub", project.home: HOME}
    only_below = Boxed(python_image, mounts, project.root, HOME)
    file = tmp_path / "file"
    file.touch()
    mounts = {project.root: project.root, file: project.root / "sub/input", project.home: HOME}
    one_file = Boxed(python_image, mounts, project.root, HOME)
    for inside in (empty, covered, only_below, one_file):
        refused = inside.run("run", "mounted")
        assert refused.status == 120
        assert f"doesn't see the folder {inside.folder} of here" in refused.err
    assert list(trap.iterdir()) == []
    assert not (project.root / "made").exists()
    assert empty.ok("run", "--hermetic", "mounted") == "of the host\n"


def test_secrets_stay_in_memory(python_image: str, project: Project) -> None:
    """The container's /dev/shm isn't the host's, unless it is mounted."""
    env = {"TOKEN": "12345"}
    refused = elsewhere(python_image, project, env=env).run("run", "secret")
    assert refused.status == 120
    assert "doesn't see /dev/shm, where the secrets of secret would be" in refused.err
    assert "-v /dev/shm:/dev/shm" in refused.err
    mine = elsewhere(python_image, project, env=env, options=["--volume=/dev/shm:/dev/shm"])
    mine.ok("run", "secret")
    assert (project.root / "size").read_text().strip() == "5"


def test_the_doctor_explains_it(python_image: str, project: Project) -> None:
    found = elsewhere(python_image, project).run("doctor")
    assert found.status == 0
    assert f"is outside of it, and doesn't see {ELSEWHERE} of here" in found.out
    assert "buildbox run --hermetic" in found.out


def test_a_user_without_the_sockets_group(python_image: str, project: Project) -> None:
    """Its number is the host's, and has no name in the container."""
    subprocess.run(["chown", "-R", f"{STRANGER}:{STRANGER}", project.root, project.home], check=True)
    gid = DOCKER_SOCKET.stat().st_gid
    refused = elsewhere(python_image, project, options=[f"--user={STRANGER}:{STRANGER}"]).run("run", "built")
    assert refused.status == 120
    assert f"--group-add {gid}" in refused.err
    options = [f"--user={STRANGER}:{STRANGER}", f"--group-add={gid}"]
    elsewhere(python_image, project, options=options).ok("run", "built")
    assert f"sub/input {STRANGER}:{STRANGER} 644" in (project.root / "out/tree").read_text()
    assert (project.root / "out/tree").stat().st_uid == STRANGER
    project.ok("clean", "--caches")


def test_runs_in_containers_and_on_the_host_leave_each_other_alone(
    python_image: str, make_project: MakeProject
) -> None:
    """Whether they share buildbox's own folder or not; and what a killed one leaves goes with the next."""
    project = make_project('[tasks.long]\nhermetic = true\nrun = "sleep 600"\n[tasks.short]\nrun = "true"')
    shared = Boxed(python_image, {project.root: project.root, project.home: HOME}, project.root, HOME)
    apart = Boxed(
        python_image,
        {project.root: project.root, project.home / "archive": HOME / "archive"},
        project.root,
        HOME,
    )
    with started(shared) as one, started(apart) as other, project.start("run", "long") as on_host:
        try:
            wait_for(project, 3)
            for call in (project, shared, apart):
                call.ok("run", "short")
                project.ok("clean")
            assert len(tasks(project)) == 3
            subprocess.run(["docker", "kill", one, other], check=True, capture_output=True)
            wait_for(project, 3)
            shared.ok("run", "short")  # which knows the one by its file, the other by its container
            assert len(tasks(project)) == 1
        finally:
            on_host.terminate()
    assert tasks(project) == []


@contextmanager
def started(inside: Boxed) -> Iterator[str]:
    """A container in which the task `long` runs; its name."""
    name = f"buildbox-tests-{os.urandom(6).hex()}"
    command = inside.command("run", "long", name=name)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield name
        finally:
            subprocess.run(["docker", "rm", "-f", name], check=False, capture_output=True)
            process.wait(30)


def tasks(project: Project) -> list[str]:
    """The containers of the project's tasks that are there."""
    command = ["docker", "ps", "-aq", "--filter", f"label={MARK}={project.root.parent}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def wait_for(project: Project, number: int) -> None:
    """Waits until there are `number` of them."""
    deadline = time.monotonic() + 30
    while len(tasks(project)) != number:
        assert time.monotonic() < deadline, tasks(project)
        time.sleep(0.1)
