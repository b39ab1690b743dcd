from __future__ import annotations

from pathlib import Path

from buildbox.mounts import Mount, parse_mounts

LINES = r"""
22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw
30 28 0:26 / /run/a\040b rw - tmpfs tmpfs rw
31 28 0:26 /x\040y /run/a\134040b rw shared:1 master:2 - ext4 /dev/sda1 rw
32 28 0:26 /x /no/hyphen rw
33 28 0:26 / /- rw -
"""


def test_lines_of_mountinfo() -> None:
    assert list(parse_mounts(LINES)) == [
        Mount(Path("/sys"), "sysfs", "/"),
        Mount(Path("/run/a b"), "tmpfs", "/"),
        Mount(Path(r"/run/a\040b"), "ext4", "/x y"),
        Mount(Path("/-"), "", "/"),
    ]
