"""Which remote archive a verb means."""

from __future__ import annotations

from buildbox.cli.call import Call
from buildbox.config.values import remote_archive
from buildbox.errors import UsageError

_EXAMPLE = "registry.example.com/team/archive"


def remote_of(call: Call, given: str, option: str) -> str:
    """The remote archive that was `given` by an option, else the one in config.toml; no slash at its end.

    Raises UsageError.
    """
    if call.offline:
        raise UsageError("a remote archive can't be reached without a network", "Leave --offline out.")
    if given:
        try:
            return remote_archive(given)
        except ValueError as error:
            raise UsageError(f"{option}: {error}", f"E.g. {option} {_EXAMPLE}") from None
    if not call.user.archive.remote:
        raise UsageError(
            "there is no remote archive",
            f"Name one: {option} {_EXAMPLE}\n"
            f'or, for all projects, in {call.host.user_config}:\n[archive]\nremote = "{_EXAMPLE}"',
        )
    return call.user.archive.remote
