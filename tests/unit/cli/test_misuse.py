from __future__ import annotations

import pytest

from buildbox.cli.misuse import misuse
from buildbox.errors import Exit


@pytest.mark.parametrize(
    ("message", "line", "reason", "command"),
    [
        ("No such option: --nope", "list --nope", "no such option: --nope", "buildbox list"),
        ("Missing command.", "", "missing command", "buildbox"),
        (
            "No such command 'rnu'. Did you mean 'run'?",
            "rnu test",
            "no such command 'rnu'; did you mean 'run'?",
            "buildbox",
        ),
        ("No such command 'x'.", "images x", "no such command 'x'", "buildbox images"),
        ("No such command 'x'.", "x run", "no such command 'x'", "buildbox"),
        (
            "No such option: --alow (Possible options: --allow)",
            "run --alow root t",
            "no such option: --alow; did you mean --allow?",
            "buildbox run",
        ),
        (
            "Got unexpected extra argument(s) (a (b))",
            "list a (b)",
            "too many arguments: a (b)",
            "buildbox list",
        ),
    ],
)
def test_the_parsers_words(message: str, line: str, reason: str, command: str) -> None:
    error = misuse(message, (), line.split(), command)
    assert (error.exit, error.reason, error.hint) == (Exit.USAGE, reason, f"See `{command} --help`.")


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("run test -k x", "run test -- -k x"),
        ("run lint test --fix", "run lint test -- --fix"),
        ("exec tools true", "exec tools -- true"),
        ("exec -it tools sh", "exec tools -- sh"),
        ("shell tools ls -l", "exec tools -- ls -l"),
        ("shell tools -- ls", "exec tools -- ls"),
    ],
)
def test_a_forgotten_separator(line: str, meant: str) -> None:
    hint = misuse("whatever", ("-C", "a b"), line.split()).hint
    assert hint == f"What is for the container goes behind --: buildbox -C 'a b' {meant}"


@pytest.mark.parametrize("line", ["run -k", "run --nope test", "exec --nope", "exec -it tools", "list -x y"])
def test_nothing_is_guessed_where_nothing_is_clear(line: str) -> None:
    assert misuse("whatever", (), line.split(), "buildbox run").hint == "See `buildbox run --help`."
