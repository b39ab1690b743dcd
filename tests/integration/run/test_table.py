"""What a task sees: SPEC section 4's table, line by line, on a real engine."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

from tests.integration.run.conftest import MakeProject
from tests.support.project import Caller, owner_and_mode

LOOK = """
[tasks.look]
run = '''
id -u; id -g; whoami; pwd; hostname; umask
echo "$HOME $USER $TZ $LC_ALL $SOURCE_DATE_EPOCH $BUILDBOX_TASK"
'''
"""


def test_user_place_and_environment(make_project: MakeProject, caller: Caller) -> None:
    out = make_project(LOOK, caller=caller).ok("run", "look").splitlines()
    assert out[:6] == [str(caller.uid), str(caller.gid), "build", "/src", "buildbox", "0022"]
    assert out[6] == "/home/build build UTC C.UTF-8 315532800 look"


def test_files_belong_to_the_caller(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(
        '[tasks.make]\nrun = "cat given >made; mkdir -p a/b; ln -s made link; echo x >a/b/c"\n', caller=caller
    )
    project.write({"given": "text\n"})
    project.ok("run", "make")
    assert (project.root / "made").read_text() == "text\n"
    for name in ("made", "a/b", "a/b/c", "link"):
        assert owner_and_mode(project.root / name)[:2] == (caller.uid, caller.gid), name
    assert owner_and_mode(project.root / "made")[2] == 0o644


def test_only_named_variables_pass(make_project: MakeProject) -> None:
    project = make_project(
        """
[defaults]
env = { SHARED = "default", LEVEL = "1" }
[tasks.env]
run = "env"
env = { LEVEL = "2", "QUOTED" = "a b'c\\"d$HOME" }
pass-env = ["LET_THROUGH", "NOT_SET"]
""",
        env={"LET_THROUGH": "yes", "SECRET": "no", "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo"},
    )
    lines = project.ok("run", "env").splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert found["LET_THROUGH"] == "yes"
    assert found["SHARED"] == "default"
    assert found["LEVEL"] == "2"
    assert found["QUOTED"] == "a b'c\"d$HOME"
    assert found["FROM_IMAGE"] == "yes"
    assert (found["TZ"], found["LC_ALL"]) == ("UTC", "C.UTF-8")
    assert not {"SECRET", "NOT_SET", "BUILDBOX_HOME"} & found.keys()


def test_file_system_is_read_only_but_for_tmp_and_home(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(
        """
[tasks.write]
run = '''
for folder in /tmp /home/build /src; do echo ok >$folder/file && echo "wrote $folder"; done
cp /bin/busybox /tmp/true && /tmp/true true && echo "ran from /tmp"
for folder in / /etc /bin /usr; do if echo no >$folder/file; then echo "BAD $folder"; fi; done 2>/dev/null
exit 0
'''
[tasks.again]
run = "ls -A /tmp /home/build"
""",
        caller=caller,
    )
    out = project.ok("run", "write").splitlines()
    assert out == ["wrote /tmp", "wrote /home/build", "wrote /src", "ran from /tmp"]
    again = project.ok("run", "again")
    assert "file" not in again


def test_no_network_unless_named(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.none]
run = "ls /sys/class/net"
[tasks.bridge]
run = "ls /sys/class/net"
network = "bridge"
"""
    )
    assert project.ok("run", "none").split() == ["lo"]
    assert "eth0" in project.ok("run", "bridge").split()


def test_network_brings_certificates_and_proxies(make_project: MakeProject, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("the host's certificates\n")
    project = make_project(
        """
[tasks.bridge]
run = "cat $SSL_CERT_FILE; echo $https_proxy"
network = "bridge"
[tasks.none]
run = "echo [$SSL_CERT_FILE$https_proxy]"
""",
        env={"SSL_CERT_FILE": str(bundle), "https_proxy": "http://127.0.0.1:9"},
    )
    assert project.ok("run", "bridge").splitlines() == ["the host's certificates", "http://127.0.0.1:9"]
    assert project.ok("run", "none").strip() == "[]"


def test_rights(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(
        """
[tasks.rights]
run = '''
grep -E "NoNewPrivs|CapEff" /proc/self/status
cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null || true
test -e /var/run/docker.sock -o -e /run/docker.sock || echo no socket
cat /proc/1/comm
'''
pids = 123
""",
        caller=caller,
    )
    out = project.ok("run", "rights")
    assert "NoNewPrivs:\t1" in out
    assert "no socket" in out
    assert "123" in out.split()
    assert out.splitlines()[-1] in ("docker-init", "tini", "podman-init")
    mknod, sys_admin = 27, 21  # capabilities(7)
    effective = int(out.split("CapEff:\t")[1].split()[0], 16)
    assert not effective & (1 << mknod | 1 << sys_admin)
    if caller.uid:
        assert effective == 0


def test_orphans_are_reaped(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.orphans]
run = '''
(sleep 0.1 &)
(sleep 0.1 &)
sleep 0.6
ps -o stat,args | grep -c ^Z || true
'''
"""
    )
    assert project.ok("run", "orphans").strip() == "0"


def test_limits(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.limits]
run = "cat /sys/fs/cgroup/memory*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true"
memory = "32m"
[tasks.cpus]
run = "cat /sys/fs/cgroup/cpu*/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max 2>/dev/null || true"
cpus = 0.5
[tasks.hog]
run = "exec tail -c 190m /dev/zero"
memory = "16m"
"""
    )
    assert str(32 << 20) in project.ok("run", "limits").split()
    assert "50000" in project.ok("run", "cpus").split()
    result = project.run("run", "hog")
    assert result.status == 137
    assert "hog was killed: it needed more than its memory limit" in result.err


def test_image_with_user_entrypoint_and_workdir(make_project: MakeProject, caller: Caller) -> None:
    config = {
        "User": "nobody",
        "Entrypoint": ["/bin/echo", "entrypoint:"],
        "Cmd": ["default"],
        "WorkingDir": "/elsewhere",
        "Volumes": {"/volume": {}},
        "Healthcheck": {"Test": ["CMD", "false"], "Interval": 1_000_000_000},
        "Env": ["PATH=/bin", "HOME=/root", "TZ=Mars", "MINE=kept"],
    }
    project = make_project(
        '[tasks.look]\nrun = "id -u; pwd; echo $HOME $TZ $MINE"\n[tasks.argv]\nargv = ["echo", "plain"]\n',
        caller=caller,
        config=config,
    )
    assert project.ok("run", "look").split() == [str(caller.uid), "/src", "/home/build", "UTC", "kept"]
    assert project.ok("run", "argv") == "plain\n"
    assert project.ok("exec", "box", "--", "pwd") == "/src\n"


def test_user_root_and_numbers(make_project: MakeProject) -> None:
    project = make_project(
        """
[tasks.root]
run = "id -u; whoami"
user = "root"
[tasks.other]
run = "id -u; id -g; whoami"
user = "1234:99"
"""
    )
    assert project.ok("run", "root").split() == ["0", "build"]
    assert project.ok("run", "other").split() == ["1234", "99", "build"]


def test_writable_rootfs(make_project: MakeProject, caller: Caller) -> None:
    """Root in a writable root, by the task's wish or because the caller is root, is for the user to allow."""
    task = '[tasks.w]\nrun = "touch /file && echo yes || echo no"\nrootfs = "writable"\n'
    for user in ("root", "caller"):
        project = make_project(f'{task}user = "{user}"\n', caller=caller)
        if user == "root" or caller.uid == 0:
            refused = project.run("run", "w")
            assert (refused.status, refused.out) == (2, "")
            assert "--allow root" in refused.err
            assert project.ok("run", "--allow", "root", "w") == "yes\n"
        else:
            assert project.ok("run", "w") == "no\n"  # as the image's files have it


def test_workdir_and_mounts(make_project: MakeProject, caller: Caller) -> None:
    project = make_project(
        """
[tasks.sub]
run = "pwd; ls"
workdir = "back end"
[tasks.mount]
run = "cat /data/file; echo no >/data/file || echo read-only"
mounts = [{ source = "data", target = "/data", read-only = true }]
""",
        caller=caller,
    )
    project.write({"back end/here": "", "data/file": "content\n"})
    assert project.ok("run", "sub").splitlines() == ["/src/back end", "here"]
    assert project.ok("run", "mount").splitlines() == ["content", "read-only"]


def test_exec_starts_in_the_callers_folder(make_project: MakeProject) -> None:
    project = make_project("")
    project.write({"deep/er/file": ""})
    assert project.ok("exec", "box", "--", "pwd", cwd=project.root / "deep/er") == "/src/deep/er\n"
    assert (
        project.ok("shell", input=b"pwd; echo $0\n", cwd=project.root / "deep").splitlines()[0] == "/src/deep"
    )


def test_same_in_any_folder(make_project: MakeProject) -> None:
    """Paths with spaces, quotes, other alphabets, a leading dash, a comma and a colon."""
    for name in ("with space", "quote'\"s", "grüße-世界", "-dash", "a,b:c=d", "new\nline", "$HOME `id`"):
        project = make_project('[tasks.t]\nargv = ["cat", "file name"]\n', root=name)
        project.write({"file name": name})
        assert project.ok("run", "t") == name
        assert json.loads(project.ok("-C", f"./{name}", "list", "--json", cwd=project.root.parent))["tasks"]


def test_source_folder_that_is_a_link(make_project: MakeProject, caller: Caller) -> None:
    project = make_project('[tasks.t]\nrun = "pwd; touch made"\n', caller=caller)
    link = project.root.parent / "link"
    link.symlink_to(project.root)
    assert project.ok("run", "t", cwd=link) == "/src\n"
    assert project.ok("-C", str(link), "run", "t", cwd=Path("/")) == "/src\n"
    assert owner_and_mode(project.root / "made")[0] == caller.uid


def test_unreadable_source_file(make_project: MakeProject) -> None:
    """A file that the caller may not read is the task's to complain about, and stops nothing else."""
    project = make_project('[tasks.t]\nrun = "cat secret || echo refused; cat open"\nuser = "4321:4321"\n')
    project.write({"secret": "no", "open": "yes"})
    (project.root / "secret").chmod(0)
    assert project.ok("run", "t").splitlines() == ["refused", "yes"]


def test_two_runs_of_one_project_at_once(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nrun = "sleep 1; cat"\n')
    project.ok("run", "t")
    begun = time.monotonic()
    both = [project.start("run", "t") for _ in range(2)]
    ended = [process.communicate(str(at).encode(), timeout=60) for at, process in enumerate(both)]
    assert [out for out, _ in ended] == [b"0", b"1"], ended
    assert [process.returncode for process in both] == [0, 0]
    assert time.monotonic() - begun < 30


def test_verbose_prints_a_command_to_paste(make_project: MakeProject) -> None:
    project = make_project("[tasks.t]\nrun = \"pwd; id -u; cat 'a file'\"\n")
    project.write({"a file": "content\n"})
    result = project.run("-v", "run", "t")
    command = next(line for line in result.err.splitlines() if "docker run" in line).partition("like: ")[2]
    pasted = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert pasted.stdout == result.out


def test_what_may_not_run_is_refused_before_an_engine_is_asked(make_project: MakeProject) -> None:
    project = make_project('[tasks.t]\nrun = "true"\nnetwork = "host"\n')
    for engine in ("unix:///nowhere", "tcp://127.0.0.1:1"):
        assert project.run("--engine", engine, "run", "t").status == 2
        assert project.run("--engine", engine, "run", "--allow", "network=host", "t").status == 120
