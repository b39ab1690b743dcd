"""The client against registries that misbehave."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator, Mapping

import pytest

from buildbox.digest import Digest
from buildbox.errors import Exit, ImageError
from buildbox.oci import MAX_MANIFEST, Descriptor
from buildbox.registry.client import Dropped, OtherBytes, Registry
from buildbox.registry.credentials import Login
from tests.support.faulty import Call, FaultyRegistry, Rule, only, run_faulty, status
from tests.support.images import MadeImage, make_image

IMAGE = make_image({"file": random.Random(1).randbytes(500_000)})
LAYER = IMAGE.layers()[0]
DATA = IMAGE.blobs[LAYER]
BLOB = Descriptor("application/x-layer", LAYER, len(DATA))
LOGIN = Login("someone", "secret")


def ask(registry: FaultyRegistry, login: Login | None = None, read_timeout: float = 5.0) -> Registry:
    return Registry(registry.host, lambda _: login, pause=0.01, read_timeout=read_timeout)


@pytest.fixture
def faulty() -> Iterator[FaultyRegistry]:
    with run_faulty(IMAGE) as registry:
        yield registry


def test_other_bytes_than_the_digest_are_refused(faulty: FaultyRegistry) -> None:
    other = make_image({"file": b"other"})
    faulty.image = MadeImage(IMAGE.top, {IMAGE.digest: next(iter(other.manifests.values()))}, other.blobs)
    with pytest.raises(OtherBytes, match="serves other bytes") as caught:
        ask(faulty).manifest("x", IMAGE.digest)
    assert caught.value.exit == Exit.IMAGE


@pytest.mark.parametrize("body", [b"<html>Welcome!</html>", b"[]", b'{"schemaVersion": 1}', b"[" * 100_000])
def test_a_tag_that_is_no_image(faulty: FaultyRegistry, body: bytes) -> None:
    def page(call: Call) -> bool:
        call.reply(200, body, Content_Type="text/html")
        return True

    faulty.rules = [only("/manifests/", page)]
    with pytest.raises(ImageError, match="is not an image"):
        ask(faulty).resolve("x", "1")


def test_an_endless_manifest_is_cut_off(faulty: FaultyRegistry) -> None:
    sent = 0

    def pour(call: Call) -> bool:
        nonlocal sent
        call.send_response(200)
        call.end_headers()
        for _ in range(1000):
            call.wfile.write(b" " * (1 << 20))
            sent += 1 << 20
        call.hang_up()
        return True

    faulty.rules = [only("/manifests/", pour)]
    with pytest.raises(ImageError, match="sends more than"):
        ask(faulty).resolve("x", "1")
    assert sent < 20 * MAX_MANIFEST


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_a_passing_fault_is_tried_again(faulty: FaultyRegistry, code: int) -> None:
    faulty.rules = [only("/manifests/", status(code), times=2)]
    assert ask(faulty).resolve("x", "1") == IMAGE.digest
    assert len(faulty.requests("/manifests/")) == 3


@pytest.mark.parametrize(("code", "words"), [(500, "fails on tag 1 in x: 500"), (429, "too many requests")])
def test_a_lasting_fault_is_said(faulty: FaultyRegistry, code: int, words: str) -> None:
    faulty.rules = [only("/manifests/", status(code))]
    with pytest.raises(ImageError, match=words):
        ask(faulty).resolve("x", "1")
    assert len(faulty.requests("/manifests/")) == 4


def test_a_registry_that_puts_us_off_for_long_is_not_waited_for(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/manifests/", status(429, Retry_After="3600"))]
    begin = time.monotonic()
    with pytest.raises(ImageError, match="too many requests") as caught:
        ask(faulty).resolve("x", "1")
    assert time.monotonic() - begin < 5
    assert len(faulty.requests("/manifests/")) == 1
    assert "It asks to come back in 1h00m" in caught.value.hint
    assert f"docker login {faulty.host}" in caught.value.hint


def test_a_registry_that_asks_to_wait_is_waited_for_by_all_threads_and_that_is_said(
    faulty: FaultyRegistry,
) -> None:
    faulty.rules = [only("/manifests/1", status(429, Retry_After="1"), times=1)]
    notes: list[str] = []
    times: dict[str, float] = {}
    registry = Registry(faulty.host, pause=0.001, note=notes.append)

    def resolve(tag: str) -> None:
        registry.resolve("x", tag)
        times[tag] = time.monotonic()

    first = threading.Thread(target=resolve, args=("1",))
    begin = time.monotonic()
    first.start()
    while not notes and time.monotonic() < begin + 5:
        time.sleep(0.005)
    resolve("2")
    first.join()
    assert min(times.values()) - begin >= 1
    assert notes == [f"{faulty.host} says that there were too many requests (429); waiting 1.0s, as it asks"]


@pytest.mark.parametrize(("rule", "asked"), [(status(503), 2), (status(503, Retry_After="30"), 1)])
def test_who_wants_no_late_answer_hardly_waits(faulty: FaultyRegistry, rule: Rule, asked: int) -> None:
    faulty.rules = [only("/manifests/", rule)]
    registry = Registry(faulty.host, pause=0.01, quick=True)
    begin = time.monotonic()
    with pytest.raises(ImageError):
        registry.resolve("x", "1")
    assert time.monotonic() - begin < 2
    assert len(faulty.requests("/manifests/")) == asked


@pytest.mark.parametrize("code", [401, 403])
def test_refused_without_a_way_in(faulty: FaultyRegistry, code: int) -> None:
    faulty.rules = [only("/manifests/", status(code))]
    with pytest.raises(ImageError, match=f"refuses access to tag 1 in x .{code}") as caught:
        ask(faulty, LOGIN).resolve("x", "1")
    assert f"docker login {faulty.host}" in caught.value.hint


def test_the_words_of_a_registry_are_shown_but_not_its_escapes(faulty: FaultyRegistry) -> None:
    def deny(call: Call) -> bool:
        call.reply(403, json.dumps({"errors": [{"message": "no\x1b[2J way"}]}).encode())
        return True

    faulty.rules = [only("/manifests/", deny)]
    with pytest.raises(ImageError, match=r"no \[2J way") as caught:
        ask(faulty).resolve("x", "1")
    assert "\x1b" not in caught.value.reason


def hang_up(call: Call) -> bool:
    call.hang_up()
    return True


def test_a_connection_that_drops_before_the_answer_is_tried_again(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/manifests/", hang_up, times=2)]
    assert ask(faulty).resolve("x", "1") == IMAGE.digest


def test_a_connection_that_always_drops_is_said(faulty: FaultyRegistry) -> None:
    faulty.rules = [hang_up]
    with pytest.raises(ImageError, match="can't be reached"):
        ask(faulty).resolve("x", "1")


def test_a_silent_registry_is_given_up(faulty: FaultyRegistry) -> None:
    def sleep(call: Call) -> bool:
        time.sleep(0.5)
        return False

    faulty.rules = [only("/manifests/", sleep)]
    with pytest.raises(ImageError, match="timed out"):
        ask(faulty, read_timeout=0.05).resolve("x", "1")


def send(body: bytes, length: int, code: int = 200, **headers: str) -> Rule:
    """`body` under a Content-Length that may be a lie, then the end of the connection."""

    def answer(call: Call) -> bool:
        call.send_response(code)
        for name, value in {"Content_Length": str(length), **headers}.items():
            call.send_header(name.replace("_", "-"), value)
        call.end_headers()
        call.wfile.write(body)
        call.hang_up()
        return True

    return answer


@pytest.mark.parametrize("length", [len(DATA), 10 * len(DATA)])
def test_a_blob_that_ends_early_is_a_drop(faulty: FaultyRegistry, length: int) -> None:
    faulty.rules = [only("/blobs/", send(DATA[:5000], length))]
    got = b""
    with pytest.raises(Dropped, match="it ended too early"):
        for chunk in ask(faulty).blob("x", BLOB):
            got += chunk
    assert DATA.startswith(got)


def test_a_blob_that_is_too_short_by_the_registrys_own_word_is_refused_at_once(
    faulty: FaultyRegistry,
) -> None:
    faulty.rules = [only("/blobs/", send(DATA[:5000], 5000))]
    with pytest.raises(OtherBytes, match=f"there are 5000 instead of the {len(DATA)}"):
        list(ask(faulty).blob("x", BLOB))
    faulty.rules = [only("/blobs/", send(DATA[3000:5000], 2000, 206, Content_Range="bytes 3000-4999/5000"))]
    with pytest.raises(OtherBytes, match=f"there are 5000 instead of the {len(DATA)}"):
        list(ask(faulty).blob("x", BLOB, 3000))


def test_a_blob_that_is_too_long_is_refused(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/blobs/", send(DATA + b"!", len(DATA) + 1))]
    with pytest.raises(OtherBytes):
        list(ask(faulty).blob("x", BLOB))


def test_a_server_without_ranges_still_gives_the_rest(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/blobs/", send(DATA, len(DATA)))]
    assert b"".join(ask(faulty).blob("x", BLOB, 3000)) == DATA[3000:]


def test_a_range_that_begins_elsewhere_is_not_taken(faulty: FaultyRegistry) -> None:
    span = f"bytes 4000-{len(DATA) - 1}/{len(DATA)}"
    faulty.rules = [only("/blobs/", send(DATA[4000:], len(DATA) - 4000, 206, Content_Range=span))]
    with pytest.raises(Dropped, match="from byte 4000 on instead of 3000"):
        list(ask(faulty).blob("x", BLOB, 3000))
    assert b"".join(ask(faulty).blob("x", BLOB, 5000)) == DATA[5000:]


def basic_only(call: Call) -> bool:
    if call.headers.get("Authorization"):
        return False
    call.reply(401, WWW_Authenticate='Basic realm="here"')
    return True


def test_no_login_goes_with_a_redirect_to_another_host(faulty: FaultyRegistry) -> None:
    with run_faulty(IMAGE, address="127.0.0.2") as other:

        def elsewhere(call: Call) -> bool:
            call.reply(307, Location=f"http://{other.host}/storage/blobs/{LAYER}")
            return True

        faulty.rules = [basic_only, only("/blobs/", elsewhere)]
        client = ask(faulty, LOGIN)
        assert b"".join(client.blob("x", BLOB)) == DATA
        assert "authorization" in faulty.requests("/blobs/")[-1].headers
        assert len(other.asked) == 1
        assert "authorization" not in other.asked[0].headers


def test_a_host_that_we_are_redirected_to_gets_no_login_by_asking(faulty: FaultyRegistry) -> None:
    with run_faulty(IMAGE, address="127.0.0.2") as other:

        def elsewhere(call: Call) -> bool:
            call.reply(307, Location=f"http://{other.host}/storage/blobs/{LAYER}")
            return True

        for challenge in ('Basic realm="x"', f'Bearer realm="http://{other.host}/token"'):
            other.rules = [status(401, WWW_Authenticate=challenge)]
            faulty.rules = [basic_only, only("/blobs/", elsewhere)]
            with pytest.raises(ImageError, match="401"):
                list(ask(faulty, LOGIN).blob("x", BLOB))
            assert not [asked for asked in other.asked if "authorization" in asked.headers]
        assert not other.requests("/token")


def test_a_redirect_on_the_same_host_keeps_the_login(faulty: FaultyRegistry) -> None:
    def moved(call: Call) -> bool:
        call.reply(302, Location=f"/v2/moved/blobs/{LAYER}")
        return True

    faulty.rules = [basic_only, only("/x/blobs/", moved)]
    assert b"".join(ask(faulty, LOGIN).blob("x", BLOB)) == DATA
    assert "authorization" in faulty.requests("/moved/")[0].headers


def test_a_redirect_to_plain_http_off_this_machine_is_refused(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/blobs/", status(307, Location="http://storage.invalid/blob?signature=abc"))]
    with pytest.raises(ImageError, match="not a safe place") as caught:
        list(ask(faulty).blob("x", BLOB))
    assert "abc" not in caught.value.reason


def test_redirects_in_a_circle_end(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/blobs/", status(307, Location=f"/v2/x/blobs/{LAYER}"))]
    with pytest.raises(ImageError, match="circle"):
        list(ask(faulty).blob("x", BLOB))


TOKEN = "abc.def"


def token_rules(
    registry: FaultyRegistry, realm: str = "", answer: Mapping[str, object] | None = None
) -> list[Rule]:
    """A registry that wants a bearer token, and the service that gives one."""

    def guard(call: Call) -> bool:
        if call.path.startswith("/token") or call.headers.get("Authorization") == f"Bearer {TOKEN}":
            return False
        where = realm or f"http://{registry.host}/token"
        call.reply(
            401, WWW_Authenticate=f'Bearer realm="{where}",service="svc, inc",scope="repository:x:pull"'
        )
        return True

    def give(call: Call) -> bool:
        call.reply(200, json.dumps(answer or {"token": TOKEN}).encode())
        return True

    return [guard, only("/token", give)]


@pytest.mark.parametrize("name", ["token", "access_token"])
def test_an_anonymous_token(faulty: FaultyRegistry, name: str) -> None:
    faulty.rules = token_rules(faulty, answer={name: TOKEN})
    client = ask(faulty)
    assert client.resolve("x", "1") == IMAGE.digest
    assert b"".join(client.blob("x", BLOB)) == DATA
    (asked,) = faulty.requests("/token")  # one serves for all that follows
    assert asked.path == "/token?service=svc%2C+inc&scope=repository%3Ax%3Apull"
    assert "authorization" not in asked.headers


def test_a_token_for_a_login(faulty: FaultyRegistry) -> None:
    faulty.rules = token_rules(faulty)
    assert ask(faulty, LOGIN).resolve("x", "1") == IMAGE.digest
    (asked,) = faulty.requests("/token")
    assert asked.headers["authorization"].startswith("Basic ")
    assert "account=someone" in asked.path


def test_a_token_for_an_identity_token(faulty: FaultyRegistry) -> None:
    faulty.rules = token_rules(faulty)
    assert ask(faulty, Login(identity_token="refresh me")).resolve("x", "1") == IMAGE.digest
    (asked,) = faulty.requests("/token")
    assert (asked.method, asked.path) == ("POST", "/token")
    assert b"refresh_token=refresh+me" in asked.body


def test_a_token_that_runs_out_is_renewed(faulty: FaultyRegistry) -> None:
    faulty.rules = token_rules(faulty)
    client = ask(faulty)
    client.resolve("x", "1")
    faulty.rules.insert(
        0,
        only(
            "/manifests/",
            status(
                401, WWW_Authenticate=(f'Bearer realm="http://{faulty.host}/token",error="invalid_token"')
            ),
            times=1,
        ),
    )
    assert client.resolve("x", "1") == IMAGE.digest
    assert len(faulty.requests("/token")) == 2


def test_no_login_goes_to_a_token_service_without_tls(faulty: FaultyRegistry) -> None:
    faulty.rules = token_rules(faulty, realm="http://tokens.invalid/token")
    with pytest.raises(ImageError, match="not a safe place"):
        ask(faulty, LOGIN).resolve("x", "1")


@pytest.mark.parametrize("answer", [{"token": ""}, {"token": "a\r\nb"}, {"other": 1}, {"token": 5}])
def test_a_token_service_that_gives_none(faulty: FaultyRegistry, answer: dict[str, object]) -> None:
    faulty.rules = token_rules(faulty, answer=answer)
    with pytest.raises(ImageError, match="without a token"):
        ask(faulty).resolve("x", "1")


def test_a_token_service_that_refuses_us(faulty: FaultyRegistry) -> None:
    faulty.rules = [only("/token", status(401)), *token_rules(faulty)]
    with pytest.raises(ImageError, match="refuses access") as caught:
        ask(faulty, LOGIN).resolve("x", "1")
    assert "docker login" in caught.value.hint


def test_a_missing_blob_is_said(faulty: FaultyRegistry) -> None:
    gone = Descriptor("x", Digest.of(b"gone"), 4)
    with pytest.raises(ImageError, match=f"has no blob {gone.digest} in x: no such thing here"):
        list(ask(faulty).blob("x", gone))
