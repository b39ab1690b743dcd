from __future__ import annotations

import pytest

from texttable import width


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", 0), ("abc", 3), ("Größe", 5), ("Gro\u0308ße", 5), ("桃", 2), ("ｱ", 1), ("\uff21", 2)],
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns
