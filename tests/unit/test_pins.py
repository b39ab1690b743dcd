from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.config.load import load
from buildbox.errors import ImageError, UsageError
from buildbox.pins import check_pins, choose
from tests.support.values import PIN

FILE = f"""\
[toolchains.db]
image = "{PIN}"
[toolchains.tools]
image = "debian:12"
[services.db]
image = "postgres:16"
[services.cache]
image = "{PIN}"
"""


def test_services_want_pins_as_toolchains_do(tmp_path: Path) -> None:
    (tmp_path / ".buildbox.toml").write_text(FILE)
    config = load(tmp_path / ".buildbox.toml")
    with pytest.raises(ImageError, match="2 images are not pinned") as caught:
        check_pins(config)
    assert caught.value.hint.splitlines()[:2] == [
        ".buildbox.toml:4: toolchains.tools.image: debian:12 has no digest",
        ".buildbox.toml:6: services.db.image: postgres:16 has no digest",
    ]


def test_a_name_means_toolchain_and_service_and_its_title_one(tmp_path: Path) -> None:
    (tmp_path / ".buildbox.toml").write_text(FILE)
    config = load(tmp_path / ".buildbox.toml")

    def chosen(*names: str) -> list[str]:
        return [pinned.title for pinned in choose(config, names)]

    assert chosen() == ["db", "tools", "services.db", "services.cache"]
    assert chosen("db", "services.db", "tools") == ["db", "services.db", "tools"]
    assert chosen("services.db") == ["services.db"]
    with pytest.raises(UsageError, match="there is no toolchain 'tool'") as caught:
        chosen("tool")
    assert caught.value.reason.endswith(", nor a service")
    assert caught.value.hint == "Did you mean 'tools'?"
