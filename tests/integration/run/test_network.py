"""A task in a network of the engine, beside a service that somebody else started there."""

from __future__ import annotations

from collections.abc import Iterator

import docker
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from tests.integration.run.conftest import MakeProject
from tests.support.tiny_image import tiny_image

testcontainers_config.ryuk_disabled = True  # its reaper is an image that can't be pulled here

IMAGE = "buildbox.local/tests:service"
TASKS = """
[tasks.ask]
argv = ["wget", "-q", "-O-", "http://web:8080/page"]
network = "{network}"
[tasks.alone]
argv = ["wget", "-q", "-T", "2", "-O-", "http://web:8080/page"]
"""


@pytest.fixture
def network() -> Iterator[str]:
    """The name of a network with a web server `web` in it."""
    docker.from_env().images.load(tiny_image(files={"www/page": "served\n"}).tar(IMAGE))
    with Network() as made:
        server = DockerContainer(IMAGE).with_command("httpd -f -p 8080 -h /www")
        with server.with_network(made).with_network_aliases("web"):
            yield made.name


def test_named_network(make_project: MakeProject, network: str) -> None:
    project = make_project(TASKS.format(network=network))
    refused = project.run("run", "ask")
    assert refused.status == 2
    assert f"--allow network={network}" in refused.err
    assert project.ok("run", "--allow", f"network={network}", "ask") == "served\n"
    project.write({"../home/config.toml": f'[allow."{project.root}"]\nnetwork = ["{network}"]\n'})
    assert project.ok("run", "ask") == "served\n"
    assert project.run("run", "alone").status != 0
