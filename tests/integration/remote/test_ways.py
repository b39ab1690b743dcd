"""The same over TCP, over TLS with certificates of both sides, and over ssh."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from buildbox.container import ContainerSpec
from buildbox.engine.docker import connect
from buildbox.engine.protocol import Engine
from buildbox.errors import Exit
from buildbox.execute import Outcome, Streams
from buildbox.execute.life import Execution
from tests.integration.remote.conftest import Elsewhere, MakeProject, Way
from tests.integration.run.conftest import CALLERS
from tests.support.tiny_image import tiny_image

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="another engine takes root to start")
WAYS = ("tcp", "tls", "ssh")
TASKS = """
[tasks.first]
inputs = ["file"]
outputs = ["made/"]
run = "mkdir made; sha256sum file > made/sum"
[tasks.all]
hermetic = true
inputs = ["file"]
needs = ["first"]
services = ["web"]
caches = { own = "~/.cache/own" }
matrix.env.LETTER = ["a", "b"]
outputs = ["out-{LETTER}"]
run = '''
touch ~/.cache/own/file
find . -exec stat -c '%n %u:%g %a %Y %F' {} + | sort > /tmp/tree
wget -q -O- http://web:8080/page > /tmp/page
cat made/sum /tmp/page /tmp/tree > out-$LETTER
i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i + 1)); done
'''
[services.web]
image = "{pin}"
run = "mkdir /tmp/w; echo served > /tmp/w/page; exec httpd -f -p 8080 -h /tmp/w"
ready-port = 8080
[tasks.secret]
hermetic = true
inputs = []
secrets = ["TOKEN"]
run = "true"
"""


@pytest.fixture(params=WAYS)
def way(elsewhere: Elsewhere, request: pytest.FixtureRequest) -> Way:
    return elsewhere.ways()[request.param]


@pytest.mark.parametrize("way", ["tls", "ssh"], indirect=True)
def test_a_graph_gives_the_same_bytes_and_statements(
    elsewhere: Elsewhere, make_project: MakeProject, way: Way
) -> None:
    """With a service, a cache, a matrix, and a task that is mounted where it can be."""
    project = make_project(TASKS, CALLERS[0], way.env)  # ssh wants a user that the machine knows
    project.write({"file": "text\n"})

    def made(*words: str) -> tuple[str, list[str], list[Any]]:
        out = project.ok(*words, "run", "--force", "--hermetic", "--provenance", "all")
        outputs = [(project.root / f"out-{letter}").read_text() for letter in "ab"]
        return out, outputs, [told(project.root / f"out-{letter}.intoto.jsonl") for letter in "ab"]

    out, outputs, statements = made()
    assert "served" in outputs[0]
    there = made("--engine", way.address.url)
    assert sorted(there[0].splitlines()) == sorted(out.splitlines())
    assert there[1] == outputs
    assert there[2] == statements
    assert elsewhere.left() == []


def test_secrets_are_sent_nowhere(elsewhere: Elsewhere, make_project: MakeProject) -> None:
    project = make_project(TASKS, env={"TOKEN": "hush"})
    refused = project.run("--engine", elsewhere.url, "run", "secret")
    assert refused.status == Exit.ENGINE
    assert "secret" in refused.err
    assert "hush" not in refused.err


def told(path: Path) -> Any:
    """All of a statement but when and where it was made, and what was needed for it."""
    statement = json.loads(path.read_text().splitlines()[0])
    definition = statement["predicate"]["buildDefinition"]
    dependencies = [(each["name"], each["digest"]) for each in definition["resolvedDependencies"]]
    return statement["subject"], definition["externalParameters"], dependencies


@pytest.fixture
def engine(way: Way, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    for name, value in way.env.items():
        monkeypatch.setenv(name, value)  # ssh is found on the PATH of this process
    found = connect(way.address)
    yield found
    found.close()


class Collected:
    """What a task wrote."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.begun = threading.Event()

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        self.data += b"".join(views)
        self.begun.set()


def spec_of(engine: Engine, script: str, **changes: Any) -> ContainerSpec:
    image = tiny_image()
    if not any(map(engine.has_image, image.ids)):
        engine.load([image.tar(f"buildbox.local/tests:{secrets.token_hex(6)}")])
    found = next(filter(engine.has_image, image.ids))
    env = (("PATH", "/bin"),)
    return ContainerSpec(found, ("/bin/sh", "-c", script), env, "/", "0:0", **changes)


def run(engine: Engine, spec: ContainerSpec, streams: Streams) -> Outcome:
    execution = Execution(engine, spec, streams, say=print)
    try:
        return execution.run(30)
    finally:
        execution.remove()


def test_input_is_binary_safe_and_its_end_is_told(engine: Engine, tmp_path: Path) -> None:
    """What the task writes after the end of its input comes, too."""
    data = bytes(range(256)) * 2048  # 512 KB
    (tmp_path / "in").write_bytes(data)
    output = Collected()
    with (tmp_path / "in").open("rb") as file:
        streams = Streams(output, file.fileno(), None)
        outcome = run(engine, spec_of(engine, "cat; echo; echo end; exit 3", stdin=True), streams)
    assert outcome.status == 3
    assert output.data == data + b"\nend\n"


def test_a_signal_reaches_the_task(engine: Engine) -> None:
    output = Collected()
    spec = spec_of(engine, "trap 'echo asked; exit 9' INT; echo begun; while :; do sleep 0.1; done")
    execution = Execution(engine, spec, Streams(output, None, None), say=print)

    def interrupt() -> None:
        assert output.begun.wait(20)
        execution.signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        outcome = execution.run(30)
    finally:
        execution.remove()
    assert (outcome.status, outcome.signal, bytes(output.data)) == (9, signal.SIGINT, b"begun\nasked\n")


def test_commands_in_a_container_end(engine: Engine) -> None:
    """Their output and its end come at once, or one by one."""
    container = engine.create(spec_of(engine, "sleep 60"))
    try:
        engine.start(container)
        for _ in range(20):
            assert engine.execute(container, ("/bin/echo", "said")) == (0, b"said\n")
    finally:
        engine.remove(container)


def test_a_terminal(engine: Engine) -> None:
    """It has its size, passes on what is typed, and one stream comes back."""
    ours, theirs = os.openpty()
    output = Collected()

    def type_in() -> None:
        assert output.begun.wait(20)
        os.write(ours, b"typed\r")

    threading.Thread(target=type_in).start()
    script = "stty -echo -onlcr; echo ready; read line; stty size; echo err >&2; echo got $line"
    spec = spec_of(engine, script, stdin=True, tty=True, window=(33, 77))
    outcome = run(engine, spec, Streams(output, theirs, theirs, (33, 77)))
    for end in (ours, theirs):
        os.close(end)
    assert outcome.status == 0
    assert output.data.endswith(b"ready\n33 77\nerr\ngot typed\n")


def test_the_docker_commands_contexts_lead_there(
    elsewhere: Elsewhere, make_project: MakeProject, tmp_path: Path
) -> None:
    """As `docker context create` writes them: the certificates are in the context; DOCKER_CONTEXT chooses."""
    project = make_project(TASKS, CALLERS[0])
    folder = elsewhere.tls_folder
    docker = {"DOCKER_CONFIG": str(tmp_path), "PATH": elsewhere.ways()["ssh"].env["PATH"]}
    tls = f",ca={folder}/ca.pem,cert={folder}/cert.pem,key={folder}/key.pem"
    hosts = {
        "secure": f"host={elsewhere.tls_url}{tls}",
        "shell": f"host={elsewhere.server.url(elsewhere.socket)}",
    }
    for name, host in hosts.items():
        command = ["docker", "context", "create", name, "--docker", host]
        subprocess.run(command, env={**os.environ, **docker}, check=True, capture_output=True)
        env = {**docker, "DOCKER_CONTEXT": name, "DOCKER_HOST": ""}
        called = type(project)(project.root, project.home, project.caller, env)
        assert "28." in called.ok("doctor"), name
    subprocess.run(
        ["docker", "context", "rm", "shell"], env={**os.environ, **docker}, check=True, capture_output=True
    )
    gone = called.run("doctor")
    assert gone.status == 120
    assert "the docker context 'shell' can't be read" in gone.out + gone.err
