"""What `buildbox reproduce` works with: where it works, what it is given, and who is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from buildbox.archive.results import Result
from buildbox.cli.call import Call
from buildbox.console import write_all
from buildbox.digest import Digest
from buildbox.errors import NotAllowed, UsageError
from buildbox.execute import Output
from buildbox.logs import Logs, Tee, file_name
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.gather import to_run
from buildbox.rebuilding.repository import RepositorySupply
from buildbox.rebuilding.reproduce import Reproduced, Wishes, reproduce
from buildbox.rebuilding.subject import Chosen, Subject, find_subject
from buildbox.rebuilding.supply import Supply
from buildbox.stages import stages
from buildbox.tasks.plan import Step
from buildbox.verifying.verify import Given
from buildbox.workspace import FOLDER, STATE, own_folder

_REPRODUCED = "reproduced"
_MOST_REPORTS = 5  # of diffoscope, which may take minutes for each


@dataclass(frozen=True)
class Wanted:
    """What the command line says."""

    file: Path
    output: Path | None
    env: Sequence[str]  # NAME or NAME=VALUE
    secrets: Sequence[str]  # names
    allow: Sequence[str]
    vary: bool


@contextmanager
def reproduce_all(call: Call, wanted: Wanted) -> Iterator[tuple[str, Sequence[Reproduced], Logs]]:
    """Where the statements are from, what came of each, and their logs. Raises BuildboxError."""
    host = call.host
    project = call.project_root()
    base = project or host.cwd
    with ExitStack() as stack:
        new_folder = stack.enter_context(work_in(call, base))
        told, subjects, supply = _subjects(call, wanted.file, base, new_folder)
        statements = [chosen.statement for subject in subjects for chosen in subject.chosen]
        env = _given(wanted.env, host.env, statements)
        steps = [_vetted(statement, env, wanted.secrets) for statement in statements]
        _check_secrets(wanted.secrets, statements)
        place = _place(base, wanted.output and host.cwd / wanted.output, len(subjects))
        logs = stack.enter_context(
            closing(Logs(base, os.urandom(3).hex(), host.now, temporary=_temporary(call)))
        )
        # What the user lets this project have, a capsule that lies in it may not.
        root = project if project and not supply.closed else new_folder()
        try:
            session = stack.enter_context(call.session(root, steps, wanted.allow))
        except NotAllowed as error:
            if root == project:
                raise
            hint = f"Only if you trust it with that: {' '.join(error.options)}"
            reason = error.reason.replace("this project isn't allowed", "isn't allowed")
            raise NotAllowed(reason, hint, error.options) from None
        if not supply.closed:
            call.note_use(None, (step.toolchain.image for step in steps))
        sharing = stack.enter_context(call.shared_results(supply.archive))

        def output(statement: Statement) -> Output:
            log = logs.log(statement.step.name)
            return Tee(log, _OnStderr()) if call.console.verbose else log

        def pull(fingerprint: Digest) -> Result | None:
            return sharing.pull(fingerprint, host.now) if sharing else None

        wishes = Wishes(new_folder, place, call.console.say, output, env, pull, wanted.vary)
        found = []
        for subject in subjects:
            places = [subject.artifact, base] if subject.artifact else [base]
            each = reproduce(session, supply, subject, replace(wishes, originals=places))
            # diffoscope runs many programs on what it reads: not on what a stranger's capsule has.
            found.append(replace(each, originals={}) if supply.closed else each)
            logs.log(found[-1].statement.step.name).close()
        yield told, found, logs


def diffoscope_reports(call: Call, each: Reproduced, logs: Logs) -> Sequence[Path]:
    """Reports on files that differ, beside the log of the build; none where diffoscope isn't installed."""
    from buildbox.comparing.diffoscope import diffoscope_report

    program = which("diffoscope", path=call.host.env.get("PATH") or os.defpath)
    if program is None or each.folder is None or not each.originals:
        return ()
    logs.folder()
    found = []
    for path, original in list(each.originals.items())[:_MOST_REPORTS]:
        if logs.kept is None:
            break
        to = logs.kept / f"{file_name(f'{each.statement.step.name}+{path}').removesuffix('.log')}.txt"
        call.console.say(f"diffoscope looks at {path}")
        problem = diffoscope_report(original, each.folder / path, to, program)
        if problem:
            call.console.say(f"there is no report on {path}: {problem}")
        else:
            found.append(to)
    return found


class _OnStderr:
    """An Output on stderr, whichever stream it came from: stdout has the answer alone."""

    def write(self, stream: int, views: Sequence[memoryview]) -> None:
        """Raises OSError when nobody reads it any more."""
        write_all(2, views)


def _subjects(
    call: Call, file: Path, base: Path, new_folder: Callable[[], Path]
) -> tuple[str, Sequence[Subject], Supply]:
    """Where the statements are from, what is to be made again, and from what."""
    from buildbox.capsule.opening import is_capsule, open_capsule
    from buildbox.capsule.supply import CapsuleSupply

    if file.is_file() and is_capsule(file):
        call.console.say(f"checking the capsule {file}")
        opened = open_capsule(file, new_folder())
        told = f"the capsule {file}"
        found = [Chosen(build.statement, build.data, build.envelope) for build in opened.builds]
        subjects = [Subject(told, (chosen,)) for chosen in found]
        _check_signatures(call, subjects)
        return told, subjects, CapsuleSupply(opened)
    archive = call.archive()
    subject = find_subject(file, archive)
    _check_signatures(call, [subject])
    return subject.told, [subject], RepositorySupply(base, archive, call.host)


def _check_signatures(call: Call, subjects: Sequence[Subject]) -> None:
    """A rebuild needs no signature, but goes by no statement that was changed after it was signed.

    Raises Mismatch.
    """
    given = [
        Given(chosen.data, chosen.envelope, subject.told)
        for subject in subjects
        for chosen in subject.chosen
        if chosen.envelope
    ]
    if not given:
        return
    from buildbox.cli.keys import trusted_keys
    from buildbox.verifying.verify import hold_against

    keys = trusted_keys(call)
    signed = {key.id: key for each in given for key in hold_against(each, keys)}
    whose = ", ".join(key.told for key in signed.values())
    call.console.say(f"signed by {whose}" if whose else "signed by no key that is trusted here: not checked")


def _given(words: Sequence[str], env: Mapping[str, str], statements: Sequence[Statement]) -> dict[str, str]:
    """The values of --env. Raises UsageError for those that nothing takes."""
    known = {name for statement in statements for name in statement.step.task.pass_env}
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"--env {name}: the build had no such variable from its caller",
                f"It gives what `pass-env` let through; here: {names}.",
            )
        if not equals and name not in env:
            raise UsageError(f"--env {name}: it isn't set", f"Set it, or write --env {name}=VALUE.")
        found[name] = value if equals else env[name]
    return found


def _check_secrets(names: Sequence[str], statements: Sequence[Statement]) -> None:
    known = {name for statement in statements for name in statement.step.task.secrets}
    for name in names:
        if name not in known:
            raise UsageError(
                f"--secret {name}: the build had no such secret",
                f"It had: {', '.join(sorted(known)) or 'none'}.",
            )


def _vetted(statement: Statement, env: Mapping[str, str], secrets: Sequence[str]) -> Step:
    """The step as it is held against what is allowed: without secrets that weren't given. Its folder is one
    of the source, which isn't there yet."""
    step = to_run(statement, env)
    given = tuple(name for name in step.task.secrets if name in secrets)
    task = replace(step.task, secrets=given, workdir=".", caches=statement.step.task.caches)
    return replace(step, task=task)


@contextmanager
def work_in(call: Call, base: Path) -> Iterator[Callable[[], Path]]:
    """Gives empty folders to work in, gone at the end; after a kill, the next run there removes them."""
    is_new = not os.path.lexists(base / FOLDER)
    own = own_folder(base, STATE)
    if own:
        try:
            with stages(own) as folders:
                yield folders.new
        finally:
            if is_new:
                _tidy(base / FOLDER)
        return
    temporary = TemporaryDirectory(prefix="buildbox-", dir=_temporary(call))
    with temporary as folder, stages(Path(folder)) as folders:
        yield folders.new


def _tidy(own: Path) -> None:
    """Removes buildbox's own folder where nothing is left in it."""
    for folder in (own / STATE / "stage", own / STATE, own / _REPRODUCED):
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        if os.listdir(own) == [".gitignore"]:  # noqa: PTH208
            (own / ".gitignore").unlink()
            own.rmdir()


def _temporary(call: Call) -> Path:
    return Path(call.host.env.get("TMPDIR") or "/tmp")


def _place(base: Path, output: Path | None, subjects: int) -> Callable[[Statement], Path]:
    """Gives the empty folder that what is built comes to. Raises UsageError where there can't be one."""
    if output is None:
        above = own_folder(base, _REPRODUCED)
        if above is None:
            raise UsageError(
                f"{base / FOLDER / _REPRODUCED} can't be written", "Say where what is built comes to: -o DIR"
            )
        return lambda statement: _new(above, _name(statement))
    try:
        output.mkdir(parents=True, exist_ok=True)
        taken = any(output.iterdir())
    except OSError as error:
        raise UsageError(f"{output} can't be written: {error.strerror}", "-o takes a folder.") from None
    if taken:
        raise UsageError(f"{output} isn't empty", "-o takes a new or empty folder: nothing is overwritten.")
    return (lambda statement: output) if subjects == 1 else lambda statement: _new(output, _name(statement))


def _new(above: Path, name: str) -> Path:
    for number in count(1):
        folder = above / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            continue
    raise AssertionError


def _name(statement: Statement) -> str:
    return file_name(statement.step.name).removesuffix(".log")
