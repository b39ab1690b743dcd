"""The one place where the process's surroundings are read."""

from __future__ import annotations

import os
import time
from pathlib import Path

from buildbox.host import Host


def this_host() -> Host:
    """The machine and the caller, as they are now. `BUILDBOX_HOME` moves all of buildbox's own files."""
    env = dict(os.environ)
    own = env.get("BUILDBOX_HOME")
    if own:
        data, config = Path(own).absolute(), Path(own).absolute() / "config.toml"
    else:
        from platformdirs import user_config_path, user_data_path

        data, config = user_data_path("buildbox"), user_config_path("buildbox") / "config.toml"
    return Host(
        cwd=_cwd(env),
        env=env,
        uid=os.getuid(),
        gid=os.getgid(),
        stdin_tty=_is_tty(0),
        stdout_tty=_is_tty(1),
        stderr_tty=_is_tty(2),
        now=time.time(),
        data=data,
        user_config=config,
    )


def _cwd(env: dict[str, str]) -> Path:
    """The current folder; the shell's own name for it where that is a link."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(env.get("PWD", "/"))  # it was deleted under us; what looks for files there will say so


def _is_tty(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
