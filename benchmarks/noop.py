"""How long it takes to find that nothing is to be done, measured against `docker run`, make and turbo.

    .venv/bin/python -m benchmarks.noop [--rounds 20] [--tasks 30] [--json]

The graph has 30 hermetic tasks in layers of five; each joins a file of its own and what two tasks of the
layer before have made. After a first run nothing has changed, and the same again is measured, in pairs (see
`pairs.py`), against

- one `docker run` of `true` in the same image with the same mount: at most 0.5 of it;
- `make` with the same graph, whose commands ran here, without containers; it compares times of files;
- `turbo run` (from npm) with the same graph, likewise; it hashes inputs and keeps outputs and logs.

It needs an engine, a docker client on the PATH, and the image that demo/ pins (`scripts/demo` makes it). What
is compared with make, or with turbo, which npm installs, is left out where there is no make or npm.
The exit status is 1 where the limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.pairs import Result, Taken, compare
from benchmarks.run import ROOT, image_id, read_pin

LIMIT = 0.5  # times what `docker run` takes
WIDTH = 5  # tasks in a layer
TURBO = "turbo@2.11.11"  # an npm package, Apache or MIT licensed as its version says
QUIET = {"TURBO_TELEMETRY_DISABLED": "1", "DO_NOT_TRACK": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20, help="pairs with each")
    parser.add_argument("--tasks", type=int, default=30, help="tasks of the graph")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    options = parser.parse_args()
    docker, buildbox = shutil.which("docker"), shutil.which("buildbox", path=str(Path(sys.executable).parent))
    if docker is None or buildbox is None:
        missing = "docker client on the PATH" if docker is None else "buildbox beside this Python"
        print(f"benchmarks: there is no {missing}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="buildbox-benchmark-") as name:
        results = measure(Path(name), options.tasks, options.rounds, docker, buildbox)
    if options.json:
        values = [{**asdict(result), "verdict": result.verdict} for result in results]
        print(json.dumps({"tasks": options.tasks, "results": values}, indent=2))
    else:
        show(options.tasks, results)
    return int(any(result.verdict == "too slow" for result in results))


def measure(folder: Path, tasks: int, rounds: int, docker: str, buildbox: str) -> list[Result]:
    """All comparisons; the graph is made in `folder` once for each tool."""
    project = make_graph(folder / "buildbox", tasks)
    pin = read_pin(ROOT / "demo/.buildbox.toml")
    (project / ".buildbox.toml").write_text(configuration(str(pin), tasks))
    ours = repeated([buildbox, "-q", "-C", str(project), "run"], project, tasks)
    theirs = [docker, "run", "--rm", "--network", "none", "-v", f"{project}:/src", "-w", "/src"]
    theirs += ["-u", f"{os.getuid()}:{os.getgid()}", image_id(docker, pin), "true"]
    results = [compare("one docker run", ours, lambda: taken(theirs, project), rounds, LIMIT)]
    if shutil.which("make"):
        project = make_graph(folder / "make", tasks)
        (project / "Makefile").write_text(makefile(tasks))
        results.append(compare("make", ours, repeated(["make", "-j2"], project, tasks), rounds, None))
    if shutil.which("npm"):
        project = make_graph(folder / "turbo", tasks)
        results.append(
            compare("turbo", ours, repeated(install_turbo(project, tasks), project, tasks), rounds, None)
        )
    return results


def needs(number: int) -> list[int]:
    """The tasks that task `number` needs: two of the layer before."""
    start, place = number // WIDTH * WIDTH - WIDTH, number % WIDTH
    return sorted({start + place, start + (place + 1) % WIDTH}) if start >= 0 else []


def last(tasks: int) -> list[int]:
    """The tasks that no other one needs."""
    needed = {other for number in range(tasks) for other in needs(number)}
    return [number for number in range(tasks) if number not in needed]


def command(number: int) -> str:
    """What a task does."""
    made = " ".join(f"out/{other}.txt" for other in needs(number))
    return f"cat in/{number}.txt {made} > out/{number}.txt"


def make_graph(folder: Path, tasks: int) -> Path:
    """A project with the tasks' own files, in git."""
    (folder / "in").mkdir(parents=True)
    (folder / "out").mkdir()
    for number in range(tasks):
        (folder / f"in/{number}.txt").write_text(f"{number}\n" * 1000)
    (folder / ".gitignore").write_text("/out/\n/node_modules/\n/.turbo/\n")
    return folder


def configuration(pin: str, tasks: int) -> str:
    """The graph as a `.buildbox.toml`."""
    default = json.dumps([f"t{number}" for number in last(tasks)])
    text = (
        f'[project]\ndefault = {default}\n\n[toolchains.it]\nimage = "{pin}"\n\n[defaults]\nhermetic = true\n'
    )
    for number in range(tasks):
        text += f"\n[tasks.t{number}]\nrun = {json.dumps(f'mkdir -p out; {command(number)}')}\n"
        text += f"needs = {json.dumps([f't{other}' for other in needs(number)])}\n"
        text += f'inputs = ["in/{number}.txt"]\noutputs = ["out/{number}.txt"]\n'
    return text


def makefile(tasks: int) -> str:
    """The graph as a Makefile."""
    text = f"all: {' '.join(f'out/{number}.txt' for number in last(tasks))}\n"
    for number in range(tasks):
        made = " ".join(f"out/{other}.txt" for other in needs(number))
        text += f"out/{number}.txt: in/{number}.txt {made}\n\t{command(number)}\n"
    return text


def install_turbo(project: Path, tasks: int) -> list[str]:
    """The graph as scripts and tasks for turbo, which is installed beside; the command that runs it."""
    scripts = {f"t{number}": command(number) for number in range(tasks)}
    package = {"name": "graph", "private": True, "packageManager": "npm@9.2.0", "scripts": scripts}
    graph = {
        f"t{number}": {
            "dependsOn": [f"t{other}" for other in needs(number)],
            "inputs": [f"in/{number}.txt"],
            "outputs": [f"out/{number}.txt"],
        }
        for number in range(tasks)
    }
    (project / "package.json").write_text(json.dumps(package))
    (project / "turbo.json").write_text(json.dumps({"tasks": graph}))
    quiet = ["--no-audit", "--no-fund", "--silent", "--no-save"]
    subprocess.run(["npm", "install", *quiet, TURBO], cwd=project, check=True, stdout=subprocess.DEVNULL)
    targets = [f"t{number}" for number in last(tasks)]
    return [str(project / "node_modules/.bin/turbo"), "run", *targets, "--output-logs=new-only"]


def repeated(line: Sequence[str], project: Path, tasks: int) -> Callable[[], Taken]:
    """Runs the graph once, and measures each time that it is run again; then nothing may change."""
    for args in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "graph"]):
        who = {"GIT_AUTHOR_NAME": "me", "GIT_AUTHOR_EMAIL": "me@host"}
        who |= {"GIT_COMMITTER_NAME": "me", "GIT_COMMITTER_EMAIL": "me@host"}
        subprocess.run(["git", *args], cwd=project, check=True, env={**os.environ, **who})
    taken(line, project)
    made = states(project, tasks)

    def again() -> Taken:
        spent = taken(line, project)
        if states(project, tasks) != made:
            raise SystemExit(f"benchmarks: {line[0]} made something again")
        return spent

    return again


def states(project: Path, tasks: int) -> Mapping[int, tuple[int, int]]:
    """Of each task's output its inode and time; turbo and buildbox put anew what isn't as they left it."""
    found = {number: (project / f"out/{number}.txt").stat() for number in range(tasks)}
    return {number: (state.st_ino, state.st_mtime_ns) for number, state in found.items()}


def taken(line: Sequence[str], folder: Path) -> Taken:
    """What a command takes, whose output is of no interest unless it fails."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            line,
            cwd=folder,
            env={**os.environ, **QUIET},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            text = said.read().decode(errors="replace")
            raise SystemExit(f"benchmarks: {' '.join(line)} failed:\n{text}")
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def show(tasks: int, results: Sequence[Result]) -> None:
    """Print the table."""
    print(f"{tasks} tasks of which none is to be done; medians in milliseconds, wall (processors)")
    row = "{:<16}  {:>14}  {:>14}  {:>6}  {:>5}  {}".format
    print(row("AGAINST", "BUILDBOX", "THE OTHER", "RATIO", "LIMIT", "VERDICT"))
    for each in results:
        ours, theirs = (f"{side.wall * 1000:.0f} ({side.cpu * 1000:.0f})" for side in (each.ours, each.other))
        print(row(each.what, ours, theirs, f"{each.ratio:.2f}", each.limit or "-", each.verdict))


if __name__ == "__main__":
    sys.exit(main())
