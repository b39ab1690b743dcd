from __future__ import annotations

from dataclasses import replace

import pytest

from buildbox.archive.marks import Mark
from buildbox.archive.plan import Limits, plan, size_of
from buildbox.archive.stock import IMAGE, OTHER, PACKAGES, RESULT, STATEMENT, Kept
from buildbox.digest import Digest
from buildbox.oci import OCI_INDEX, Descriptor

NOW = 1_700_000_000.0
BASE = Digest.of(b"a layer that several have")


def digest(name: str) -> Digest:
    return Digest.of(name.encode())


def kept(
    name: str,
    *,
    days: float = 10,
    size: int = 100,
    base: int = 0,
    kind: str = IMAGE,
    locks: str = "",
    unnamed: bool = False,
    child: str = "",
) -> Kept:
    """Something kept `days` ago, with `size` bytes of its own and `base` of a layer that others share."""
    blobs = {digest(name): size, **({BASE: base} if base else {})}
    manifests = frozenset({digest(name), *([digest(child)] if child else [])})
    return Kept(
        Descriptor(OCI_INDEX, digest(name), 1),
        () if unnamed else (name,),
        kind,
        ("linux/amd64",),
        blobs,
        manifests,
        frozenset(locks.split()),
        NOW - days * 86400,
        0,
        0,
        "",
    )


def gone(
    *stock: Kept, age: float | None = None, size: int | None = None, needed: str = "", used: str = ""
) -> dict[str, str]:
    """What goes and why. `age` in days; `used`: names and before how many days they were used."""
    uses = [pair.split("=") for pair in used.split()]
    when = {digest(name): NOW - float(days) * 86400 for name, days in uses}
    limits = Limits(None if age is None else age * 86400, size)
    drops = plan(stock, when, {digest(name) for name in needed.split()}, limits, NOW)
    return {"".join(drop.kept.names): drop.why for drop in drops}


def test_nothing_goes_unasked() -> None:
    assert gone(kept("a", days=5000), kept("b")) == {}


def test_age_counts_from_the_last_use_or_else_from_when_it_was_kept() -> None:
    stock = kept("fresh", days=1), kept("old", days=50), kept("used", days=50), kept("long-ago", days=80)
    assert gone(*stock, age=30, used="used=2 long-ago=40") == {"old": "age", "long-ago": "age"}


def test_what_is_needed_stays_whatever_its_age_and_the_size() -> None:
    assert gone(kept("a", days=500), kept("b", days=400), age=1, size=1, needed="a") == {"b": "age"}


def test_a_pin_of_an_indexs_child_needs_the_index() -> None:
    assert gone(kept("a", child="child"), size=1, needed="child") == {}


def test_size_takes_the_least_recently_used_until_it_fits() -> None:
    stock = kept("a", days=9), kept("b", days=8), kept("c", days=7), kept("d", days=6)
    assert gone(*stock, size=200) == {"a": "size", "b": "size"}
    assert gone(*stock, size=200, used="a=1 b=2") == {"c": "size", "d": "size"}
    assert gone(*stock, size=400) == {}


def test_size_counts_shared_blobs_once_and_frees_them_with_the_last() -> None:
    stock = kept("a", days=9, base=1000), kept("b", days=8, base=1000), kept("c", days=7)
    assert size_of(stock) == 1300
    assert gone(*stock, size=1250) == {"a": "size"}
    assert gone(*stock, size=1150) == {"a": "size", "b": "size"}  # a alone frees 100


def test_what_went_by_age_counts_for_the_size() -> None:
    stock = kept("a", days=90), kept("b", days=8), kept("c", days=7)
    assert gone(*stock, age=30, size=200) == {"a": "age"}
    assert gone(*stock, age=30, size=100) == {"a": "age", "b": "size"}


@pytest.mark.parametrize("needed", ["", "image"])
def test_packages_stay_and_go_with_the_image_of_their_lock(needed: str) -> None:
    image = kept("image", days=50, locks="l1")
    packages = kept("packages", days=90, kind=PACKAGES, locks="l1")
    other = kept("other", days=90, kind=PACKAGES, locks="l2")
    expected = {"other": "age"} if needed else {"image": "age", "packages": "age", "other": "age"}
    assert gone(image, packages, other, age=30, needed=needed) == expected


def test_packages_stay_for_an_image_that_was_used() -> None:
    image = kept("image", days=50, locks="l1")
    packages = kept("packages", days=90, kind=PACKAGES, locks="l1")
    assert gone(image, packages, age=30, used="image=1") == {}


def test_an_image_of_two_locks_holds_the_packages_of_both() -> None:
    stock = (
        kept("one", kind=PACKAGES, locks="l1", days=90),
        kept("two", kind=PACKAGES, locks="l2", days=90),
        kept("image", locks="l1 l2", days=1),
    )
    assert gone(*stock, age=30) == {}


def test_what_is_no_image_or_has_no_name_stays() -> None:
    stock = kept("artifact", kind=OTHER, days=900), kept("unnamed", unnamed=True, days=900)
    assert gone(*stock, age=1, size=1) == {}


def result(name: str, *, days: float = 10, size: int = 100, damage: str = "") -> Kept:
    return replace(kept(name, days=days, size=size, kind=RESULT), damage=damage)


def test_results_go_first_where_there_is_too_much() -> None:
    stock = [kept("old image", days=300), result("old", days=30), result("new", days=1)]
    assert gone(*stock, size=250) == {"old": "size"}
    assert gone(*stock, size=150) == {"old": "size", "new": "size"}
    assert gone(*stock, size=50) == {"old": "size", "new": "size", "old image": "size"}


def test_what_is_too_old_goes_before_results_are_dropped_for_room() -> None:
    stock = [kept("old image", days=300), result("new", days=1)]
    assert gone(*stock, size=150, age=100) == {"old image": "age"}


def test_results_go_by_their_last_use_too() -> None:
    stock = [result("used", days=300), result("not used", days=300)]
    assert gone(*stock, age=100, used="used=5") == {"not used": "age"}


def test_damaged_results_always_go_and_damaged_images_never_for_that() -> None:
    stock = [result("spoilt", damage="x"), result("good"), replace(kept("image"), damage="x")]
    assert gone(*stock) == {"spoilt": "damage"}


def statement(name: str, *, days: float = 10, stays: bool = False, damage: str = "") -> Kept:
    mark = Mark(digest("fingerprint"), digest(name), digest("statement"), stays, NOW - days * 86400)
    return replace(kept(name, days=days, kind=STATEMENT), mark=mark, damage=damage)


def test_statements_go_by_age_and_never_for_room() -> None:
    stock = [kept("image", days=20), statement("old", days=300), statement("new", days=1)]
    assert gone(*stock, size=1) == {"image": "size"}
    assert gone(*stock, age=100, size=250) == {"old": "age"}


def test_a_statement_that_is_to_stay_stays_and_a_damaged_one_goes_unasked() -> None:
    stock = [statement("kept", days=300, stays=True), statement("spoilt", days=0, damage="it is gone")]
    assert gone(*stock) == {"spoilt": "damage"}
    assert gone(*stock, age=1, size=1) == {"spoilt": "damage"}


def test_a_needed_result_stays_whatever_else_goes() -> None:
    assert gone(result("needed", days=300), result("b", days=300), age=1, size=1, needed="needed") == {
        "b": "age"
    }
