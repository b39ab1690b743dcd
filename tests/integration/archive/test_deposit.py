"""The remote archive: to a real registry, what its garbage collector leaves, and to ones that refuse."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from buildbox.archive.deposit import Deposited, Neighbours, deposit
from buildbox.archive.fetch import fetch
from buildbox.archive.images import find_image, full_name
from buildbox.archive.layout import Archive
from buildbox.archive.places import REMOTE, Place
from buildbox.archive.push import Pushed
from buildbox.archive.remote import (
    held,
    index_tag,
    read_kept_index,
    remote_ref,
    retention_tag,
)
from buildbox.digest import Digest
from buildbox.errors import ImageError
from buildbox.oci import OCI_MANIFEST, Descriptor, Platform
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import OtherBytes, Registry
from buildbox.registry.credentials import Login
from tests.support import registry as support
from tests.support.faulty import Call, Rule, status
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index
from tests.support.registry import RealRegistry
from tests.support.taking import TakingRegistry, on, run_taking

BASE = {"base": random.Random(1).randbytes(400_000)}
ONE = make_image(BASE, {"one": b"1"})
TWO = make_image(BASE, {"two": b"2"})
OTHER = make_image({"arm": b"arm"}, platform=ARM64)
INDEX = make_index(ONE, OTHER)
LAYER = ONE.layers()[0]


@pytest.fixture
def taking() -> Iterator[TakingRegistry]:
    with run_taking() as registry:
        yield registry


def ask(host: str, login: Login | None = None) -> Registry:
    return Registry(host, lambda _: login, pause=0.01, read_timeout=5.0)


def pin(image: MadeImage, name: str = "docker.io/library/debian:12") -> ImageRef:
    return ImageRef.parse(f"{name}@{image.digest}")


def put(archive: Archive, image: MadeImage, ref: ImageRef) -> None:
    image.put_into(archive, full_name(ref, image.digest))


def put_some(archive: Archive, index: MadeImage, *children: MadeImage) -> None:
    """The index, and only these of its images."""
    for child in children:
        child.put_into(archive)
    archive.add_bytes(index.manifests[index.digest][1])


def push(
    archive: Archive, host: str, image: MadeImage, ref: ImageRef | None = None, path: str = "team/archive"
) -> Deposited:
    registry = ask(host)
    neighbours = Neighbours(archive, registry, f"{host}/{path}")
    found = held(archive, image.digest)
    assert found
    return deposit(found, ref or pin(image), registry, neighbours, Silent())


def tags(registry: RealRegistry, repository: str) -> set[str]:
    folder = registry.root / "docker/registry/v2/repositories" / repository / "_manifests/tags"
    return {path.name for path in folder.iterdir()}


def collect_garbage(registry: RealRegistry) -> None:
    """What a registry's owner runs at night: without a tag, a manifest goes."""
    command = ["docker-registry", "garbage-collect", "--delete-untagged"]
    subprocess.run(
        [*command, str(registry.root.parent / "config.yml")], check=True, stdout=subprocess.DEVNULL
    )


def test_every_manifest_is_tagged_and_comes_back(
    real_registry: RealRegistry, archive: Archive, tmp_path: Path
) -> None:
    put(archive, INDEX, pin(INDEX))
    done = push(archive, real_registry.host, INDEX, path="every")
    repository = "every/docker-io/library/debian"
    assert done.place == ImageRef.parse(f"{real_registry.host}/{repository}@{INDEX.digest}")
    assert (done.platforms, done.missing, done.refused) == (("linux/amd64", "linux/arm64/v8"), (), "")
    assert tags(real_registry, repository) == {retention_tag(digest) for digest in INDEX.manifests}
    for digest in INDEX.manifests:
        assert ask(real_registry.host).resolve(repository, retention_tag(digest)) == digest
    other = Archive.open(tmp_path / "other")
    for platform in (AMD64, ARM64):
        fetch(other, ask(real_registry.host), done.place, platform, Silent())
    assert {path.name for path in other.blobs.iterdir()} == {path.name for path in archive.blobs.iterdir()}
    assert push(archive, real_registry.host, INDEX, path="every").pushed.sent == 0


def test_what_is_tagged_outlives_the_registrys_garbage_collector(archive: Archive, tmp_path: Path) -> None:
    put(archive, INDEX, pin(INDEX))
    with support.serve(tmp_path / "registry") as registry:
        plain = make_index(TWO)
        registry.push(plain, "plain", "1")
        push(archive, registry.host, INDEX)
        collect_garbage(registry)
        client = ask(registry.host)
        assert not client.has("plain", TWO.digest), "the collector takes an index's child that has no tag"
        place = remote_ref(f"{registry.host}/team/archive", pin(INDEX))
        for platform in (AMD64, ARM64):
            fetch(Archive.open(tmp_path / "other"), client, place, platform, Silent())


def test_a_second_repository_is_sent_no_layer(real_registry: RealRegistry, archive: Archive) -> None:
    """Measured: what goes over the wire for the second image is what is its own."""
    second = pin(TWO, "registry.example.com:5000/tools:1")
    put(archive, ONE, pin(ONE))
    put(archive, TWO, second)
    first = push(archive, real_registry.host, ONE, path="mount")
    assert first.pushed.mounted == 0
    done = push(archive, real_registry.host, TWO, second, path="mount")
    assert done.place.repository == "mount/registry-example-com-5000/tools"
    layer = len(ONE.blobs[LAYER])
    assert done.pushed.mounted == layer
    assert done.pushed.sent == sum(map(len, TWO.blobs.values())) + TWO.top.size - layer
    third = pin(ONE, "quay.example/x:1")
    again = push(archive, real_registry.host, ONE, third, path="mount")
    assert again.pushed.sent == ONE.top.size  # all but the manifest


def test_layers_are_mounted_from_where_the_image_came_from(
    real_registry: RealRegistry, archive: Archive
) -> None:
    real_registry.push(ONE, "tools/one", "1")
    ref = pin(ONE, f"{real_registry.host}/tools/one:1")
    put(archive, ONE, ref)
    done = push(archive, real_registry.host, ONE, ref, path="own")
    assert done.pushed == Pushed(ONE.top.size, 0, sum(map(len, ONE.blobs.values())))


def test_a_registry_that_does_not_mount_is_sent_everything(taking: TakingRegistry, archive: Archive) -> None:
    second = pin(TWO, "docker.io/library/two:1")
    put(archive, ONE, pin(ONE))
    put(archive, TWO, second)

    def absent(call: Call) -> bool:  # to this registry all repositories are one
        call.reply(404)
        return True

    taking.rules = [on("HEAD", "/library/two/blobs/", absent)]
    registry = ask(taking.host)
    neighbours = Neighbours(archive, registry, f"{taking.host}/x")
    for image, ref in ((ONE, pin(ONE)), (TWO, second)):
        found = held(archive, image.digest)
        assert found
        done = deposit(found, ref, registry, neighbours, Silent())
    assert done.pushed.mounted == 0
    assert done.pushed.sent == sum(map(len, TWO.blobs.values())) + TWO.top.size
    asked = [each for each in taking.asked if "mount=" in each.path]
    assert [each.method for each in asked] == ["POST"]  # once, then it is known
    assert f"from={remote_ref('x.example/x', pin(ONE)).repository.replace('/', '%2F')}" in asked[0].path
    assert taking.methods("/uploads/").count("DELETE") == 1


def test_an_index_of_which_a_platform_is_missing(
    real_registry: RealRegistry, archive: Archive, tmp_path: Path
) -> None:
    put_some(archive, INDEX, ONE)
    done = push(archive, real_registry.host, INDEX, path="part")
    repository = "part/docker-io/library/debian"
    assert (done.platforms, done.missing) == (("linux/amd64",), ("linux/arm64/v8",))
    assert "400 Bad Request: blob unknown to registry" in done.refused
    assert tags(real_registry, repository) == {retention_tag(ONE.digest), index_tag(INDEX.digest)}
    client = ask(real_registry.host)
    pull_and_compare(client, done.place, archive, tmp_path)
    OTHER.put_into(archive)  # archive save --all-platforms
    whole = push(archive, real_registry.host, INDEX, path="part")
    assert (whole.missing, whole.refused) == ((), "")
    assert client.resolve(repository, retention_tag(INDEX.digest)) == INDEX.digest


def pull_and_compare(client: Registry, place: ImageRef, archive: Archive, temp: Path) -> None:
    """By the digest of the index, from a registry that didn't take it."""
    other = Archive.open(temp / "other")
    where = Place(REMOTE, place.registry, place.repository)
    fetch(other, client, pin(INDEX), AMD64, Silent(), place=where)
    assert [name for name, _ in other.refs()] == [full_name(pin(INDEX), INDEX.digest)]
    assert {path.name for path in other.blobs.iterdir()} == {path.name for path in archive.blobs.iterdir()}


def refuse_index(call: Call) -> bool:
    if call.command == "PUT" and call.path.endswith(retention_tag(INDEX.digest)):
        return status(400)(call)
    return False


def test_an_index_that_is_only_a_blob_there(taking: TakingRegistry, archive: Archive, tmp_path: Path) -> None:
    put_some(archive, INDEX, ONE)
    taking.rules = [refuse_index]
    done = push(archive, taking.host, INDEX)
    client = ask(taking.host)
    assert not client.has(done.place.repository, INDEX.digest)
    assert set(taking.tags) == {retention_tag(ONE.digest), index_tag(INDEX.digest)}
    pull_and_compare(client, done.place, archive, tmp_path)
    assert push(archive, taking.host, INDEX).pushed.sent == 0


def test_the_bytes_of_an_index_outlive_the_garbage_collector_too(archive: Archive, tmp_path: Path) -> None:
    put_some(archive, INDEX, ONE)
    with support.serve(tmp_path / "registry") as registry:
        done = push(archive, registry.host, INDEX)
        collect_garbage(registry)
        data = read_kept_index(ask(registry.host), done.place.repository, INDEX.digest)
    assert data == INDEX.manifests[INDEX.digest][1]


def test_a_registry_that_takes_an_index_without_all_platforms(
    taking: TakingRegistry, archive: Archive
) -> None:
    put_some(archive, INDEX, ONE)
    done = push(archive, taking.host, INDEX)
    assert (done.missing, done.refused) == (("linux/arm64/v8",), "")
    assert taking.tags == {retention_tag(digest): digest for digest in (ONE.digest, INDEX.digest)}


def test_an_index_that_is_whole_and_refused_is_an_error(taking: TakingRegistry, archive: Archive) -> None:
    put(archive, INDEX, pin(INDEX))
    taking.rules = [on("PUT", f"/manifests/{retention_tag(INDEX.digest)}", status(403))]
    with pytest.raises(ImageError, match="doesn't let us put tag keep-sha256-"):
        push(archive, taking.host, INDEX)
    assert set(taking.tags.values()) == {ONE.digest, OTHER.digest}


def test_a_registry_whose_kept_index_is_another(taking: TakingRegistry, archive: Archive) -> None:
    put_some(archive, INDEX, ONE)
    taking.rules = [refuse_index]
    done = push(archive, taking.host, INDEX)
    taking.blobs[INDEX.digest] = bytes(INDEX.top.size)
    taking.rules = []
    with pytest.raises(OtherBytes, match=f"other bytes than those of {INDEX.digest}"):
        read_kept_index(ask(taking.host), done.place.repository, INDEX.digest)
    taking.manifests[ONE.digest] = (OCI_MANIFEST, ONE.manifests[ONE.digest][1])
    taking.tags[index_tag(INDEX.digest)] = ONE.digest
    with pytest.raises(ImageError, match="doesn't hold that index"):
        read_kept_index(ask(taking.host), done.place.repository, INDEX.digest)


def test_what_the_archive_has_of_a_pin(archive: Archive) -> None:
    assert held(archive, INDEX.digest) is None
    archive.add_bytes(INDEX.manifests[INDEX.digest][1])
    assert held(archive, INDEX.digest) is None, "an index alone is no image"
    ONE.put_into(archive)
    found = held(archive, INDEX.digest)
    assert found and [child.digest for child in found.children] == [ONE.digest]
    assert [child.digest for child in found.missing] == [OTHER.digest]
    archive.blob_path(LAYER).unlink()
    assert held(archive, INDEX.digest) is None
    assert held(archive, ONE.digest) is None
    assert find_image(archive, Digest.of(b""), AMD64) is None


# mounting, from registries that have their own ideas of it


def push_both(archive: Archive, taking: TakingRegistry, *rules: Rule) -> Deposited:
    """ONE, and then TWO, which has a layer of ONE, into another repository; to `taking` all are the same."""
    second = pin(TWO, "docker.io/library/two:1")
    put(archive, ONE, pin(ONE))
    put(archive, TWO, second)
    mounted = set[str]()

    def absent(call: Call) -> bool:
        """Says that the second repository has none of ONE's blobs until they are mounted."""
        name = call.path.rpartition("/")[2]
        if call.command != "HEAD" or f"/library/two/blobs/{LAYER}" not in call.path or name in mounted:
            return False
        call.reply(404)
        return True

    def mount(call: Call) -> bool:
        if call.command != "POST" or "mount=" not in call.path:
            return False
        mounted.add(parse_qs(urlsplit(call.path).query)["mount"][0])
        call.reply(201)
        return True

    taking.rules = [*rules, absent, mount]
    registry = ask(taking.host, Login("someone", "secret"))
    neighbours = Neighbours(archive, registry, f"{taking.host}/x")
    for image, ref in ((ONE, pin(ONE)), (TWO, second)):
        found = held(archive, image.digest)
        assert found
        done = deposit(found, ref, registry, neighbours, Silent())
    assert taking.blobs[LAYER] == ONE.blobs[LAYER]
    return done


def token_service(taking: TakingRegistry) -> Rule:
    """Gives tokens that are the scopes they are good for."""

    def guard(call: Call) -> bool:
        parts = urlsplit(call.path)
        query = parse_qs(parts.query)
        if parts.path == "/token":
            call.reply(200, json.dumps({"token": "+".join(query["scope"])}).encode())
            return True
        repository = parts.path.removeprefix("/v2/").partition("/blobs/")[0].partition("/manifests/")[0]
        needed = [f"repository:{repository}:pull" + ("" if call.command in ("GET", "HEAD") else ",push")]
        needed += [f"repository:{source}:pull" for source in query.get("from", ())]
        granted = call.headers.get("Authorization", "").removeprefix("Bearer ").split("+")
        if all(any(token.startswith(scope) for token in granted) for scope in needed):
            return False
        realm = f'Bearer realm="http://{taking.host}/token",scope="{needed[0]}"'
        call.reply(401, WWW_Authenticate=realm)
        return True

    return guard


def test_a_mount_comes_with_leave_to_read_where_it_comes_from(
    taking: TakingRegistry, archive: Archive
) -> None:
    done = push_both(archive, taking, token_service(taking))
    assert done.pushed.mounted == len(ONE.blobs[LAYER])
    (mount,) = {each.path for each in taking.asked if "mount=" in each.path}
    assert parse_qs(urlsplit(mount).query) == {
        "mount": [str(LAYER)],
        "from": ["x/docker-io/library/debian"],
    }


def test_without_leave_to_read_there_it_is_sent(taking: TakingRegistry, archive: Archive) -> None:
    both = "repository:x/docker-io/library/debian:pull"

    def refuse(call: Call) -> bool:
        if call.path.startswith("/token") and f"{both}&" in call.path.replace("%3A", ":").replace("%2F", "/"):
            call.reply(403)
            return True
        return False

    done = push_both(archive, taking, refuse, token_service(taking))
    assert (done.pushed.mounted, done.pushed.sent > len(ONE.blobs[LAYER])) == (0, True)


def test_a_mount_that_did_not_happen_is_noticed(taking: TakingRegistry, archive: Archive) -> None:
    done = push_both(archive, taking, on("POST", "mount=", status(201)))
    assert (done.pushed.mounted, done.pushed.sent > len(ONE.blobs[LAYER])) == (0, True)


@pytest.mark.parametrize("code", [400, 403, 404, 405, 503])
def test_a_registry_that_refuses_to_mount_is_sent_it(
    taking: TakingRegistry, archive: Archive, code: int
) -> None:
    done = push_both(archive, taking, on("POST", "mount=", status(code)))
    assert (done.pushed.mounted, done.pushed.sent > len(ONE.blobs[LAYER])) == (0, True)


def test_what_is_missing_is_said_in_words(taking: TakingRegistry, archive: Archive) -> None:
    about = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": str(ONE.digest),
    }
    notes = Descriptor(OCI_MANIFEST, Digest.of(b"notes"), 5, Platform("unknown", "unknown"), about)
    index = make_index(ONE, OTHER, extra=[notes])
    put_some(archive, index, ONE)
    done = push(archive, taking.host, index)
    assert done.missing == ("linux/arm64/v8", "attestation of linux/amd64")
