"""`run --junit FILE`, `run --summary FILE`, and the page that GitHub Actions shows of a job."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from buildbox.cli.call import Call, Project
from buildbox.console.record import Record, Story
from buildbox.errors import BuildboxError, Exit, UsageError
from buildbox.host import Host
from buildbox.tasks.plan import Plan
from buildbox.trees.folders import CREATE, Folders

_PAGE = 1 << 20  # bytes that GitHub Actions takes of a step (actions/runner, FileCommandManager.cs)


@dataclass(frozen=True)
class Target:
    """A file that a run leaves for others to read. `kind` is the option that names it."""

    kind: str
    path: Path  # absolute, its folder without links
    root: Path  # of the project

    @property
    def folder(self) -> str | None:
        """Its folder, relative to the project ("" for that itself); None where it is elsewhere, so that no
        task can reach it."""
        parent = self.path.parent
        if not parent.is_relative_to(self.root):
            return None
        return "" if parent == self.root else parent.relative_to(self.root).as_posix()


def wanted(call: Call, project: Project, junit: Path | None, summary: Path | None) -> Sequence[Target]:
    """The files, each found to be one that can be written, and empty of what an earlier run told.

    Raises UsageError.
    """
    named = {"--junit": junit, "--summary": summary}
    targets = [_target(kind, call.host, path, project.root) for kind, path in named.items() if path]
    if len({target.path for target in targets}) < len(targets):
        raise UsageError("--junit and --summary name the same file", "Give each a file of its own.")
    for target in targets:
        try:
            _clear(target)
        except OSError as error:
            raise _cannot_write(target, error) from None
    return targets


def run_recorded(
    call: Call, project: Project, plan: Plan, run: Callable[[Record], int], targets: Sequence[Target]
) -> int:
    """Has `run` run the plan, and gives its exit status. What became of it is in `targets`, each written at
    once, however it ends.

    Raises UsageError where all went well, but for one of them.
    """
    record = Record(project.config.name, plan, call.host.clock)
    try:
        status = run(record)
    except BaseException as error:
        for fault in _tell(call, targets, record.story(*_ended_by(error))):
            call.console.error(fault)
        raise
    for fault in _tell(call, targets, record.story(status)):
        if not status:
            raise fault
        call.console.error(fault)
    return status


def _tell(call: Call, targets: Sequence[Target], story: Story) -> list[UsageError]:
    faults = []
    for target in targets:
        try:
            _write(target, _content(target.kind, story))
        except OSError as error:
            faults.append(_cannot_write(target, error))
    if page := call.host.github_page:
        _add_to_page(call, page, story)
    return faults


def _add_to_page(call: Call, page: str, story: Story) -> None:
    from buildbox.console.summary import markdown

    try:
        with open(page, "ab") as file:
            text = markdown(story, _PAGE - file.tell() - 1)
            file.write(f"{text}\n".encode() if text else b"")
    except OSError as error:
        call.console.say(f"GitHub's summary of this job can't be written: {error.strerror}")


def _content(kind: str, story: Story) -> bytes:
    if kind == "--junit":
        from buildbox.console.junit import junit

        return junit(story)
    from buildbox.console.summary import markdown

    return markdown(story, _PAGE).encode()


def _ended_by(error: BaseException) -> tuple[int, BuildboxError | None]:
    """The exit status that `error` will be, and how to tell it; a signal is told by what it stopped."""
    if isinstance(error, BuildboxError):
        return error.exit, error
    if isinstance(error, BrokenPipeError):
        return Exit.BROKEN_PIPE, None
    if isinstance(error, Exception):
        return Exit.BUG, BuildboxError(f"this is a bug in buildbox: {type(error).__name__}: {error}")
    return int(getattr(error, "status", Exit.INTERRUPTED)), None


def _target(kind: str, host: Host, named: Path, root: Path) -> Target:
    path = host.cwd / named
    here = Path(os.path.normpath(path))
    target = Target(kind, path.parent.resolve() / path.name, root)
    if str(named) == "-" or path.is_dir() or not path.name:
        raise UsageError(f"{kind} {named}: that is no file", "Name one: stdout is the task's.")
    if here.is_relative_to(root) and target.folder is None:
        reason = f"{kind} {named}: a link in the project leads out of it, to {target.path.parent}"
        raise UsageError(reason, f"If that is what you want, name it so: {kind} {target.path}")
    return target


def _cannot_write(target: Target, error: OSError) -> UsageError:
    return UsageError(
        f"{target.kind}: {target.path} can't be written: {error.strerror}",
        "Name a file in a folder that you may write, and that no task makes a link.",
    )


# A task may have put a link anywhere in the project by the time that a file is written there.


def _clear(target: Target) -> None:
    """Tries whether it can be written. What an earlier run wrote goes: if this one is killed, nobody may
    take that for its own."""
    if target.folder is None:
        if not _is_special(target.path):
            target.path.parent.mkdir(parents=True, exist_ok=True)
            _write(target, b"")
            target.path.unlink()
        return
    _write(target, b"")
    with Folders(target.root) as folders:
        os.unlink(target.path.name, dir_fd=folders.enter(target.folder))


def _write(target: Target, data: bytes) -> None:
    """All of it, or nothing: under another name first."""
    if target.folder is None:
        if _is_special(target.path):
            with open(target.path, "ab") as file:
                file.write(data)
            return
        _write_in(os.open(target.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), target, data)
        return
    with Folders(target.root, 0o755) as folders:
        _write_in(os.dup(folders.enter(target.folder)), target, data)


def _write_in(folder: int, target: Target, data: bytes) -> None:
    new = f".{target.path.name[:100]}-{os.urandom(6).hex()}"
    try:
        with open(os.open(new, CREATE, 0o644, dir_fd=folder), "wb") as file:
            file.write(data)
        os.rename(new, target.path.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(new, dir_fd=folder)
        raise
    finally:
        os.close(folder)


def _is_special(path: Path) -> bool:
    """Whether no other file can take its place: a pipe, a device, or what is open, such as /dev/stdout."""
    try:
        if path.is_symlink() and path.parts[1] in ("dev", "proc"):
            return True
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False
