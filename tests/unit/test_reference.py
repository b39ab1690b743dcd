from __future__ import annotations

import pytest

from buildbox.digest import Digest
from buildbox.reference import ImageRef

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("debian", "docker.io", "library/debian", None),
        ("debian:12", "docker.io", "library/debian", "12"),
        ("library/debian:12", "docker.io", "library/debian", "12"),
        ("docker.io/debian", "docker.io", "library/debian", None),
        ("index.docker.io/debian", "docker.io", "library/debian", None),
        ("docker.io/team/app", "docker.io", "team/app", None),
        ("buildbox/python:3.11", "docker.io", "buildbox/python", "3.11"),
        ("test.com/repo:tag", "test.com", "repo", "tag"),
        ("test:5000/repo", "test:5000", "repo", None),
        ("test:5000/repo:tag", "test:5000", "repo", "tag"),
        ("localhost/repo", "localhost", "repo", None),
        ("localhost:80/repo", "localhost:80", "repo", None),
        ("127.0.0.1:5000/a/b/c:x", "127.0.0.1:5000", "a/b/c", "x"),
        ("[2001:db8::1]:5000/repo:t", "[2001:db8::1]:5000", "repo", "t"),
        ("[2001:db8::1]/repo", "[2001:db8::1]", "repo", None),
        ("Uppercase/lowercase:tag", "Uppercase", "lowercase", "tag"),
        ("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", None),
        ("sub-dom1.foo.com/bar/baz/quux:some-long-tag", "sub-dom1.foo.com", "bar/baz/quux", "some-long-tag"),
        ("b.gcr.io/test.example.com/my-app", "b.gcr.io", "test.example.com/my-app", None),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com"),
        ("foo_bar.com:8080", "docker.io", "library/foo_bar.com", "8080"),
        ("foo.com:8080", "docker.io", "library/foo.com", "8080"),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080"),
        ("a.b/c__d/e--f/g---h", "a.b", "c__d/e--f/g---h", None),
        ("test.com/repo:A_tag.with-3", "test.com", "repo", "A_tag.with-3"),
        ("test.com/repo:" + "t" * 128, "test.com", "repo", "t" * 128),
        ("a.b/" + "a/" * 124 + "abc", "a.b", "a/" * 124 + "abc", None),
    ],
)
def test_valid(text: str, registry: str, repository: str, tag: str | None) -> None:
    ref = ImageRef.parse(text)
    assert (ref.registry, ref.repository, ref.tag, ref.digest) == (registry, repository, tag, None)
    pinned = ImageRef.parse(f"{text}@{DIGEST}")
    assert (pinned.registry, pinned.repository, pinned.tag) == (registry, repository, tag)
    assert pinned.digest == Digest(HEX)
    assert str(pinned) == f"{text}@{DIGEST}"
    assert ref.pinned(Digest(HEX)) == pinned


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":justtag",
        f"@{DIGEST}",
        "repo@sha256:ffffffff",
        f"repo@sha512:{HEX * 2}",
        f"validname@invaliddigest:{HEX}",
        f"repo@{DIGEST.upper()}",
        f"repo@sha256:{HEX.upper()}",
        f"repo@{DIGEST}@{DIGEST}",
        f"repo@{DIGEST}:tag",
        f"repo@{DIGEST}\n",
        "Uppercase:tag",
        "test:5000/Uppercase/lowercase:tag",
        "aa/asdf$$^/aa",
        "lowercase/Uppercase",
        "-foo/bar",
        "foo/-bar",
        "foo/bar-",
        "foo.com/_bar",
        "foo.com/bar_",
        "foo.com/a___b",
        "foo.com/a..b",
        "foo.com/a._b",
        "foo//bar",
        "/foo",
        "foo/",
        "a.b/",
        "foo.com:8080/",
        "foo.com:/bar",
        "foo.com:abc/bar",
        "-foo.com/bar",
        "foo-.com/bar",
        "foo..com/bar",
        ".foo.com/bar",
        "[fe80::1%eth0]:5000/repo",
        "[fe80::1%@invalidzone]:5000/repo",
        "2001:db8::1/repo",
        "repo:",
        "repo:.tag",
        "repo:-tag",
        "repo:ta g",
        "repo:täg",
        "repo:" + "t" * 129,
        "repo tag",
        " repo",
        "repo ",
        "repo\n",
        "http://foo.com/bar",
        "https://foo.com/bar",
        "foo.com/bär",
        "foo.com/b\u0660r",
        "a.b/" + "a/" * 128 + "a",
        HEX,
        f"{HEX}:tag",
        "--privileged",
        "repo;rm -rf",
        "$(id)",
        "../../etc/passwd",
        "a/../b",
        "repo:tag:tag",
    ],
)
def test_invalid(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ImageRef.parse(text)


def test_names_as_written() -> None:
    ref = ImageRef.parse(f"localhost:5000/a/b:1.0@{DIGEST}")
    assert ref.name == "localhost:5000/a/b"
    assert ref.tagged == "localhost:5000/a/b:1.0"
    assert str(ref) == f"localhost:5000/a/b:1.0@{DIGEST}"


def test_64_hex_digits_are_a_fine_name_within_a_registry() -> None:
    assert ImageRef.parse(f"a.b/{HEX}").repository == HEX


def test_an_address_is_no_name() -> None:
    with pytest.raises(ValueError, match="an image is named without https://"):
        ImageRef.parse("https://registry.example.com/tools:1")


def test_the_fault_is_named() -> None:
    for text, words in (
        ("Debian", "lower-case"),
        ("a//b", "empty part"),
        ("repo:-x", "is not a tag"),
        ("", "empty"),
        (HEX, "image's id"),
    ):
        with pytest.raises(ValueError, match=words):
            ImageRef.parse(text)
