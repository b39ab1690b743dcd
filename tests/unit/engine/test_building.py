from __future__ import annotations

from typing import Any

import pytest

from buildbox.engine.building import follow
from buildbox.engine.protocol import BuildFailed

ID = "sha256:" + "a" * 64


def followed(*messages: dict[str, Any]) -> tuple[tuple[str, ...], list[str]]:
    lines: list[str] = []
    return follow(messages, lines.append), lines


def test_lines_are_whole_however_they_come() -> None:
    ids, lines = followed({"stream": "Step 1"}, {"stream": "/2 : RUN x\nout"}, {"aux": {"ID": ID}})
    assert (ids, lines) == ((ID,), ["Step 1/2 : RUN x", "out"])


def test_an_image_for_each_stage() -> None:
    assert followed({"aux": {"ID": "sha256:1"}}, {"aux": {"ID": ID}}, {"aux": None})[0] == ("sha256:1", ID)


def test_an_engine_that_only_says_it_in_words() -> None:
    assert followed({"stream": "Successfully built 0123456789ab\n"})[0] == ("0123456789ab",)


def test_an_error_comes_after_what_was_printed() -> None:
    lines: list[str] = []
    with pytest.raises(BuildFailed, match="returned 7"):
        follow([{"stream": "last words"}, {"error": "returned 7\n", "errorDetail": {}}], lines.append)
    assert lines == ["last words"]


def test_an_end_without_an_image() -> None:
    with pytest.raises(BuildFailed):
        followed({"stream": "Step 1/1 : FROM x\n"}, {"status": "Pulling"})
