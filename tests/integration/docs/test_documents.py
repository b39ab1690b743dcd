"""How documents are run: a wrong one is found."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import Shell, blocks, commands, difference, run_document


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    (tmp_path / "home").mkdir()
    opened = Shell(tmp_path / "home", {"PATH": "/usr/bin:/bin"}, 10, {"/home/ada": str(tmp_path / "home")})
    yield opened
    opened.close()


def document(text: str) -> str:
    return f"Words.\n\n```console\n{text}```\n"


@pytest.mark.parametrize(
    ("said", "printed"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a  \n\n", "a\n"),
        ("sha256:…\n", "sha256:0123\n"),
        ("in …s, … MB\n", "in 0.3s, 12 MB\n"),
        ("a\n...\nz\n", "a\nb\nc\nz\n"),
        ("a\n...\nz\n", "a\nz\n"),
        ("", "\n"),
    ],
)
def test_what_is_printed_as_it_is_said(said: str, printed: str) -> None:
    assert difference(said, printed) == ""


@pytest.mark.parametrize(
    ("said", "printed"),
    [("a\n", "b\n"), ("", "a\n"), ("a\n", ""), ("a…\n", "a\n"), ("a…\n", "ab\nc\n"), ("a.c\n", "abc\n")],
)
def test_what_is_printed_otherwise(said: str, printed: str) -> None:
    assert difference(said, printed) != ""


def test_a_document_is_done_in_order(shell: Shell, tmp_path: Path) -> None:
    text = """
<!-- file: greeting/hello.txt -->

```text
hello
```

```console
$ cd greeting
$ cat hello.txt
hello
$ pwd
/home/ada/greeting
$ for word in a b; do
>   echo $word
> done
a
b
$ false
$ echo $?
1
```

<!-- not run: nobody has it -->

```console
$ a-program-that-nobody-has
```

<!-- append: hello.txt -->

```text
again
```

""" + document("$ wc -l < hello.txt\n2\n")
    assert run_document(text, shell) == []
    assert (tmp_path / "home/greeting/hello.txt").read_text() == "hello\nagain\n"


def test_a_wrong_output_is_told_with_its_line(shell: Shell) -> None:
    (fault,) = run_document(document("$ true\n$ echo a\nb\n"), shell)
    assert fault.startswith("line 5: $ echo a\n")
    assert "-b\n+a" in fault


def test_a_command_that_fails_ends_it(shell: Shell) -> None:
    (fault,) = run_document(document("$ (exit 3)\n$ touch there\n"), shell)
    assert fault == "line 4: $ (exit 3)\nexit status 3:\n"
    assert not (shell.folder / "there").exists()


def test_a_command_has_an_empty_stdin(shell: Shell) -> None:
    assert run_document(document("$ cat\n$ echo b\nb\n"), shell) == []


def test_a_command_that_hangs_is_no_hang(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, patience=0.2)
    with pytest.raises(TimeoutError, match="sleep"):
        run_document(document("$ sleep 5\n"), shell)
    shell.close()


def test_what_isnt_compared_is_counted() -> None:
    (block,) = blocks(document("$ a\n… …\n...\nx\n$ b\n"))
    assert [command.placeholders for command in commands(block)] == [3, 0]


def test_malformed_documents_are_refused() -> None:
    with pytest.raises(ValueError, match="line 1 doesn't end"):
        list(blocks("```console\n$ a\n"))
    (block,) = blocks("```console\nno command\n```\n")
    with pytest.raises(ValueError, match="line 2: a console's first line"):
        commands(block)
