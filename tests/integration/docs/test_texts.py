"""What holds for documents without running them: links lead somewhere, little isn't run or compared."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from buildbox.cli.parser import app_with
from buildbox.cli.words import VERBS, settle
from tests.integration.docs.test_run import HOWTOS
from tests.support.documents import blocks, commands
from tests.support.project import REPOSITORY

DOCS = REPOSITORY / "docs"
RUN = {"README.md", "docs/tutorial.md", *(f"docs/howto/{name}.md" for name in HOWTOS)}
NOT_RUN = {  # commands, each with its reason in the document
    "README.md": 2,
    "docs/tutorial.md": 1,
    "docs/howto/air-gapped.md": 2,
    "docs/howto/corporate-network.md": 1,
    "docs/howto/engines.md": 8,  # other machines, a login session
    "docs/howto/private-registry.md": 1,
}
NOT_COMPARED = {  # at most so many placeholders in what commands print
    "README.md": 6,
    "docs/tutorial.md": 38,
    "docs/howto/air-gapped.md": 10,
    "docs/howto/ci.md": 7,
    "docs/howto/corporate-network.md": 3,
    "docs/howto/keeping-builds.md": 30,
    "docs/howto/pre-commit.md": 1,
    "docs/howto/private-registry.md": 6,
}
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def documents() -> list[Path]:
    """All Markdown files that git has, or would add."""
    command = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    return [REPOSITORY / name for name in names.splitlines()]


def anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a Markdown text."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in _HEADING.findall(plain)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken(document: Path, text: str) -> list[str]:
    """The links in `text` that lead nowhere within the repository."""
    found = []
    for target in _LINK.findall(_CODE.sub("", text)):
        path, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and anchor not in anchors(file.read_text())):
            found.append(target)
    return found


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert broken(document, document.read_text()) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    document = tmp_path / "a.md"
    document.write_text("# A `title`, here\n\n## On\n")
    text = "[a](b.md) [b](a.md#on) [c](#a-title-here) [d](a.md#off) `[e](f.md)` [g](https://example.com/h)"
    assert broken(document, text) == ["b.md", "a.md#off"]


@pytest.mark.parametrize(
    "name", ["README.md", *sorted(str(path.relative_to(REPOSITORY)) for path in DOCS.rglob("*.md"))]
)
def test_commands_are_run_and_compared(name: str) -> None:
    found = list(blocks((REPOSITORY / name).read_text()))
    assert [f"line {block.line}" for block in found if block.language in ("sh", "bash", "shell")] == []
    consoles = [block for block in found if block.language == "console"]
    left_out = [block for block in consoles if block.mark == "not run"]
    assert name in RUN or left_out == consoles, "say why it isn't run, or add it to test_run.py"
    assert sum(len(commands(block)) for block in left_out) == NOT_RUN.get(name, 0)
    compared = [command for block in consoles if block.mark != "not run" for command in commands(block)]
    assert sum(command.placeholders for command in compared) <= NOT_COMPARED.get(name, 0)


def calls() -> list[tuple[str, list[str]]]:
    """Every call of buildbox in a document's console, with its place."""
    found = []
    for document in documents():
        for block in blocks(document.read_text()):
            has_commands = block.language == "console" and block.text.startswith("$ ")
            for command in commands(block) if has_commands else ():
                words = shlex.split(command.text, comments=True)
                if words[:1] == ["buildbox"]:
                    found.append((f"{document.relative_to(REPOSITORY)}:{command.line}", words[1:]))
    return found


@cache
def everything() -> Any:
    """The whole command line."""
    return typer.main.get_command(app_with(VERBS))


def unknown(words: Sequence[str]) -> str:
    """What in a call's words isn't known to the command line; nothing where all is."""
    _, rest, _ = settle([word for word in words if word != "--version"])
    command = everything()
    while hasattr(command, "commands") and rest:
        if rest[0] not in command.commands:
            return rest[0]
        command, rest = command.commands[rest[0]], rest[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    options = [word.partition("=")[0] for word in rest if re.match("--?[a-z]", word)]
    return next((option for option in options if option not in {*known, "--help"}), "")


def test_every_call_is_one_that_buildbox_knows() -> None:
    found = calls()
    assert len(found) > 60
    assert [(place, wrong) for place, words in found if (wrong := unknown(words))] == []


def test_an_unknown_call_is_found() -> None:
    assert unknown(["archive", "shave"]) == "shave"
    assert unknown(["-C", "demo", "run", "--keep-gong", "test"]) == "--keep-gong"
    assert unknown(["run", "-j", "1", "test", "--", "--anything"]) == ""
