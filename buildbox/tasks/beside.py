"""Which files of statements lie beside what a step made: `ARTIFACT.intoto.jsonl`, and beside a folder where
the task's `outputs` name that, or all below it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from buildbox.trees.patterns import Glob, compile_patterns
from buildbox.workspace import STATEMENT

_ANY_DEPTH = "**"


def statement_patterns(outputs: Sequence[str]) -> Iterator[str]:
    """Patterns of all statements that may lie beside what `outputs` choose: they are never inputs."""
    for glob in compile_patterns(outputs).globs:
        if not glob.negated and glob.parts:
            yield "/".join(glob.parts[: _depth(glob)] or glob.parts) + STATEMENT


def artifacts(outputs: Sequence[str], files: Iterable[str]) -> tuple[str, ...]:
    """The files and folders that get a statement beside them, of the `files` that a step made; sorted.

    >>> artifacts(["dist/*.whl", "docs/"], ["dist/a.whl", "docs/a.html", "docs/b.html"])
    ('dist/a.whl', 'docs')
    """
    globs = [glob for glob in compile_patterns(outputs).globs if not glob.negated]
    found = set()
    for path in files:
        depths = [_depth(glob) for glob in globs if glob.regex.fullmatch(path)]
        parts = path.split("/")
        found.add("/".join(parts[: min(filter(None, depths), default=len(parts))]))
    return tuple(sorted(found))


def _depth(glob: Glob) -> int:
    """How many parts the path of what the pattern names has; 0 where that is told by no pattern."""
    return glob.parts.index(_ANY_DEPTH) if _ANY_DEPTH in glob.parts else len(glob.parts)
