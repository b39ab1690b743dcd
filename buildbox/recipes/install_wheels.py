"""Installs the wheels beside this file. Not imported here: an image's own Python runs it, in a new root.

It must then know nothing of dist-packages (`-S`), so that no module and no .pth file of a wheel is run
while the image is made, and find the library installer on its path. Where things go: Debian's
/usr/share/doc/python3/README, local installations.
"""

from __future__ import annotations

import py_compile
import sys
from os import PathLike
from pathlib import Path
from typing import BinaryIO

from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.records import RecordEntry
from installer.sources import WheelFile
from installer.utils import Scheme

PYTHON = "python{}.{}".format(*sys.version_info)
SITE = f"/usr/local/lib/{PYTHON}/dist-packages"


class Destination(SchemeDictionaryDestination):
    """Scripts can be run, also those from an archive that was made on Windows, as pip has it."""

    def write_file(
        self, scheme: Scheme, path: str | PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        """See WheelDestination."""
        return super().write_file(scheme, path, stream, is_executable or scheme == "scripts")


def main() -> None:
    """Raises what installer does where two wheels have the same file, or one has files it doesn't list."""
    for path in sorted(Path(__file__).parent.glob("*.whl")):
        with WheelFile.open(path) as wheel:
            wheel.validate_record(validate_contents=False)  # the lock has its sha256
            where = {
                "purelib": SITE,
                "platlib": SITE,
                "headers": f"/usr/local/include/{PYTHON}/{wheel.distribution}",
                "scripts": "/usr/local/bin",
                "data": "/usr/local",
            }
            destination = Destination(where, "/usr/bin/python3", "posix")
            install(wheel, destination, {"INSTALLER": b"buildbox\n"})
    for path in sorted(Path(SITE).rglob("*.py")):
        try:
            # The image is never written to: Python needn't ask whether a module has changed, and its
            # time, which the image doesn't keep, must not matter.
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(path), doraise=True, invalidation_mode=mode)
        except py_compile.PyCompileError:
            pass  # written for another Python; it fails where it is imported, as it would anywhere


if __name__ == "__main__":
    main()
