"""The caller's keys: where they are, and their passphrases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from buildbox.errors import UsageError

if TYPE_CHECKING:
    from buildbox.cli.call import Call
    from buildbox.signing.keys import PrivateKey, PublicKey

PASSPHRASE = "BUILDBOX_PASSPHRASE"  # the variable; no task can be given one of that beginning


def signing_key(call: Call, given: Path | None = None) -> PrivateKey:
    """What signs: the private key in the file `given`, else the caller's own.

    Its passphrase is asked for on the terminal. Raises UsageError, ConfigError.
    """
    from buildbox.signing.keys import Locked, load_private

    path = call.host.cwd / given if given else call.user.signing_key
    try:
        return load_private(path, None)
    except Locked as error:
        passphrase = _given(call) or _ask(call, f"Passphrase of {path}: ")
        if not passphrase:
            raise UsageError(error.reason, _HOW) from None
    return load_private(path, passphrase)


def trusted_keys(call: Call, given: Sequence[Path] = ()) -> tuple[PublicKey, ...]:
    """Whose signatures count: the public keys in the files `given`, else those of config.toml, else the
    caller's own, if there is one. Raises UsageError, ConfigError."""
    from buildbox.signing.keys import load_public, public_path

    if given:
        return tuple(load_public(call.host.cwd / path) for path in given)
    if call.user.provenance.keys:
        return tuple(_configured(call, path) for path in call.user.provenance.keys)
    own = public_path(call.user.signing_key)
    return (load_public(own),) if own.exists() else ()


def new_passphrase(call: Call) -> bytes:
    """A passphrase for a new key, asked for twice. Raises UsageError."""
    given = _given(call)
    if given:
        return given
    first = _ask(call, "Passphrase for the new key: ")
    if first is None:
        raise UsageError("there is no terminal to ask for a passphrase on", _HOW)
    if first != _ask(call, "Once more: "):
        raise UsageError("the two passphrases aren't the same", "Try again.")
    return first


_HOW = f"Run it in a terminal, or set {PASSPHRASE} for this one command."


def _given(call: Call) -> bytes:
    return call.host.env.get(PASSPHRASE, "").encode(errors="surrogateescape")


def _ask(call: Call, prompt: str) -> bytes | None:
    """What the caller types unseen; None where there is no terminal."""
    if not call.host.stdin_tty:
        return None
    from getpass import getpass

    try:
        return getpass(prompt).encode(errors="surrogateescape")
    except EOFError:
        return None


def _configured(call: Call, path: Path) -> PublicKey:
    from buildbox.signing.keys import load_public

    try:
        return load_public(path)
    except UsageError as error:
        raise UsageError(error.reason, f"{call.user.path} names it in [provenance], keys.") from None
