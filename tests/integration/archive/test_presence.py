"""Asking a registry that misbehaves whether it still has a pin."""

from __future__ import annotations

import pytest

from buildbox.archive.layout import Archive
from buildbox.archive.presence import GONE, LOOSE, THERE, UNKNOWN, Presence, look
from buildbox.oci import Platform
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.registry.credentials import Login
from tests.support.faulty import Call, Rule, run_faulty, status
from tests.support.images import AMD64, ARM64, make_image, make_index
from tests.support.taking import on

INDEX = make_index(make_image(), make_image(platform=ARM64))
LOGIN = Login("someone", "secret")


def asked(archive: Archive, *rules: Rule, platform: Platform | None = None, tag: str = ":1") -> Presence:
    with run_faulty(INDEX, *rules) as registry:
        ref = ImageRef.parse(f"{registry.host}/a/b{tag}@{INDEX.digest}")
        client = Registry(registry.host, lambda _: LOGIN, pause=0.01, read_timeout=2)
        return look(archive, client, ref, platform)


def test_a_registry_that_answers_no_head(archive: Archive) -> None:
    assert asked(archive, on("HEAD", "", status(405))) == Presence(THERE, tag="1")


@pytest.mark.parametrize("code", [404, 410])
def test_what_is_gone(archive: Archive, code: int) -> None:
    found = asked(archive, on("HEAD", str(INDEX.digest), status(code)))
    assert (found.state, found.gone, found.ok) == (GONE, (str(INDEX.digest),), False)


@pytest.mark.parametrize(
    ("code", "words"), [(401, "refuses access"), (403, "refuses access"), (500, "fails")]
)
def test_what_is_refused_is_not_gone(archive: Archive, code: int, words: str) -> None:
    found = asked(archive, on("HEAD", "/manifests/", status(code)))
    assert found.state == UNKNOWN
    assert words in found.why


def test_a_pin_without_a_tag(archive: Archive) -> None:
    found = asked(archive, on("HEAD", "/manifests/keep-", status(404)), tag="")
    assert (found.state, found.ok) == (LOOSE, True)
    assert "the pin names none" in found.why


def test_a_platform_that_the_index_never_had(archive: Archive) -> None:
    found = asked(archive, platform=Platform("linux", "riscv64"))
    assert found.state == UNKNOWN
    assert "is not for linux/riscv64" in found.why


def test_the_index_that_is_here_is_not_fetched(archive: Archive) -> None:
    archive.add_bytes(INDEX.manifests[INDEX.digest][1])
    paths = []

    def note(call: Call) -> bool:
        paths.append((call.command, call.path.rpartition("/")[2]))
        return False

    assert asked(archive, note, platform=AMD64).state == THERE
    children = [str(digest) for digest in INDEX.manifests if digest != INDEX.digest]
    heads = [("HEAD", name) for name in (str(INDEX.digest), *children, "1")]
    assert paths[1:] == [*heads, ("GET", "1")]


def test_who_only_asks_wants_no_leave_to_push(archive: Archive) -> None:
    scopes = []

    def guard(call: Call) -> bool:
        if call.path.startswith("/token"):
            scopes.append(call.path.partition("scope=")[2])
            call.reply(200, b'{"token":"abc"}')
            return True
        if call.headers.get("Authorization") == "Bearer abc":
            return False
        host = call.headers["Host"]
        call.reply(401, WWW_Authenticate=f'Bearer realm="http://{host}/token",scope="repository:a/b:pull"')
        return True

    assert asked(archive, guard).state == THERE
    assert scopes == ["repository%3Aa%2Fb%3Apull"]
