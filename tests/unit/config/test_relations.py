"""What tasks, services and variants say of each other, as a whole file is loaded."""

from __future__ import annotations

import pytest

from buildbox.config.load import parse
from buildbox.config.model import Config, Matrix
from tests.unit.config.test_load import ONE, PATH, PIN, problems

HEAD = ONE + f'[toolchains.py313]\nimage = "{PIN}"\n[defaults]\ntoolchain = "python"\n'


def of(text: str) -> list[str]:
    """The problems of a file whose tasks start on line 1."""
    before = HEAD.count("\n")
    found = []
    for problem in problems(HEAD + text):
        line, _, rest = problem.partition(":")
        found.append(f"{int(line) - before}:{rest}")
    return found


def good(text: str) -> Config:
    return parse(HEAD + text, PATH)


def test_every_key_of_the_graph_is_read() -> None:
    config = good(f"""
[project]
default = ["t[py313]", "u"]
[tasks.t]
run = "true"
matrix.toolchain = ["python", "py313"]
matrix.env.A = ["1", "2"]
services = ["db", "db"]
caches = {{ pip = "~/.cache/pip", x = "/var/cache/x" }}
secrets = ["TOKEN"]
retries = 3
hermetic = true
inputs = ["src/**", "!*.md"]
outputs = ["out/{{toolchain}}-{{A}}/"]
cache = true
source-date-epoch = "commit"
[tasks.u]
run = "true"
needs = ["t[A=1]", "t"]
source-date-epoch = 5
[services.db]
image = "{PIN}"
argv = ["serve"]
ready-port = 5432
""")
    t, u = config.tasks["t"], config.tasks["u"]
    assert config.default == ("t[py313]", "u")
    assert t.matrix == Matrix(("python", "py313"), {"A": ("1", "2")})
    assert (t.services, t.secrets, t.retries, t.hermetic, t.cache) == (("db",), ("TOKEN",), 3, True, True)
    assert t.caches == {"pip": "/home/build/.cache/pip", "x": "/var/cache/x"}
    assert (t.inputs, t.outputs) == (("src/**", "!*.md"), ("out/{toolchain}-{A}/",))
    assert (t.source_date_epoch, u.source_date_epoch) == (None, 5)
    assert (u.needs, u.matrix, u.cache, u.inputs) == (("t[A=1]", "t"), None, None, None)
    db = config.services["db"]
    assert (str(db.image), db.argv, db.ready_port, db.ready_timeout) == (PIN, ("serve",), 5432, 60.0)


def test_a_matrix_of_toolchains_says_enough_of_the_toolchain() -> None:
    two = HEAD.replace('[defaults]\ntoolchain = "python"\n', "")
    config = parse(f'{two}[tasks.t]\nrun = "x"\nmatrix.toolchain = ["py313"]\n', PATH)
    assert config.tasks["t"].toolchain == "py313"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('needs = ["u"]', "3: tasks.t.needs[0]: there is no task 'u'"),
        ('needs = ["t"]', "3: tasks.t.needs[0]: is a cycle: t -> t"),
        ('needs = ["x y"]', "3: tasks.t.needs[0]: 'x y' names no task; e.g. \"test\""),
        ('needs = ["x["]', "3: tasks.t.needs[0]: 'x[' names no task"),
        ('needs = ["t[A=1]"]', "3: tasks.t.needs[0]: task 't' has no variants: it has no matrix"),
        ('services = ["db"]', "3: tasks.t.services[0]: there is no service 'db'; add [services.NAME]"),
        (
            'matrix.toolchain = ["python", "pyton"]',
            "3: tasks.t.matrix.toolchain[1]: there is no toolchain 'pyton'; did you mean 'python'?",
        ),
        (
            'matrix.toolchain = ["python", "python"]',
            "3: tasks.t.matrix.toolchain[1]: 'python' is there twice: two variants would be the same",
        ),
        ('matrix.env.A = ["1", "2", "1"]', "3: tasks.t.matrix.env.A[2]: '1' is there twice"),
        ('matrix.env.A = ["[1]"]', "3: tasks.t.matrix.env.A[0]: '[1]' can't be in a variant's name"),
        ("matrix.env.A = []", "3: tasks.t.matrix.env.A: is empty"),
        ("matrix.env = { toolchain = ['x'] }", "3: tasks.t.matrix.env.toolchain: {toolchain} names the"),
        ("matrix = { env = { A = ['x'] }, x = 1 }", "3: tasks.t.matrix.x: unknown key 'x'"),
        ('pass-env = ["A"]\nmatrix.env.A = ["1"]', "4: tasks.t.matrix.env.A: is in pass-env, too"),
        ('outputs = ["/x"]', "3: tasks.t.outputs[0]: '/x': a pattern is relative to the project's folder"),
        ('outputs = ["a/../../x"]', "3: tasks.t.outputs[0]: 'a/../../x' has '..' in it"),
        ('outputs = ["!x"]', "3: tasks.t.outputs[0]: '!x' takes something away, but nothing is there"),
        ('inputs = ["!x", "y"]', "3: tasks.t.inputs[0]: '!x' takes something away, but nothing is there"),
        ('outputs = ["x/.Git/hooks/*"]', "3: tasks.t.outputs[0]: lies in .git, which is no task's to write"),
        ('outputs = [".buildbox/x"]', "3: tasks.t.outputs[0]: lies in .buildbox, which is no task's to"),
        (
            'outputs = ["x.{c,h}"]',
            "3: tasks.t.outputs[0]: there is no {c,h} without a matrix; of two",
        ),
        (
            'outputs = ["{A}"]\nmatrix.env.B = ["1"]',
            "3: tasks.t.outputs[0]: there is no {A}; what varies is B",
        ),
        (
            'outputs = ["{DJANG}"]\nmatrix.env.DJANGO = ["1"]',
            "3: tasks.t.outputs[0]: there is no {DJANG}; did you mean {DJANGO}?",
        ),
        ('outputs = ["{"]', "3: tasks.t.outputs[0]: has a brace without its other half"),
        (
            'outputs = ["x", "{A}{B}"]\nmatrix.env = { A = ["1", "2"], B = ["1", "2"] }',
            "3: tasks.t.outputs[0]: is the same for all variants; tell them apart with {A}, {B}",
        ),
        (
            'outputs = ["{A}"]\nmatrix.env.A = ["1", ".."]',
            "3: tasks.t.outputs: {A} is '..' in 't[A=..]', which can't be a part of a path",
        ),
        (
            'outputs = ["{A}{B}"]\nmatrix.env = { A = ["1", "11"], B = ["11", "1"] }',
            "3: tasks.t.outputs: of 't[A=11,B=1]' may be the same files as the outputs of 't[A=1,B=11]'",
        ),
        ("cache = true", "3: tasks.t.cache: only what a hermetic task makes is kept; add hermetic = true"),
        (
            'hermetic = true\nmounts = [{ source = "x", target = "/x" }]',
            "4: tasks.t.mounts: a hermetic task sees its inputs alone, and no mounts",
        ),
        (
            'hermetic = true\ncaches = { x = "/src/x" }',
            "4: tasks.t.caches.x: /src/x lies in the source, of which a hermetic task sees its inputs alone",
        ),
        (
            'caches = { a = "~/x", b = "/home/build/x" }',
            "3: tasks.t.caches.b: /home/build/x is the place of another cache or mount, too",
        ),
        (
            'mounts = [{ source = "x", target = "/x" }]\ncaches = { a = "/x" }',
            "4: tasks.t.caches.a: /x is the place of another cache or mount, too",
        ),
        ('caches = { a = "x" }', "3: tasks.t.caches.a: 'x' is not absolute"),
        (
            'caches = { a = "/run/secrets/x" }',
            "3: tasks.t.caches.a: '/run/secrets/x' lies in the",
        ),
        ('caches = { a = "/src/.git/hooks" }', "3: tasks.t.caches.a: '/src/.git/hooks' lies in the"),
        ('caches = { a = "~" }', "3: tasks.t.caches.a: '/home/build' would hide the container's own"),
        ('caches = { a = "~/../../etc" }', "3: tasks.t.caches.a: '/home/build/../../etc' is not in its"),
        ('caches = { "../a" = "/x" }', "3: tasks.t.caches.\"../a\": '../a' is not a name"),
        ('secrets = ["../x"]', "3: tasks.t.secrets[0]: '../x' is not a variable's name"),
        ("retries = -1", "3: tasks.t.retries: -1 is not a number of retries (0 to 100)"),
        ('source-date-epoch = "now"', "3: tasks.t.source-date-epoch: 'now' is neither \"commit\" nor"),
        ("source-date-epoch = 99999999999", "3: tasks.t.source-date-epoch: 99999999999 is not a time"),
    ],
)
def test_what_does_not_fit_is_told_with_its_line(text: str, problem: str) -> None:
    [found] = of(f'[tasks.t]\nrun = "x"\n{text}\n')
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('run = "x"\nargv = ["x"]', "3: services.db: has both run and argv; keep one"),
        ('ready = "x"\nready-port = 1', "5: services.db.ready-port: is there beside ready; keep one"),
        ('argv = [""]', "4: services.db.argv[0]: is empty; it is the program to run"),
        ("ready-port = 0", "4: services.db.ready-port: 0 is not a TCP port (1 to 65535)"),
        ('ready = 5432', "4: services.db.ready: must be a string, not an integer; a TCP port is"),
        ('user = "caller"', "4: services.db.user: a service has nothing of its caller's"),
        ('mounts = []', "4: services.db.mounts: unknown key 'mounts'"),
    ],
)  # fmt: skip
def test_a_service_that_does_not_fit(text: str, problem: str) -> None:
    [found] = of(f'\n\n[services.db]\nimage = "{PIN}"\n{text}\n')
    line, _, rest = found.partition(":")
    assert f"{int(line) - (1 if line != '3' else 0)}:{rest}".startswith(problem)


@pytest.mark.parametrize("name", ["-rf", "a.b", "A", "a_b", "localhost", "buildbox", "a" * 64, "a/b", ""])
def test_names_that_no_service_can_have(name: str) -> None:
    [found] = of(f'[services."{name}"]\nimage = "{PIN}"\n')
    assert "can't be a service's name, which is a host name" in found


def test_services_are_out_of_reach_from_the_hosts_network() -> None:
    text = f'[tasks.t]\nrun = "x"\nservices = ["db"]\nnetwork = "host"\n[services.db]\nimage = "{PIN}"\n'
    [found] = of(text)
    assert found.startswith("4: tasks.t.network: can't reach services from the host's own network")


def test_a_cache_on_a_place_of_the_defaults() -> None:
    text = 'caches = { x = "/x" }\n[tasks.t]\nrun = "x"\ncaches = { y = "/x" }\n[tasks.u]\nrun = "x"\n'
    assert of(text) == ["4: tasks.t.caches.y: /x is the place of another cache or mount, too"]
    assert good(text.replace('y = "/x"', 'x = "/x"')).tasks["t"].caches == {"x": "/x"}


def test_a_cache_of_the_defaults_in_the_source_is_not_for_hermetic_tasks() -> None:
    text = 'caches = { x = "/src/x" }\n[tasks.t]\nrun = "x"\nhermetic = true\ncaches = { y = "/y" }\n'
    [found] = of(text)
    assert found.startswith("5: tasks.t.caches.x: /src/x lies in the source, of which a hermetic task")


def test_a_name_that_is_nearly_a_services() -> None:
    text = f'[tasks.t]\nrun = "x"\nservices = ["bd"]\n[services.db]\nimage = "{PIN}"\n'
    assert of(text) == ["3: tasks.t.services[0]: there is no service 'bd'; did you mean 'db'?"]


def test_cycles_are_shown_with_their_way_each_once() -> None:
    text = """\
[tasks.build]
run = "x"
needs = ["test"]
[tasks.test]
run = "x"
needs = ["lint", "build"]
[tasks.lint]
run = "x"
[tasks.a]
run = "x"
matrix.env.A = ["1", "2"]
needs = ["lint", "b"]
[tasks.b]
run = "x"
needs = ["c", "a[A=1]"]
[tasks.c]
run = "x"
needs = ["b"]
"""
    assert of(text) == [
        "3: tasks.build.needs[0]: is a cycle: build -> test -> build",
        "15: tasks.b.needs[0]: is a cycle: b -> c -> b",
    ]


def test_a_variant_that_needs_another_of_its_task_would_wait_for_itself() -> None:
    text = '[tasks.t]\nrun = "x"\nmatrix.env.A = ["1", "2"]\nneeds = ["t[A=2]"]\n'
    assert of(text) == ["4: tasks.t.needs[0]: is a cycle: t -> t"]


def test_a_long_cycle_is_shortened() -> None:
    text = "".join(f'[tasks.t{i}]\nrun = "x"\nneeds = ["t{(i + 1) % 5000}"]\n' for i in range(5000))
    [found] = of(text)
    assert found.startswith("3: tasks.t0.needs[0]: is a cycle: t0 -> t1 -> ")
    assert found.endswith("-> … (4990 more) -> t0")


def test_overlapping_outputs_name_both_tasks() -> None:
    text = """\
[tasks.a]
run = "x"
outputs = ["dist/"]
[tasks.b]
run = "x"
outputs = ["other", "dist/x.whl"]
[tasks.c]
run = "x"
outputs = ["dista", "*.txt", "!a.txt"]
[tasks.d]
run = "x"
outputs = ["a.txt"]
"""
    assert of(text) == [
        "6: tasks.b.outputs: may be the same files as the outputs of 'a' (dist/)",
    ]


def test_outputs_of_variants_that_overlap_with_another_tasks() -> None:
    text = """\
[tasks.a]
run = "x"
outputs = ["out/{A}/x"]
matrix.env.A = ["1", "2"]
[tasks.b]
run = "x"
outputs = ["out/2/*"]
"""
    assert of(text) == [
        "7: tasks.b.outputs: may be the same files as the outputs of 'a[A=2]' (out/2/x)",
    ]


def test_a_task_may_do_without_the_mounts_of_the_defaults() -> None:
    text = 'mounts = [{ source = "x", target = "/x" }]\n[tasks.t]\nrun = "x"\nhermetic = true\n'
    [found] = of(text)
    assert found.startswith("2: tasks.t: a hermetic task sees its inputs alone, and no mounts (they are from")
    assert good(f"{text}mounts = []\n").tasks["t"].mounts == ()


def test_a_default_of_keeping_results_is_for_hermetic_tasks() -> None:
    config = good('cache = true\n[tasks.t]\nrun = "x"\n')
    assert config.tasks["t"].cache is True


def test_inputs_are_for_mounted_tasks_too() -> None:
    assert good('[tasks.t]\nrun = "x"\ninputs = ["src"]\n').tasks["t"].inputs == ("src",)


def test_a_fault_in_a_matrix_is_told_once() -> None:
    text = '[tasks.t]\nrun = "x"\nmatrix.env.A = [1]\n[tasks.u]\nrun = "x"\nneeds = ["t[A=1]"]\n'
    assert of(text) == ['3: tasks.t.matrix.env.A[0]: must be a string, not an integer; write "1"']


def test_a_default_that_is_no_variant() -> None:
    text = '[tasks.t]\nrun = "x"\nmatrix.env.A = ["1"]\n[project]\ndefault = ["t[A=2]"]\n'
    assert of(text) == ["5: project.default[0]: task 't' has no variant with A=2; A is 1"]


def test_matrices_that_no_machine_can_hold() -> None:
    axes = "".join(f'matrix.env.A{i} = ["1", "2"]\n' for i in range(20_000))
    [found] = of(f'[tasks.t]\nrun = "x"\n{axes}')
    assert found == "3: tasks.t.matrix: makes more than 1000 variants, which is all that a task can have"
    values = ",".join(f'"{i}"' for i in range(1000))
    many = "".join(f'[tasks.t{i}]\nrun = "x"\nmatrix.env.A = [{values}]\n' for i in range(21))
    assert of(many) == ["1: tasks: there are more than 20000 tasks and variants of tasks"]


def test_a_file_of_slips_takes_no_time() -> None:
    """Each unknown name is held against all that are known, so that has to have an end."""
    text = "".join(f'[tasks.t{i}]\nrun = "x"\nneeds = ["u{i}"]\n' for i in range(8000))
    found = problems(HEAD + text)
    assert found[0].endswith("there is no task 'u0'; did you mean 't0'?")
    assert found[-2].endswith("there is no task 'u99'")
    assert found[-1] == " and 7900 more"


def test_outputs_that_all_begin_with_a_wildcard() -> None:
    text = "".join(f'[tasks.t{i}]\nrun = "x"\noutputs = ["*.{"x" * i}y"]\n' for i in range(300))
    [found] = of(text)
    assert found.startswith("1: tasks: too many outputs begin alike to be held against each other;")


def test_the_tasks_of_the_commit_hook_are_there() -> None:
    config = good('[hooks]\npre-commit = ["t[A=1]"]\n[tasks.t]\nrun = "true"\nmatrix.env.A = ["1", "2"]')
    assert config.hooks.pre_commit == ("t[A=1]",)
    assert good('[hooks]\npre-commit = []\n[tasks.t]\nrun = "true"').hooks.pre_commit == ()
    assert good('[tasks.t]\nrun = "true"').hooks.pre_commit is None
    text = '[hooks]\npre-commit = ["tset"]\n[tasks.test]\nrun = "true"'
    assert of(text) == ["2: hooks.pre-commit[0]: there is no task 'tset'; did you mean 'test'?"]
    assert of('[hooks]\npre-commit = "t"\n[tasks.t]\nrun = "true"') == [
        '2: hooks.pre-commit: must be an array, not a string; e.g. pre-commit = ["lint"]'
    ]
    assert of('[hooks]\npre-push = ["t"]\n[tasks.t]\nrun = "true"') == [
        "2: hooks.pre-push: unknown key 'pre-push' (known here: pre-commit)"
    ]
