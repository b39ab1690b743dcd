"""What an engine sees of this machine's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.engines import Subject


def test_a_path_is_there_or_not(subject: Subject, make_folder: Callable[[str], Path]) -> None:
    """As the engine sees it, which for all of these is as the tests do."""
    top = make_folder("paths")
    (top / "folder").mkdir()
    (top / "folder/file, with: signs").touch()
    assert subject.engine.has_path(str(top / "folder"))
    assert subject.engine.has_path(str(top / "folder/file, with: signs"))
    for missing in ("other", "other/below", "folder/file, with: signs/below"):
        assert not subject.engine.has_path(str(top / missing))
    assert [path.name for path in top.iterdir()] == ["folder"]
