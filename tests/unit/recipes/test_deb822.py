from __future__ import annotations

from buildbox.recipes.deb822 import stanzas


def test_stanzas_with_folded_lines_and_comments() -> None:
    text = "\n# a comment\nPackage: a\nDescription: one\n two\n .\n\n\nPackage: b\nEmpty:\n"
    assert list(stanzas(text)) == [
        {"package": "a", "description": "one\ntwo\n."},
        {"package": "b", "empty": ""},
    ]
