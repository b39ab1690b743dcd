"""`buildbox images publish` as users call it, with an image that no build had to make."""

from __future__ import annotations

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from buildbox.archive.images import find_tag
from buildbox.archive.layout import Archive
from buildbox.errors import Exit
from buildbox.oci import OCI_MANIFEST
from buildbox.recipes.lock import read_lock, write_lock
from buildbox.recipes.recipe import read_recipe
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from tests.support import recipes, registry
from tests.support.faulty import Call, status
from tests.support.images import MadeImage, make_image, make_index
from tests.support.project import Project
from tests.support.registry import PASSWORD, USER, RealRegistry
from tests.support.taking import TakingRegistry, on, run_taking
from tests.support.tiny_image import tiny_image

NAME = "tool/1"
SMOKE = """
[smoke]
shell = "test -x /bin/sh && test ! -e made-up"
"""


@dataclass(frozen=True)
class Shop:
    """A project with a recipe of its own, whose image the archive has."""

    project: Project
    folder: Path  # of the recipe
    image: MadeImage

    @property
    def archive(self) -> Archive:
        return Archive.open(self.project.home / "archive")

    @property
    def fixed(self) -> str:
        """The tag that never moves."""
        return f"1-{self.image.digest.short}"

    def publish(self, to: str, *options: str) -> str:
        return self.project.ok(*options, "images", "publish", NAME, "--to", to).strip()

    def refused(self, to: str, exit: Exit, *options: str) -> str:
        result = self.project.run(*options, "images", "publish", NAME, "--to", to)
        assert (result.status, result.out) == (exit, ""), result.err
        assert "Traceback" not in result.err
        return result.err


def image_of(folder: Path, word: str = "") -> MadeImage:
    """A tiny image that says that it was made from the lock in `folder`, as an index."""
    checksum = str(read_lock(folder, read_recipe(folder)).checksum)
    labels = {"buildbox.lock.checksum": checksum, "buildbox.tests": word}
    tiny = tiny_image(config={"Labels": labels})
    top = tiny.descriptor
    blobs = {digest: data for digest, data in tiny.blobs.items() if digest != top.digest}
    return make_index(MadeImage(top, {top.digest: (OCI_MANIFEST, tiny.manifest)}, blobs))


def keep(shop: Shop, image: MadeImage) -> None:
    image.put_into(shop.archive, f"docker.io/buildbox/tool:1@{image.digest}")


def new_lock(folder: Path, text: str, *packages: str) -> None:
    (folder / "recipe.toml").write_text(text)
    made = (recipes.package(name) for name in packages or ("make", "tzdata"))
    write_lock(folder, recipes.lock(*made, of=read_recipe(folder)), NAME)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    project = Project(tmp_path / "project", tmp_path / "home")
    for folder in (project.root, project.home):
        folder.mkdir()
    project.write({".buildbox.toml": ""})
    folder = recipes.write_recipe(project.root / "images", NAME)
    new_lock(folder, recipes.RECIPE)
    shop = Shop(project, folder, image_of(folder))
    keep(shop, shop.image)
    return shop


@pytest.fixture(scope="module")
def real_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with registry.serve(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def taking() -> Iterator[TakingRegistry]:
    with run_taking() as running:
        yield running


def test_both_tags_mean_the_image_and_the_pin_is_the_answer(shop: Shop, real_registry: RealRegistry) -> None:
    to = f"{real_registry.host}/toolchains"
    pin = shop.publish(to)
    assert pin == f"{to}/tool:1@{shop.image.digest}"
    client = Registry(real_registry.host)
    for tag in ("1", shop.fixed):
        assert client.manifest("toolchains/tool", tag).data == shop.image.manifests[shop.image.digest][1]
    assert find_tag(shop.archive, ImageRef.parse(f"{to}/tool:1")) == shop.image.digest
    assert shop.publish(to) == pin


def test_the_second_time_nothing_is_sent(shop: Shop, taking: TakingRegistry) -> None:
    first = json.loads(shop.publish(f"{taking.host}/t", "--json"))
    assert first["pin"] == f"{taking.host}/t/tool:1@{shop.image.digest}"
    assert first["tags"] == [shop.fixed, "1"]
    assert first["pushed"] > sum(map(len, shop.image.blobs.values()))
    assert (taking.blobs, taking.manifests) == (shop.image.blobs, shop.image.manifests)
    taking.asked.clear()
    again = json.loads(shop.publish(f"{taking.host}/t", "--json"))
    assert (again["pushed"], again["present"]) == (0, first["pushed"])
    assert set(taking.methods("")) == {"GET", "HEAD"}


def test_what_was_published_runs_elsewhere(shop: Shop, real_registry: RealRegistry, tmp_path: Path) -> None:
    pin = shop.publish(f"{real_registry.host}/elsewhere")
    other = Project(tmp_path / "other", tmp_path / "other-home")
    for folder in (other.root, other.home):
        folder.mkdir()
    other.write({".buildbox.toml": f'[toolchains.t]\nimage = "{pin}"\n[tasks.t]\nrun = "echo $FROM_IMAGE"\n'})
    assert other.ok("run", "t") == "yes\n"
    mine, theirs = shop.archive, Archive.open(other.home / "archive")
    for digest in (*shop.image.blobs, *shop.image.manifests):
        assert theirs.blob_path(digest).read_bytes() == mine.blob_path(digest).read_bytes()


def test_a_login(shop: Shop, tmp_path: Path) -> None:
    with registry.serve(tmp_path / "registry", login=True) as running:
        to = f"{running.host}/private"
        err = shop.refused(to, Exit.IMAGE)
        assert f"docker login {running.host}" in err
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        config = tmp_path / "docker"
        config.mkdir()
        (config / "config.json").write_text(json.dumps({"auths": {running.host: {"auth": auth}}}))
        project = replace(shop.project, env={"DOCKER_CONFIG": str(config)})
        assert replace(shop, project=project).publish(to) == f"{to}/tool:1@{shop.image.digest}"


def test_a_registry_that_is_read_only(shop: Shop, tmp_path: Path) -> None:
    with registry.serve(tmp_path / "registry", read_only=True) as running:
        assert "it is read-only (405" in shop.refused(f"{running.host}/t", Exit.IMAGE)


# which image


def test_only_an_image_of_the_current_lock_is_published(shop: Shop, taking: TakingRegistry) -> None:
    keep(shop, make_index(make_image({"other": b"of another lock, and newer"})))
    shop.publish(f"{taking.host}/t")
    assert taking.tags["1"] == shop.image.digest
    new_lock(shop.folder, recipes.RECIPE, "make", "tzdata", "zlib1g")
    taking.asked.clear()
    err = shop.refused(f"{taking.host}/t", Exit.IMAGE)
    assert "recipe tool/1 can't be published: the archive has no image of its current lock" in err
    assert "buildbox images build tool/1" in err
    newer = image_of(shop.folder)
    assert newer.digest != shop.image.digest
    keep(shop, newer)
    assert taking.asked == []
    shop.publish(f"{taking.host}/t")
    assert taking.tags == {
        "1": newer.digest,
        shop.fixed: shop.image.digest,
        f"1-{newer.digest.short}": newer.digest,
    }


def test_of_several_images_the_newest_is_published(shop: Shop, taking: TakingRegistry) -> None:
    newer = image_of(shop.folder, "newer")
    keep(shop, newer)
    shop.publish(f"{taking.host}/t")
    assert taking.tags["1"] == newer.digest


def test_an_image_that_was_never_built(shop: Shop, taking: TakingRegistry) -> None:
    (shop.project.home / "archive" / "index.json").unlink()
    err = shop.refused(f"{taking.host}/t", Exit.IMAGE)
    assert "its image isn't in the archive" in err
    assert taking.asked == []


def test_a_stale_lock_is_refused(shop: Shop, taking: TakingRegistry) -> None:
    (shop.folder / "recipe.toml").write_text(recipes.RECIPE.replace("make", "cmake"))
    assert "is stale" in shop.refused(f"{taking.host}/t", Exit.USAGE)
    assert taking.asked == []


def test_a_damaged_layer_is_to_be_built_again(shop: Shop, taking: TakingRegistry) -> None:
    largest = max(shop.image.blobs, key=lambda digest: len(shop.image.blobs[digest]))
    path = shop.archive.blob_path(largest)
    path.write_bytes(bytes(len(path.read_bytes())))
    err = shop.refused(f"{taking.host}/t", Exit.ARCHIVE)
    assert f"blob {largest} has other bytes" in err
    assert "buildbox images build tool/1" in err
    assert taking.tags == {}


# smoke checks


def with_smoke(shop: Shop, text: str) -> Shop:
    new_lock(shop.folder, recipes.RECIPE + text)
    image = image_of(shop.folder)
    keep(shop, image)
    return replace(shop, image=image)


def test_smoke_checks_run_first(shop: Shop, taking: TakingRegistry) -> None:
    shop = with_smoke(shop, SMOKE)
    result = shop.project.run("images", "publish", NAME, "--to", f"{taking.host}/t")
    assert result.status == 0, result.err
    assert "tool/1 passes its 1 smoke check\n" in result.err
    assert taking.tags["1"] == shop.image.digest


def test_what_fails_its_smoke_checks_is_not_published(shop: Shop, taking: TakingRegistry) -> None:
    shop = with_smoke(shop, SMOKE + 'broken = "echo the compiler is not there; exit 3"\n')
    err = shop.refused(f"{taking.host}/t", Exit.DIFFERENT)
    assert "the compiler is not there" in err
    assert "exit status 3" in err
    assert taking.asked == []


def test_smoke_checks_need_an_engine(shop: Shop, taking: TakingRegistry) -> None:
    shop = with_smoke(shop, SMOKE)
    shop.refused(f"{taking.host}/t", Exit.ENGINE, "--engine", "unix:///nowhere/to/be/found.sock")
    assert taking.asked == []


# tags


def test_a_tag_that_never_moves_is_never_moved(shop: Shop, taking: TakingRegistry) -> None:
    other = make_image()
    taking.manifests |= other.manifests
    taking.tags = {shop.fixed: other.digest, "1": other.digest}
    err = shop.refused(f"{taking.host}/t", Exit.IMAGE)
    assert f"{taking.host}/t/tool:{shop.fixed} is there already, with other bytes: {other.digest}" in err
    assert set(taking.tags.values()) == {other.digest}
    assert "POST" not in taking.methods("")


def test_a_registry_where_no_tag_may_move(shop: Shop, taking: TakingRegistry) -> None:
    def fixed(call: Call) -> bool:
        call.reply(409, b'{"errors":[{"code":"DENIED","message":"tag is immutable"}]}')
        return True

    taking.rules = [on("PUT", "/manifests/1", lambda call: call.path.endswith("/1") and fixed(call))]
    err = shop.refused(f"{taking.host}/t", Exit.IMAGE)
    assert "doesn't let tag 1 in t/tool be overwritten" in err
    assert f"pin it as {taking.host}/t/tool:{shop.fixed}@{shop.image.digest}" in err


def test_other_bytes_under_the_first_tag_leave_the_second(shop: Shop, taking: TakingRegistry) -> None:
    before = make_image()
    taking.manifests |= before.manifests
    taking.tags["1"] = before.digest

    def forget(call: Call) -> bool:
        taking.tags[shop.fixed] = before.digest
        call.reply(201)
        return True

    taking.rules = [on("PUT", f"/manifests/{shop.fixed}", forget)]
    assert f"gives back {before.digest}" in shop.refused(f"{taking.host}/t", Exit.IMAGE)
    assert taking.tags["1"] == before.digest
    assert find_tag(shop.archive, ImageRef.parse(f"{taking.host}/t/tool:1")) is None


@pytest.mark.parametrize("part", ["/uploads/", "/manifests/1-"])
def test_ctrl_c_leaves_the_tag_that_moves(shop: Shop, taking: TakingRegistry, part: str) -> None:
    before = make_image()
    taking.manifests |= before.manifests
    taking.tags["1"] = before.digest
    begun: list[float] = []

    def stall(call: Call) -> bool:
        begun.append(time.monotonic())
        time.sleep(3)
        call.hang_up()
        return True

    taking.rules = [on("PUT", part, stall)]
    process = shop.project.start("images", "publish", NAME, "--to", f"{taking.host}/t")
    _wait_for(lambda: bool(begun))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - begun[0] < 3
    assert (process.returncode, out) == (Exit.INTERRUPTED, b""), err
    assert b"interrupted" in err
    assert taking.tags == {"1": before.digest}
    taking.rules = []
    shop.publish(f"{taking.host}/t")
    assert taking.tags["1"] == shop.image.digest


def _wait_for(event: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not event():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_upload_that_is_cut_is_told_of_and_sent_again(shop: Shop, taking: TakingRegistry) -> None:
    taking.cuts = [100_000]
    result = shop.project.run("images", "publish", NAME, "--to", f"{taking.host}/t")
    assert result.status == 0, result.err
    assert "again from the start" in result.err
    assert taking.blobs == shop.image.blobs


# the line


def test_offline_is_refused(shop: Shop, taking: TakingRegistry) -> None:
    assert "without a network" in shop.refused(f"{taking.host}/t", Exit.USAGE, "--offline")
    assert taking.asked == []


def test_a_bad_place_is_refused_before_anything_runs(shop: Shop) -> None:
    shop = with_smoke(shop, SMOKE)
    err = shop.refused("https://registry.example.com/t", Exit.USAGE, "--engine", "unix:///nowhere")
    assert "named without https://" in err
    result = shop.project.run("images", "publish", NAME)
    assert result.status == Exit.USAGE
    assert "--to" in result.err


def test_nothing_is_kept_where_the_registry_refuses(shop: Shop, taking: TakingRegistry) -> None:
    taking.rules = [on("POST", "/uploads/", status(403))]
    assert "docker login" in shop.refused(f"{taking.host}/t", Exit.IMAGE)
    assert taking.tags == {}
    assert find_tag(shop.archive, ImageRef.parse(f"{taking.host}/t/tool:1")) is None
    assert taking.blobs == {}
