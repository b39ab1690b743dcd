"""Dockerfiles as they are judged, and as they are written anew for an engine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildbox.errors import ConfigError, Exit
from buildbox.oci import Platform
from buildbox.recipes.dockerfile import (
    Base,
    NotPinned,
    parse_dockerfile,
    read_dockerfile,
    takes_from_elsewhere,
)
from buildbox.reference import ImageRef

DIGEST = "sha256:" + "a" * 64
PIN = f"registry.example.com:5000/tools/python:3.11@{DIGEST}"
PIN2 = f"tools@sha256:{'b' * 64}"


def written(text: str) -> str:
    """The Dockerfile as an engine gets it that has PIN as ID and PIN2 as ID2."""
    found = parse_dockerfile(text)
    names = {PIN: "ID", PIN2: "ID2"}
    return found.text({base: names[str(base.image)] for base in found.bases})


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_dockerfile(text, "D")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"FROM {PIN}", "FROM ID\n"),
        (f"from {PIN} as Build\nFROM build\n", "FROM ID as Build\nFROM build\n"),
        ("FROM scratch\nCOPY a b", "FROM scratch\nCOPY a b\n"),
        (f"FROM '{PIN}'", "FROM ID\n"),
        (f"ARG B={PIN}\nFROM ${{B}}\nARG B\nRUN $B", f"ARG B={PIN}\nFROM ID\nARG B\nRUN $B\n"),
        (f'ARG D="{DIGEST}" N=tools\nFROM $N@$D', f'ARG D="{DIGEST}" N=tools\nFROM ID3\n'),
        (f"ARG N\nFROM ${{N:-{PIN}}}", "ARG N\nFROM ID\n"),
        (f"ARG N=x\nFROM ${{N:+{PIN}}}", "ARG N=x\nFROM ID\n"),
        ("FROM scratch AS a\nARG N=a\nFROM a", "FROM scratch AS a\nARG N=a\nFROM a\n"),
        ("ARG N=a\nFROM scratch AS a\nFROM $N", "ARG N=a\nFROM scratch AS a\nFROM a\n"),
        (
            "FROM scratch AS a\nFROM scratch\nCOPY --chown=1:1 --from=A /x /y\nCOPY --from=0 /x /",
            "FROM scratch AS a\nFROM scratch\nCOPY --chown=1:1 --from=A /x /y\nCOPY --from=0 /x /\n",
        ),
        (f"FROM scratch\nCOPY --from={PIN2} /x /", "FROM scratch\nCOPY --from=ID2 /x /\n"),
        (
            f"FROM {PIN}\nRUN --mount=type=bind,from={PIN2},target=/x --network=none ls --from=y /x",
            "FROM ID\nRUN --mount=type=bind,from=ID2,target=/x --network=none ls --from=y /x\n",
        ),
        (f"FROM --platform=$BUILDPLATFORM {PIN} AS x", "FROM ID AS x\n"),
        ("FROM --platform=linux/arm64 scratch", "FROM --platform=linux/arm64 scratch\n"),
        (f"FROM scratch\nONBUILD COPY a {PIN}", f"FROM scratch\nONBUILD COPY a {PIN}\n"),
    ],
)
def test_bases_are_found_and_named_anew(text: str, expected: str) -> None:
    found = parse_dockerfile(text)
    names = {PIN: "ID", PIN2: "ID2", f"tools@{DIGEST}": "ID3"}
    assert found.text({base: names[str(base.image)] for base in found.bases}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"# a comment\n\n  FROM {PIN}\r\nRUN a \\\r\n  # inside\n\n  && b", "FROM ID\nRUN a   && b\n"),
        (f"FROM \\\n{PIN[:30]}\\\n{PIN[30:]}", "FROM ID\n"),
        (f"\ufeff# escape=`\nFROM `\n{PIN}\nRUN a\\\nCMD b", "# escape=`\nFROM ID\nRUN a\\\nCMD b\n"),
        (f"# syntax={PIN2}\n# escape=`\nFROM {PIN}\nRUN `\na", "# escape=`\nFROM ID\nRUN a\n"),
        (f"# words\n# escape=`\nFROM {PIN}\nRUN `\nCMD a", "FROM ID\nRUN `\nCMD a\n"),
        (f"FROM {PIN}\nRUN a && \\\nFROM x", "FROM ID\nRUN a && FROM x\n"),
        (f"FROM {PIN}\nRUN printf 'cat <<EOF\\nx\\nEOF' <<< x", None),
        (f"FROM {PIN}\nRUN echo $((1<<4)) $(( 1 << 4 ))", None),
    ],
)
def test_lines_are_joined_as_the_builder_does(text: str, expected: str | None) -> None:
    assert written(text) == (expected or text.replace(PIN, "ID") + "\n")


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("FROM python:3.11", 1, "python:3.11"),
        ("FROM python", 1, "python"),
        (f"FROM {PIN} AS a\nFROM b", 2, "FROM b"),
        ("ARG BASE=python:3\n\nFROM ${BASE}", 3, "python:3"),
        (f"ARG A={PIN}\nARG A=python\nFROM $A", 3, "python"),
        ("FROM scratch AS a\nCOPY --from=a x y", 2, "--from=a"),  # not an earlier stage: an image
        ("FROM scratch AS a\nCOPY --from=later x y\nFROM scratch AS later", 2, "later"),
        (f"FROM {PIN}\nRUN --mount=type=bind,FROM=busybox,target=/x ls", 2, "busybox"),
        (f"# syntax=docker/dockerfile:1\nFROM {PIN}", 1, "leave the line out"),
        ("FROM python:3 \\\n  AS x", 1, "python:3"),
        ("FROM --platform=linux/amd64 python:3", 1, "python:3"),
    ],
)
def test_an_image_without_a_digest(text: str, line: int, word: str) -> None:
    with pytest.raises(NotPinned) as caught:
        parse_dockerfile(text, "D")
    assert caught.value.exit == Exit.IMAGE
    (problem,) = caught.value.problems
    assert problem.startswith(f"D:{line}: ")
    assert word in problem
    assert "has no digest" in problem
    assert "@sha256:" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "no FROM"),
        (f"ARG A={PIN}", 1, "no FROM"),
        ("FROM", 1, "FROM takes"),
        (f"FROM {PIN} as", 1, "FROM takes"),
        (f"FROM {PIN} {PIN} x", 1, "FROM takes"),
        ("FROM UPPER@" + DIGEST, 1, "lower-case"),
        ("FROM x@sha256:12", 1, "sha256:12"),
        (f"FROM x@sha512:{'a' * 128}", 1, "sha512"),
        ("FROM $BASE", 1, "BASE has no default"),
        (f"ARG BASE={PIN}\nARG BASE\nFROM $BASE", 3, "BASE has no default"),
        (f"ARG BASE={PIN}\nARG BASE=$(x)\nFROM $BASE", 3, "BASE has no default"),
        (f"ARG BASE={PIN}\nARG a\\ b\nFROM $BASE", 3, "BASE has no default"),
        (f"ARG B={PIN}\nFROM ${{B#x}}", 2, "can't be judged"),
        (f"ARG B={PIN}\nFROM '$B'", 2, "in quotes"),
        (f"FROM a\\b@{DIGEST}", 1, "escapes"),
        (f"FROM --platform=linux {PIN}", 1, "platform"),
        (f"FROM --platform=$X {PIN}", 1, "X has no default"),
        (f"FROM --pull=never {PIN}", 1, "--pull"),
        ("RUN x\nFROM scratch", 1, "before the first FROM"),
        ("FROM scratch\nCOPY --from=0 a b", 2, "earlier stage 0"),
        ("FROM scratch\nCOPY --from=$X a b", 2, "variable"),
        ("FROM scratch\nCOPY --fr\\om=busybox a b", 2, "escapes"),
        ("FROM scratch\nCOPY '--from=busybox' a b\nCOPY --from='busybox' a b", 3, "quotes"),
        ('FROM scratch\nRUN --mount=type=bind,"from=busybox" a', 2, "quotes"),
        ("FROM scratch\nONBUILD COPY --from=busybox a b", 2, "ONBUILD"),
        ("FROM scratch\nONBUILD from busybox", 2, "ONBUILD"),
        ("FROM scratch\nRUM x", 2, "did you mean 'RUN'"),
        ("FROM scratch\nRUN <<EOF\nFROM x\nEOF", 2, "BuildKit"),
        ("FROM scratch\nCOPY <<-'EOF' <<\"B\" /x/\nFROM x\n\tEOF\nFROM y\nB\n", 2, "BuildKit"),
        ("# escape=x\nFROM scratch", 1, "escape"),
        (f"# syntax=A b\nFROM {PIN}", 1, "# syntax"),
    ],
)
def test_what_cannot_be_judged_is_refused(text: str, line: int, word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_dockerfile(text, "D")
    assert caught.value.exit == Exit.USAGE
    (problem,) = caught.value.problems
    assert problem.startswith(f"D:{line}: ")
    assert word in problem


def test_all_problems_are_told_together() -> None:
    text = "# syntax=docker/dockerfile:1\nFROM a AS x\nFROM x\nRUN <<E\nE\nCOPY --from=b . .\nFROM $C\n"
    assert [problem.split(" ")[0] for problem in problems(text)] == ["D:1:", "D:2:", "D:4:", "D:6:", "D:7:"]


def test_a_platform_of_its_own() -> None:
    text = f"ARG ARCH=arm64\nFROM --platform=linux/$ARCH {PIN}\nFROM {PIN}\nFROM --platform=linux/arm64 {PIN}"
    arm = Base(ImageRef.parse(PIN), Platform("linux", "arm64"))
    assert parse_dockerfile(text).bases == (arm, Base(ImageRef.parse(PIN)))


@pytest.mark.parametrize(
    ("trigger", "takes"),
    [
        ("RUN make", False),
        ("COPY . /src --from=x", False),
        ("copy --chown=1 --from=x a b", True),
        ("RUN --mount=type=bind,from=x a", True),
        ("COPY --link \\\n --from=x a b", True),
        ('COPY "--from=x" a', False),
        ('COPY --"from=x" a', True),
    ],
)
def test_triggers_of_a_base(trigger: str, takes: bool) -> None:
    assert takes_from_elsewhere(trigger) is takes


def test_the_file_is_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "tool/1"
    folder.mkdir(parents=True)
    with pytest.raises(ConfigError, match="can't be read"):
        read_dockerfile(folder)
    (folder / "real").write_text("FROM scratch")
    (folder / "Dockerfile").symlink_to("real")
    assert read_dockerfile(folder).bases == ()
    (folder / "Dockerfile").unlink()
    (tmp_path / "outside").write_text("FROM scratch")
    (folder / "Dockerfile").symlink_to("../../outside")
    with pytest.raises(ConfigError, match="outside"):
        read_dockerfile(folder)


_WORDS = st.sampled_from(
    (
        "FROM",
        "RUN",
        "COPY",
        "ARG A=",
        "ONBUILD",
        "as",
        "0",
        "x",
        PIN,
        "--from=",
        "--mount=from=",
        "<<E",
        "#",
        " ",
        "\n",
        "\\\n",
        "\\",
        "`",
        "# escape=`\n",
        "$A",
        "${A:-",
        "}",
        "'",
        '"',
        "\r",
        "\t",
        "\x0b",
        "\u2028",
    )
)


@given(st.lists(_WORDS, max_size=14).map("".join))
def test_whatever_is_let_through_is_read_the_same_again(text: str) -> None:
    """No line that is written for an engine runs on into another, or hides one."""
    try:
        found = parse_dockerfile(text)
    except ConfigError:
        return
    names = {base: str(base.image) for base in found.bases}
    again = parse_dockerfile(found.text(names))
    assert again.lines == found.lines
    assert again.escape == found.escape
