"""Section 4 of the specification, as far as it shows in the value that an engine gets."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any

import pytest

from buildbox.config.model import Task
from buildbox.container import CA_FILE, RUN_LABEL, Bind, ContainerSpec, Facts, Tmpfs, container_spec
from buildbox.tasks.plan import Step
from tests.support.values import task, toolchain

FACTS = Facts(
    image="sha256:" + "b" * 64,
    image_env={},
    run="0123456789ab",
    user=(1234, 2345),
    binds=(Bind("/home/someone/project", "/src"),),
    passed_env={},
    proxies={"https_proxy": "http://proxy.example.com:3128"},
    ca_bundle="/etc/ssl/certs/ca-certificates.crt",
    tty=False,
    stdin=False,
    window=None,
)


def spec(facts: dict[str, Any] | None = None, **of_the_task: Any) -> ContainerSpec:
    step = Step("test", task("test", **of_the_task), toolchain(), ("sh", "-c", "true", "test"))
    return container_spec(step, replace(FACTS, **(facts or {})))


def env(facts: dict[str, Any] | None = None, **of_the_task: Any) -> dict[str, str]:
    return dict(spec(facts, **of_the_task).env)


def test_the_same_task_and_facts_are_the_same_value() -> None:
    assert spec() == spec()
    assert hash(spec()) == hash(spec())
    names = [name for name, _ in spec({"image_env": {"Z": "1", "A": "2"}}).env]
    assert names == sorted(names)


def test_image_and_command() -> None:
    made = spec()
    assert made.image == FACTS.image
    assert made.argv == ("sh", "-c", "true", "test")


def test_source() -> None:
    assert spec().binds == (Bind("/home/someone/project", "/src", read_only=False),)
    assert spec().workdir == "/src"
    assert spec(workdir="back end/-x").workdir == "/src/back end/-x"


def test_user() -> None:
    assert spec().user == "1234:2345"
    assert spec({"user": (0, 0)}).user == "0:0"
    assert (env()["HOME"], env()["USER"], env()["LOGNAME"]) == ("/home/build", "build", "build")


def test_no_task_may_mount() -> None:
    """Only builders of images may; nothing that a task or the host says leads there."""
    most = {"user": "root", "rootfs": "writable", "network": "host"}
    assert not spec({"user": (0, 0)}, **most).may_mount
    names = {each.name for kind in (Facts, Task) for each in fields(kind)}
    assert not [name for name in names if re.search("cap|priv|may|secur", name)]


def test_environment() -> None:
    made = env()
    assert {name: made[name] for name in ("TZ", "LC_ALL", "SOURCE_DATE_EPOCH", "BUILDBOX_TASK")} == {
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "SOURCE_DATE_EPOCH": "315532800",
        "BUILDBOX_TASK": "test",
    }
    assert set(made) == {
        *("HOME", "USER", "LOGNAME", "TZ", "LC_ALL", "SOURCE_DATE_EPOCH", "BUILDBOX_TASK"),
        "TINI_KILL_PROCESS_GROUP",
    }, "nothing else of the caller's"


def test_who_wins_in_the_environment() -> None:
    """The image, then buildbox, then the task, then what the caller passes."""
    image = {"HOME": "/root", "PATH": "/opt/bin", "LEVEL": "image", "MODE": "image"}
    made = env({"image_env": image, "passed_env": {"MODE": "caller"}}, env={"LEVEL": "task", "MODE": "task"})
    assert (made["HOME"], made["PATH"], made["LEVEL"], made["MODE"]) == (
        "/home/build",
        "/opt/bin",
        "task",
        "caller",
    )
    assert env(env={"TZ": "Asia/Tokyo"})["TZ"] == "Asia/Tokyo"


def test_host_name() -> None:
    assert spec().hostname == "buildbox"


def test_file_system() -> None:
    assert spec().read_only
    assert not spec(rootfs="writable").read_only
    assert spec().tmpfs == (
        Tmpfs("/tmp", "mode=1777,exec"),
        Tmpfs("/home/build", "mode=0755,exec,uid=1234,gid=2345"),
    )


def test_without_a_network_nothing_of_the_hosts_is_handed_in() -> None:
    made = spec()
    assert made.network == "none"
    assert not any(bind.target == CA_FILE for bind in made.binds)
    assert not any("proxy" in name.lower() or name.endswith(("CERT_FILE", "BUNDLE")) for name, _ in made.env)


@pytest.mark.parametrize("network", ["bridge", "host", "my-network"])
def test_with_a_network_certificates_and_proxies_are_handed_in(network: str) -> None:
    made = spec(network=network)
    assert made.network == network
    assert made.binds[-1] == Bind("/etc/ssl/certs/ca-certificates.crt", CA_FILE, read_only=True)
    assert dict(made.env)["https_proxy"] == "http://proxy.example.com:3128"
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"):
        assert dict(made.env)[name] == CA_FILE


def test_a_host_without_certificates_and_proxies() -> None:
    made = spec({"ca_bundle": None, "proxies": {}}, network="bridge")
    assert made.binds == FACTS.binds
    assert "SSL_CERT_FILE" not in dict(made.env)


def test_a_task_may_have_certificates_of_its_own() -> None:
    made = env(network="bridge", env={"PIP_CERT": "/src/ca.pem", "https_proxy": ""})
    assert (made["PIP_CERT"], made["https_proxy"]) == ("/src/ca.pem", "")


def test_limits() -> None:
    assert (spec().pids, spec().memory, spec().cpus) == (4096, None, None)
    made = spec(pids=10, memory=2 << 30, cpus=1.5)
    assert (made.pids, made.memory, made.cpus) == (10, 2 << 30, 1.5)


def test_terminal() -> None:
    assert (spec().tty, spec().stdin, spec().window) == (False, False, None)
    made = spec({"tty": True, "stdin": True, "window": (24, 80)})
    assert (made.tty, made.stdin, made.window) == (True, True, (24, 80))


def test_every_container_says_whose_it_is() -> None:
    assert dict(spec().labels) == {RUN_LABEL: "0123456789ab", "buildbox.name": "buildbox-0123456789ab-test"}


def test_the_host_name_has_an_address_where_there_is_no_network() -> None:
    assert spec().hosts == (("buildbox", "127.0.0.1"),)
    assert spec(network="bridge").hosts == ()
