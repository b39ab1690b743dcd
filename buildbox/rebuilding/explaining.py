"""How rebuilt outputs differ from the original ones, where those are at hand."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.results import extract
from buildbox.comparing.compare import compare_files
from buildbox.comparing.finding import MODE, Finding
from buildbox.comparing.limits import Budget
from buildbox.digest import CHUNK
from buildbox.errors import BuildboxError
from buildbox.provenance.statement import Statement
from buildbox.rebuilding.results import result_of
from buildbox.rebuilding.verdict import Verdict
from buildbox.trees.entry import FILE, PROGRAM, Entry


def explain(verdict: Verdict, originals: Mapping[str, Path], built: Path) -> Verdict:
    """The verdict, with what differs in files of other bytes. `built` is the folder with what was built."""
    budget = Budget()  # for all of them together

    def why(path: str) -> tuple[Finding, ...]:
        found = compare_files(originals[path], built / path, Path(path).name, budget)
        # The modes of the originals are their copies'; the statement has those that count.
        return tuple(each for each in found if each.kind != MODE or len(each.path) > 1)

    outputs = (
        replace(output, why=why(output.path)) if output.path in originals else output
        for output in verdict.outputs
    )
    return replace(verdict, outputs=tuple(outputs))


def find_originals(
    verdict: Verdict, statement: Statement, archive: Archive, places: Iterable[Path], scratch: Path
) -> Mapping[str, Path]:
    """Files with the original bytes of what differs, by their paths as outputs.

    Looked for at `places` (a file, or a folder that has outputs at their paths), then in the archive, whose
    result is unpacked into the folder `scratch`. What isn't found is left out.
    """
    wanted = {
        output.path: output.stated
        for output in verdict.wrong
        if output.stated and output.built and _is_file(output.stated) and _is_file(output.built)
        if output.stated.digest != output.built.digest
    }
    found: dict[str, Path] = {}
    for path, entry in wanted.items():
        for place in places:
            for candidate in (place / path, place):
                if path not in found and _has(candidate, entry):
                    found[path] = candidate
    if found.keys() != wanted.keys() and _unpack(statement, archive, scratch):
        found = {path: scratch / path for path in wanted} | found
    return found


def _unpack(statement: Statement, archive: Archive, to: Path) -> bool:
    with suppress(BuildboxError):
        result = result_of(archive, statement)
        if result:
            extract(archive, result, to)
            return True
    return False


def _is_file(entry: Entry) -> bool:
    return entry.mode in (FILE, PROGRAM)


def _has(path: Path, entry: Entry) -> bool:
    """Whether the file at `path`, which may be anything, has the bytes of `entry`."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe may have no writer
    except OSError:
        return False
    try:
        state = os.fstat(handle)
        if not stat.S_ISREG(state.st_mode) or state.st_size != entry.size:
            return False
        hasher = hashlib.sha256()
        while data := os.read(handle, CHUNK):
            hasher.update(data)
        return hasher.hexdigest() == entry.digest
    except OSError:
        return False
    finally:
        os.close(handle)
