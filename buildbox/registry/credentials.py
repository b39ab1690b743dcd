"""Logins as `docker login` left them: the docker configuration's auths, credsStore and credHelpers."""

from __future__ import annotations

import binascii
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from buildbox.errors import ImageError


@dataclass(frozen=True)
class Login:
    """Who we are for a registry: a user and password, or an identity token of an earlier login."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)


@dataclass(frozen=True)
class DockerLogins:
    """The logins in the docker configuration that `env` leads to; read when a registry asks for one."""

    env: Mapping[str, str]

    @property
    def path(self) -> Path:
        """The file: $DOCKER_CONFIG/config.json, else ~/.docker/config.json."""
        folder = self.env.get("DOCKER_CONFIG")
        return (Path(folder) if folder else Path(self.env.get("HOME", "/"), ".docker")) / "config.json"

    def __call__(self, registry: str) -> Login | None:
        """The login for `registry` (`docker.io`, `host:port`), if there is one.

        Raises ImageError where the file or a credential helper is broken.
        """
        try:
            settings = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._broken(str(error)) from error
        if not isinstance(settings, dict):
            raise self._broken("it is not a JSON object")
        if not any(settings.get(key) for key in ("auths", "credsStore", "credHelpers")):
            return None
        try:
            return _look_up(settings, registry, self.env)
        except _Broken as error:
            raise self._broken(str(error)) from error

    def _broken(self, why: str) -> ImageError:
        return ImageError(
            f"the docker configuration {self.path} gives no login: {why}",
            "Repair it, or log in again with `docker login`.",
        )


class _Broken(Exception):
    pass


def _look_up(settings: dict[str, Any], registry: str, env: Mapping[str, str]) -> Login | None:
    from docker import auth, credentials
    from docker.errors import DockerException

    class Helper(credentials.Store):
        """A credential helper, found on the caller's PATH rather than on the process's."""

        def __init__(self, name: str) -> None:
            self.program = credentials.constants.PROGRAM_PREFIX + name
            self.exe = shutil.which(self.program, path=env.get("PATH", ""))
            self.environment = dict(env)

    try:
        config = auth.load_config(config_dict=settings)
        name = config.get_credential_store(registry)
        if name:
            server = auth.INDEX_URL if registry == auth.INDEX_NAME else registry
            try:
                found: dict[str, str] = Helper(name).get(server)  # type: ignore[no-untyped-call]
            except credentials.CredentialsNotFound:
                pass
            else:
                if found["Username"] == auth.TOKEN_USERNAME:
                    return Login(identity_token=found["Secret"])
                return Login(found["Username"], found["Secret"])
        entries = auth.AuthConfig({"auths": config.auths})
        return _login(entries.resolve_authconfig(registry))
    except (DockerException, credentials.StoreError) as error:
        raise _Broken(str(error)) from error
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _Broken(
            f"an entry can't be read ({type(error).__name__})"
        ) from error  # the text may hold a secret


def _login(entry: Mapping[str, str] | None) -> Login | None:
    if not entry:
        return None
    if entry.get("IdentityToken"):
        return Login(identity_token=entry["IdentityToken"])
    return Login(entry["username"], entry["password"]) if entry.get("username") else None
