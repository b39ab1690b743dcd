"""The hook's text, and what is read from it again."""

from __future__ import annotations

import shlex

from hypothesis import given
from hypothesis import strategies as st

from buildbox.hooking.script import Script, read_script

names = st.text(st.characters(exclude_characters="\0"), max_size=20)
scripts = st.builds(
    Script,
    st.lists(names, min_size=1, max_size=3).map(tuple),
    st.lists(names, max_size=3).map(tuple),
    st.booleans(),
)


@given(scripts)
def test_what_is_written_is_read_again(script: Script) -> None:
    assert read_script(script.text()) == script


def test_each_project_is_a_call_of_its_own_whatever_its_name() -> None:
    text = Script(("/a b/buildbox",), ("", "it's", "$(x)", "-C"), made=False).text()
    calls = [shlex.split(line) for line in text.splitlines() if line.startswith("run -C")]
    assert [call[:5] for call in calls] == [
        ["run", "-C", f"./{name}", "hook", "run"] for name in ("", "it's", "$(x)", "-C")
    ]
    assert """run() { '/a b/buildbox' "$@"; }""" in text


def test_other_hooks_are_not_ours() -> None:
    text = Script(("/bin/buildbox",), ("",), made=True).text()
    for other in (
        "",
        "#!/bin/sh\n",
        text.replace("# Written", "# written"),
        text.replace('"projects"', '"x"'),
        text.replace("# facts: {", "# facts: "),
        text.replace('["/bin/buildbox"]', "[]"),
        "\n".join(text.splitlines()[:2]),
    ):
        assert read_script(other) is None
