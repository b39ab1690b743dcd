"""CI systems' runners, as far as a pipeline's steps can tell: a clean container, and their variables."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_TOKEN = re.compile(r"'(?:[^']|'')*'|&&|\|\||[!=]=|[A-Za-z_][\w.-]*(?!\w)|\S|\s+")


@dataclass(frozen=True)
class Machine:
    """A container in which jobs run."""

    name: str

    def shell(self, script: str, folder: str, env: Mapping[str, str]) -> str:
        """What `script` prints, stderr too, in a bash of its own."""
        words = [word for name, value in env.items() for word in ("-e", f"{name}={value}")]
        bash = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            ["docker", "exec", "-i", *words, "-w", folder, self.name, *bash],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout

    def clone(self, folder: str) -> None:
        """Has nothing but a fresh clone of /repository in `folder`."""
        self.shell(f"rm -rf {folder} && git clone -q /repository {folder}", "/", {})


@contextmanager
def machine(image: str, *options: str) -> Iterator[Machine]:
    """A container of the engine's `image` that waits for steps; it is gone afterwards."""
    command = ["docker", "run", "-d", "--rm", "--init", "--network", "host", *options, image, "sleep", "900"]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    try:
        yield Machine(name)
    finally:
        subprocess.run(["docker", "rm", "-f", name], check=True, capture_output=True)


def github_job(
    place: Machine, workflow: Mapping[str, Any], job: str, contexts: Mapping[str, str], env: Mapping[str, str]
) -> dict[str, str]:
    """Runs a job of a workflow as GitHub's runner does; what each of its named steps printed.

    `contexts` has the values of expressions by their full names ("vars.X"); others are empty. An upload fails
    if a path of it matches nothing.
    """
    found = workflow["jobs"][job]
    folder, temp = "/github/workspace", "/github/temp"
    place.shell(f"rm -rf {temp} && mkdir -p {temp} && touch {temp}/env {temp}/path", "/", {})
    known = {**contexts, "runner.temp": temp}
    assert evaluate(found.get("if", "${{ true }}"), known) not in (None, False, "")
    base = {name: fill(text, known) for name, text in workflow["env"].items()}
    base |= {"CI": "true", "GITHUB_ACTIONS": "true", "RUNNER_TEMP": temp, "HOME": "/root", **env}
    base |= {"GITHUB_ENV": f"{temp}/env", "GITHUB_PATH": f"{temp}/path"}
    said = {}
    for step in found["steps"]:
        action = step.get("uses", "").partition("@")[0]
        if action == "actions/checkout":
            place.clone(folder)
        elif action == "actions/upload-artifact":
            paths = fill(step["with"]["path"], known).split()
            place.shell(
                f"ls -d {' '.join(paths)}", folder, {}
            )  # globs that match nothing stay, and aren't there
        elif "run" in step:
            mine = {name: fill(text, known) for name, text in step.get("env", {}).items()}
            said[step["name"]] = place.shell(
                _with_files(temp) + fill(step["run"], known), folder, base | mine
            )
    return said


def gitlab_job(
    place: Machine, pipeline: Mapping[str, Any], job: str, variables: Mapping[str, str], variant: str = ""
) -> str:
    """Runs a job of a pipeline as GitLab's runner does; what it printed. Its artifacts have to be there."""
    found = pipeline[job]
    template = pipeline[found["extends"]]
    folder = "/builds/group/project"
    place.clone(folder)
    env = {name: text.replace("$$", "$") for name, text in pipeline["variables"].items()}
    env |= {"CI": "true", "GITLAB_CI": "true", "HOME": "/root", "CI_PROJECT_DIR": folder, **variables}
    env |= {"VARIANT": variant} if variant else {}
    said = place.shell("\n".join([*template["before_script"], *found["script"]]), folder, env)
    artifacts = found["artifacts"]
    paths = [*artifacts.get("paths", []), artifacts["reports"]["junit"]]
    place.shell(f"ls -d {' '.join(paths)}", folder, {})
    place.shell("\n".join(template["after_script"]), folder, env)
    (cache,) = found["cache"]["paths"]
    place.shell(
        f"ls {cache}archive/blobs && ! ls {cache}archive/results && ! ls -d {folder}.buildbox", folder, {}
    )
    return said


def _with_files(temp: str) -> str:
    """What steps before wrote into GITHUB_ENV and GITHUB_PATH."""
    return (
        f"while IFS='=' read -r name value; do export \"$name=$value\"; done < {temp}/env\n"
        f'while read -r folder; do export PATH="$folder:$PATH"; done < {temp}/path\n'
    )


def fill(text: str, contexts: Mapping[str, str]) -> str:
    """`text` with its expressions evaluated."""

    def value(match: re.Match[str]) -> str:
        found = evaluate(match[0], contexts)
        return {None: "", True: "true", False: "false"}.get(found, str(found))

    return _EXPRESSION.sub(value, str(text))


def evaluate(text: str, contexts: Mapping[str, str]) -> Any:
    """An expression of GitHub's, of the kinds that workflows here have."""
    functions: dict[str, Callable[..., Any]] = {
        "cancelled": lambda: False,
        "startsWith": lambda text, start: str(text).startswith(start),
        "format": lambda text, *values: text.format(*values),
        "hashFiles": lambda *paths: "0",
    }
    words = {"&&": " and ", "||": " or ", "!": " not ", "true": "True"}

    def python(token: str) -> str:
        if token.startswith("'"):
            return repr(token[1:-1].replace("''", "'"))
        if token in words or token in functions or not (token[0].isalpha() or token[0] == "_"):
            return words.get(token, token)
        return f"contexts.get({token!r}, '')"

    source = "".join(map(python, _TOKEN.findall(text.removeprefix("${{").removesuffix("}}").strip())))
    return eval(source, {"__builtins__": {}}, {**functions, "contexts": contexts})
