"""buildbox in a container of a catalogue image, with the host's engine socket: as CI systems run it."""

from __future__ import annotations

import os
import subprocess
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.project import DOCKER_SOCKET, REPOSITORY, Result

_CODE, _LIBRARIES = "/opt/code", "/opt/libraries"


@dataclass(frozen=True)
class Boxed:
    """How such a container is started: `mounts` are host's path -> path in it, beside code and socket."""

    image: str  # the engine's id of an image with Python
    mounts: Mapping[Path, Path]
    folder: Path  # that buildbox is called in
    home: Path  # its BUILDBOX_HOME, in the container
    env: Mapping[str, str] = field(default_factory=dict)
    options: Sequence[str] = ()

    def command(self, *args: str, name: str = "") -> list[str]:
        """The `docker run` of a buildbox call."""
        mounts = {
            REPOSITORY / "buildbox": f"{_CODE}/buildbox:ro",
            Path(sysconfig.get_path("purelib")): f"{_LIBRARIES}:ro",
            DOCKER_SOCKET: str(DOCKER_SOCKET),
            **self.mounts,
        }
        env = {
            "PYTHONPATH": f"{_CODE}:{_LIBRARIES}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "BUILDBOX_HOME": str(self.home),
            **self.env,
        }
        return [
            *("docker", "run", "--rm", "-i", f"--workdir={self.folder}", *self.options),
            *([f"--name={name}"] if name else []),
            *(f"--volume={source}:{target}" for source, target in mounts.items()),
            *(f"--env={key}={value}" for key, value in env.items()),
            *(self.image, "python3", "-m", "buildbox", *args),
        ]

    def run(self, *args: str) -> Result:
        """Calls buildbox there and waits for it."""
        done = subprocess.run(
            self.command(*args),
            input="",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": os.environ["PATH"], "HOME": "/"},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def ok(self, *args: str) -> str:
        """The stdout of a call that succeeds."""
        result = self.run(*args)
        assert result.status == 0, f"{args}: exit status {result.status}\n{result.out}\n{result.err}"
        return result.out
