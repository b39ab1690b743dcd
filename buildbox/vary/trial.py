"""What can be varied in an image: tried in it, before a build is."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from buildbox.container import RUN_LABEL, Bind, ContainerSpec
from buildbox.engine.protocol import Engine, ImageMissing
from buildbox.errors import EngineError
from buildbox.vary import clock

_LOOK = """
echo shell
locale -a 2>/dev/null | while read -r name; do echo "locale $name"; done
"""
_ALLOWED = """
while read -r key value; do case $key in Cpus_allowed_list:) echo "$value";; esac; done < /proc/self/status
"""
_FILE = "/run/buildbox/file"
_MOST = 1 << 20  # bytes that a trial may print
_NEAR = 600  # seconds that a trial may take


@dataclass(frozen=True)
class Traits:
    """What an image has that variations take."""

    shell: bool  # /bin/sh
    locales: tuple[str, ...] = ()


class Trials:
    """Small containers of one image, for a user that has no rights. `env` is the image's own."""

    def __init__(self, engine: Engine, image_id: str, env: Iterable[tuple[str, str]], run: str) -> None:
        self._engine = engine
        labels = ((RUN_LABEL, run),)
        self._spec = ContainerSpec(image_id, (), tuple(sorted(env)), "/", "65534:65534", labels=labels)

    def look(self) -> Traits:
        """What the image has. Raises ImageMissing."""
        lines = self._said(_LOOK)
        locales = tuple(line.partition(" ")[2] for line in lines if line.startswith("locale "))
        return Traits("shell" in lines, locales)

    def shows(self, library: Path) -> bool:
        """Whether libfaketime makes programs of the image see another time."""
        words = (f"{name}={value}" for name, value in clock.variables(f"+{clock.AHEAD}").items())
        lines = self._said(f"date +%s; {shlex.join(words)} date +%s", (clock.bound(library),))
        if len(lines) != 2 or not all(line.isdigit() for line in lines):
            return False
        return 0 <= int(lines[1]) - int(lines[0]) - clock.AHEAD < _NEAR

    def can_have(self, cpu: int, binds: tuple[Bind, ...]) -> bool:
        """Whether a container can be given the CPU `cpu` alone, and `binds`."""
        return self._said(_ALLOWED, binds, str(cpu)) == [str(cpu)]

    def sees(self, file: Path) -> bool:
        """Whether the engine finds `file`, a line that anybody may read, where it is here."""
        bind = Bind(str(file), _FILE, read_only=True)
        return self._said(f"read -r line < {_FILE}; echo $line", (bind,)) == [file.read_text().strip()]

    def _said(self, script: str, binds: tuple[Bind, ...] = (), cpuset: str = "") -> list[str]:
        """The lines that the script prints; none where it can't run."""
        spec = replace(self._spec, argv=("/bin/sh", "-c", script), binds=binds, cpuset=cpuset)
        try:
            return self._run(spec).decode(errors="replace").splitlines()
        except ImageMissing:
            raise
        except EngineError:
            return []  # the image has no shell, or the engine refuses what is tried

    def _run(self, spec: ContainerSpec) -> bytes:
        container = self._engine.create(spec)
        try:
            with closing(self._engine.attach(container, spec)) as stream:
                self._engine.start(container)
                said = bytearray()
                while (chunk := stream.read()) is not None:
                    if chunk[0] == 1 and len(said) < _MOST:
                        said += b"".join(chunk[1])
                return bytes(said)
        finally:
            self._engine.remove(container)
