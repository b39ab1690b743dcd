"""Pushing from an archive: to a real registry, and to ones that misbehave."""

from __future__ import annotations

import json
import os
import random
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildbox.archive.fetch import fetch
from buildbox.archive.layout import Archive, BlobDamaged, BlobMissing
from buildbox.archive.push import Pushed, push_content, push_top
from buildbox.digest import Digest
from buildbox.errors import BuildboxError, ImageError
from buildbox.oci import OCI_MANIFEST, Descriptor, canonical
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import OtherBytes, Registry
from buildbox.registry.credentials import Login
from buildbox.registry.push import TagTaken
from tests.support import registry as support
from tests.support.faulty import Call, Rule, run_faulty, status
from tests.support.images import AMD64, ARM64, MadeImage, make_image, make_index
from tests.support.registry import PASSWORD, USER, RealRegistry
from tests.support.taking import TakingRegistry, on, run_taking

BIG = make_image({"file": random.Random(1).randbytes(3_000_000)})
LAYER = BIG.layers()[0]
INDEX = make_index(BIG)
SIZE = sum(map(len, INDEX.blobs.values())) + sum(len(data) for _, data in INDEX.manifests.values())
LOGIN = Login("someone", "secret")


class Notes(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done = 0  # bytes, of all meters

    def note(self, text: str) -> None:
        self.notes.append(text)

    @contextmanager
    def meter(self, label: str, total: int | None) -> Iterator[Notes]:
        yield self

    def advance(self, amount: int) -> None:
        self.done += amount


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = Archive.open(tmp_path / "archive")
    INDEX.put_into(archive, "x")
    return archive


@pytest.fixture
def taking() -> Iterator[TakingRegistry]:
    with run_taking() as registry:
        yield registry


def ask(host: str, login: Login | None = None, read_timeout: float = 5.0) -> Registry:
    return Registry(host, lambda _: login, pause=0.01, read_timeout=read_timeout)


def push(
    archive: Archive,
    registry: Registry,
    image: MadeImage = INDEX,
    repository: str = "a/b",
    tag: str = "1",
    move: bool = True,
    progress: Silent | None = None,
) -> Pushed:
    pushed = push_content(archive, registry, repository, image.top, progress or Silent())
    return pushed + push_top(archive, registry, repository, image.top, tag, move=move)


# a real registry


def everything(archive: Archive) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in archive.blobs.iterdir()}


def test_what_is_pushed_is_pulled_again(
    real_registry: RealRegistry, archive: Archive, tmp_path: Path
) -> None:
    pushed = push(archive, ask(real_registry.host), repository="push/back")
    assert pushed == Pushed(SIZE, 0)
    other = Archive.open(tmp_path / "other")
    ref = ImageRef.parse(f"{real_registry.host}/push/back:1@{INDEX.digest}")
    fetch(other, ask(real_registry.host), ref, AMD64, Silent())
    assert everything(other) == everything(archive)
    assert ask(real_registry.host).resolve("push/back", "1") == INDEX.digest


def test_what_is_there_is_not_sent_again(real_registry: RealRegistry, archive: Archive) -> None:
    push(archive, ask(real_registry.host), repository="push/twice")
    assert push(archive, ask(real_registry.host), repository="push/twice") == Pushed(0, SIZE)


def test_an_index_of_two_platforms_and_an_artifact(real_registry: RealRegistry, tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    index = make_index(make_image(platform=AMD64), make_image(platform=ARM64))
    index.put_into(archive)
    push(archive, ask(real_registry.host), index, "push/many")
    assert ask(real_registry.host).resolve("push/many", "1") == index.digest
    empty, result = b"{}", b"a result"
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.result",
            "config": Descriptor("application/vnd.oci.empty.v1+json", Digest.of(empty), 2).to_json(),
            "layers": [Descriptor("application/x-result", Digest.of(result), len(result)).to_json()],
        }
    )
    blobs = {Digest.of(data): data for data in (empty, result, b"")}
    top = Descriptor(OCI_MANIFEST, Digest.of(manifest), len(manifest))
    artifact = MadeImage(top, {top.digest: (OCI_MANIFEST, manifest)}, blobs)
    artifact.put_into(archive)
    push(archive, ask(real_registry.host), artifact, "push/artifact")
    assert ask(real_registry.host).manifest("push/artifact", "1").data == manifest


def test_an_empty_blob(real_registry: RealRegistry, tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    config = canonical({"os": "linux", "architecture": "amd64"})
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": Descriptor("application/x-config", Digest.of(config), len(config)).to_json(),
            "layers": [Descriptor("application/x-nothing", Digest.of(b""), 0).to_json()],
        }
    )
    top = Descriptor(OCI_MANIFEST, Digest.of(manifest), len(manifest))
    blobs = {Digest.of(data): data for data in (config, b"")}
    image = MadeImage(top, {top.digest: (OCI_MANIFEST, manifest)}, blobs)
    image.put_into(archive)
    push(archive, ask(real_registry.host), image, "push/empty")
    assert ask(real_registry.host).resolve("push/empty", "1") == image.digest


def test_a_tag_moves_only_where_it_may(real_registry: RealRegistry, archive: Archive) -> None:
    registry = ask(real_registry.host)
    other = make_image()
    other.put_into(archive)
    push(archive, registry, other, "push/tags")
    with pytest.raises(TagTaken, match=f"push/tags:1 is there already, with other bytes: {other.digest}"):
        push(archive, registry, INDEX, "push/tags", move=False)
    assert registry.resolve("push/tags", "1") == other.digest
    push(archive, registry, INDEX, "push/tags")
    assert registry.resolve("push/tags", "1") == INDEX.digest


def test_a_login_is_needed(login_registry: RealRegistry, archive: Archive) -> None:
    push(archive, ask(login_registry.host, Login(USER, PASSWORD)), repository="push/private")
    for login in (None, Login(USER, "wrong")):
        with pytest.raises(ImageError, match=r"let us put blob .* in push/private \(401") as caught:
            push(archive, ask(login_registry.host, login), repository="push/private")
        assert f"`docker login {login_registry.host}`" in caught.value.hint


def test_a_registry_that_is_read_only(archive: Archive, tmp_path: Path) -> None:
    with support.serve(tmp_path / "registry", read_only=True) as registry:
        with pytest.raises(ImageError, match=r"takes no pushes: it is read-only \(405"):
            push(archive, ask(registry.host))
        assert list(registry.root.rglob("data")) == []


def test_memory_stays_flat(real_registry: RealRegistry, tmp_path: Path) -> None:
    archive = Archive.open(tmp_path / "archive")
    image = make_image({"file": os.urandom(40 << 20)})
    image.put_into(archive)
    top, size = image.top, sum(map(len, image.blobs.values()))
    del image
    tracemalloc.start()
    try:
        pushed = push_content(archive, ask(real_registry.host, read_timeout=60), "push/big", top, Silent())
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert pushed.sent == size


# registries that misbehave


def hang_up(call: Call) -> bool:
    call.hang_up()
    return True


def test_an_upload_that_is_cut_is_sent_again(taking: TakingRegistry, archive: Archive) -> None:
    taking.cuts = [0, 500_000]
    progress = Notes()
    assert push(archive, ask(taking.host), progress=progress) == Pushed(SIZE, 0)
    assert taking.blobs == INDEX.blobs
    assert taking.tags == {"1": INDEX.digest}
    assert len(progress.notes) == 2
    assert all(f"the connection to {taking.host} broke" in note for note in progress.notes)
    assert "from the start" in progress.notes[0]
    assert progress.done == sum(map(len, INDEX.blobs.values()))


def test_an_upload_that_is_always_cut_is_said(taking: TakingRegistry, archive: Archive) -> None:
    taking.cuts = [1000] * 100
    with pytest.raises(ImageError, match="broke while it was sent to"):
        push(archive, ask(taking.host))
    assert len(taking.cuts) == 96
    assert taking.tags == {}


def test_an_answer_that_gets_lost_costs_no_second_upload(taking: TakingRegistry, archive: Archive) -> None:
    def take_and_hang_up(call: Call) -> bool:
        taking.rules.clear()
        taking.blobs[Digest.of(taking.asked[-1].body)] = taking.asked[-1].body
        return hang_up(call)

    taking.rules = [on("PUT", "/uploads/", take_and_hang_up)]
    progress = Notes()
    push(archive, ask(taking.host), progress=progress)
    assert taking.methods("/uploads/").count("PUT") == len(INDEX.blobs)
    assert progress.done == sum(map(len, INDEX.blobs.values()))
    assert taking.tags == {"1": INDEX.digest}


def test_what_another_has_pushed_meanwhile_is_not_sent_again(
    taking: TakingRegistry, archive: Archive
) -> None:
    def appear(call: Call) -> bool:
        if not taking.cuts:
            taking.blobs[LAYER] = INDEX.blobs[LAYER]
        return False

    taking.cuts = [500_000]
    taking.rules = [on("HEAD", str(LAYER), appear)]
    progress = Notes()
    push(archive, ask(taking.host), progress=progress)
    assert progress.done == sum(map(len, INDEX.blobs.values()))
    assert not [asked for asked in taking.asked if len(asked.body) > 500_000]


@pytest.mark.parametrize(
    ("method", "part"),
    [("HEAD", "/blobs/"), ("POST", "/uploads/"), ("PUT", "/uploads/"), ("PUT", "/manifests/")],
)
@pytest.mark.parametrize("code", [503, 429])
def test_what_may_pass_is_tried_again(
    taking: TakingRegistry, archive: Archive, method: str, part: str, code: int
) -> None:
    left = [status(code), status(code)]
    taking.rules = [on(method, part, lambda call: bool(left) and left.pop()(call))]
    push(archive, ask(taking.host))
    assert left == []
    assert (taking.blobs, taking.manifests) == (INDEX.blobs, INDEX.manifests)


def saying(code: int, name: str, message: str) -> Rule:
    def answer(call: Call) -> bool:
        call.reply(code, json.dumps({"errors": [{"code": name, "message": message}]}).encode())
        return True

    return answer


def test_bytes_that_were_spoilt_on_the_way_are_sent_again(taking: TakingRegistry, archive: Archive) -> None:
    left = [saying(400, "DIGEST_INVALID", "provided digest did not match uploaded content")]
    taking.rules = [on("PUT", "/uploads/", lambda call: bool(left) and left.pop()(call))]
    push(archive, ask(taking.host))
    assert taking.blobs == INDEX.blobs


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (on("POST", "/uploads/", status(403)), "doesn't let us put blob"),
        (on("POST", "/uploads/", status(404)), "has no place for blob"),
        (on("PUT", "/uploads/", status(413)), "finds blob .* too large"),
        (on("POST", "/uploads/", status(200)), "answers 200 OK to a push of blob"),
        (on("POST", "/uploads/", status(202)), "doesn't say where to upload to"),
        (on("PUT", "/uploads/", status(307, Location="/elsewhere")), "answers 307"),
        (on("PUT", "/manifests/", status(403)), "doesn't let us put image"),
        (
            on("PUT", "/manifests/1", saying(400, "TAG_INVALID", "tag is immutable")),
            "let tag 1 in a/b be overw",
        ),
    ],
)
def test_what_does_not_pass_is_said_at_once(
    taking: TakingRegistry, archive: Archive, rule: Rule, words: str
) -> None:
    taking.rules = [rule]
    with pytest.raises(ImageError, match=words):
        push(archive, ask(taking.host))
    assert taking.tags == {}
    assert taking.methods("")[-1] in ("POST", "PUT")  # nothing was tried after it


def test_an_upload_to_an_unsafe_place_is_refused(taking: TakingRegistry, archive: Archive) -> None:
    taking.rules = [on("POST", "/uploads/", status(202, Location="http://storage.invalid/x?signature=abc"))]
    with pytest.raises(ImageError, match="not a safe place") as caught:
        push(archive, ask(taking.host))
    assert "abc" not in caught.value.reason


def test_no_login_goes_with_an_upload_to_another_host(taking: TakingRegistry, archive: Archive) -> None:
    with run_faulty(BIG, status(401, WWW_Authenticate='Basic realm="x"'), address="127.0.0.2") as other:

        def guard(call: Call) -> bool:
            if call.headers.get("Authorization"):
                return False
            call.reply(401, WWW_Authenticate='Basic realm="x"')
            return True

        elsewhere = status(202, Location=f"http://{other.host}/up?signature=abc")
        taking.rules = [guard, on("POST", "/uploads/", elsewhere)]
        with pytest.raises(ImageError, match="401"):
            push(archive, ask(taking.host, LOGIN))
        assert [asked.method for asked in other.asked] == ["PUT"]
        assert "authorization" not in other.asked[0].headers


def test_a_blob_that_is_kept_elsewhere_is_there(taking: TakingRegistry, archive: Archive) -> None:
    taking.rules = [on("HEAD", "/blobs/", status(307, Location="https://storage.invalid/blob?for=get"))]
    assert push_content(archive, ask(taking.host), "a/b", BIG.top, Silent()).sent == 0


def test_one_token_is_asked_for_a_whole_push(taking: TakingRegistry, archive: Archive) -> None:
    def guard(call: Call) -> bool:
        if call.path.startswith("/token"):
            call.reply(200, b'{"token":"abc"}')
            return True
        if call.headers.get("Authorization") == "Bearer abc":
            return False
        scope = "repository:a/b:pull" + (",push" if call.command in ("PUT", "POST") else "")
        call.reply(401, WWW_Authenticate=f'Bearer realm="http://{taking.host}/token",scope="{scope}"')
        return True

    taking.rules = [guard]
    push_content(archive, ask(taking.host, LOGIN), "a/b", INDEX.top, Silent())
    (asked,) = taking.requests("/token")
    assert "scope=repository%3Aa%2Fb%3Apull%2Cpush" in asked.path
    assert asked.headers["authorization"].startswith("Basic ")


def test_a_token_that_runs_out_within_an_upload(taking: TakingRegistry, archive: Archive) -> None:
    tokens = ["first", "second"]

    def guard(call: Call) -> bool:
        if call.path.startswith("/token"):
            call.reply(200, json.dumps({"token": tokens[0]}).encode())
            return True
        if call.headers.get("Authorization") == f"Bearer {tokens[0]}":
            return False
        call.reply(401, WWW_Authenticate=f'Bearer realm="http://{taking.host}/token"')
        return True

    def run_out(call: Call) -> bool:
        if len(tokens) == 2:
            tokens.pop(0)
            return guard(call)
        return False

    taking.rules = [guard, on("PUT", "/uploads/", run_out)]
    push_content(archive, ask(taking.host), "a/b", INDEX.top, Silent())
    assert taking.blobs == INDEX.blobs
    assert len(taking.requests("/token")) == 2


def test_a_registry_that_takes_other_bytes(taking: TakingRegistry, archive: Archive) -> None:
    other = Digest.of(b"other")
    taking.rules = [on("PUT", "/uploads/", status(201, Docker_Content_Digest=str(other)))]
    with pytest.raises(OtherBytes, match=f"took blob .* for {other}"):
        push(archive, ask(taking.host))
    assert taking.manifests == {}


def test_a_registry_that_gives_other_bytes_back(taking: TakingRegistry, archive: Archive) -> None:
    other = make_image()
    taking.manifests |= other.manifests

    def forget(call: Call) -> bool:
        taking.tags["1"] = other.digest
        call.reply(201)
        return True

    taking.rules = [on("PUT", "/manifests/1", forget)]
    with pytest.raises(OtherBytes, match=f"gives back {other.digest} as tag 1 in a/b"):
        push(archive, ask(taking.host))


def test_a_silent_registry_is_given_up(taking: TakingRegistry, archive: Archive) -> None:
    def sleep(call: Call) -> bool:
        time.sleep(0.6)
        return hang_up(call)

    taking.rules = [on("PUT", "/uploads/", sleep)]
    with pytest.raises(ImageError, match="timed out"):
        push(archive, ask(taking.host, read_timeout=0.05))
    assert taking.tags == {}


# an archive that isn't in order


def test_a_damaged_blob_never_gets_there(taking: TakingRegistry, archive: Archive) -> None:
    path = archive.blob_path(LAYER)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(BlobDamaged):
        push(archive, ask(taking.host))
    assert LAYER not in taking.blobs
    assert taking.manifests == {}
    assert not [asked for asked in taking.asked if len(asked.body) == len(data)]


@pytest.mark.parametrize("change", [b"", b"more"])
def test_what_is_missing_or_of_another_size_is_said_before_anything_is_asked(
    taking: TakingRegistry, archive: Archive, change: bytes
) -> None:
    path = archive.blob_path(LAYER)
    if change:
        path.write_bytes(path.read_bytes() + change)
    else:
        path.unlink()
    with pytest.raises((BlobMissing, BlobDamaged)) as caught:
        push(archive, ask(taking.host))
    assert isinstance(caught.value, BuildboxError)
    assert taking.asked == []
