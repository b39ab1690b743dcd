from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from buildbox.config.user import SecretSource
from buildbox.errors import EngineError, UsageError
from buildbox.mounts import parse_mounts
from buildbox.secrets import file_system, gather, require_local, secret_files, sweep_secrets

ENV = {"PATH": os.defpath}


def of_file(path: Path) -> dict[str, SecretSource]:
    return {"TOKEN": SecretSource(file=path)}


def of_command(*command: str) -> dict[str, SecretSource]:
    return {"TOKEN": SecretSource(command=command)}


def test_values_come_from_the_environment_and_the_users_own_sources(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"of a file\xff\n")
    sources = {
        "FILE": SecretSource(file=tmp_path / "token"),
        "COMMAND": SecretSource(command=("pass", "show")),
    }
    asked = []

    def run_command(command: Sequence[str], env: Mapping[str, str]) -> bytes:
        asked.append((command, env))
        return b"printed\r\n\n"

    env = {"TOKEN": "of the\udcffenvironment\n", "FILE": "no", "OTHER": "x"}
    assert gather(["TOKEN", "FILE", "COMMAND", "TOKEN"], sources, env, run_command) == {
        "TOKEN": b"of the\xffenvironment\n",
        "FILE": b"of a file\xff\n",
        "COMMAND": b"printed",
    }
    assert asked == [(("pass", "show"), env)]


def test_all_that_are_missing_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * ((1 << 20) + 1))
    sources = {
        "GONE": SecretSource(file=tmp_path / "nowhere"),
        "FOLDER": SecretSource(file=tmp_path),
        "LARGE": SecretSource(file=tmp_path / "large"),
        "NO_PROGRAM": SecretSource(command=("buildbox-has-no-such-program",)),
    }
    names = ["TOKEN", "EMPTY", *sources, "THERE"]
    with pytest.raises(UsageError) as caught:
        env = {**ENV, "EMPTY": "", "THERE": "value"}
        gather(names, sources, env, root=Path("/project"), user_config=Path("/config.toml"))
    assert caught.value.reason == (
        "6 secrets can't be had: TOKEN is not set; EMPTY is empty;"
        f" GONE is said to be in {tmp_path}/nowhere: No such file or directory;"
        f" FOLDER is said to be in {tmp_path}: Is a directory; LARGE is larger than 1 MiB;"
        " NO_PROGRAM is said to come from the command 'buildbox-has-no-such-program':"
        " No such file or directory"
    )
    assert caught.value.hint.endswith(
        'say in /config.toml where its value is:\n[allow."/project".secrets]\nTOKEN = { file = "~/.token" }\n'
        'or\nTOKEN = { command = ["pass", "show", "token"] }'
    )


def test_a_command_is_run_without_a_shell_and_without_input() -> None:
    assert gather(["TOKEN"], of_command("printf", "%s\n", "$HOME; a"), ENV) == {"TOKEN": b"$HOME; a"}
    assert gather(["TOKEN"], of_command("sh", "-c", "wc -c; pwd"), ENV) == {"TOKEN": b"0\n/"}
    assert gather(["TOKEN"], of_command("sh", "-c", "echo $A"), {**ENV, "A": "b"}) == {"TOKEN": b"b"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo locked >&2; exit 3", "exit status 3: locked"),
        ("kill -9 $$", "exit status -9"),
        (":", "TOKEN is empty"),
        ("head -c 3000000 /dev/zero", "TOKEN is larger than 1 MiB"),
    ],
)
def test_a_command_that_fails(script: str, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        gather(["TOKEN"], of_command("sh", "-c", script), ENV)
    assert caught.value.reason.startswith("a secret can't be had: TOKEN ")
    assert caught.value.reason.endswith(reason)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="not a file"):
        gather(["TOKEN"], of_file(tmp_path / "fifo"), ENV)


def test_files_in_memory_are_there_for_as_long_as_they_are_needed() -> None:
    run = os.urandom(6).hex()
    folder = Path(f"/dev/shm/buildbox-{os.getuid()}-{run}")
    with secret_files({"TOKEN": b"value", "KEY": b"\xff"}, run, os.getuid()) as binds:
        assert [(bind.source, bind.target, bind.read_only) for bind in binds] == [
            (f"{folder}/TOKEN", "/run/secrets/TOKEN", True),
            (f"{folder}/KEY", "/run/secrets/KEY", True),
        ]
        assert [Path(bind.source).read_bytes() for bind in binds] == [b"value", b"\xff"]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    assert not folder.exists()
    with pytest.raises(KeyboardInterrupt), secret_files({"TOKEN": b"value"}, run, os.getuid()):
        raise KeyboardInterrupt
    assert not folder.exists()


def test_what_a_dead_run_left_is_swept() -> None:
    run = os.urandom(6).hex()
    with secret_files({"TOKEN": b"value"}, run, os.getuid()) as binds:
        sweep_secrets("abc", os.getuid())
        sweep_secrets(run, os.getuid() + 1)
        assert Path(binds[0].source).exists()
        sweep_secrets(run, os.getuid(), "/nowhere")
        assert not Path(binds[0].source).parent.exists()
    with pytest.raises(ValueError):
        sweep_secrets("../x", os.getuid())


def test_no_file_is_made_for_no_secret() -> None:
    with secret_files({}, "../x", os.getuid()) as binds:
        assert binds == ()


def test_the_file_system_of_a_path() -> None:
    mounts = (
        "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "24 22 0:20 / /dev rw,nosuid shared:2 - devtmpfs udev rw\n"
        "25 24 0:21 / /dev/shm rw shared:3 master:1 - tmpfs tmpfs rw\n"
        "26 22 0:22 / /a\\040b rw - tmpfs - rw\n"
        "27 22 0:23 / /twice rw - tmpfs tmpfs rw\n"
        "28 22 0:24 / /twice rw - xfs /dev/sdb rw\n"
        "strange line\n"
    )
    kinds = {
        "/dev/shm": "tmpfs",
        "/dev/shm/x": "tmpfs",
        "/dev/shmx": "devtmpfs",
        "/home": "ext4",
        "/a b": "tmpfs",
        "/twice": "xfs",
    }
    found = tuple(parse_mounts(mounts))
    assert {path: file_system(found, Path(path)) for path in kinds} == kinds
    assert file_system((), Path("/")) == ""


def test_secrets_are_sent_to_no_other_machine() -> None:
    require_local(True, ["A"])
    require_local(False, [])
    with pytest.raises(EngineError, match=r"secrets \(A, B\) can't be handed to an engine"):
        require_local(False, ["A", "B", "A"])
