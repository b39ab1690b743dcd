"""Envelopes: what one byte, another key or another kind does to them."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any

import pytest
from securesystemslib.dsse import Envelope as LibraryEnvelope

from buildbox.errors import Mismatch
from buildbox.signing.envelope import PAYLOAD_TYPE, open_envelope, sign, verify
from buildbox.signing.keys import PrivateKey, generate, library_key, load_private

PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"\xc3\xbf\xc3\xbe?>"}]}'


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[PrivateKey]:
    folder = tmp_path_factory.mktemp("keys")
    made = []
    for name in ("one", "two"):
        generate(folder / name, None)
        made.append(load_private(folder / name, None))
    return made


def changed(data: bytes, **values: Any) -> bytes:
    return json.dumps({**json.loads(data), **values}).encode()


def test_signed_and_verified(keys: list[PrivateKey]) -> None:
    one, two = keys
    data = sign(PAYLOAD, one)
    assert b"\n" not in data
    assert data == sign(PAYLOAD, one)
    envelope = open_envelope(data)
    assert envelope.payload == PAYLOAD
    assert verify(envelope, [one.public]) == (one.public.id,)
    assert verify(envelope, [two.public, one.public, one.public]) == (one.public.id,)


def test_the_library_verifies_it(keys: list[PrivateKey]) -> None:
    envelope = LibraryEnvelope.from_dict(json.loads(sign(PAYLOAD, keys[0])))
    assert envelope.payload_type == PAYLOAD_TYPE
    assert envelope.verify([library_key(keys[0].public)], 1).keys() == {keys[0].public.id}


def test_two_signatures(keys: list[PrivateKey]) -> None:
    one, two = (sign(PAYLOAD, key) for key in keys)
    both = changed(one, signatures=json.loads(one)["signatures"] + json.loads(two)["signatures"])
    ids = tuple(key.public.id for key in keys)
    assert verify(open_envelope(both), [key.public for key in keys]) == ids
    assert verify(open_envelope(both), [keys[1].public]) == ids[1:]


def test_a_changed_payload(keys: list[PrivateKey]) -> None:
    data = sign(PAYLOAD, keys[0])
    for at in range(len(PAYLOAD)):
        other = bytes([*PAYLOAD[:at], PAYLOAD[at] ^ 1, *PAYLOAD[at + 1 :]])
        envelope = open_envelope(changed(data, payload=b64encode(other).decode()))
        with pytest.raises(Mismatch, match=r"the signature isn't that of .*/one, which it names"):
            verify(envelope, [keys[0].public])


def test_no_changed_byte_of_the_file_passes_for_another_payload(keys: list[PrivateKey]) -> None:
    data = sign(PAYLOAD, keys[0])
    passed = []
    for at in range(len(data)):
        other = bytes([*data[:at], data[at] ^ 1, *data[at + 1 :]])
        try:
            envelope = open_envelope(other)
            verify(envelope, [keys[0].public])
        except (ValueError, Mismatch):
            continue
        passed.append(envelope.payload)
    assert set(passed) <= {PAYLOAD}  # what names the key is only a hint
    assert len(passed) < 100


def test_another_key(keys: list[PrivateKey]) -> None:
    one, two = (key.public for key in keys)
    data = sign(PAYLOAD, keys[1])
    with pytest.raises(Mismatch, match=f"it is signed by another key: {two.id}") as refused:
        verify(open_envelope(data), [one])
    assert f"{one.id}  {one.told}" in refused.value.hint
    lying = {**json.loads(data)["signatures"][0], "keyid": one.id}
    with pytest.raises(Mismatch, match="the signature isn't that of"):
        verify(open_envelope(changed(data, signatures=[lying])), [one])
    with pytest.raises(Mismatch, match="by another key: an unnamed key"):
        verify(open_envelope(changed(data, signatures=[{"sig": lying["sig"]}])), [one])
    assert verify(open_envelope(changed(data, signatures=[{"sig": lying["sig"]}])), [one, two]) == (two.id,)


def test_base64_for_addresses(keys: list[PrivateKey]) -> None:
    data = sign(PAYLOAD, keys[0])
    text = urlsafe_b64encode(PAYLOAD).decode()
    assert {"-", "_"} & set(text)
    assert verify(open_envelope(changed(data, payload=text)), [keys[0].public])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"payloadType": "application/json"}, "isn't of the type"),
        ({"payload": None}, "isn't a string"),
        ({"payload": "AA=A"}, "[Pp]adding"),
        ({"payload": "A A="}, "base64"),
        ({"signatures": []}, "doesn't have 1 to 100 signatures"),
        ({"signatures": [{}] * 101}, "doesn't have 1 to 100 signatures"),
        ({"signatures": {}}, "doesn't have 1 to 100 signatures"),
        ({"signatures": ["x"]}, "a signature isn't a JSON object"),
        ({"signatures": [{}]}, "isn't a string"),
        ({"signatures": [{"sig": "AAAA", "keyid": 1}]}, "keyid isn't a short string"),
    ],
)
def test_what_is_no_envelope(keys: list[PrivateKey], values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        open_envelope(changed(sign(PAYLOAD, keys[0]), **values))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b"\xff"])
def test_what_is_no_json(data: bytes) -> None:
    with pytest.raises(ValueError):
        open_envelope(data)
