"""Whether a file is still as buildbox wrote it."""

from __future__ import annotations

import pytest

from buildbox.pipelines.sealed import is_sealed, seal

TEXT = seal("name: x\n", "buildbox ci github\nmore")


def test_what_was_written_is_known() -> None:
    assert is_sealed(TEXT)
    assert is_sealed(TEXT.replace("\n", "\r\n"))
    assert "# buildbox ci github?more\n\nname: x\n" in TEXT


@pytest.mark.parametrize(
    "text",
    ["", "name: x\n", TEXT + "#", TEXT.replace("name", "mane"), TEXT[1:], TEXT.replace("sha256", "md5")],
)
def test_what_somebody_wrote_is_left_alone(text: str) -> None:
    assert not is_sealed(text)
