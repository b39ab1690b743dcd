"""What an engine sees of this machine's files."""

from __future__ import annotations

from pathlib import Path

from tests.support.engines import Subject


def test_a_path_is_there_or_not(subject: Subject, tmp_path: Path) -> None:
    """As the engine sees it, which for all of these is as the tests do."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/file, with: signs").touch()
    assert subject.engine.has_path(str(tmp_path / "folder"))
    assert subject.engine.has_path(str(tmp_path / "folder/file, with: signs"))
    for missing in ("other", "other/below", "folder/file, with: signs/below"):
        assert not subject.engine.has_path(str(tmp_path / missing))
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
