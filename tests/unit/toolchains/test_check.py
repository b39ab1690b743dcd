"""Checks of a recipe whose rebuild is made up: what is compared, kept, run and said."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.layout import Archive
from buildbox.errors import EngineError, Exit, ImageError
from buildbox.recipes.lock import write_lock
from buildbox.recipes.recipe import read_recipe
from buildbox.recipes.record import RECORD, Built, record
from buildbox.recipes.workshop import Workshop
from buildbox.toolchains.check import UNRECORDED, Checked, check, check_dockerfile
from buildbox.toolchains.comparison import COMPRESSION, CONFIGURATION, CONTENTS, IDENTICAL, INDEX
from buildbox.toolchains.smoke import SmokeStopped
from tests.support.images import make_layer
from tests.support.recipes import RECIPE, lock, package, write_recipe
from tests.support.toolchains import Bench, FakeRegistry, packed, put_built

NAME = "buildbox/tool:1"
TAR = make_layer({"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/a": b"1"})[0]
OTHER = make_layer({"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/a": b"2"})[0]
TOOLS = {"mmdebstrap": "1.3.5-7"}  # those of the lock


@dataclass
class Case:
    """A recipe, what is recorded of it, and what a rebuild of it gives."""

    bench: Bench
    folder: Path
    elsewhere: Archive
    registry: FakeRegistry = field(default_factory=FakeRegistry)
    tar: bytes = TAR
    how: dict[str, Any] = field(default_factory=dict)

    def record(self, archive: Archive, tar: bytes = TAR, **how: Any) -> Built:
        """Records an image that `archive` has."""
        built = put_built(archive, NAME, tar, **how)
        record(self.folder, built)
        return built

    def smoke(self, script: str) -> None:
        """Gives the recipe a smoke check."""
        (self.folder / "recipe.toml").write_text(f"{RECIPE}\n[smoke]\nworks = '''{script}'''\n")

    def check(self, offline: bool = False, tools: dict[str, str] | None = None) -> Checked:
        shop = self.bench.shop(TOOLS if tools is None else tools, offline)
        return check(self.folder, shop, self.registry.of, self.bench.session, self._rebuild)

    def _rebuild(self, folder: Path, shop: Workshop, into: Archive) -> Built:
        assert folder == self.folder
        return put_built(into, NAME, self.tar, **self.how)

    @property
    def kept(self) -> list[str]:
        """What the archive has by name."""
        return [name for name, _ in self.bench.archive.refs()]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    folder = write_recipe(tmp_path / "images")
    write_lock(folder, lock(package("make"), of=read_recipe(folder)), "tool/1")
    return Case(Bench(tmp_path), folder, Archive.open(tmp_path / "elsewhere"))


def test_an_identical_rebuild_is_kept_and_its_smoke_checks_run(case: Case) -> None:
    built = case.record(case.elsewhere)
    case.smoke("true")
    found = case.check()
    assert (found.ok, found.different, found.kind) == (True, False, IDENTICAL)
    assert found.verdict == "identical to the recorded image; smoke checks passed: 1"
    assert case.kept == [f"docker.io/{built.pin}"]
    assert case.registry.asked == []
    assert list(case.bench.temp.iterdir()) == []


def test_an_image_that_is_there_already_stays_untouched(case: Case) -> None:
    case.record(case.bench.archive)
    before = {path: path.stat().st_mtime_ns for path in case.bench.archive.path.rglob("*") if path.is_file()}
    assert case.check().ok
    after = {path: path.stat().st_mtime_ns for path in case.bench.archive.path.rglob("*") if path.is_file()}
    assert after.pop(case.bench.archive.path / "lock", 0) >= before.pop(case.bench.archive.path / "lock", 0)
    assert before == after


def test_a_damaged_copy_is_made_whole_again(case: Case) -> None:
    case.record(case.bench.archive)
    layer = max(case.bench.archive.blobs.iterdir(), key=lambda path: path.stat().st_size)
    data = layer.read_bytes()
    layer.write_bytes(b"rotten")
    assert case.check().ok
    assert layer.read_bytes() == data


def test_other_files_are_named_and_the_wrong_image_is_not_kept(case: Case) -> None:
    built = case.record(case.bench.archive)
    case.tar = OTHER
    case.smoke("true")
    found = case.check()
    assert (found.ok, found.different, found.kind) == (False, True, CONTENTS)
    assert found.comparison
    assert found.comparison.lines() == ["layer 1: 1 path differs", "  /etc/a: contents from byte 0 on"]
    assert found.verdict == "other content than the recorded image; smoke checks were not run"
    assert case.kept == [f"docker.io/{built.pin}"]
    assert found.rebuilt
    assert found.rebuilt.digest
    assert not case.bench.archive.has(found.rebuilt.digest)
    assert case.bench.sessions == 0


def test_the_recorded_image_is_fetched_where_it_is_needed(case: Case) -> None:
    case.record(case.elsewhere)
    case.registry.archive = case.elsewhere
    case.tar = OTHER
    found = case.check()
    assert case.registry.asked == ["docker.io"]
    assert found.comparison
    assert "/etc/a" in found.comparison.lines()[1]


def test_where_the_recorded_image_cannot_be_had(case: Case) -> None:
    case.record(case.elsewhere)
    case.tar = OTHER
    found = case.check()
    assert (found.kind, found.error) == (CONTENTS, None)
    assert "docker.io doesn't give it" in found.notes[1]
    offline = case.check(offline=True)
    assert case.registry.asked == ["docker.io"]
    assert "what differs can't be named: the recorded image is not in the archive" in offline.notes[1]
    assert "without --offline" in offline.notes[2]


def test_other_compression_names_the_tools(case: Case) -> None:
    case.record(case.bench.archive)
    case.how = {"pack": lambda tar: packed(tar, 9)}
    found = case.check(tools={"mmdebstrap": "1.4"})
    assert (found.ok, found.kind) == (False, COMPRESSION)
    assert found.notes == ("the recorded image was made with mmdebstrap 1.3.5-7; here: mmdebstrap 1.4",)
    assert case.check().notes == (
        "the tools here are those that made the recorded image: mmdebstrap 1.3.5-7",
    )


def test_for_other_compression_alone_nothing_is_fetched(case: Case) -> None:
    case.record(case.elsewhere)
    case.how = {"pack": lambda tar: packed(tar, 9)}
    assert case.check().kind == COMPRESSION
    assert case.registry.asked == []


def test_another_configuration(case: Case) -> None:
    case.record(case.bench.archive, settings={"User": "me"})
    found = case.check()
    assert found.kind == CONFIGURATION
    assert found.comparison
    assert found.comparison.lines() == ['configuration: config.User is not there instead of "me"']


def test_another_index(case: Case) -> None:
    case.record(case.bench.archive, index={"annotations": {"a": "b"}})
    assert case.check().kind == INDEX


@pytest.mark.parametrize("text", [None, "pin = 7\n"])
def test_without_a_recorded_pin_the_image_is_made_and_tried(case: Case, text: str | None) -> None:
    if text:
        (case.folder / RECORD).write_text(text)
    case.smoke("true")
    found = case.check()
    assert (found.ok, found.different, found.kind) == (False, True, UNRECORDED)
    assert found.smoke
    assert found.notes == ("Record this one, if it is right: buildbox images build tool/1 --record",)
    assert case.kept == [f"docker.io/{found.rebuilt}"]


def test_a_failing_smoke_check(case: Case) -> None:
    case.record(case.elsewhere)
    case.smoke("echo why; exit 3")
    found = case.check()
    assert (found.ok, found.different, found.kind) == (False, True, IDENTICAL)
    assert found.verdict == "identical to the recorded image; smoke checks failed: works"
    assert found.smoke
    assert found.smoke[0].log == ("why",)


def test_a_recipe_without_smoke_checks_says_so(case: Case) -> None:
    case.record(case.elsewhere)
    assert case.check().verdict == "identical to the recorded image; no smoke checks"
    assert case.bench.sessions == 0


def test_what_was_compared_is_told_even_without_an_engine(case: Case) -> None:
    case.record(case.elsewhere)
    case.smoke("true")

    class Nowhere(type(case.bench.engine)):  # type: ignore[misc]
        def create(self, spec: object) -> str:
            raise EngineError("it has gone")

    case.bench.engine = Nowhere()
    found = case.check()
    assert (found.ok, found.different, found.kind) == (False, False, IDENTICAL)
    assert found.verdict == "identical to the recorded image; smoke checks were not run"
    assert found.error
    assert found.error.exit == Exit.ENGINE


def test_what_cannot_be_rebuilt_is_told(case: Case) -> None:
    case.record(case.elsewhere)

    def fail(folder: Path, shop: Workshop, into: Archive) -> Built:
        raise ImageError("a package is missing", "Add a mirror.")

    found = check(case.folder, case.bench.shop(), case.registry.of, case.bench.session, fail)
    assert (found.ok, found.different, found.kind) == (False, False, "")
    assert found.verdict == "not rebuilt: a package is missing"
    (case.folder / "recipe.toml").write_text("format = 1\n")
    broken = case.check()
    assert broken.error
    assert broken.error.exit == Exit.USAGE


def test_an_interrupt_ends_it(case: Case) -> None:
    case.record(case.elsewhere)
    case.smoke("exit 143")
    with pytest.raises(SmokeStopped) as caught:
        case.check()
    assert caught.value.exit == Exit.TERMINATED


def test_a_dockerfile_has_neither_lock_nor_smoke_checks(case: Case) -> None:
    (case.folder / "recipe.toml").unlink()
    (case.folder / "recipe.lock").unlink()
    case.record(case.bench.archive)
    found = check_dockerfile(case.folder, case.bench.shop(), case.registry.of, case._rebuild)
    assert (found.ok, found.verdict) == (True, "identical to the recorded image; no smoke checks")
    case.tar = OTHER
    found = check_dockerfile(case.folder, case.bench.shop(), case.registry.of, case._rebuild)
    assert (found.ok, found.different, found.kind) == (False, True, CONTENTS)
    assert found.comparison
    assert "/etc/a" in found.comparison.lines()[1]
    assert found.notes[0].startswith("a Dockerfile may give another image")
