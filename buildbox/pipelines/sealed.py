"""Files that a program wrote: whether one is still as it was written, so that nobody's edits are lost."""

from __future__ import annotations

import re

from buildbox.digest import Digest
from buildbox.pipelines.yaml import comment

_SEAL = re.compile(r"# Written by buildbox; .*\n# (sha256:[0-9a-f]{64}) .*\n")


def seal(body: str, command: str) -> str:
    """`body` behind two lines that say what wrote it, and what it was."""
    return (
        "# Written by buildbox; edit .buildbox.toml and run the command below, rather than this file.\n"
        f"# {Digest.of(body_of(body, command).encode())} of all below this line, for buildbox to see edits.\n"
        f"{body_of(body, command)}"
    )


def body_of(body: str, command: str) -> str:
    """What is sealed: the command that writes it, then the document."""
    return f"{comment(command)}\n\n{body}"


def is_sealed(text: str) -> bool:
    """Whether buildbox wrote `text`, and nobody has changed it since. Line ends may be git's for Windows."""
    text = text.replace("\r\n", "\n")
    found = _SEAL.match(text)
    return bool(found) and str(Digest.of(text[found.end() :].encode())) == found[1] if found else False
