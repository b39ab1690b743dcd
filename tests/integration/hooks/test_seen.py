"""What the tasks of a commit hook see: what the commit will have, and nothing else of the working tree."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.integration.hooks.conftest import MakeRepo
from tests.support.project import ME, STRANGER, Caller, let_others_pass


def test_staged_lines_and_no_others(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "old\n", "gone.txt": "gone\n", "name.txt": "name\n"})
    repo.write({"a.txt": "staged\n", "new.txt": "new\n"})
    repo.ok("add", "a.txt", "new.txt")
    repo.ok("rm", "-q", "gone.txt")
    repo.ok("mv", "name.txt", "renamed.txt")
    repo.write({"a.txt": "unstaged\n", "untracked.txt": "untracked\n", "renamed.txt": "unstaged\n"})
    done = repo.hook()
    assert (done.status, done.out.split()) == (
        0,
        ["staged", "new", "name", "a.txt", "new.txt", "renamed.txt"],
    ), done.err
    assert (repo.top / "a.txt").read_text() == "unstaged\n"
    assert list((repo.top / ".buildbox/state/stage").iterdir()) == []


def test_names_modes_and_links_are_as_git_has_them(make_repo: MakeRepo) -> None:
    tasks = """
[tasks.look]
run = '''
[ -x run.sh ] && [ ! -x data ] && [ "$(readlink link)" = data ] && cat ./-dash "uml aut ü" "$(printf 'a\\nb')"
'''
"""
    repo = make_repo(
        tasks, commit=False, **{"-dash": "1", "uml aut ü": "2", "a\nb": "3", "data": "", "run.sh": ""}
    )
    (repo.top / "run.sh").chmod(0o755)
    (repo.top / "link").symlink_to("data")
    repo.ok("add", "-A")
    done = repo.hook("look")
    assert (done.status, done.out) == (0, "123"), done.err


def test_the_index_that_the_commit_uses(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n", "b.txt": "1\n"})
    repo.install()
    repo.write({"a.txt": "2\n", "b.txt": "2\n"})
    repo.ok("add", "a.txt")
    assert repo.ok("commit", "-q", "-m", "only b", "b.txt").split()[:2] == ["1", "2"]
    repo.write({"b.txt": "3\n"})
    assert repo.ok("commit", "-q", "-am", "all").split()[:2] == ["2", "3"]
    repo.write({"sub/c.txt": "c\n", "a.txt": "4\n"})
    repo.ok("add", "sub")
    assert repo.ok("commit", "-q", "-m", "from a folder", "-i", "../a.txt", cwd=repo.top / "sub").split()[
        :2
    ] == [
        "4",
        "3",
    ]


def test_a_worktree_uses_its_own_index_and_config(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "main\n"})
    repo.install()
    repo.ok("worktree", "add", "-q", "-b", "side", str(tmp_path / "side tree"))
    side = tmp_path / "side tree"
    (side / "a.txt").write_text("side\n")
    assert repo.ok("commit", "-q", "-am", "x", cwd=side).split()[0] == "side"
    assert not (repo.top / ".buildbox").exists()
    assert repo.git("status", "--short").out == ""


def test_a_repository_that_lies_elsewhere(make_repo: MakeRepo, tmp_path: Path) -> None:
    """As people keep their dotfiles: git is told where the repository is, and tells its hooks."""
    repo = make_repo(**{"a.txt": "1\n"})
    repo.install()
    apart = tmp_path / "apart.git"
    (repo.top / ".git").rename(apart)
    repo.write({"a.txt": "2\n"})
    line = (f"--git-dir={apart}", f"--work-tree={repo.top}")
    done = repo.git(*line, "commit", "-q", "-am", "x")
    assert (done.status, (done.out + done.err).split()[0]) == (0, "2"), done.err


def test_a_project_in_a_folder(make_repo: MakeRepo) -> None:
    repo = make_repo(inside="the app", **{"the app/a.txt": "1\n", "other.txt": "1\n"})
    repo.install()
    repo.write({"the app/a.txt": "2\n"})
    repo.ok("add", "-A")
    repo.write({"the app/a.txt": "3\n"})
    assert repo.ok("commit", "-q", "-m", "x").split()[0] == "2"
    repo.write({"other.txt": "2\n"})
    assert "nothing is staged" in repo.ok("commit", "-q", "-m", "not the project", "other.txt")


def test_a_project_whose_folder_is_not_checked_out(make_repo: MakeRepo) -> None:
    repo = make_repo(inside="the app", **{"the app/a.txt": "1\n", "other/o.txt": "1\n"})
    repo.install()
    repo.ok("sparse-checkout", "set", "other")
    assert not repo.root.exists()
    repo.write({"other/o.txt": "2\n"})
    assert "nothing is staged" in repo.ok("commit", "-q", "-am", "not the project")
    repo.ok("rm", "-rq", "--cached", "--sparse", "the app")
    done = repo.git("commit", "-q", "-m", "without it")
    assert done.status == 1
    assert "there is no .buildbox.toml in what is staged" in done.err
    assert f"buildbox -C '{repo.root}' hook uninstall" in done.err
    assert "git commit --no-verify" in done.err
    assert repo.buildbox("-C", str(repo.root), "hook", "uninstall", cwd=repo.top).status == 0
    assert repo.git("commit", "-q", "-m", "without it").status == 0


def test_before_the_first_commit(make_repo: MakeRepo) -> None:
    repo = make_repo(commit=False, **{"a.txt": "1\n"})
    repo.install()
    assert repo.ok("commit", "-q", "-m", "x").split()[0] == "1"


def test_where_nothing_is_staged_nothing_runs(make_repo: MakeRepo) -> None:
    repo = make_repo('[hooks]\npre-commit = ["no"]\n[tasks.no]\nrun = "exit 5"', **{"a.txt": "1\n"})
    repo.install()
    repo.write({"a.txt": "unstaged\n"})
    assert "nothing is staged" in repo.ok("commit", "-q", "--amend", "-m", "another message")
    assert "nothing is staged" in repo.ok("commit", "-q", "--allow-empty", "-m", "empty")
    assert repo.git("commit", "-am", "x").status != 0


def test_files_that_are_only_meant_to_be_added(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.write({"later.txt": "later\n", "a.txt": "2\n", "empty.txt": ""})
    repo.ok("add", "-N", "later.txt")
    repo.ok("add", "a.txt", "empty.txt")
    done = repo.hook()
    assert (done.status, done.out.split()) == (0, ["2", "a.txt", "empty.txt"]), done.err
    repo.ok("commit", "-q", "-m", "x")
    assert "nothing is staged" in repo.hook().err


def test_a_sparse_checkout_stays_sparse(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n", "far/b.txt": "far\n", "near/c.txt": "near\n"})
    repo.ok("sparse-checkout", "set", "near")
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    assert repo.hook().out.split() == ["2", "a.txt", "near"]


def test_files_that_git_was_told_not_to_look_at(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n", "skipped.txt": "committed\n", "b.txt": "1\n"})
    repo.ok("update-index", "--skip-worktree", "skipped.txt")
    repo.ok("update-index", "--assume-unchanged", "a.txt")
    repo.ok("update-index", "--split-index")
    repo.write({"skipped.txt": "mine\n", "b.txt": "2\n", "a.txt": "mine\n"})
    repo.ok("add", "b.txt")
    assert repo.hook().out.split()[:3] == ["1", "2", "committed"]


def test_submodules_are_as_they_are_staged(make_repo: MakeRepo, tmp_path: Path) -> None:
    tasks = '[hooks]\npre-commit = ["look", "alone"]\n[tasks.look]\nrun = "cat lib/x"\n'
    repo = make_repo(tasks + '[tasks.alone]\nhermetic = true\nrun = "cat lib/x; ls lib"')
    library = tmp_path / "library"
    library.mkdir()
    repo.ok("init", "-q", cwd=library)
    for text in ("first", "second"):
        (library / "x").write_text(f"{text}\n")
        repo.ok("add", "x", cwd=library)
        repo.ok("commit", "-qm", text, cwd=library)
    repo.ok("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "lib")
    repo.ok("checkout", "-q", "HEAD~1", cwd=repo.top / "lib")
    repo.ok("add", "lib")
    repo.ok("checkout", "-q", "-", cwd=repo.top / "lib")
    (repo.top / "lib/x").write_text("unstaged\n")
    done = repo.hook()
    assert done.status == 0, done.err
    lines = done.out.splitlines()
    assert "look | first" in lines, done.out
    assert [line for line in lines if line.startswith("alone")] == ["alone | first", "alone | x"]


def test_a_hermetic_task_that_has_passed_with_this_content_is_not_run_again(make_repo: MakeRepo) -> None:
    tasks = '[hooks]\npre-commit = ["made"]\n[tasks.made]\nhermetic = true\nrun = "cat a.txt > out"\n'
    tasks += 'outputs = ["out"]\nsource-date-epoch = "commit"'
    repo = make_repo(tasks, **{"a.txt": "1\n", ".gitignore": "out\n"})
    repo.write({"a.txt": "2\n"})
    assert repo.buildbox("run", "made").err == ""
    repo.ok("add", "a.txt")
    repo.write({"a.txt": "3\n"})
    noted = sorted((repo.home / "trees").iterdir())
    assert "made cached" in repo.hook().err
    assert sorted((repo.home / "trees").iterdir()) == noted, "nothing is noted of what is gone"
    repo.ok("add", "a.txt")
    assert repo.hook().err == ""
    assert (repo.top / "out").read_text() == "2\n", "nothing of a hook's comes into the working tree"
    assert "made cached" in repo.buildbox("run", "made").err
    assert (repo.top / "out").read_text() == "3\n"


def test_mounted_tasks_see_nothing_of_hermetic_ones(make_repo: MakeRepo) -> None:
    tasks = """
[hooks]
pre-commit = ["made", "look"]
[tasks.made]
hermetic = true
run = "sleep 1"
[tasks.look]
run = "sleep 0.5; cd .buildbox/state; ls; touch x || echo no"
"""
    repo = make_repo(tasks, **{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    done = repo.hook()
    assert [line for line in done.out.splitlines() if line.startswith("look")] == ["look | no"], done.err


def test_what_is_allowed_and_cached_is_the_projects(make_repo: MakeRepo, tmp_path: Path) -> None:
    tasks = """
[hooks]
pre-commit = ["use"]
[tasks.keep]
run = "echo kept > /cache/x"
caches = { c = "/cache" }
[tasks.use]
run = "cat /cache/x /shared/y /inner/z"
caches = { c = "/cache" }
mounts = [{ source = "../shared", target = "/shared" }, { source = "inner", target = "/inner" }]
"""
    repo = make_repo(tasks, **{"inner/z": "staged\n"})
    repo.write({"a.txt": "1\n"})
    repo.ok("add", "a.txt")
    repo.write({"inner/z": "unstaged\n"})
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "y").write_text("shared\n")
    assert repo.buildbox("run", "keep").status == 0
    try:
        refused = repo.hook()
        assert refused.status == 2
        assert f'[allow."{repo.root}"]' in refused.err
        assert f'mounts = ["{shared}"]' in refused.err
        (repo.home / "config.toml").write_text(f'[allow."{repo.root}"]\nmounts = ["{shared}"]\n')
        done = repo.hook()
        assert (done.status, done.out) == (0, "kept\nshared\nstaged\n"), done.err
    finally:
        assert repo.buildbox("clean", "--caches").status == 0


def test_another_repositorys_hook_that_calls_us(make_repo: MakeRepo, tmp_path: Path) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    other = tmp_path / "other"
    other.mkdir()
    repo.ok("init", "-q", cwd=other)
    index = str(other / ".git/index")
    env = {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": index}
    done = repo.buildbox("-C", str(repo.root), "hook", "run", cwd=other, env=env)
    assert (done.status, done.out.split()[0]) == (0, "2"), done.err


def test_nothing_is_written_to_the_repository(make_repo: MakeRepo) -> None:
    repo = make_repo(**{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    os.utime(repo.top / "a.txt", (1, 1))  # git would refresh the index, were it allowed to
    before = _looks(repo.top / ".git")
    assert repo.hook().status == 0
    assert _looks(repo.top / ".git") == before


def test_a_repository_that_its_user_may_only_read(make_repo: MakeRepo, tmp_path: Path) -> None:
    let_others_pass(tmp_path)
    repo = make_repo(**{"a.txt": "1\n"})
    repo.write({"a.txt": "2\n"})
    repo.ok("add", "a.txt")
    repo = replace(repo, caller=Caller(STRANGER, STRANGER) if ME.uid == 0 else ME)
    for folder in (repo.top, repo.home):
        subprocess.run(["chown", "-hR", f"{repo.caller.uid}:{repo.caller.gid}", folder], check=True)
    subprocess.run(["chmod", "-R", "a-w", repo.top / ".git"], check=True)
    done = repo.hook()
    assert (done.status, done.out.split()[0]) == (0, "2"), done.err


def _looks(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size)
        for path in (folder, *folder.rglob("*"))
    }
