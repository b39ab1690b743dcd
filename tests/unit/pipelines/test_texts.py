"""The text of both systems' pipelines: as their schemas want it, with no text that means something else."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildbox.config.model import Matrix
from buildbox.pipelines import github
from buildbox.pipelines.jobs import Job
from buildbox.pipelines.scripts import artifact_globs
from tests.support.values import task
from tests.unit.pipelines.given import jobs_of, load, texts

OUTPUTS = {"hermetic": True, "outputs": ("dist/*.whl", "docs/", "!docs/x")}
GRAPHS: Mapping[str, dict[str, Job]] = {
    "one": jobs_of(task("test")),
    "chain": jobs_of(task("a"), task("b", needs=("a",)), task("c", needs=("b", "a"))),
    "matrix": jobs_of(task("test", matrix=Matrix(("tools",), {"N": ("1", "2")})), task("x", needs=("test",))),
    "odd values": jobs_of(task("test", matrix=Matrix((), {"N": ("", "a,b", "${{ x }}", "$HOME", "é '\"")}))),
    "outputs": jobs_of(task("package", **OUTPUTS), task("next", needs=("package",))),
    "secrets": jobs_of(task("deploy", secrets=("TOKEN", "KEY"), pass_env=("OPTS",))),
    "reserved": jobs_of(*map(task, ("pages", "default", "image", "true", "archive", "on", "stages"))),
    "alike": jobs_of(*map(task, ("a.b", "a-b", "A_b", "a_b", "1", "1.0"))),
    "described": jobs_of(task("test", description="${{ secrets.X }}: # - 'x' \u2029 \U0001f600")),
    "time-outs": jobs_of(task("test", timeout=5.5), task("long", timeout=1e7, retries=3)),
    "allowed": {"x": replace(jobs_of(task("x"))["x"], allow=("mount=/a b/$(id)", "network=host", "root"))},
    "recipes": {"x": replace(jobs_of(task("x"))["x"], recipes={"tools": "python/3.11"})},
    "together": {"x": replace(jobs_of(task("x"))["x"], name="build", addresses=("a", "b[N=`id`]"))},
}


def workflow(name: str, **changes: Any) -> Mapping[str, Any]:
    return load(texts(list(GRAPHS[name].values()), **changes)[0])


def pipeline(name: str, **changes: Any) -> Mapping[str, Any]:
    return load(texts(list(GRAPHS[name].values()), **changes)[1])


def words(run: str) -> list[str]:
    """What the shell makes of the line that runs tasks, before it looks at variables."""
    return shlex.split(run)


def test_both_are_as_the_published_schemas_want_them(tmp_path: Path) -> None:
    files: dict[str, list[str]] = {"github-workflows": [], "gitlab-ci": []}
    for number, jobs in enumerate(GRAPHS.values()):
        changes = {"archive": "ghcr.io/o/n/a", "folder": "sub dir/$x"} if number % 2 else {}
        for schema, text in zip(files, texts(list(jobs.values()), **changes), strict=True):
            path = tmp_path / f"{schema}-{number}.yml"
            path.write_text(text)
            files[schema].append(str(path))
    for schema, paths in files.items():
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_would_find_a_fault(tmp_path: Path) -> None:
    text, _ = texts(list(GRAPHS["one"].values()))
    (tmp_path / "x.yml").write_text(text.replace("runs-on:", "run-on:"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert (
        subprocess.run([*command, str(tmp_path / "x.yml")], capture_output=True, check=False).returncode == 1
    )


@pytest.mark.parametrize("name", GRAPHS)
def test_actions_are_pinned_and_only_one_job_writes(name: str) -> None:
    text, _ = texts(list(GRAPHS[name].values()))
    lines = [line for line in text.splitlines() if "uses:" in line]
    assert all(re.search(r"uses: actions/[\w/-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", line) for line in lines)
    document = load(text)
    assert document["permissions"] == {"contents": "read"}
    assert {id_: job["permissions"]["packages"] for id_, job in document["jobs"].items()} == {
        id_: "write" if id_ == "archive" else "read" for id_ in document["jobs"]
    }
    assert all(job["permissions"]["contents"] == "read" for job in document["jobs"].values())
    for job in document["jobs"].values():
        assert job["steps"][0]["with"] == {"persist-credentials": False}
    assert "github.event_name == 'push'" in document["jobs"]["archive"]["if"]


def test_pinned_actions_are_of_one_release_each() -> None:
    releases = {(action.split("/")[1], *pinned) for action, pinned in github.ACTIONS.items()}
    assert len(releases) == len({name for name, _, _ in releases})


def test_needs_are_jobs_and_are_waited_for() -> None:
    jobs = workflow("chain")["jobs"]
    assert jobs["c"]["needs"] == ["archive", "b", "a"]
    assert jobs["c"]["if"] == (
        "${{ !cancelled() && needs.b.result == 'success' && needs.a.result == 'success' }}"
    )
    assert pipeline("chain")["c"]["needs"] == [
        {"job": "b", "artifacts": False},
        {"job": "a", "artifacts": False},
    ]


def test_no_result_comes_from_a_cache() -> None:
    """Whoever may write a cache could have put anything there."""
    steps = workflow("one")["jobs"]["test"]["steps"]
    first = [step.get("run", step.get("uses", "")).splitlines()[0] for step in steps]
    (restored,) = (at for at, line in enumerate(first) if line.startswith("actions/cache/restore@"))
    removal = 'rm -rf "$BUILDBOX_HOME/archive/results" "$BUILDBOX_HOME/archive/provenance"'
    assert first[restored + 1] == removal
    assert pipeline("one")["test"]["script"][0].splitlines()[0] == removal


def test_a_pipeline_can_be_the_child_of_another() -> None:
    """GitLab starts no child whose rules look for a branch or a merge request alone."""
    assert {"if": '$CI_PIPELINE_SOURCE == "parent_pipeline"'} in pipeline("one")["workflow"]["rules"]


def test_a_push_starts_one_pipeline_and_the_default_branch_ends_its_own() -> None:
    """Its pipeline is there whatever merge requests are open, and isn't cut short while it writes.

    What a schedule or a person starts on a branch with a merge request has no other that stands for it.
    """
    default, _, _, twice, rest = pipeline("one")["workflow"]["rules"]
    assert default == {
        "if": "$CI_COMMIT_BRANCH && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
        "auto_cancel": {"on_new_commit": "none"},
    }
    assert twice == {
        "if": '$CI_COMMIT_BRANCH && $CI_OPEN_MERGE_REQUESTS && $CI_PIPELINE_SOURCE == "push"',
        "when": "never",
    }
    assert rest == {"if": "$CI_COMMIT_BRANCH"}


def test_no_two_artifacts_have_the_same_name() -> None:
    """GitHub refuses the second one; a job that is run again replaces its own."""
    matrix = Matrix((), {"N": ("1", "2")})
    tasks = (
        task("test", matrix=matrix, **OUTPUTS),
        *(task(name, **OUTPUTS) for name in ("test-0", "junit-test")),
    )
    tasks += (task("junit-test-0", **OUTPUTS), task("0", **OUTPUTS), task("junit", matrix=matrix, **OUTPUTS))
    document = load(texts(list(jobs_of(*tasks).values()))[0])
    uploads = [
        (step["with"], index)
        for job in list(document["jobs"].values())[1:]
        for index in range(len(job.get("strategy", {"matrix": {"variant": [0]}})["matrix"]["variant"]))
        for step in job["steps"]
        if "upload-artifact" in step.get("uses", "")
    ]
    names = [what["name"].replace("${{ strategy.job-index }}", str(index)) for what, index in uploads]
    assert len(names) == 16
    assert len({name.lower() for name in names}) == 16
    assert not re.search(r'[":<>|*?\r\n\\/]', "".join(names))
    assert all(what["overwrite"] for what, _ in uploads)


def test_a_branch_is_a_name_where_github_wants_a_pattern() -> None:
    assert workflow("one", branch="c++/!x")["on"]["push"] == {"branches": [r"c\+\+/\!x"]}


def test_a_matrix_is_one_in_both() -> None:
    job = workflow("matrix")["jobs"]["test"]
    assert job["strategy"]["matrix"] == {"variant": ["tools,N=1", "tools,N=2"]}
    (run,) = [step for step in job["steps"] if step.get("name") == "Run"]
    assert run["env"] == {"VARIANT": "${{ matrix.variant }}"}
    assert words(run["run"])[-1] == "test[$VARIANT]"
    other = pipeline("matrix")
    assert other["test"]["parallel"] == {"matrix": [{"VARIANT": ["tools,N=1", "tools,N=2"]}]}
    assert words(other["test"]["script"][-1])[-1] == "test[$VARIANT]"
    assert other["x"]["needs"] == [{"job": "test", "artifacts": False}]


def test_values_reach_the_shell_as_they_are() -> None:
    variants = ["N=", "N=a,b", "N=${{ '${{' }} x }}", "N=$HOME", "N=é '\""]
    assert workflow("odd values")["jobs"]["test"]["strategy"]["matrix"]["variant"] == variants
    escaped = ["N=", "N=a,b", "N=$${{ x }}", "N=$$HOME", "N=é '\""]
    assert pipeline("odd values")["test"]["parallel"]["matrix"][0]["VARIANT"] == escaped


def test_names_that_mean_something_in_the_file() -> None:
    named = pipeline("reserved")
    assert {"task pages", "task default", "task image", "task true", "task stages", "archive", "on"} < set(
        named
    )
    assert named["task pages"]["script"]
    jobs = workflow("reserved")["jobs"]
    assert jobs["archive-2"]["name"] == "archive"
    assert [job.get("name") for job in jobs.values()] == [None, *GRAPHS["reserved"]]
    alike = workflow("alike")["jobs"]
    assert [job["name"] for job in list(alike.values())[1:]] == list(GRAPHS["alike"])
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", id_) for id_ in alike)


def test_secrets_reach_the_one_step_that_runs_tasks() -> None:
    job = workflow("secrets")["jobs"]["deploy"]
    with_secrets = [step for step in job["steps"] if "secrets.TOKEN" in str(step)]
    assert [step["env"] for step in with_secrets] == [
        {"TOKEN": "${{ secrets.TOKEN }}", "KEY": "${{ secrets.KEY }}"}
    ]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]


def test_what_is_allowed_and_run_is_quoted_for_the_shell() -> None:
    for run in (
        workflow("allowed")["jobs"]["x"]["steps"][7]["run"],
        pipeline("allowed")["x"]["script"][-1],
    ):
        assert words(run)[2:8] == [
            "--allow",
            "mount=/a b/$(id)",
            "--allow",
            "network=host",
            "--allow",
            "root",
        ]
        assert "'mount=/a b/$(id)'" in run
    run = pipeline("together")["build"]["script"][-1]
    assert words(run)[-2:] == ["a", "b[N=`id`]"]
    assert "--keep-going" in run


def test_images_of_the_catalogue_are_made_where_nobody_has_them() -> None:
    script = pipeline("recipes")["x"]["script"][0]
    assert (
        script.index("archive save") < script.index("archive pull") < script.index("images build python/3.11")
    )


def test_outputs_and_statements_are_kept() -> None:
    assert artifact_globs(["dist/*.whl", "docs/", "!docs/x", "a b/[x-z]$(id)/**"]) == [
        "dist/*.whl",
        "docs",
        "a*b/*x-z*id*/**",
        "dist/*.whl.intoto.jsonl",
        "docs.intoto.jsonl",
        "a*b/*x-z*id*.intoto.jsonl",
    ]
    upload = workflow("outputs")["jobs"]["package"]["steps"][-1]["with"]
    assert upload["path"].splitlines() == [
        "./dist/*.whl",
        "./docs",
        "./dist/*.whl.intoto.jsonl",
        "./docs.intoto.jsonl",
    ]
    assert "paths" not in pipeline("outputs")["next"]["artifacts"]


def test_a_project_below_the_top_of_its_repository() -> None:
    found = workflow("outputs", folder="it's/$(id)")
    assert found["defaults"]["run"]["working-directory"] == "./it's/$(id)"
    cache = found["jobs"]["package"]["steps"][4]["with"]["key"]
    assert "hashFiles('it''s/$(id)/.buildbox.toml')" in cache
    other = pipeline("outputs", folder="it's/$(id)")
    assert words(other[".buildbox"]["before_script"][0].splitlines()[0]) == [
        "cd",
        "$CI_PROJECT_DIR/it's/$(id)",
    ]
    assert other["package"]["artifacts"]["reports"]["junit"] == "it's/$$(id)/.buildbox/junit.xml"


NASTY = st.text(st.sampled_from("a$%{}' \"\\`()&;|<>*#:,!é\u2028\U0001f600-=@~"), min_size=1, max_size=12)


def strings(value: object) -> Iterator[str]:
    """All texts of a document, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from (*strings(key), *strings(each))
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)


def expressions(document: Mapping[str, Any]) -> list[str]:
    """The expressions that GitHub would evaluate, but for that which stands for their own first signs."""
    found = [each for text in strings(document) for each in re.findall(r"\$\{\{.*?\}\}", text)]
    return sorted(each for each in found if each != "${{ '${{' }}")


HARMLESS = replace(
    jobs_of(task("t", description="d", matrix=Matrix((), {"N": ("v",)}), hermetic=True))["t"],
    outputs=("o",),
    provenance=True,
    allow=("mount=/m",),
)
HARMLESS_EXPRESSIONS = [expressions(load(text)) for text in texts([HARMLESS])]


@settings(max_examples=25, deadline=None)
@given(NASTY, NASTY, NASTY, NASTY)
def test_no_text_of_a_project_gets_a_meaning(told: str, value: str, pattern: str, allowed: str) -> None:
    """Not to YAML, not to expressions, not to the shell."""
    nasty = replace(
        HARMLESS, description=told, variants=(f"N={value}",), outputs=(pattern,), allow=(f"mount=/{allowed}",)
    )
    one, other = (load(text) for text in texts([nasty]))
    assert [expressions(one), expressions(other)] == HARMLESS_EXPRESSIONS
    variant = one["jobs"]["t"]["strategy"]["matrix"]["variant"][0]
    assert variant.replace("${{ '${{' }}", "${{") == f"N={value}"
    assert other["t"]["parallel"]["matrix"][0]["VARIANT"][0].replace("$$", "$") == f"N={value}"
    for run in (one["jobs"]["t"]["steps"][7]["run"].replace("${{ '${{' }}", "${{"), other["t"]["script"][-1]):
        assert f"mount=/{allowed}" in words(run)
        assert words(run)[-1] == "t[$VARIANT]"
