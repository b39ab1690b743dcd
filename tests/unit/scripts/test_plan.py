from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.setup.machine import Machine
from scripts.setup.plan import NEEDS, CannotSetUp, announce, decide

BARE = Machine(
    root=Path("/checkout"),
    system="Debian GNU/Linux 12 (bookworm)",
    uid=0,
    gid=0,
    user="root",
    apt=True,
    sudo=False,
    systemd=False,
    commands=frozenset(),
    ensurepip=False,
    venv_ready=False,
    engine="",
    engine_problem="",
    engine_advice="Install one: the way this system does",
)
READY = replace(
    BARE,
    commands=frozenset(
        {
            *("dockerd", "mmdebstrap", "git", "docker-registry", "busybox", "openssl", "newuidmap"),
            *("faketime", "diffoscope", "skopeo", "zstd", "sshd"),
            *("podman", "/usr/lib/podman/netavark", "/usr/lib/podman/aardvark-dns", "catatonit"),
            *("rootlesskit", "slirp4netns"),
        }
    ),
    venv_ready=True,
    engine="unix:///var/run/docker.sock",
)


def to_install(machine: Machine, command: str) -> list[str]:
    return [need.package for need in decide(machine, NEEDS[command]).install]


def refusal(machine: Machine, command: str = "demo") -> str:
    with pytest.raises(CannotSetUp) as caught:
        decide(machine, NEEDS[command])
    return str(caught.value)


def test_a_bare_machine_gets_everything() -> None:
    plan = decide(BARE, NEEDS["demo"])
    packages = ["docker.io", "iptables", "python3-venv", "mmdebstrap", "git"]
    assert [need.package for need in plan.install] == packages
    assert plan.start_engine
    assert plan.make_venv


def test_the_tests_need_more_than_the_demo() -> None:
    extra = set(to_install(BARE, "test")) - set(to_install(BARE, "demo"))
    assert extra == {
        *("docker-registry", "busybox-static", "openssl", "faketime", "diffoscope-minimal"),
        *("skopeo", "zstd", "podman", "netavark", "aardvark-dns", "catatonit", "rootlesskit", "slirp4netns"),
        *("openssh-server", "uidmap"),
    }


@pytest.mark.parametrize("command", NEEDS)
def test_nothing_is_done_where_all_is_there(command: str) -> None:
    plan = decide(READY, NEEDS[command])
    assert (plan.install, plan.start_engine, plan.make_venv) == ((), False, False)
    assert announce(READY, plan) == "setup: all is here; the engine is unix:///var/run/docker.sock"


def test_an_engine_that_answers_is_used() -> None:
    machine = replace(BARE, engine="tcp://engine:2375")
    assert "docker.io" not in to_install(machine, "demo")
    assert not decide(machine, NEEDS["demo"]).start_engine


def test_the_tests_need_an_engine_to_start_even_where_one_answers() -> None:
    assert "docker.io" in to_install(replace(BARE, engine="tcp://engine:2375"), "test")


def test_an_engine_that_is_installed_is_only_started() -> None:
    machine = replace(BARE, commands=frozenset({"dockerd", "iptables"}))
    assert to_install(machine, "demo") == ["python3-venv", "mmdebstrap", "git"]
    assert decide(machine, NEEDS["demo"]).start_engine


def test_python_that_can_make_venvs_needs_no_package() -> None:
    assert "python3-venv" not in to_install(replace(BARE, ensurepip=True), "demo")


def test_what_will_be_done_is_said_first() -> None:
    said = announce(BARE, decide(BARE, NEEDS["demo"]))
    assert said.splitlines()[0] == "setup: on Debian GNU/Linux 12 (bookworm), as root, this will"
    for what in ("docker.io", "iptables", "python3-venv", "mmdebstrap", "start dockerd", ".venv"):
        assert what in said


def test_sudo_is_enough_and_its_consequences_are_said() -> None:
    machine = replace(BARE, uid=1000, user="alice", sudo=True)
    said = announce(machine, decide(machine, NEEDS["demo"]))
    assert "as alice, by sudo where root is needed" in said
    assert "add alice to the group docker" in said
    assert "uidmap" in said


def test_without_root_the_commands_for_root_are_said() -> None:
    said = refusal(replace(BARE, uid=1000, user="alice"))
    assert "Nothing was changed." in said
    assert (
        "  apt-get install --no-install-recommends docker.io iptables python3-venv mmdebstrap git uidmap"
        in said
    )
    assert "  dockerd > /var/log/dockerd.log 2>&1 &" in said
    assert "  usermod -aG docker alice" in said


def test_without_root_only_what_is_missing_is_said() -> None:
    machine = replace(READY, uid=1000, user="alice", engine="", systemd=True)
    said = refusal(replace(machine, commands=machine.commands | {"dockerd", "iptables"}))
    assert "apt-get" not in said
    assert "  systemctl start docker" in said


def test_without_root_a_machine_that_has_all_but_the_venv_is_fine() -> None:
    machine = replace(READY, uid=1000, user="alice", venv_ready=False, ensurepip=True)
    plan = decide(machine, NEEDS["test"])
    assert (plan.install, plan.start_engine, plan.make_venv) == ((), False, True)


def test_elsewhere_than_debian_the_things_are_named() -> None:
    said = refusal(replace(BARE, system="Fedora Linux 42", apt=False), "test")
    assert said.startswith(
        "Fedora Linux 42 can't be set up automatically: no apt-get here. Nothing was changed."
    )
    for what in ("venv", "mmdebstrap", "git", "docker-registry", "Install one: the way this system does"):
        assert what in said


def test_elsewhere_than_debian_a_machine_that_has_all_is_fine() -> None:
    assert not decide(replace(READY, apt=False), NEEDS["test"]).install


def test_an_engine_that_the_user_named_is_not_replaced() -> None:
    said = refusal(replace(BARE, engine_problem="the engine at ssh://far (DOCKER_HOST) can't be reached"))
    assert said == "the engine at ssh://far (DOCKER_HOST) can't be reached\nNothing was changed."
