"""`buildbox keygen`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from buildbox.cli.call import Call


def add_to(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command()(keygen)


def keygen(
    ctx: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The private key's file, instead of your own."),
    ] = None,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Lock the private key with a passphrase.")
    ] = False,
) -> None:
    """Make a key pair for `run --sign` and `verify`: ed25519, in FILE and, the public one, FILE.pub.

    Without -o it is your own: signing.key beside your config.toml, or what `key` in [provenance] there names.
    A key that is there is never overwritten. Keep the private key to yourself; give the public one to whoever
    is to verify what you build: `verify --key FILE.pub`, or `keys` in [provenance] of their config.toml.

    A passphrase is asked for on the terminal, or taken from the variable BUILDBOX_PASSPHRASE.

    Prints the public key's file. With --json: {"id", "private", "public"}, the last two files.

    Examples:

      buildbox keygen

      buildbox keygen --passphrase -o ci.key
    """
    from buildbox.cli.keys import new_passphrase
    from buildbox.signing.keys import check_free, generate, public_path

    call: Call = ctx.obj
    path = call.host.cwd / output if output else call.user.signing_key
    check_free(path)  # before a passphrase is asked for
    public = generate(path, new_passphrase(call) if passphrase else None)
    root = call.project_root()
    if root and path.resolve().is_relative_to(root):
        advice = "Its tasks can read the key, and git would add it: move it out."
        call.console.warn(f"{path} lies in a project, {root}", [advice])
    if call.console.json:
        files = {"private": str(path), "public": str(public_path(path))}
        call.console.document({"id": public.id, **files})
        return
    call.console.lines([str(public_path(path))])
    call.console.say(f"made the key {public.id}")
    call.console.say(f"the private one is {path}; whoever has it can sign as you")
