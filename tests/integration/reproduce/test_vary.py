"""Projects that are unreproducible on purpose, each in its own way: `reproduce --vary` names what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.catalogue import Toolchains
from tests.support.graphs import run_well
from tests.support.project import ME, Caller, Project, keep_image, lend_archive, let_others_pass
from tests.support.real import CALLER, commit
from tests.support.tiny_image import tiny_image

CAUSES = {  # what it is -> what a project does wrong, into the folder dist
    "build-path": 'echo "libdir=$PWD/lib" > dist/hello.pc',
    "clock": 'echo "(c) $(date +%Y)" > dist/notice',
    "cpu-count": "split -n l/$(nproc) src/words part-; sha256sum part-* > dist/sums",
    "file-order": "cat $(find src -type f) > dist/all",
    "home": 'echo "cache = $HOME/.cache" > dist/hello.conf',
    "host-name": 'echo "built on $(uname -n)" > dist/about',
    "locale": "wc -m < src/words > dist/characters",
    "randomness": "cat /proc/sys/kernel/random/uuid > dist/id",
    "time-zone": 'date -d "@$SOURCE_DATE_EPOCH" > dist/date',
    "umask": "cp src/a .; chmod =rw a; tar -cf dist/a.tar --owner=0 --group=0 --numeric-owner --mtime=@0 a",
    "user": "tar -cf dist/a.tar --sort=name --mtime=@0 src",
}
CLEAN = """
export LC_ALL=C.UTF-8 TZ=UTC
date -d "@$SOURCE_DATE_EPOCH" > dist/date
find src -type f | sort | xargs cat > dist/all
cp src/words made; wc -m < made >> dist/all
tar -czf dist/a.tar.gz --owner=0 --group=0 --numeric-owner --mode=u=rw,go=r --mtime=@0 src/words made
"""
OTHERS = {
    "clean": CLEAN,
    "file-times": "cp src/words new; tar -cf dist/a.tar --mode=0644 --owner=0 --group=0 new",
    "several": 'echo "$(date) $PWD" > dist/both; id -u > dist/who; echo always > dist/same',
    "fails": 'test "$(id -un)" = build; echo built > dist/out',
}
TASK = """
[tasks.{name}]
hermetic = true
inputs = ["src/**"]
outputs = ["{name}/"]
run = '''
mkdir dist
{script}
mv dist {name}
'''
"""
Answer = tuple[int, Mapping[str, Any]]  # the exit status, and what was varied
Answers = Mapping[str, Future[Answer]]
SOURCES = {"src/words": "été\nnoël\n" * 50, "src/b": "b\n", "src/a": "a\n", "src/z/c": "c\n", "src/d": "d\n"}


def made(folder: Path, scripts: Mapping[str, str], pin: str, caller: Caller) -> Project:
    """A project of which all has been built, and recorded."""
    project = Project(folder / "project", folder / "home", caller)
    tasks = (TASK.format(name=name, script=script) for name, script in scripts.items())
    project.write({".buildbox.toml": "".join([f'[toolchains.base]\nimage = "{pin}"\n', *tasks]), **SOURCES})
    commit(project)
    run_well(project, *scripts)
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, toolchains: Toolchains) -> Project:
    """All of them, with a shell and the GNU programs."""
    return of_base(tmp_path_factory.mktemp("vary"), {**CAUSES, **OTHERS}, toolchains, ME)


def of_base(folder: Path, scripts: Mapping[str, str], toolchains: Toolchains, caller: Caller) -> Project:
    let_others_pass(folder)
    base = toolchains.get("base/12")
    (folder / "home").mkdir()
    lend_archive(base.archive, folder / "home", caller, apart=True)
    return made(folder, scripts, str(base.pin), caller)


@pytest.fixture(scope="module")
def answers(project: Project) -> Iterator[Answers]:
    """What --vary says of each, two at a time: most of it is waiting for containers to start."""
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(varied, project, name) for name in (*CAUSES, *OTHERS)}
        pool.shutdown(cancel_futures=True)


def varied(project: Project, name: str) -> Answer:
    """The exit status, and what --vary found of the task `name`."""
    file = min(path for path in (project.root / name).iterdir())
    done = project.run("--json", "reproduce", "--vary", str(file))
    assert done.status in (0, 122), done.err
    return done.status, json.loads(done.out)["builds"][0]["varied"]


def named(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """The files that come out differently, by the cause."""
    return {" and ".join(cause["names"]): cause["files"] for cause in found["causes"]}


def not_varied(found: Mapping[str, Any]) -> list[str]:
    return [each["name"] for each in found["unvaried"]]


@pytest.mark.parametrize("name", CAUSES)
def test_the_one_cause_is_named(project: Project, answers: Answers, name: str) -> None:
    status, found = answers[name].result()
    assert list(named(found)) == [name]
    assert named(found)[name] == [f"{name}/{path.name}" for path in (project.root / name).iterdir()]
    assert found["causes"][0]["remedies"]
    assert status == 122


def test_nothing_is_named_where_there_is_nothing(answers: Answers) -> None:
    status, found = answers["clean"].result()
    assert (status, found["causes"], found["builds"]) == (0, [], 1)
    assert {each["name"] for each in found["varied"]} == CAUSES.keys() - {"randomness"}
    assert not_varied(found) == ["machine"]


def test_times_of_files_that_a_build_made_are_the_time_of_the_build(answers: Answers) -> None:
    assert named(answers["file-times"].result()[1]) == {"clock": ["file-times/a.tar"]}


def test_all_of_several_causes_are_named(answers: Answers) -> None:
    """The clock stands still for the search, so the path is found in a file that differs each time."""
    assert named(answers["several"].result()[1]) == {
        "clock": ["several/both"],
        "time-zone": ["several/both"],
        "build-path": ["several/both"],
        "user": ["several/who"],
    }


def test_a_build_that_fails_elsewhere_says_so(answers: Answers) -> None:
    _, found = answers["fails"].result()
    assert {tuple(cause["names"]): cause["failure"] for cause in found["causes"]} == {
        ("user",): "the build failed with status 1"
    }


def test_words(project: Project) -> None:
    done = project.run("reproduce", "--vary", "-o", str(project.root / "again"), "time-zone/date")
    assert done.out.splitlines()[:4] == [
        "time-zone: identical: its one output",
        "time-zone: what it is built in changes it:",
        "  the time zone (GMT-14 instead of UTC): time-zone/date differs",
        "    Write times as UTC: date -u, gmtime(), datetime.now(timezone.utc); or set TZ=UTC there.",
    ]
    assert [path.name for path in (project.root / "again/time-zone").iterdir()] == ["date"]


def test_who_isnt_root_varies_the_same(tmp_path: Path, toolchains: Toolchains) -> None:
    """Files of another user's are in a volume then, so the order of files is tried by itself."""
    scripts = {"clean": CLEAN, "packed": "tar -cf dist/a.tar --mtime=@0 src"}
    project = of_base(tmp_path, scripts, toolchains, CALLER)
    status, found = varied(project, "clean")
    assert (status, found["causes"], not_varied(found)) == (0, [], ["machine"])
    assert named(varied(project, "packed")[1]).keys() == {"user", "file-order"}


def test_what_an_image_cant_show_is_said(tmp_path: Path) -> None:
    """A static busybox doesn't ask a C library for the time: time and chance can't be told apart then."""
    (tmp_path / "home").mkdir()
    pin = keep_image(tmp_path / "home", tiny_image(), "tiny/vary")
    scripts = {"date": "date > dist/a; echo $HOME > dist/b", "plain": "cp -r src dist"}
    project = made(tmp_path, scripts, pin, ME)
    _, found = varied(project, "date")
    assert named(found) == {"clock-or-randomness": ["date/a"], "home": ["date/b"]}
    assert not_varied(found) == ["clock", "machine", "other-causes"]
    status, found = varied(project, "plain")
    assert (status, found["causes"], not_varied(found)) == (0, [], ["clock", "machine"])
