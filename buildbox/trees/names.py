"""Which names and links of outputs are taken into a project."""

from __future__ import annotations

OWN = (".git", ".buildbox")  # at the top of a project: never inputs, never outputs
MAX_PATH = 2048  # bytes of a path in a tree: half of what Linux takes, the project's own path comes before it
MAX_DEPTH = 100  # folders in each other, each of which is held open


def name_problem(path: str) -> str:
    """What is wrong with a path that a task made; "" for nothing."""
    try:
        size = len(path.encode())
    except UnicodeEncodeError:
        return "has a name that isn't UTF-8"
    if any(sign < " " or sign == "\x7f" for sign in path):
        return "has a name with control characters in it"
    if size > MAX_PATH:
        return f"has a path of {size} bytes, more than {MAX_PATH}"
    if path.count("/") >= MAX_DEPTH:
        return f"lies in more than {MAX_DEPTH} folders"
    return ""


def link_problem(path: str, target: str) -> str:
    """What is wrong with the target of the link `path`; "" where it stays in the tree.

    It may go up only at its beginning, where each ".." leaves a real folder: behind a name that is a link, no
    text tells where it goes.
    """
    if problem := name_problem(target):
        return f"is a link whose target {problem}"
    if target.startswith("/"):
        return f"is a link to an absolute path, {target}"
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = next((number for number, part in enumerate(parts) if part != ".."), len(parts))
    if up > path.count("/"):
        return f"is a link that leads out of the project, to {target}"
    if ".." in parts[up:]:
        return f"is a link that goes up again behind a name: {target}"
    return ""


def parents(path: str) -> list[str]:
    """The folders that lead to `path`, the outermost first."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
