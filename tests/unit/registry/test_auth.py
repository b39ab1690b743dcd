from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from buildbox.errors import ImageError
from buildbox.registry.auth import (
    Challenge,
    basic,
    is_loopback,
    parse_challenges,
    read_token,
    scope,
    token_request,
)
from buildbox.registry.credentials import Login


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", []),
        ("Basic", [("basic", {})]),
        ('Basic realm="a, b"', [("basic", {"realm": "a, b"})]),
        (
            'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
            [
                (
                    "bearer",
                    {
                        "realm": "https://auth.example/token",
                        "service": "registry.example",
                        "scope": "repository:a/b:pull,push",
                    },
                )
            ],
        ),
        (
            'bearer Realm="x" , Service=y, Basic realm="z"',
            [("bearer", {"realm": "x", "service": "y"}), ("basic", {"realm": "z"})],
        ),
        (r'Basic realm="say \"hi\" \\ there"', [("basic", {"realm": r'say "hi" \ there'})]),
        ('Negotiate, Basic realm="x"', [("negotiate", {}), ("basic", {"realm": "x"})]),
        ("=,=,@@@", []),
    ],
)
def test_challenges(header: str, found: list[tuple[str, dict[str, str]]]) -> None:
    assert [(challenge.scheme, challenge.parameters) for challenge in parse_challenges(header)] == found


def test_a_quote_that_never_closes_ends_anyway() -> None:
    assert parse_challenges('Basic realm="' + "a " * 50_000)[0].scheme == "basic"


def bearer(realm: str, **more: str) -> Challenge:
    return Challenge("bearer", {"realm": realm, **more})


def test_an_anonymous_token_is_asked_for_by_get() -> None:
    request = token_request(bearer("https://a.example/token?x=1", service="s"), None, "a/b", "r.example")
    assert (request.form, dict(request.headers)) == (None, {})
    assert parse_qs(urlsplit(request.url).query) == {
        "x": ["1"],
        "service": ["s"],
        "scope": ["repository:a/b:pull"],
    }


def test_the_scope_that_is_asked_for_is_given() -> None:
    request = token_request(bearer("https://a.example/", scope="repository:c:pull"), None, "a/b", "r.example")
    assert parse_qs(urlsplit(request.url).query)["scope"] == ["repository:c:pull"]


def test_a_login_goes_in_the_header_not_in_the_url() -> None:
    request = token_request(bearer("https://a.example/token"), Login("me", "secret"), "a", "r.example")
    assert request.headers["Authorization"] == basic(Login("me", "secret")) == "Basic bWU6c2VjcmV0"
    assert "secret" not in request.url


@pytest.mark.parametrize(
    "realm",
    ["http://a.example/token", "", "a.example/token", "file:///etc/passwd", "ftp://localhost/x", "//x"],
)
@pytest.mark.parametrize("login", [None, Login("me", "secret"), Login(identity_token="secret")])
def test_an_unsafe_token_service_is_never_asked(realm: str, login: Login | None) -> None:
    with pytest.raises(ImageError, match="not a safe place"):
        token_request(bearer(realm), login, "a", "r.example")


def test_a_token_service_on_this_machine_may_do_without_tls() -> None:
    assert token_request(bearer("http://127.0.0.1:5001/auth"), None, "a", "localhost:5000").url.startswith(
        "http:"
    )


def test_a_registry_without_tls_may_have_its_token_service_beside_it_and_nowhere_else() -> None:
    realm = "http://10.0.0.5:5000/auth"
    assert token_request(bearer(realm), None, "a", "10.0.0.5:5000", plain=True).url.startswith(realm)
    for registry, plain in (("10.0.0.5:5000", False), ("10.0.0.5", True), ("10.0.0.6:5000", True)):
        with pytest.raises(ImageError, match="not a safe place"):
            token_request(bearer(realm), None, "a", registry, plain=plain)


def test_tokens() -> None:
    assert read_token(b'{"token": "a.b-c"}', "r") == "a.b-c"
    assert read_token(b'{"access_token": "x", "expires_in": 60}', "r") == "x"
    for data in (b"", b"[]", b"{}", b'{"token": "a b"}', b'{"token": "a\\nb: c"}', b'{"token": 1}'):
        with pytest.raises(ImageError, match="without a token"):
            read_token(data, "r")


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Login("me", "secret", "secret"))


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.example", "127.0.0.1.example", "10.0.0.1", "0.0.0.0", "::2", "127.1"]
)
def test_other_machines(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("asked", "push", "found"),
    [
        ("", False, "repository:a/b:pull"),
        ("repository:a/b:pull", False, "repository:a/b:pull"),
        ("", True, "repository:a/b:pull,push"),
        ("repository:a/b:pull", True, "repository:a/b:pull,push"),
        ("repository:a/b:push,pull", True, "repository:a/b:push,pull"),
        ("repository:a/b:*", True, "repository:a/b:*,pull,push"),
        ("repository:a/bc:pull", True, "repository:a/bc:pull repository:a/b:pull,push"),
        ("registry:x:y repository:a/b:pull", True, "registry:x:y repository:a/b:pull,push"),
    ],
)
def test_what_a_token_is_to_be_good_for(asked: str, push: bool, found: str) -> None:
    assert scope(asked, "a/b", push) == found


def test_a_token_for_a_push() -> None:
    challenge = bearer("https://a.example/token", scope="repository:a/b:pull")
    request = token_request(challenge, None, "a/b", "r.example", push=True)
    assert parse_qs(urlsplit(request.url).query)["scope"] == ["repository:a/b:pull,push"]


def test_a_mount_needs_to_read_the_other_repository() -> None:
    challenge = bearer("https://a.example/token", scope="repository:a/b:pull,push")
    request = token_request(challenge, None, "a/b", "r.example", push=True, source="c/d")
    scopes = parse_qs(urlsplit(request.url).query)["scope"]
    assert scopes == ["repository:c/d:pull", "repository:a/b:pull,push"]
    both = bearer("https://a.example/token", scope="repository:a/b:pull,push repository:c/d:pull")
    request = token_request(both, Login(identity_token="t"), "a/b", "r.example", push=True, source="c/d")
    assert request.form is not None
    assert parse_qs(request.form)["scope"] == ["repository:c/d:pull repository:a/b:pull,push"]
