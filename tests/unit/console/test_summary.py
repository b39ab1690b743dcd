from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from buildbox.console.record import Ran
from buildbox.console.summary import escape, fence, markdown
from buildbox.errors import EngineError
from buildbox.schedule.report import Report, State
from tests.support.told import failed, not_run, passed, step
from tests.unit.console.test_junit import BROKEN, CACHED, LATE, STOPPED, story

PAGE = 1 << 20
HOSTILE = "a|b `c` *d* <img src=x> [e](http://x) | | \r\n# f ![g](h) www.x.org $x$ @me &lt; ~~s~~ \\"


def tokens(text: str) -> list[Token]:
    """What a reader of Markdown makes of it, with tables and HTML as GitHub has them."""
    found = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(text)
    return [inner for token in found for inner in (token, *(token.children or ()))]


def cells(text: str) -> list[list[str]]:
    """The texts of the table's rows."""
    rows: list[list[str]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and len(rows[-1]) < 4:
            rows[-1].append("".join(child.content for child in token.children or ()))
    return rows


def test_a_table_of_all_steps_and_the_ends_of_logs() -> None:
    again = replace(passed("again"), attempts=2)
    told = story(passed(), again, CACHED, LATE, not_run("not", "needs bad"), STOPPED, BROKEN)
    told = replace(told, steps=[*told.steps, Ran(step("bad"), failed("bad"), b"\33[1mwhy\33[0m\n")])
    assert markdown(told, PAGE) == (
        "### shop: 2 passed, 1 cached, 3 failed, 1 stopped, 1 not run (12s)\n"
        "\n"
        "| task | | time | |\n"
        "| --- | --- | ---: | --- |\n"
        "| test | ✅ passed | 1.2s |  |\n"
        "| again | ✅ passed | 1.2s | at attempt 2 |\n"
        "| cached | ♻️ cached | 0.1s |  |\n"
        "| late | ❌ failed | 1.0s | was stopped at its timeout of 1.0s |\n"
        "| not | ⏭️ not run |  | needs bad |\n"
        "| stopped | 🛑 stopped | 2.0s |  |\n"
        "| broken | ❌ failed | 0.0s | the engine is gone Start it. |\n"
        "| bad | ❌ failed | 3.4s | exit status 2 |\n"
        "\n"
        "The end of what **bad** wrote:\n"
        "\n"
        "```text\nwhy\n```\n"
    )


def test_an_error_of_no_step_is_told() -> None:
    told = story(not_run("a", ""), error=EngineError("no *engine*", "Start one."))
    assert "\nno \\*engine\\*  \nStart one.\n\n| task |" in markdown(told, PAGE)


def test_many_steps_are_told_by_what_did_not_pass() -> None:
    reports = [passed(f"p{number}") for number in range(400)]
    text = markdown(story(*reports, failed("bad")), PAGE)
    assert [row[0] for row in cells(text)] == ["task", "bad"]
    assert "\n\nand 400 more\n" in text


@pytest.mark.parametrize("room", [0, 20, 200, 4000, 100_000])
def test_it_keeps_to_its_room(room: int) -> None:
    reports = [failed(f"t{number}") for number in range(50)]
    text = markdown(story(*reports, log="ü".encode() * 3000), room)
    assert len(text.encode()) <= room
    assert room < 200 or text.startswith("### shop: 50 failed")
    assert text.count("```") % 2 == 0


def test_nothing_that_a_project_says_is_markdown_or_html() -> None:
    error = EngineError(HOSTILE, HOSTILE)
    reports = (not_run(HOSTILE, HOSTILE), Report(HOSTILE, State.FAILED, error=error))
    text = markdown(story(*reports, project=HOSTILE, log=HOSTILE.encode(), error=error), PAGE)
    kinds = {token.type for token in tokens(text)} - {"text", "text_special", "inline"}
    assert kinds == {
        *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "hardbreak", "fence"),
        *("table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
        *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "strong_open", "strong_close"),
    }
    shown = HOSTILE.replace("\r\n", "  ")
    assert cells(text)[1] == [shown, "⏭️ not run", "", shown]


@given(st.text())
def test_an_escaped_text_is_what_it_was(text: str) -> None:
    printable = "".join(char if char.isprintable() else " " if char.isspace() else "" for char in text)
    (paragraph,) = [token for token in tokens(f"x{escape(text)}x") if token.type == "inline"]
    assert "".join(child.content for child in paragraph.children or ()) == f"x{printable}x"


@given(st.lists(st.sampled_from(["`", "~", "```", "\n", " ", "x", "````text\n", "</details>"])).map("".join))
def test_a_fence_holds_whatever_is_in_it(text: str) -> None:
    found = MarkdownIt("commonmark").parse(f"before\n\n{fence(text)}after\n")
    assert [token.type for token in found if not token.type.startswith("paragraph")] == [
        *("inline", "fence", "inline")
    ]
    assert found[3].content == f"{text}\n"
