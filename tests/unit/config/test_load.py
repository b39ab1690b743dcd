from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from buildbox.config.load import load, parse
from buildbox.config.model import MountEntry, Policy
from buildbox.errors import ConfigError, Exit
from buildbox.oci import Platform

PIN = "registry.example.com:5000/python:3.11@sha256:" + "0123456789abcdef" * 4
ONE = f'[toolchains.python]\nimage = "{PIN}"\n'
TWO = ONE + '[toolchains.node]\nimage = "node:20"\n'
PATH = Path("/somewhere/hello/.buildbox.toml")


def problems(text: str) -> list[str]:
    """The problems of a file, without its name."""
    with pytest.raises(ConfigError) as caught:
        parse(text, PATH)
    assert caught.value.exit == Exit.USAGE
    shown = list(caught.value.problems)
    assert all(problem.startswith(".buildbox.toml:") for problem in shown)
    return [problem.removeprefix(".buildbox.toml:") for problem in shown]


def of_task(text: str) -> list[str]:
    """The problems of a task with these lines, which start on line 5."""
    return problems(f'{ONE}[tasks.t]\nrun = "true"\n{text}\n')


def test_what_is_left_out_has_its_default() -> None:
    config = parse(ONE + '[tasks.t]\nrun = "make"\n', PATH)
    assert (config.name, config.default, config.path) == ("hello", (), PATH)
    toolchain = config.toolchains["python"]
    assert (str(toolchain.image), toolchain.platform) == (PIN, None)
    assert toolchain.shell == ("/bin/sh", "-e", "-c")
    task = config.tasks["t"]
    assert (task.name, task.toolchain, task.run, task.argv) == ("t", "python", "make", None)
    assert (task.description, task.env, task.pass_env, task.mounts) == ("", {}, (), ())
    assert (task.workdir, task.network, task.user, task.rootfs) == (".", "none", "caller", "read-only")
    assert (task.timeout, task.memory, task.cpus, task.pids) == (None, None, None, 4096)


def test_every_key_is_read() -> None:
    text = f"""
version = 1
[project]
name = "other"
default = ["t"]
[toolchains.python]
image = "{PIN}"
platform = "linux/arm/v7"
shell = ["bash", "-c"]
[tasks.t]
description = "A task"
toolchain = "python"
argv = ["make", ""]
env = {{ A = "line\\nline" }}
pass-env = ["B"]
workdir = "backend/./src/"
network = "mynet"
mounts = [{{ source = "../data", target = "/data", read-only = true }}]
timeout = "1h30m"
memory = "512m"
cpus = 1.5
pids = 10
user = "1000:100"
rootfs = "writable"
"""
    config = parse(text, PATH)
    assert (config.name, config.default) == ("other", ("t",))
    assert config.toolchains["python"].platform == Platform("linux", "arm", "v7")
    assert config.toolchains["python"].shell == ("bash", "-c")
    task = config.tasks["t"]
    assert (task.description, task.toolchain, task.run, task.argv) == ("A task", "python", None, ("make", ""))
    assert (task.env, task.pass_env, task.workdir) == ({"A": "line\nline"}, ("B",), "backend/src")
    assert task.mounts == (MountEntry("../data", "/data", True),)
    assert (task.timeout, task.memory, task.cpus, task.pids) == (5400.0, 512 << 20, 1.5, 10)
    assert (task.network, task.user, task.rootfs) == ("mynet", "1000:100", "writable")


def test_defaults_are_merged_env_by_variable_and_others_whole() -> None:
    text = f"""{TWO}
[defaults]
toolchain = "node"
env = {{ A = "default", B = "default" }}
pass-env = ["X"]
memory = "1g"
[tasks.a]
run = "true"
[tasks.b]
run = "true"
toolchain = "python"
env = {{ B = "own" }}
pass-env = ["Y"]
"""
    config = parse(text, PATH)
    a, b = config.tasks["a"], config.tasks["b"]
    assert (a.toolchain, a.env, a.pass_env) == ("node", {"A": "default", "B": "default"}, ("X",))
    assert (b.toolchain, b.env, b.pass_env) == ("python", {"A": "default", "B": "own"}, ("Y",))
    assert a.memory == b.memory == 1 << 30
    assert (config.defaults.name, config.defaults.toolchain, config.defaults.memory) == ("", "node", 1 << 30)
    assert (config.defaults.run, config.defaults.argv) == (None, None)


def test_an_image_without_digest_is_no_error_here() -> None:
    config = parse('[toolchains.t]\nimage = "debian:12"\n', PATH)
    assert config.toolchains["t"].image.digest is None
    assert config.defaults.toolchain == "t"


def test_all_problems_come_together_in_the_order_of_the_file() -> None:
    text = """\
[project]
default = ["tset"]

[toolchains.python]
image = "Not An Image"
entrypoint = "x"

[tasks.test]
argv = "pytest -q"
output = ["x"]
toolchain = "pyton"
timeout = 10

[tasks.lint]
rum = "x"
"""
    assert [line.split(": ", 1)[0] + " " + line.split(": ")[1] for line in problems(text)] == [
        "2 project.default[0]",
        "5 toolchains.python.image",
        "6 toolchains.python.entrypoint",
        "9 tasks.test.argv",
        "10 tasks.test.output",
        "11 tasks.test.toolchain",
        "12 tasks.test.timeout",
        "14 tasks.lint",
        "15 tasks.lint.rum",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pass_env = []", "5: tasks.t.pass_env: unknown key 'pass_env'; did you mean 'pass-env'?"),
        ("tiemout = '1s'", "5: tasks.t.tiemout: unknown key 'tiemout'; did you mean 'timeout'?"),
        ("image = 'x'", "5: tasks.t.image: unknown key 'image'; it belongs in [toolchains.NAME]"),
        ("default = []", "5: tasks.t.default: unknown key 'default'; it belongs in [project]"),
        (
            "mounts = [{source = 'x', target = '/x', readonly = true}]",
            "5: tasks.t.mounts[0].readonly: unknown key 'readonly'; did you mean 'read-only'?",
        ),
        (
            "toolchain = 'pyhton'",
            "5: tasks.t.toolchain: there is no toolchain 'pyhton'; did you mean 'python'?",
        ),
        ("toolchain = 'go'", "5: tasks.t.toolchain: there is no toolchain 'go'"),
        ("[tasks.a.b]\nrun = 'x'", "5: tasks.a: has neither run nor argv: what is it to do?"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(text: str, problem: str) -> None:
    assert problem in of_task(text)


@pytest.mark.parametrize("key", ["reproducible", "artifacts", "when", "ready"])
def test_keys_that_are_none_yet_are_unknown(key: str) -> None:
    [problem] = of_task(f"{key} = 1")
    assert problem.startswith(f"5: tasks.t.{key}: unknown key '{key}'")
    assert "did you mean" not in problem


@pytest.mark.parametrize("section", ["archive", "ci"])
def test_sections_of_later_versions_are_unknown(section: str) -> None:
    name = section.partition(".")[0]
    [problem] = of_task(f"[{section}]\nx = 1")
    assert problem.startswith(f"5: {name}: unknown key '{name}' (known here: version, project")


def test_how_old_images_may_be() -> None:
    task = '[tasks.t]\nrun = "make"\n'
    assert parse(ONE + task, PATH).policy == Policy()
    config = parse(f'{ONE}{task}[policy]\nwarn-pin-age = "90d"\nmax-pin-age = "1000d12h"\n', PATH)
    assert config.policy == Policy(90 * 86400, 1000.5 * 86400)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "max-pin-age = 90",
            "6: policy.max-pin-age: must be a string, not an integer; write it with its unit",
        ),
        ('max-pin-age = "old"', "6: policy.max-pin-age: 'old' is not a duration"),
        ('max-pin-age = "0d"', "6: policy.max-pin-age: '0d': a duration is more than nothing"),
        (
            'warn-pin-ages = "90d"',
            "6: policy.warn-pin-ages: unknown key 'warn-pin-ages'; did you mean 'warn-pin",
        ),
        (
            'warn-pin-age = "2d"\nmax-pin-age = "48h"',
            "6: policy.warn-pin-age: is never said: max-pin-age is an error before",
        ),
    ],
)
def test_a_policy_that_is_none(text: str, problem: str) -> None:
    [found] = of_task(f"[policy]\n{text}")
    assert found.startswith(problem)


@pytest.mark.parametrize("key", ["run", "argv", "description"])
def test_what_makes_a_task_is_not_a_default(key: str) -> None:
    assert of_task(f"[defaults]\n{key} = 'x'") == [
        f"6: defaults.{key}: unknown key '{key}'; it belongs in [tasks.NAME]"
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("argv = ['x']", "3: tasks.t: has both run and argv; keep one"),
        ("env = { A = 1 }", '5: tasks.t.env.A: must be a string, not an integer; write "1"'),
        ("env = { A = true }", '5: tasks.t.env.A: must be a string, not a boolean; write "true"'),
        ("env = []", '5: tasks.t.env: must be a table, not an array; e.g. { LEVEL = "2" }'),
        ("network = false",
         '5: tasks.t.network: must be a string, not a boolean; e.g. "none" or "bridge"'),
        ("pids = true", "5: tasks.t.pids: must be an integer, not a boolean"),
        ("pids = 1.0", "5: tasks.t.pids: must be an integer, not a float"),
        ("cpus = '2'", "5: tasks.t.cpus: must be a number, not a string"),
        ("cpus = false", "5: tasks.t.cpus: must be a number, not a boolean"),
        ("timeout = 10",
         '5: tasks.t.timeout: must be a string, not an integer; write it with its unit, e.g. "10m"'),
        ("memory = 512",
         '5: tasks.t.memory: must be a string, not an integer; write it with its unit, e.g. "2g"'),
        ("description = 1979-05-27", "5: tasks.t.description: must be a string, not a date or time"),
        ("description = []", "5: tasks.t.description: must be a string, not an array"),
        ("pass-env = 'A'", "5: tasks.t.pass-env: must be an array, not a string"),
        ("pass-env = ['A', 2]", '5: tasks.t.pass-env[1]: must be a string, not an integer; write "2"'),
        ("mounts = [{ target = '/x' }]", "5: tasks.t.mounts[0]: 'source' is missing"),
        ("mounts = { source = 'x' }", "5: tasks.t.mounts: must be an array, not a table"),
        ("mounts = ['x:/x']",
         '5: tasks.t.mounts[0]: must be a table, not a string; e.g. { source = "data", target = "/data" }'),
        ("mounts = [{source='x', target='/x', read-only=1}]",
         "5: tasks.t.mounts[0].read-only: must be true or false, not an integer"),
        ("[tasks]\nx = 1", "6: tasks.x: must be a table, not an integer"),
    ],
)  # fmt: skip
def test_wrong_types(text: str, problem: str) -> None:
    if text.startswith("[tasks]"):  # only one table of tasks in a file
        text = f"{ONE}\n\n\n{text}\n"
        assert problem.replace("6:", "7:") in problems(text)
    else:
        assert of_task(text) == [problem]


@pytest.mark.parametrize(
    "text",
    [
        "description = ''", "description = ' '", 'description = "a\\nb"', 'description = "a\\u001b[31m"',
        'description = "\\u202egnp"',
        "timeout = ''", "timeout = '10'", "timeout = '0s'", "timeout = '-1s'", "timeout = '400d'",
        "memory = '1k'", "memory = '2x'", "memory = '0'", "memory = '-1g'", "memory = '9999999999t'",
        f"memory = '{'9' * 400}g'", f"timeout = '{'9' * 400}s'",
        "cpus = 0", "cpus = -1", "cpus = nan", "cpus = inf", f"cpus = 0x{'f' * 5000}",
        "pids = 0", "pids = -1", "pids = 4194305", f"pids = 0x{'f' * 5000}",
        "user = ''", "user = 'build'", "user = '1000'", "user = '-1:0'", "user = '0x0:0'", "user = '+0:0'",
        "user = '2147483648:0'", "user = '0:2147483648'", "user = '00:0'", "user = 'root:root'",
        "user = '\u0660:\u0660'",
        "rootfs = 'rw'", "rootfs = ''",
        "network = ''", "network = 'container:x'", "network = 'ns:/proc/1/ns/net'", "network = '--net'",
        "network = 'a b'", "network = 'a/b'",
        "workdir = ''", "workdir = '/etc'", "workdir = '..'", "workdir = 'a/../..'", 'workdir = "a\\u0000b"',
        f"workdir = '{'a/' * 2049}'", f"mounts = [{{ source = '{'a/' * 2049}', target = '/x' }}]",
        "toolchain = ''", "toolchain = '-x'",
        "env = { '' = 'x' }", "env = { 'A=B' = 'x' }", "env = { '1A' = 'x' }", "env = { 'A-B' = 'x' }",
        'env = { A = "a\\u0000b" }', "env = { BUILDBOX_TASK = 'x' }", f"env = {{ {'A' * 257} = 'x' }}",
        f"env = {{ A = '{'x' * (128 << 10)}' }}",
        "pass-env = ['']", "pass-env = ['*']", "pass-env = ['A=B']", "pass-env = ['BUILDBOX_X']",
        "[tasks.u]\nrun = ''", '[tasks.u]\nrun = " \\n"', '[tasks.u]\nrun = "a\\u0000"',
        "[tasks.u]\nargv = []",
        "[tasks.u]\nargv = ['']", '[tasks.u]\nargv = ["a", "\\u0000"]', "[tasks.u]\nargv = ['a', 1]",
        "[toolchains.u]\nimage = ''\n[tasks.v]\nrun='x'\ntoolchain='u'",
    ],
)  # fmt: skip
def test_wrong_values(text: str) -> None:
    assert len(of_task(text)) == (2 if "[toolchains" in text else 1)


@pytest.mark.parametrize(
    "target",
    [
        *("", "data", "/", "//data", "/data/", "/a/../b", "/a/./b", "/data:ro", "/a,b", "/a\\nb"),
        *("/src", "/proc", "/proc/1", "/sys/fs", "/dev", "/dev/sda", "/src/.git", "/src/.git/hooks"),
        *("/etc", "/etc/passwd", "/etc/group", "/etc/gitconfig", "/etc/resolv.conf", "/home", "/home/build"),
        *("/tmp", "/run", "/run/buildbox/git", "/run/secrets/x", "/var/run/docker.sock", "/sbin"),
    ],
)
def test_targets_that_would_hide_what_the_container_needs(target: str) -> None:
    [problem] = of_task(f'mounts = [{{ source = "x", target = "{target}" }}]')
    assert problem.startswith("5: tasks.t.mounts[0].target: ")


@pytest.mark.parametrize("target", ["/data", "/src/data", "/home/build/.m2", "/tmp/x", "/opt/a b", "/srcs"])
def test_targets_that_are_fine(target: str) -> None:
    config = parse(f'{ONE}[tasks.t]\nrun="x"\nmounts=[{{source="x", target="{target}"}}]', PATH)
    assert config.tasks["t"].mounts == (MountEntry("x", target),)


def test_two_mounts_on_one_target() -> None:
    text = 'mounts = [\n{ source = "a", target = "/x" },\n{ source = "b", target = "/x" }]'
    assert of_task(text) == ["7: tasks.t.mounts[1].target: is the target of another mount, too"]


@pytest.mark.parametrize("source", ["~/x", "~", "~root/x", "", " ", "a\\nb"])
def test_sources_that_mean_nothing(source: str) -> None:
    [problem] = of_task(f'mounts = [{{ source = "{source}", target = "/x" }}]')
    assert problem.startswith("5: tasks.t.mounts[0].source: ")


@pytest.mark.parametrize(
    "name", ["-rf", "--privileged", ".x", "a b", "a;b", "$(id)", "a/b", "a\\nb", "", "a" * 65, "é"]
)
@pytest.mark.parametrize("section", ["tasks", "toolchains"])
def test_names_with_options_or_shell_in_them(section: str, name: str) -> None:
    key = 'run = "x"\ntoolchain = "python"' if section == "tasks" else 'image = "x"'
    [problem] = problems(f'{ONE}[{section}."{name}"]\n{key}\n')
    assert problem.startswith(f"3: {section}.")
    assert "is not a name" in problem
    assert "\n" not in problem


def test_a_key_of_control_characters_is_shown_harmlessly() -> None:
    [problem] = of_task('"\\u001b[2J\\u202e" = 1')
    assert problem.isprintable()


def test_which_toolchain_has_to_be_said_where_there_are_two() -> None:
    assert problems(f'{TWO}[tasks.t]\nrun = "x"\n') == [
        "5: tasks.t: 'toolchain' is missing; the project has 'python', 'node'"
    ]


def test_tasks_without_any_toolchain() -> None:
    assert problems('[tasks.t]\nrun = "x"\n') == [
        "1: no toolchain for the tasks to run in; add [toolchains.NAME] with an image"
    ]


@pytest.mark.parametrize(
    "text", ["", "\n# nothing\n", "version = 1\n", "[project]\nname = 'x'\n", "[tasks]\n"]
)
def test_an_empty_file(text: str) -> None:
    with pytest.raises(ConfigError, match="has no toolchains and no tasks") as caught:
        parse(text, PATH)
    assert "buildbox init" in caught.value.hint


def test_another_version_is_refused_before_its_keys() -> None:
    assert problems("\nversion = 2\nnew = 1\n") == [
        "2: version: version 2 is not known to this buildbox; it knows version 1"
    ]


def test_a_table_that_lacks_its_plural() -> None:
    """`toolchain` is also a key of [defaults], but not a table there."""
    assert problems("[toolchain.x]\nimage = 'a'\n" + ONE)[0] == (
        "1: toolchain: unknown key 'toolchain'; did you mean 'toolchains'?"
    )
    assert problems("toolchain = 'x'\n" + ONE)[0] == (
        "1: toolchain: unknown key 'toolchain'; it belongs in [defaults]"
    )


@pytest.mark.parametrize("version", ["'1'", "true", "1.0", "[]"])
def test_a_version_is_an_integer(version: str) -> None:
    [problem] = problems(f"version = {version}\n{ONE}")
    assert problem.startswith("1: version: must be an integer")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\na = 2\n", "2:"),
        ("[toolchains.x]\nimage = 'a'\n[toolchains.x]\nimage = 'b'\n", "3:"),
        ("a = [[[", "1:"),
        ("a = 1\nb = 'x", "2:"),
        ("a = 1\r\nb = \r\n", "2:"),
        ("= 1", "1:1:"),
        ("a = 1\n\0", "2:"),
    ],
)
def test_broken_toml_has_one_problem_with_line_and_column(text: str, place: str) -> None:
    [problem] = problems(text)
    assert problem.startswith(place)
    assert ": not valid TOML: " in problem
    assert "at line" not in problem


def test_a_string_without_an_end_is_called_that() -> None:
    [problem] = problems(ONE + '[tasks.t]\nrun = "echo\n')
    assert problem.endswith("not valid TOML: a string has no closing quote on its line")


def test_toml_that_no_parser_likes() -> None:
    for text in ("a = " + "[" * 100_000, "a = " + "1" * 10_000):
        with pytest.raises(ConfigError):
            parse(text, PATH)


def test_a_file_of_errors_is_reported_in_bounds() -> None:
    shown = problems(ONE + "".join(f"[k{i}]\n" for i in range(5000)))
    assert len(shown) == 101
    assert shown[-1] == " and 4900 more"
    [shown_long] = of_task(f"{'k' * 100_000} = 1")
    assert len(shown_long) < 1000


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    config = parse(("\ufeff" + ONE + '[tasks.t]\nrun = "x"\n').replace("\n", "\r\n"), PATH)
    assert list(config.tasks) == ["t"]
    assert problems(("\ufeff" + ONE + "[x]\n").replace("\n", "\r\n"))[0].startswith("3: x: ")


def test_the_folder_names_the_project(tmp_path: Path) -> None:
    folder = tmp_path / "he\nllo wörld"
    folder.mkdir()
    (folder / ".buildbox.toml").write_text(ONE)
    assert load(folder / ".buildbox.toml").name == "he?llo wörld"
    for name, told in (("n" * 200, "n" * 100), (" ", "project")):
        folder = folder.rename(tmp_path / name)
        assert load(folder / ".buildbox.toml").name == told


def _missing(path: Path) -> None:
    pass


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _outside(path: Path) -> None:
    (path.parent.parent / "other.toml").write_text(ONE)
    path.symlink_to("../other.toml")


def _dangling(path: Path) -> None:
    path.symlink_to("gone.toml")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _latin(path: Path) -> None:
    path.write_bytes(b"# fine\nname = '\xe9'\n")


def _huge(path: Path) -> None:
    path.write_bytes(b"#" * (1 << 20) + b"#")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_missing, "doesn't exist"),
        (_folder, "is a folder"),
        (_pipe, "is not a regular file"),
        (_device, "leads out of the project"),
        (_outside, "leads out of the project"),
        (_loop, "can't be read"),
        (_dangling, "is a link to gone.toml, which doesn't exist"),
        (_latin, "has 1 problem"),
        (_huge, "larger than 1 MiB"),
    ],
)
def test_files_that_are_none(make: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "project" / ".buildbox.toml"
    path.parent.mkdir()
    make(path)
    with pytest.raises(ConfigError, match=message) as caught:
        load(path)
    assert caught.value.hint
    if make is _latin:
        assert caught.value.problems == (".buildbox.toml:2: not UTF-8 text",)


def test_a_link_within_the_project_is_followed(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "real.toml").write_text(ONE)
    (tmp_path / ".buildbox.toml").symlink_to("config/real.toml")
    assert list(load(tmp_path / ".buildbox.toml").toolchains) == ["python"]


def test_a_good_file_needs_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / ".buildbox.toml").write_text(ONE)
    code = (
        "import sys; from pathlib import Path; from buildbox.config.load import load; import buildbox.trust;"
        "load(Path(sys.argv[1])); print([name for name in sys.modules if name in sys.argv[2:]])"
    )
    heavy = ["tomlkit", "difflib", "docker", "rich", "requests", "buildbox.config.places"]
    command = [sys.executable, "-c", code, str(tmp_path / ".buildbox.toml"), *heavy]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
