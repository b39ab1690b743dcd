"""What a hermetic task's result depends on, and what it doesn't."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from buildbox.config.model import Service
from buildbox.digest import Digest
from buildbox.oci import Platform, canonical
from buildbox.reference import ImageRef
from buildbox.tasks.fingerprint import Ingredients, changes, document, fingerprint, is_cacheable
from buildbox.tasks.plan import Step
from tests.support.values import PIN, task, toolchain

LINUX = Platform("linux", "amd64")
SERVICE = Service("db", ImageRef.parse(PIN), run="serve")
GIVEN = Ingredients(
    image=Digest.of(b"image"),
    platform=LINUX,
    env={"LEVEL": "1"},
    passed={},
    inputs=Digest.of(b"inputs"),
    needs={"fetch": Digest.of(b"vendor")},
    services={"db": (Digest.of(b"db"), LINUX)},
)


def made(given: Ingredients = GIVEN, argv: tuple[str, ...] = ("make",), **of_the_task: Any) -> dict[str, Any]:
    settled = task("build", hermetic=True, outputs=("out/",), **of_the_task)
    return document(Step("build", settled, toolchain(), argv, services=(SERVICE,)), given)


def test_the_same_is_the_same() -> None:
    assert fingerprint(made()) == fingerprint(made())
    assert fingerprint(made()) == Digest.of(canonical(json.loads(canonical(made()))))


@pytest.mark.parametrize(
    "other",
    [
        made(argv=("make", "all")),
        made(workdir="sub"),
        made(network="bridge"),
        made(user="root"),
        made(rootfs="writable"),
        made(secrets=("TOKEN",)),
        made(replace(GIVEN, image=Digest.of(b"other"))),
        made(replace(GIVEN, platform=Platform("linux", "arm64"))),
        made(replace(GIVEN, env={"LEVEL": "2"})),
        made(replace(GIVEN, passed={"LEVEL": "1"})),
        made(replace(GIVEN, inputs=Digest.of(b"other"))),
        made(replace(GIVEN, needs={"fetch": Digest.of(b"other")})),
        made(replace(GIVEN, services={"db": (Digest.of(b"other"), LINUX)})),
    ],
)
def test_what_changes_a_result_changes_the_fingerprint(other: dict[str, Any]) -> None:
    assert fingerprint(other) != fingerprint(made())
    assert changes(made(), other)


@pytest.mark.parametrize(
    "same",
    [
        {"memory": 1 << 30},
        {"cpus": 2.0},
        {"pids": 10},
        {"timeout": 60.0},
        {"retries": 3},
        {"caches": {"pip": "/home/build/.cache/pip"}},
        {"description": "Builds it"},
        {"cache": True},
    ],
)
def test_what_does_not_change_a_result_does_not_change_the_fingerprint(same: dict[str, Any]) -> None:
    assert fingerprint(made(**same)) == fingerprint(made())


def test_what_was_let_through_is_not_told() -> None:
    text = canonical(made(replace(GIVEN, passed={"NPM_TOKEN": "very secret"}))).decode()
    assert "NPM_TOKEN" in text
    assert "very secret" not in text


@pytest.mark.parametrize(
    ("of_the_task", "expected"),
    [
        ({"hermetic": True}, True),
        ({"hermetic": True, "network": "bridge"}, False),
        ({"hermetic": True, "network": "bridge", "cache": True}, True),
        ({"hermetic": True, "cache": False}, False),
        ({}, False),
        ({"cache": True}, False),
    ],
)
def test_which_results_count(of_the_task: dict[str, Any], expected: bool) -> None:
    assert is_cacheable(Step("t", task("t", **of_the_task), toolchain(), ("true",))) is expected


def test_changes_are_told_by_name() -> None:
    other = made(replace(GIVEN, env={"NEW": "x"}, inputs=Digest.of(b"other")))
    assert changes(made(), other) == [
        'env.LEVEL: "1" is gone',
        'env.NEW: "x" is new',
        f"inputs: sha256:{Digest.of(b'inputs').hex[:12]} -> sha256:{Digest.of(b'other').hex[:12]}",
    ]
    assert changes(made(), made()) == []
