"""What a rebuild says of a statement: the same bytes, others, or that it can't be told. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from buildbox.comparing.finding import Finding
from buildbox.errors import CantTell, Exit
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.build import Built
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, Entry
from buildbox.trees.faults import shown
from buildbox.units import show_duration

_KINDS = {FILE: "a file", PROGRAM: "a program", LINK: "a link", FOLDER: "an empty folder"}


class State(Enum):
    """What a rebuild came to; the order is that of what counts more."""

    IDENTICAL = "identical"
    CANT_TELL = "can't tell"
    DIFFERENT = "different"

    @property
    def exit(self) -> Exit:
        """buildbox's exit status for it."""
        return {"identical": Exit.OK, "different": Exit.DIFFERENT}.get(self.value, Exit.CANT_TELL)


@dataclass(frozen=True)
class Output:
    """One output, as the statement has it and as it was built."""

    path: str
    stated: Entry | None  # None: there is one too many
    built: Entry | None  # None: it wasn't built
    why: tuple[Finding, ...] = ()  # how the bytes differ, as far as the original is at hand

    @property
    def state(self) -> str:
        """identical, different, missing or extra."""
        if self.built is None:
            return "missing"
        if self.stated is None:
            return "extra"
        return "identical" if self.stated == self.built else "different"

    @property
    def lines(self) -> tuple[str, ...]:
        """What is wrong, for people: what differs of it, and how."""
        if self.built is None or self.stated is None:
            what = "is one too many" if self.built else "wasn't built"
            return (f"{shown(self.path)} {what}",)
        stated, built, what = self.stated, self.built, ""
        if stated.mode != built.mode:
            what = f"is {_KINDS[built.mode]}, and was {_KINDS[stated.mode]}"
        elif stated.digest != built.digest:
            sizes = f", {built.size} bytes instead of {stated.size}" if stated.size != built.size else ""
            what = f"differs: {built.digest[:12]} instead of {stated.digest[:12]}{sizes}"
        return (f"{shown(self.path)} {what}", *(f"  {finding.line}" for finding in self.why))


@dataclass(frozen=True)
class Verdict:
    """What one statement's rebuild came to."""

    step: str
    state: State
    outputs: tuple[Output, ...] = ()  # sorted by path; nothing where it wasn't built
    reason: str = ""  # one line, where there is nothing to compare
    missing: tuple[str, ...] = ()  # all that it would take to tell
    seconds: float | None = None  # that the rebuild took

    @property
    def wrong(self) -> tuple[Output, ...]:
        """The outputs that aren't identical."""
        return tuple(output for output in self.outputs if output.state != "identical")

    @property
    def line(self) -> str:
        """The verdict in one line, for people."""
        count = len(self.outputs)
        if self.reason:
            return f"{self.state.value}: {self.reason}"
        if self.state is State.IDENTICAL:
            return f"identical: {_files(count)}"
        return f"different: {f'{len(self.wrong)} of ' * (count > 1)}{_files(count)}"

    def to_json(self) -> dict[str, Any]:
        """As --json has it."""
        return {
            "step": self.step,
            "state": self.state.value,
            "reason": self.reason,
            "missing": list(self.missing),
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "outputs": [_output(output) for output in self.outputs],
        }


def judge(statement: Statement, built: Built) -> Verdict:
    """What `built` says of the statement."""
    name, seconds = statement.step.name, built.outcome.seconds
    if built.outcome.timed_out:
        limit = show_duration(statement.step.task.timeout or 0)
        missing = (f"a machine that builds it within its timeout of {limit}",)
        return Verdict(name, State.CANT_TELL, (), f"it was stopped after {limit}", missing, seconds)
    if built.outcome.status:
        reason = f"the build failed with status {built.outcome.status}, and passed when it was recorded"
        return Verdict(name, State.DIFFERENT, (), reason, seconds=seconds)
    if built.refused:
        reason = f"it made outputs that aren't taken in: {'; '.join(built.refused)}"
        return Verdict(name, State.DIFFERENT, (), reason, seconds=seconds)
    outputs = _compare(statement.outputs, built.entries)
    same = all(output.state == "identical" for output in outputs)
    return Verdict(name, State.IDENTICAL if same else State.DIFFERENT, outputs, seconds=seconds)


def cant_tell(statement: Statement, error: CantTell) -> Verdict:
    """The verdict where something is missing."""
    missing = error.missing or (error.reason,)
    count = "something is" if len(missing) == 1 else f"{len(missing)} things are"
    return Verdict(statement.step.name, State.CANT_TELL, (), f"{count} missing", missing)


def overall(states: Iterable[State]) -> State:
    """What counts most of several."""
    return max(states, key=list(State).index)


def _compare(stated: Sequence[Entry], built: Sequence[Entry]) -> tuple[Output, ...]:
    before, now = ({entry.path: entry for entry in entries} for entries in (stated, built))
    paths = sorted(before.keys() | now.keys(), key=lambda path: path.encode(errors="surrogateescape"))
    return tuple(Output(path, before.get(path), now.get(path)) for path in paths)


def _output(output: Output) -> dict[str, Any]:
    return {
        "path": output.path,
        "state": output.state,
        "stated": _entry(output.stated),
        "built": _entry(output.built),
        "why": [
            {"path": list(found.path), "kind": found.kind, "text": found.text, "more": found.more}
            for found in output.why
        ],
    }


def _entry(entry: Entry | None) -> dict[str, Any] | None:
    return entry and {"mode": f"{entry.mode:06o}", "sha256": entry.digest, "size": entry.size}


def _files(count: int) -> str:
    return "its one output" if count == 1 else f"its {count} outputs"
