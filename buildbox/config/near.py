"""The known word that a mistyped one was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 64  # characters; a longer word is nobody's slip of the finger


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is closest to `word`, or None where none is close.

    Close is a third of the letters (at least one) changed, missing, added or swapped, or a
    beginning of at least three letters (`mem` for `memory`, `environment` for `env`).
    """
    if not 0 < len(word) <= _LONGEST:
        return None
    folded = _fold(word)
    ranked = sorted((_distance(folded, _fold(name)), name) for name in known)
    for distance, name in ranked:
        if distance <= max(1, len(word) // 3) and distance < len(word):
            return name
    for _, name in ranked:
        short, long = sorted((folded, _fold(name)), key=len)
        if len(short) >= 3 and long.startswith(short):
            return name
    return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'NAME'?`, or nothing where no known word is close."""
    name = nearest(word, known)
    return f"; did you mean {name!r}?" if name else ""


def suggestion(word: str, known: Iterable[str], kind: str) -> str:
    """For a person who wrote `word`: the one of `known` (`kind`: what they are) that is close, or all."""
    names = list(known)
    name = nearest(word, names)
    if name:
        return f"Did you mean {name!r}?"
    return f"The {kind}s are: {', '.join(names)}" if names else f"There are no {kind}s."


def _fold(word: str) -> str:
    return word.lower().replace("_", "-")


def _distance(a: str, b: str) -> int:
    """Edits between two words; a swap of neighbours counts once (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = row, before, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
