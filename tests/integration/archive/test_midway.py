"""Registries that change their mind in the middle of a layer."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator

import pytest

from buildbox.archive.fetch import fetch
from buildbox.archive.images import find_image
from buildbox.archive.layout import Archive
from buildbox.errors import ImageError
from buildbox.progress import Silent
from buildbox.reference import ImageRef
from buildbox.registry.client import Registry
from buildbox.registry.credentials import Login
from tests.support.faulty import Call, FaultyRegistry, only, range_start, run_faulty, status
from tests.support.images import AMD64, make_image

IMAGE = make_image({"file": random.Random(4).randbytes(2_000_000)})
LAYER = IMAGE.layers()[0]
SIZE = len(IMAGE.blobs[LAYER])
FIRST = 500_000  # bytes before it happens
LOGIN = Login("someone", "secret")


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with run_faulty(IMAGE) as registry:
        yield registry


def client(registry: FaultyRegistry, login: Login | None = LOGIN, read_timeout: float = 5.0) -> Registry:
    return Registry(registry.host, lambda _: login, pause=0.001, read_timeout=read_timeout)


def get(archive: Archive, registry: FaultyRegistry, asking: Registry | None = None) -> None:
    ref = ImageRef.parse(f"{registry.host}/tools/x:1@{IMAGE.digest}")
    fetch(archive, asking or client(registry), ref, AMD64, Silent())
    assert find_image(archive, IMAGE.digest, AMD64) is not None
    assert archive.is_sound(LAYER)


def layer_asked(registry: FaultyRegistry) -> list[str]:
    """The ranges of the requests for the layer that were let in."""
    return [asked.headers.get("range", "") for asked in registry.requests(str(LAYER))]


def part(then: Callable[[Call], None]) -> Callable[[Call], bool]:
    """Sends FIRST bytes more, and then something else."""

    def answer(call: Call) -> bool:
        data, start = IMAGE.blobs[LAYER], range_start(call)
        call.send_response(206 if start else 200)
        if start:
            call.send_header("Content-Range", f"bytes {start}-{SIZE - 1}/{SIZE}")
        call.send_header("Content-Length", str(SIZE - start))
        call.end_headers()
        call.wfile.write(data[start : start + FIRST])
        then(call)
        return True

    return answer


class Tokens:
    """A registry that wants a bearer token, and each for a while only."""

    def __init__(self, host: str) -> None:
        self.host, self.issued = host, 0

    def guard(self, call: Call) -> bool:
        current = f"Bearer token-{self.issued}"
        if call.path.startswith("/token") or (self.issued and call.headers.get("Authorization") == current):
            return False
        call.reply(401, WWW_Authenticate=f'Bearer realm="http://{self.host}/token",error="invalid_token"')
        return True

    def give(self, call: Call) -> bool:
        self.issued += 1
        call.reply(200, json.dumps({"token": f"token-{self.issued}"}).encode())
        return True

    def expire(self, call: Call) -> None:
        """The token is good no more, and the connection breaks."""
        self.issued += 100
        call.hang_up()


def test_a_token_that_runs_out_within_a_layer_is_renewed(archive: Archive, faulty: FaultyRegistry) -> None:
    tokens = Tokens(faulty.host)
    faulty.rules = [
        tokens.guard,
        only("/token", tokens.give),
        only(str(LAYER), part(tokens.expire), times=2),
    ]
    get(archive, faulty)
    assert len(faulty.requests("/token")) == 3
    starts = [int(asked.removeprefix("bytes=").rstrip("-") or 0) for asked in layer_asked(faulty)]
    assert starts == sorted(starts)  # it goes on where it was, and never back
    assert len(set(starts)) == 3
    assert list((archive.path / "partial").iterdir()) == []


def test_a_login_that_is_taken_away_within_a_layer(archive: Archive, faulty: FaultyRegistry) -> None:
    """It is said; what came stays, and is gone on with after another login."""
    taken = []

    def take_away(call: Call) -> None:
        taken.append(True)
        call.hang_up()

    def guard(call: Call) -> bool:
        if call.headers.get("Authorization") and not taken:
            return False
        call.reply(401, WWW_Authenticate='Basic realm="here"')
        return True

    faulty.rules = [guard, only(str(LAYER), part(take_away))]
    with pytest.raises(ImageError, match="refuses access to blob") as caught:
        get(archive, faulty)
    assert f"docker login {faulty.host}" in caught.value.hint
    assert find_image(archive, IMAGE.digest, AMD64) is None
    had = (archive.path / "partial" / LAYER.hex).stat().st_size
    assert 0 < had <= FIRST
    faulty.rules = []
    get(archive, faulty)
    assert layer_asked(faulty)[-1] == f"bytes={had}-"


def test_a_layer_that_goes_on_at_another_host_without_our_login(
    archive: Archive, faulty: FaultyRegistry
) -> None:
    def guard(call: Call) -> bool:
        if call.headers.get("Authorization"):
            return False
        call.reply(401, WWW_Authenticate='Basic realm="here"')
        return True

    with run_faulty(IMAGE, address="127.0.0.2") as other:
        elsewhere = status(307, Location=f"http://{other.host}/storage/blobs/{LAYER}")
        faulty.rules = [
            guard,
            only(str(LAYER), part(Call.hang_up), times=1),
            only(str(LAYER), elsewhere),
        ]
        get(archive, faulty)
        (asked,) = other.requests(str(LAYER))
        assert "authorization" not in asked.headers
        assert asked.headers["range"].startswith("bytes=")


def test_a_slow_registry_is_waited_for_as_long_as_something_comes(
    archive: Archive, faulty: FaultyRegistry
) -> None:
    def trickle(call: Call) -> bool:
        data = IMAGE.blobs[LAYER]
        call.send_response(200)
        call.send_header("Content-Length", str(SIZE))
        call.end_headers()
        for at in range(0, SIZE, SIZE // 10 + 1):
            call.wfile.write(data[at : at + SIZE // 10 + 1])
            time.sleep(0.08)  # altogether far beyond the limit, which is for silence
        return True

    faulty.rules = [only(str(LAYER), trickle)]
    begin = time.monotonic()
    get(archive, faulty, client(faulty, read_timeout=0.5))
    assert time.monotonic() - begin > 0.7
    assert len(layer_asked(faulty)) == 1


def test_a_registry_that_falls_silent_within_a_layer_is_asked_again(
    archive: Archive, faulty: FaultyRegistry
) -> None:
    faulty.rules = [only(str(LAYER), part(lambda call: time.sleep(1)), times=1)]
    get(archive, faulty, client(faulty, read_timeout=0.2))
    first, second = layer_asked(faulty)
    assert (first, second.partition("=")[0]) == ("", "bytes")


def test_a_layer_whose_rest_is_of_other_bytes_is_not_kept(archive: Archive, faulty: FaultyRegistry) -> None:

    def other_half(call: Call) -> bool:
        start = range_start(call)
        call.send_response(206)
        call.send_header("Content-Range", f"bytes {start}-{SIZE - 1}/{SIZE}")
        call.send_header("Content-Length", str(SIZE - start))
        call.end_headers()
        call.wfile.write(bytes(SIZE - start))
        return True

    faulty.rules = [only(str(LAYER), part(Call.hang_up), times=1), only(str(LAYER), other_half)]
    with pytest.raises(ImageError, match="hash to something else"):
        get(archive, faulty)
    assert not archive.has(LAYER)
    faulty.rules = []
    get(archive, faulty)
