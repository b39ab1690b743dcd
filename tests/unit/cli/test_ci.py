"""`buildbox ci`, as a command: it needs no engine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support.values import PIN
from tests.unit.cli.test_main import buildbox
from tests.unit.pipelines.given import load

CONFIG = f"""
[project]
default = ["package"]
[toolchains.tools]
image = "{PIN}"
[tasks.fetch]
run = "true"
network = "bridge"
secrets = ["TOKEN"]
[tasks.test]
run = "true"
matrix.env.N = ["1", "2"]
[tasks.package]
run = "true"
hermetic = true
outputs = ["dist/"]
needs = ["test"]
"""
FROM = ("--requirement", "https://example.com/buildbox.whl")
WORKFLOW = ".github/workflows/buildbox.yml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".buildbox.toml").write_text(CONFIG)
    return folder


def ok(folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    done = buildbox(folder, *line)
    assert done.returncode == 0, done.stderr
    return done


def refused(folder: Path, *line: str) -> str:
    done = buildbox(folder, *line)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    return done.stderr


@pytest.mark.parametrize(("system", "file"), [("github", WORKFLOW), ("gitlab", ".gitlab-ci.yml")])
def test_a_file_is_written_once_and_checked(project: Path, system: str, file: str) -> None:
    assert "isn't there" in refused(project, "ci", system, *FROM, "--check")
    assert ok(project, "ci", system, *FROM).stderr == f"buildbox: wrote {file}\n"
    text = (project / file).read_text()
    assert f"# buildbox ci {system} --requirement https://example.com/buildbox.whl\n" in text
    assert ok(project, "ci", system, *FROM).stderr == f"buildbox: {file} is as it was\n"
    ok(project, "ci", system, *FROM, "--check")
    assert ok(project, "ci", system, *FROM, "-o", "-").stdout.splitlines()[3:] == text.splitlines()[3:]
    ok(project, "ci", system, *FROM, "--jobs", "one")
    assert "isn't what" in refused(project, "ci", system, *FROM, "--check")
    assert [path.name for path in (project / file).parent.iterdir() if "buildbox.yml-" in path.name] == []


def test_a_pipeline_that_most_runners_could_not_run_is_told_of(project: Path) -> None:
    line = ("fetch", *FROM, "--allow", "env=TOKEN")
    assert "a runner for fetch must have one" in ok(project, "ci", "gitlab", *line).stderr
    assert "runner" not in ok(project, "ci", "gitlab", *line, "--no-hermetic").stderr
    assert "runner" not in ok(project, "ci", "github", *line).stderr


def test_what_somebody_wrote_stays(project: Path) -> None:
    ok(project, "ci", "gitlab", *FROM)
    path = project / ".gitlab-ci.yml"
    path.write_text(path.read_text() + "# mine\n")
    before = path.read_text()
    assert "with --force" in refused(project, "ci", "gitlab", *FROM)
    assert path.read_text() == before
    ok(project, "ci", "gitlab", *FROM, "--force")
    assert "# mine" not in path.read_text()


def test_this_buildbox_has_to_be_found(project: Path) -> None:
    told = refused(project, "ci", "github", "--requirement", "buildbox")
    assert "anybody may have taken it" in told
    assert "--requirement 'git+https://" in told
    assert not (project / ".github").exists()


def test_what_the_user_must_allow_is_refused_and_then_written_down(project: Path) -> None:
    assert "--allow env=TOKEN" in refused(project, "ci", "github", *FROM, "fetch")
    ok(project, "ci", "github", *FROM, "--allow", "env=TOKEN", "fetch")
    text = (project / WORKFLOW).read_text()
    assert "buildbox run --allow env=TOKEN " in text
    assert " --allow=env=TOKEN\n" in text


def test_what_isnt_pinned_has_no_pipeline(project: Path) -> None:
    (project / ".buildbox.toml").write_text(CONFIG.replace(PIN, "debian:12"))
    done = buildbox(project, "ci", "github", *FROM)
    assert (done.returncode, (project / ".github").exists()) == (121, False)
    assert "buildbox pin" in done.stderr


def test_a_link_does_not_lead_out_of_the_repository(project: Path, tmp_path: Path) -> None:
    (project / ".github").symlink_to(tmp_path)
    assert "leads out of the repository" in refused(project, "ci", "github", *FROM)
    assert not (tmp_path / "workflows").exists()
    path = project / ".gitlab-ci.yml"
    path.symlink_to(tmp_path / "elsewhere")
    assert refused(project, "ci", "gitlab", *FROM)
    assert not (tmp_path / "elsewhere").exists()


def test_a_project_in_a_folder_of_its_repository(tmp_path: Path) -> None:
    folder = tmp_path / "repository/sub"
    folder.mkdir(parents=True)
    (folder.parent / ".git").mkdir()
    (folder / ".buildbox.toml").write_text(CONFIG)
    ok(folder, "ci", "github", *FROM)
    found = load((folder.parent / WORKFLOW).read_text())
    assert found["defaults"]["run"]["working-directory"] == "./sub"


def test_tasks_that_cannot_be_hermetic(project: Path) -> None:
    (project / ".buildbox.toml").write_text(CONFIG + 'mounts = [{source = "x", target = "/x"}]\n')
    (project / "x").mkdir()
    (project / ".buildbox.toml").write_text(
        CONFIG.replace("[tasks.test]", '[tasks.test]\nmounts = [{source = "x", target = "/x"}]')
    )
    assert "--no-hermetic" in refused(project, "ci", "gitlab", *FROM, "test")
    ok(project, "ci", "gitlab", *FROM, "--no-hermetic", "test")


def test_too_many_variants(project: Path) -> None:
    many = ", ".join(f'"{n}"' for n in range(201))
    (project / ".buildbox.toml").write_text(CONFIG.replace('["1", "2"]', f"[{many}]"))
    assert "--jobs one" in refused(project, "ci", "github", *FROM)
    ok(project, "ci", "github", *FROM, "--jobs", "one")


@pytest.mark.parametrize(
    "line",
    [
        ("github", "--archive", "https://x"),
        ("github", "--branch", ""),
        ("github", "--branch", "${{x}}"),
        ("gitlab", "--image", "a\nb"),
        ("github", "nope"),
        ("github", "--check", "-o", "-"),
        ("github", "-o", "missing/../.buildbox.toml"),
        ("github", "-o", "/proc/x"),
        ("github", "-o", "new/file"),
        ("github", "-o", "."),
    ],
)
def test_lines_that_mean_nothing(project: Path, line: tuple[str, ...]) -> None:
    refused(project, "ci", *line[:1], *FROM, *line[1:])
    assert (project / ".buildbox.toml").read_text() == CONFIG
    assert [path.name for path in project.iterdir()] == [".buildbox.toml"]


@pytest.mark.parametrize("name", ["/dev/fd/2", "pipe", "."])
def test_what_is_no_file_is_never_replaced_nor_waited_for(project: Path, name: str) -> None:
    os.mkfifo(project / "pipe")
    assert "is no file that another can replace" in refused(
        project, "ci", "gitlab", *FROM, "--force", "-o", name
    )
    assert not (project / name).is_file() or (project / name).is_symlink()


def test_matrix_is_one_line_of_json(project: Path) -> None:
    done = ok(project, "ci", "matrix", "test", "package")
    assert done.stdout.count("\n") == 1
    found = json.loads(done.stdout)["include"]
    assert [each["task"] for each in found] == ["test[N=1]", "test[N=2]", "package"]
    assert ok(project, "--json", "ci", "matrix", "test", "package").stdout == done.stdout
    assert json.loads(ok(project, "--json", "ci", "gitlab", *FROM).stdout)["changed"] is True
