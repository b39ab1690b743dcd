"""What of the archive may go: decided on values alone, before anything does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from buildbox.archive.stock import OTHER, RESULT, STATEMENT, Kept
from buildbox.digest import Digest

_ALONE = (RESULT, STATEMENT)  # kinds of what goes for itself, and is of no use once it is damaged


@dataclass(frozen=True)
class Limits:
    """What is asked for."""

    age: float | None = None  # seconds without use after which something goes
    size: int | None = None  # bytes that all that is kept may have


@dataclass(frozen=True)
class Drop:
    """Something that goes, and why."""

    kept: Kept
    why: str  # "age", "size"; "damage" of a result or statement that can't be used any more


def plan(
    stock: Sequence[Kept],
    used: Mapping[Digest, float],
    needed: Collection[Digest],
    limits: Limits,
    now: float,
) -> tuple[Drop, ...]:
    """What of `stock` goes: by age, then by size the least recently used first. Never what is `needed`.

    Results go before anything else does: running makes them again. Statements go by age alone: they are
    small, and nobody can make again what they tell. `used` says by the digest of its top when something was
    last used; what never was counts from when it was kept. An image and the packages of its lock go together
    or stay together. What isn't known here stays.
    """
    single = [[kept] for kept in stock if kept.kind in _ALONE]
    others = _by_lock(kept for kept in stock if kept.kind not in _ALONE)
    groups = [group for kept in (*single, *others) if not (group := _Group(kept, used, needed)).stays]
    counts = Counter(digest for kept in stock for digest in kept.blobs)
    sizes = {digest: size for kept in stock for digest, size in kept.blobs.items()}
    total = sum(sizes.values())
    drops: list[Drop] = []

    def drop(group: _Group, why: str) -> int:
        """Bytes that come free."""
        drops.extend(Drop(kept, why) for kept in group.kept)
        for kept in group.kept:
            counts.subtract(kept.blobs.keys())
        gone = {digest for kept in group.kept for digest in kept.blobs if not counts[digest]}
        return sum(sizes[digest] for digest in gone)

    left = []
    for group in sorted(groups, key=lambda group: group.last):
        if group.is_damaged or (limits.age is not None and now - group.last > limits.age):
            total -= drop(group, "damage" if group.is_damaged else "age")
        else:
            left.append(group)
    for group in sorted(left, key=lambda group: (not group.is_result, group.last)):
        if limits.size is not None and total > limits.size and not group.is_statement:
            total -= drop(group, "size")
    return tuple(drops)


def size_of(stock: Iterable[Kept]) -> int:
    """Bytes of `stock`, what is shared counted once."""
    return sum({digest: size for kept in stock for digest, size in kept.blobs.items()}.values())


class _Group:
    """What goes together or stays together."""

    def __init__(
        self, kept: Sequence[Kept], used: Mapping[Digest, float], needed: Collection[Digest]
    ) -> None:
        self.kept = kept
        self.last = max(max(each.since, used.get(each.top.digest, 0.0)) for each in kept)
        self.is_result = kept[0].kind == RESULT
        self.is_statement = kept[0].kind == STATEMENT
        self.is_damaged = kept[0].kind in _ALONE and bool(kept[0].damage)
        self.stays = any(
            each.kind == OTHER
            or not each.names
            or (each.mark and each.mark.kept)
            or not each.manifests.isdisjoint(needed)
            for each in kept
        )


def _by_lock(stock: Iterable[Kept]) -> list[list[Kept]]:
    """Images with the packages of their locks."""
    groups: list[tuple[set[str], list[Kept]]] = []
    for kept in stock:
        locks, together = set(kept.locks), [kept]
        for group in [group for group in groups if group[0] & locks]:
            groups.remove(group)
            locks |= group[0]
            together = [*group[1], *together]
        groups.append((locks, together))
    return [together for _, together in groups]
