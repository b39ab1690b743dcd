"""What travels to an engine elsewhere, in bytes."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.integration.remote.conftest import Elsewhere, MakeProject
from tests.support.relayed import relay
from tests.support.tiny_image import tiny_image

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="another engine takes root to start")
_INPUTS = 3 << 20  # bytes
TASKS = """
[tasks.seen]
hermetic = true
inputs = ["**"]
outputs = ["seen-{N}"]
matrix.env.N = ["1", "2", "3"]
run = '''
find . -exec stat -c '%n %u:%g %a %Y %F' {} + | sort > /tmp/tree
find . -type f -exec sha256sum {} + | sort >> /tmp/tree
rm -r big sub
cp /tmp/tree seen-$N
'''
[tasks.again]
hermetic = true
inputs = ["**"]
retries = 1
run = "rm -r big; exit 1"
[tasks.without]
hermetic = true
inputs = ["**"]
matrix.env.N = ["1", "2"]
run = "/bin/busybox test -s big/0"
"""


def test_an_image_and_the_inputs_of_many_steps_travel_once(
    elsewhere: Elsewhere, make_project: MakeProject
) -> None:
    """Whatever a step does to its tree, the next has it whole, with owners, modes and times."""
    project = make_project(TASKS)
    project.write({"sub/deep/file": "deep\n", "program": ""})
    (project.root / "program").chmod(0o755)
    (project.root / "link").symlink_to("sub/deep")
    (project.root / "big").mkdir()
    for name in "012":
        (project.root / "big" / name).write_bytes(os.urandom(_INPUTS // 3))
    project.ok("run", "seen")
    here = {name: (project.root / name).read_text() for name in ("seen-1", "seen-2", "seen-3")}
    for name in here:
        (project.root / name).unlink()
    image = tiny_image()
    for image_id in image.ids:
        drop = ["docker", "--host", f"unix://{elsewhere.socket}", "rmi", "-f", image_id]
        subprocess.run(drop, check=False, capture_output=True)
    with relay(elsewhere.socket) as between:

        def sent(*words: str, status: int = 0) -> int:
            before = between.sent
            assert project.run("--engine", between.url, "run", "--force", *words).status == status
            return between.sent - before

        with_the_image = sent("seen")
        assert {name: (project.root / name).read_text() for name in here} == here
        assert len(image.layer) + _INPUTS < with_the_image < len(image.layer) + 1.4 * _INPUTS
        assert _INPUTS < sent("seen") < 1.4 * _INPUTS
        assert _INPUTS < sent("again", status=1) < 1.4 * _INPUTS
    assert elsewhere.left() == []


def test_with_an_image_that_can_not_copy_they_are_sent_each_time(
    elsewhere: Elsewhere, make_project: MakeProject
) -> None:
    project = make_project(TASKS, config={"Env": ["PATH=/nowhere"]})
    (project.root / "big").mkdir()
    (project.root / "big/0").write_bytes(os.urandom(_INPUTS))
    project.ok("--engine", elsewhere.url, "run", "without")
    assert elsewhere.left() == []
