"""Files as real tools make them: wheels, jars, Debian packages, and diffoscope's word on them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildbox.comparing.compare import compare_files
from buildbox.comparing.diffoscope import diffoscope_report
from buildbox.comparing.finding import Finding
from tests.support.catalogue import Toolchains
from tests.support.trees import write
from tests.support.wheels import make_wheel

JAVA = "public class Hello { public static void main(String[] a) { System.out.println(%s); } }\n"
CONTROL = "Package: hello\nVersion: 1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: x\n"
EARLY, LATE = "1980-01-01T12:00:00Z", "2026-11-23T12:00:00Z"
JARS = {
    "first": ("hello", EARLY),
    "again": ("hello", EARLY),
    "later": ("hello", LATE),
    "other": ("hallo", EARLY),
}
PROJECT = """
[toolchains.java]
image = "{pin}"
[tasks.jars]
run = '''
{script}
'''
"""
SCRIPT = """cd {name}
javac -d classes Hello.java
jar --create --file hello.jar --date={date} -C classes Hello.class hello.properties
cd .."""


def run(*line: str, at: Path, env: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(line, cwd=at, env={**os.environ, **(env or {})}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def jars(toolchains: Toolchains, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Jars by a real `javac` and `jar`."""
    top = tmp_path_factory.mktemp("jars")
    script = "\n".join(SCRIPT.format(name=name, date=date) for name, (_, date) in JARS.items())
    write(top, {".buildbox.toml": PROJECT.format(pin=toolchains.get("java/17").pin, script=script)})
    for name, (text, _) in JARS.items():
        write(top / name, {"Hello.java": JAVA % f'"{text}"', "hello.properties": f"text={text}\n"})
    run(sys.executable, "-m", "buildbox", "run", "jars", at=top)
    return {name: top / name / "hello.jar" for name in JARS}


def deb(folder: Path, jar: Path, epoch: int) -> Path:
    """A Debian package by `dpkg-deb`, with a jar in it."""
    top = write(folder / "hello", {"DEBIAN/control": CONTROL, "usr/bin/hello*": "#!/bin/sh\n"})
    (top / "usr/share/java").mkdir(parents=True)
    shutil.copy(jar, top / "usr/share/java/hello.jar")
    (top / "usr/share/java/hello.jar").chmod(0o644)
    for path in (*top.rglob("*"), top):
        os.utime(path, (0, 0))
    env = {"SOURCE_DATE_EPOCH": str(epoch)}
    run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", "hello", "hello.deb", at=folder, env=env)
    return folder / "hello.deb"


def test_jars(jars: dict[str, Path]) -> None:
    assert compare_files(jars["first"], jars["again"], "hello.jar") == []
    (found,) = compare_files(jars["first"], jars["later"], "hello.jar")
    assert (found.path, found.kind) == (("hello.jar", "META-INF/"), "mtime")
    assert found.text.startswith("time 2026-11-23 12:00:00 instead of 1980-01-01 12:00:00")
    found = compare_files(jars["first"], jars["other"], "hello.jar")[0]
    assert (found.path, found.kind) == (("hello.jar", "Hello.class"), "content")
    assert Finding(
        ("hello.jar", "hello.properties"), "content", 'line 1: "text=hallo" instead of "text=hello"'
    ) in compare_files(jars["first"], jars["other"], "hello.jar")


def test_debs_down_to_the_class_in_a_jar(jars: dict[str, Path], tmp_path: Path) -> None:
    first, again = (deb(tmp_path / name, jars[name], 1) for name in ("first", "again"))
    other, later = deb(tmp_path / "other", jars["other"], 1), deb(tmp_path / "later", jars["first"], 86401)
    assert compare_files(first, again, "hello.deb") == []
    found = compare_files(first, other, "hello.deb")[0]
    assert found.path == ("hello.deb", "data.tar.xz", "./usr/share/java/hello.jar", "Hello.class")
    found = compare_files(first, later, "hello.deb")[0]
    assert (found.path, found.kind, found.more) == (("hello.deb", "debian-binary"), "mtime", 2)
    assert found.text == "time 1970-01-02 00:00:01 instead of 1970-01-01 00:00:01"


def test_wheels(tmp_path: Path) -> None:
    files = {"hello/data.txt": "one\n", "hello/last.py": "X = 1\n"}
    first = make_wheel(tmp_path / "first", "hello", files=files)
    other = make_wheel(tmp_path / "other", "hello", files={**files, "hello/last.py": "X = 2\n"})
    found = compare_files(first, other, "dist/hello.whl")
    assert found[0].line == 'dist/hello.whl: hello/last.py: line 1: "X = 2" instead of "X = 1"'
    assert found[1].path == ("dist/hello.whl", "hello-1.0.dist-info/RECORD")


@pytest.mark.parametrize(
    "line",
    ["tar -cf out a b", "gzip -c a > out", "tar -c a b | xz > out", "tar -c a | gzip -n > b; tar -cf out b"],
)
def test_what_the_usual_tools_write_of_another_time(line: str, tmp_path: Path) -> None:
    for epoch in (1_000_000_000, 1_000_086_400):
        folder = write(tmp_path / str(epoch), {"a": "a\n", "b": "b\n"})
        for name in "ab":
            os.utime(folder / name, (epoch, epoch))
        run("sh", "-ec", line, at=folder)
    left, right = sorted(tmp_path.glob("*/out"))
    found = compare_files(left, right, "out")
    assert {finding.kind for finding in found} == {"mtime"}
    assert found[0].text.endswith("time 2001-09-10 01:46:40 instead of 2001-09-09 01:46:40")


def diffoscope() -> str:
    program = shutil.which("diffoscope")
    assert program, "scripts/setup installs it"
    return program


def test_diffoscope_writes_its_report(jars: dict[str, Path], tmp_path: Path) -> None:
    to = tmp_path / "report.txt"
    assert diffoscope_report(jars["first"], jars["other"], to, diffoscope()) is None
    assert "-text=hello" in to.read_text()


def test_diffoscope_is_stopped_and_its_failures_are_said(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\nsleep 60 & echo $! > {tmp_path}/pid; wait\n")
    slow.chmod(0o755)
    began = time.monotonic()
    answer = diffoscope_report(slow, slow, tmp_path / "report", str(slow), seconds=0.5)
    assert answer == "diffoscope was stopped after 0.5 seconds"
    assert time.monotonic() - began < 10
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int((tmp_path / "pid").read_text()), 0)
            time.sleep(0.05)
    slow.write_text("#!/bin/sh\necho 'no such thing' >&2; exit 2\n")
    answer = diffoscope_report(slow, slow, tmp_path / "report", str(slow))
    assert answer == "diffoscope failed: no such thing"
    assert "can't be started" in str(
        diffoscope_report(slow, slow, tmp_path / "report", "/nowhere/diffoscope")
    )
