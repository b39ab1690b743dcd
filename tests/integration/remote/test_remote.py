"""Hermetic tasks on an engine that sees nothing of this machine's files; mounted ones are refused."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.integration.remote.conftest import Elsewhere, MakeProject
from tests.integration.run.conftest import CALLERS
from tests.support.project import Caller, Project

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="another engine takes root to start")

TASKS = """
[tasks.seen]
hermetic = true
inputs = ["**"]
outputs = ["out/"]
run = '''
find . -exec stat -c '%n %u:%g %a %Y %F' {} + | sort > /tmp/tree
mkdir out
cp /tmp/tree out/tree
cat program sub/deep/file > out/contents
readlink link > out/link
id -u > out/who; id -un >> out/who; cat /etc/hostname >> out/who; touch here ~/there /tmp/x
cp program out/again
'''
[tasks.next]
hermetic = true
needs = ["seen"]
inputs = []
outputs = ["copied"]
run = "cat out/tree > copied; test -x out/again; ls"
[tasks.fails]
hermetic = true
inputs = ["**"]
outputs = ["left"]
run = "echo x > left; exit 7"
[tasks.cached]
hermetic = true
inputs = []
outputs = ["count"]
caches = { own = "~/.cache/own" }
run = "echo x >> ~/.cache/own/count; cat ~/.cache/own/count > count; touch ~/.cache/other"
[tasks.served]
hermetic = true
inputs = []
services = ["web"]
run = "wget -q -O- http://web:8080/page"
[services.web]
image = "{pin}"
run = "mkdir /tmp/w; echo served > /tmp/w/page; exec httpd -f -p 8080 -h /tmp/w"
ready-port = 8080
[tasks.mounted]
run = "true"
"""


def project_of(make_project: MakeProject, caller: Caller) -> Project:
    project = make_project(TASKS, caller)
    project.write({"program": "#!/bin/sh\n", "sub/deep/file": "deep\n"})
    (project.root / "program").chmod(0o700)
    (project.root / "link").symlink_to("sub/deep/file")
    project.own()
    return project


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: str(caller.uid))
def test_a_task_sees_the_same_there_as_here(
    elsewhere: Elsewhere, make_project: MakeProject, caller: Caller
) -> None:
    """Names, owners, modes, times and contents; and what it made comes back the same."""
    project = project_of(make_project, caller)
    outputs = ("tree", "contents", "link", "who")

    def made() -> dict[str, str]:
        return {name: (project.root / "out" / name).read_text() for name in outputs}

    project.ok("run", "next")
    here = made()
    assert f"./program {caller.uid}:{caller.gid} 755 315532800 regular file" in here["tree"]
    subprocess.run(["rm", "-r", "out", "copied"], cwd=project.root, check=True)
    project.ok("--engine", elsewhere.url, "run", "--force", "next")
    assert made() == here
    assert (project.root / "copied").read_text() == here["tree"]
    assert (project.root / "out/again").stat().st_mode & 0o777 == 0o755
    assert (project.root / "out/again").stat().st_uid == caller.uid
    assert not (project.root / "here").exists()
    assert elsewhere.left() == []


def test_what_fails_there_changes_nothing_here(elsewhere: Elsewhere, make_project: MakeProject) -> None:
    project = project_of(make_project, CALLERS[-1])
    assert project.run("--engine", elsewhere.url, "run", "fails").status == 7
    assert not (project.root / "left").exists()
    assert elsewhere.left() == []


def test_caches_and_services_are_there_too(elsewhere: Elsewhere, make_project: MakeProject) -> None:
    project = project_of(make_project, CALLERS[-1])
    for lines in (1, 2):
        project.ok("--engine", elsewhere.url, "run", "--force", "cached")
        assert (project.root / "count").read_text() == "x\n" * lines
    assert project.ok("--engine", elsewhere.url, "run", "served") == "served\n"
    assert elsewhere.left() == []
    assert "removed 1 cache" in project.run("--engine", elsewhere.url, "clean", "--caches").err


def test_a_mounted_task_is_refused_before_anything_starts(
    elsewhere: Elsewhere, make_project: MakeProject
) -> None:
    project = project_of(make_project, CALLERS[-1])
    for words in (("run", "mounted"), ("exec", "box", "--", "true"), ("shell", "box")):
        refused = project.run("--engine", elsewhere.url, *words)
        assert refused.status == 120
        assert "doesn't see the working tree that is mounted for" in refused.err
        assert ("--hermetic" in refused.err) == (words[0] == "run")
    project.ok("--engine", elsewhere.url, "run", "--hermetic", "mounted")
    assert list((project.home / "runs").glob("*")) == []
