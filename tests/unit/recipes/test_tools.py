from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.errors import ImageError
from buildbox.recipes.tools import need_tools


def missing(folder: Path, *there: str) -> ImageError:
    for name in there:
        (folder / name).touch(0o755)
    with pytest.raises(ImageError) as caught:
        need_tools("python/3.11", str(folder))
    return caught.value


def test_on_debian_says_what_to_install(tmp_path: Path) -> None:
    error = missing(tmp_path, "apt-get", "dpkg-deb", "gzip", "tar")
    assert "lacks mmdebstrap" in error.reason
    assert error.hint == "Run as root: apt-get install mmdebstrap"


def test_elsewhere_says_where_it_can_be_built(tmp_path: Path) -> None:
    hint = missing(tmp_path, "gzip", "tar").hint
    assert "--tools container" in hint
    assert "on Debian 12" in hint


def test_nothing_to_say_where_all_is_there(tmp_path: Path) -> None:
    for name in ("apt-get", "dpkg-deb", "gzip", "mmdebstrap", "tar"):
        (tmp_path / name).touch(0o755)
    need_tools("python/3.11", str(tmp_path))
