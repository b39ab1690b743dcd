"""docs/reference/ is what the code says."""

from __future__ import annotations

from pathlib import Path

from buildbox.cli.words import VERBS
from buildbox.config.keys import TASK
from buildbox.errors import MEANINGS, Exit
from scripts.reference.__main__ import FOLDER, write
from scripts.reference.markdown import table
from scripts.reference.pages import pages


def test_the_pages_are_not_stale() -> None:
    stale = [name for name, text in pages().items() if (FOLDER / name).read_text() != text]
    assert stale == [], "run `python -m scripts.reference`, and commit what it writes"


def test_every_page_there_is_made() -> None:
    assert {path.name for path in FOLDER.iterdir()} == pages().keys()


def test_they_tell_of_each_verb_key_and_status() -> None:
    made = pages()
    assert [verb for verb in VERBS if f"## buildbox {verb}" not in made["commands.md"]] == []
    assert [key for key in TASK.keys if f"| `{key}` |" not in made["config.md"]] == []
    assert [status for status in Exit if f"| {status.value} |" not in made["exit-status.md"]] == []
    assert MEANINGS.keys() == set(Exit)


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    assert sorted(write(tmp_path)) == sorted(pages())
    (tmp_path / "config.md").write_text("old")
    assert write(tmp_path) == ["config.md"]


def test_a_cell_can_hold_what_separates_cells() -> None:
    assert table(("a", "b"), [("x|y", "1\n2")]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 2 |\n"
