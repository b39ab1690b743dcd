"""Names of files on their way from a hook's caller to a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildbox.hooking.names import names_for_task

TOP = Path("/nowhere/repo")


@pytest.mark.parametrize(
    ("root", "workdir", "names", "expected"),
    [
        (".", ".", ["a.py", "sub/b c.py", "grüße"], ["a.py", "sub/b c.py", "grüße"]),
        (".", ".", ["-x", "--fix", "sub/-y"], ["./-x", "./--fix", "sub/-y"]),
        (".", "sub", ["a.py", "sub/b.py", "sub/-y"], ["../a.py", "b.py", "./-y"]),
        ("sub", ".", ["a.py", "sub/b.py", "subway/c.py", "sub/../d"], ["b.py"]),
        ("sub", "in", ["sub/in/a.py", "sub/b.py"], ["a.py", "../b.py"]),
        (".", ".", ["/nowhere/repo/a.py", "/etc/passwd", "../b"], ["a.py"]),
        (".", ".", ["two\nlines", "\udcff", "*", "$HOME"], ["two\nlines", "\udcff", "*", "$HOME"]),
    ],
)
def test_names_are_those_that_the_task_sees(
    root: str, workdir: str, names: list[str], expected: list[str]
) -> None:
    assert names_for_task(names, TOP, TOP / root, workdir) == tuple(expected)


def test_links_on_the_way_to_the_project_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/out.py").symlink_to("/etc/passwd")
    linked, real = tmp_path / "link", tmp_path / "real"
    assert names_for_task(["a.py", "out.py"], linked, real, ".") == ("a.py", "out.py")
    assert names_for_task(["a.py", "out.py"], real, linked, ".") == ("a.py", "out.py")
