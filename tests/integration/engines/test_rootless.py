"""Where SPEC section 4's table is another on a rootless engine: root inside is the caller outside."""

from __future__ import annotations

import json

from tests.integration.run.conftest import MakeProject
from tests.integration.run.test_table import LOOK

WHERE = ("docker-rootless", "podman-rootless")


def test_root_inside(make_project: MakeProject) -> None:
    """Whatever the image and the task say."""
    config = {"User": "nobody", "Env": ["PATH=/bin", "HOME=/root"]}
    project = make_project(LOOK + 'user = "1234:99"\n', config=config)
    out = project.ok("run", "look").splitlines()
    assert out == [
        "0",
        "0",
        "build",
        "/src",
        "buildbox",
        "0022",
        "/home/build build UTC C.UTF-8 315532800 look",
    ]


def test_rights(make_project: MakeProject) -> None:
    """Root's capabilities count in the caller's own namespace alone."""
    project = make_project(
        """
[tasks.rights]
run = '''
grep -E "NoNewPrivs|CapEff" /proc/self/status
test -e /var/run/docker.sock -o -e /run/docker.sock || echo no socket
mount -t tmpfs none /tmp 2>/dev/null || echo no mounts
mknod /tmp/x b 8 0 2>/dev/null || echo no devices
touch /tmp/x; chown 77777 /tmp/x 2>/dev/null || echo nobody else
'''
"""
    )
    out = project.ok("run", "rights").splitlines()
    assert out[1:] == ["NoNewPrivs:\t1", "no socket", "no mounts", "no devices", "nobody else"]
    mknod, sys_admin = 27, 21  # capabilities(7)
    assert not int(out[0].split()[1], 16) & (1 << mknod | 1 << sys_admin)


def test_doctor(make_project: MakeProject) -> None:
    """It knows who is who, and that cgroups of version 1 limit nothing here."""
    project = make_project('[tasks.t]\nargv = ["true"]\n')
    project.ok("run", "t")
    checks = {check["name"]: check for check in json.loads(project.run("doctor", "--json").out)["checks"]}
    assert checks["mode"]["found"].startswith("rootless: root in a container is you outside")
    assert checks["files"]["state"] == "ok", checks["files"]
