"""`keygen` and `verify`, as they are called: answers, exit statuses, and a passphrase on a terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildbox.provenance.form import statement_bytes
from buildbox.signing.envelope import sign
from buildbox.signing.files import beside
from buildbox.signing.keys import load_private, load_public
from tests.support.statements import a_statement
from tests.support.terminal import ROOT, Terminal, on_terminal
from tests.support.values import PIN

DATA = statement_bytes(a_statement())


def surroundings(folder: Path) -> Mapping[str, str]:
    own = {"BUILDBOX_HOME": str(folder / "own"), "HOME": str(folder)}
    return {"PYTHONPATH": str(ROOT), "PATH": os.defpath, **own}


def buildbox(folder: Path, *line: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "buildbox", *line],
        cwd=folder,
        env={**surroundings(folder), **env},
        capture_output=True,
        text=True,
    )


@contextmanager
def on_a_terminal(folder: Path, *line: str) -> Iterator[Terminal]:
    script = "import os, sys; os.chdir(sys.argv.pop(1)); from buildbox.cli.main import main; main()"
    terminal = on_terminal(script, str(folder), *line, env=surroundings(folder))
    try:
        yield terminal
    finally:
        terminal.close()


def signed(folder: Path, key: str) -> Path:
    """An artifact in `folder` with a statement that `key` signed."""
    artifact = folder / "a.bin"
    artifact.write_bytes(b"a")
    beside(artifact).write_bytes(sign(DATA, load_private(folder / key, None)))
    return artifact


def test_a_key_of_ones_own_is_trusted(tmp_path: Path) -> None:
    done = buildbox(tmp_path, "keygen")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/own/signing.key.pub\n")
    signed(tmp_path, "own/signing.key")
    done = buildbox(tmp_path, "verify", "a.bin")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "a.bin: verified"
    assert "  output     dist/a.bin of sample" in done.stdout.splitlines()


def test_keys_of_others(tmp_path: Path) -> None:
    done = buildbox(tmp_path, "--json", "keygen", "-o", "theirs")
    made = json.loads(done.stdout)
    assert made == {
        "id": load_public(tmp_path / "theirs.pub").id,
        "private": f"{tmp_path}/theirs",
        "public": f"{tmp_path}/theirs.pub",
    }
    signed(tmp_path, "theirs")
    done = buildbox(tmp_path, "verify", "--json", "a.bin")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (119, "cant-tell")
    assert "Name the public key of whoever signed it: --key FILE" in done.stderr
    done = buildbox(tmp_path, "verify", "--json", "a.bin", "--key", "theirs.pub")
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["output"]) == (0, "verified", "dist/a.bin")
    assert told["signed"] == [{"id": made["id"], "file": f"{tmp_path}/theirs.pub"}]
    (tmp_path / "own").mkdir(exist_ok=True)
    (tmp_path / "own" / "config.toml").write_text(f'[provenance]\nkeys = ["{tmp_path}/theirs.pub"]\n')
    assert buildbox(tmp_path, "verify", "a.bin").returncode == 0
    (tmp_path / "theirs.pub").unlink()
    done = buildbox(tmp_path, "verify", "a.bin")
    assert done.returncode == 2
    assert done.stderr == (
        f"buildbox: there is no public key {tmp_path}/theirs.pub\n"
        f"  {tmp_path}/own/config.toml names it in [provenance], keys.\n"
    )


def test_what_is_refused(tmp_path: Path) -> None:
    buildbox(tmp_path, "keygen", "-q")
    artifact = signed(tmp_path, "own/signing.key")
    before = (tmp_path / "own" / "signing.key").read_bytes()
    done = buildbox(tmp_path, "keygen")
    assert (done.returncode, done.stdout) == (2, "")
    assert "signing.key is there already, and a key is never overwritten" in done.stderr
    assert (tmp_path / "own" / "signing.key").read_bytes() == before
    artifact.write_bytes(b"b")
    done = buildbox(tmp_path, "verify", "--json", "a.bin")
    assert done.returncode == 122
    assert json.loads(done.stdout) == {
        "file": "a.bin",
        "state": "different",
        "why": f"{artifact} isn't the file that {beside(artifact)} tells of: its bytes are others",
    }
    beside(artifact).unlink()
    done = buildbox(tmp_path, "verify", "--json", "a.bin")
    assert done.returncode == 119
    missing = ["beside it there is no a.bin.intoto.jsonl", "there is no archive here"]
    assert json.loads(done.stdout)["missing"] == missing
    assert buildbox(tmp_path, "verify", "none").returncode == 2


def test_a_key_in_a_project_is_told(tmp_path: Path) -> None:
    (tmp_path / ".buildbox.toml").touch()
    (tmp_path / "sub").mkdir()
    done = buildbox(tmp_path / "sub", "keygen", "-q", "-o", "key", HOME=str(tmp_path))
    assert done.returncode == 0
    assert f"{tmp_path}/sub/key lies in a project, {tmp_path}\n  Its tasks can read the key" in done.stderr


def test_a_passphrase_by_the_environment(tmp_path: Path) -> None:
    done = buildbox(tmp_path, "keygen", "--passphrase")
    assert done.returncode == 2
    assert "there is no terminal to ask for a passphrase on" in done.stderr
    assert buildbox(tmp_path, "keygen", "--passphrase", BUILDBOX_PASSPHRASE="pæss").returncode == 0
    assert load_private(tmp_path / "own" / "signing.key", "pæss".encode())


@pytest.mark.parametrize(("second", "status"), [("a word", 0), ("another", 2)])
def test_a_passphrase_on_a_terminal(tmp_path: Path, second: str, status: int) -> None:
    with on_a_terminal(tmp_path, "keygen", "--passphrase") as terminal:
        terminal.see(lambda picture: any("new key:" in line for line in picture.text))
        os.write(terminal.master, b"a word\n")
        terminal.see(lambda picture: any("Once more:" in line for line in picture.text))
        os.write(terminal.master, f"{second}\n".encode())
        assert terminal.end() == status
    assert (tmp_path / "own" / "signing.key").exists() == (status == 0)
    if status == 0:
        assert load_private(tmp_path / "own" / "signing.key", b"a word")


PROJECT = f"""
[toolchains.tools]
image = "{PIN}"
[tasks.make]
hermetic = true
run = "echo > out"
outputs = ["out"]
"""


def test_what_signs_is_asked_for_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / ".buildbox.toml").write_text(PROJECT)
    line = ("--engine", "unix:///nowhere/at/all.sock", "run", "--sign", "make")
    done = buildbox(tmp_path, *line)
    assert (done.returncode, "there is no private key" in done.stderr) == (2, True)
    assert "Make one: buildbox keygen" in done.stderr
    buildbox(tmp_path, "keygen", "--passphrase", BUILDBOX_PASSPHRASE="word")
    done = buildbox(tmp_path, *line)
    assert (done.returncode, "is locked with a passphrase" in done.stderr) == (2, True)
    assert "set BUILDBOX_PASSPHRASE for this one command" in done.stderr
    done = buildbox(tmp_path, *line, BUILDBOX_PASSPHRASE="wrong")
    assert (done.returncode, "that isn't the passphrase" in done.stderr) == (2, True)
    assert (
        buildbox(tmp_path, *line, BUILDBOX_PASSPHRASE="word").returncode == 120
    )  # now the engine is missing
    with on_a_terminal(tmp_path, *line) as terminal:
        terminal.see(lambda picture: any("Passphrase of" in line for line in picture.text))
        os.write(terminal.master, b"word\n")
        assert terminal.end() == 120
    (tmp_path / "own" / "signing.key").chmod(0o644)
    done = buildbox(tmp_path, *line, BUILDBOX_PASSPHRASE="word")
    assert (done.returncode, "isn't only yours: its mode is 0644" in done.stderr) == (2, True)
