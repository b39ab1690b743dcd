"""Mending an archive: what is damaged is set aside, what is missing fetched again by digest, and what was set
aside removed only when all is sound. Results that can't be used are dropped: running makes them again, or
asking the remote archive, which every run does. Statements are dropped where nobody has what they lack."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from buildbox.archive import files, names
from buildbox.archive.fetch import fetch_blob, fetch_top
from buildbox.archive.hashing import States
from buildbox.archive.hints import forget_hints, result_name
from buildbox.archive.layout import Archive
from buildbox.archive.marks import forget_marks, is_statement_name, statement_name
from buildbox.archive.places import Place
from buildbox.archive.soundness import DAMAGED, MISSING, SET_ASIDE, Fault, Soundness, examine
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import Platform
from buildbox.progress import Progress
from buildbox.registry.client import Registry

_ROUNDS = 6  # what an index brings back may show what is missing below it, and so on down


@dataclass(frozen=True)
class Healed:
    """A fault that is no more."""

    fault: Fault
    place: Place | None  # where the blob came from; None: nothing needed it


@dataclass
class Repair:
    """What was done, and what each place answered that couldn't help."""

    healed: list[Healed] = field(default_factory=list)
    answers: dict[tuple[str, Place], str] = field(default_factory=dict)  # by name
    names: int | None = None  # in the list of names that was made anew; None: there was no need to
    results: int = 0  # that were dropped
    statements: int = 0  # the same


def repair(
    archive: Archive,
    states: States,
    found: Soundness,
    platform: Platform,
    *,
    places_for: Callable[[str], Sequence[Place]],
    open_registry: Callable[[str], Registry],
    known: Iterable[str],
    progress: Progress,
) -> tuple[Soundness, Repair]:
    """Mends what `found` says is wrong, as far as it can be, and says what is wrong now.

    `places_for` gives where something kept by a name can be had, best first; `known` see names.rebuild;
    `states` and `platform` see soundness.examine. Raises ArchiveError where the archive can't be written.
    """
    done = Repair()
    if found.list_fault:
        done.names = names.rebuild(archive, states, known, archive.path / SET_ASIDE)
        found = examine(archive, states, platform)
    done.results = _drop_results(archive, found)
    if done.results:
        found = examine(archive, states, platform)
    for _ in range(_ROUNDS):
        before = len(done.healed)
        for fault in (each for each in found.faults if each.names):
            if fault.state == DAMAGED:
                _set_aside(archive, states, fault.blob.digest)
            if fault.state in (DAMAGED, MISSING):
                _fetch(archive, fault, places_for, open_registry, done, progress)
        found = examine(archive, states, platform)
        if len(done.healed) == before:
            break
    done.statements = _drop_statements(archive, found)
    if done.statements:
        found = examine(archive, states, platform)
    unneeded = [fault for fault in found.faults if not fault.names]  # sooner, who needs them may be missing
    for fault in unneeded:
        _set_aside(archive, states, fault.blob.digest)
        done.healed.append(Healed(fault, None))
    if unneeded:
        found = examine(archive, states, platform)
    _tidy(archive, states, everything=found.ok)
    return found, done


def _drop_results(archive: Archive, found: Soundness) -> int:
    names = {name for fault in found.faults for name in fault.names}
    spoilt = [hint for hint in found.results if result_name(hint.fingerprint) in names]
    return len(forget_hints(archive, spoilt)) if spoilt else 0


def _drop_statements(archive: Archive, found: Soundness) -> int:
    names = {name for fault in found.faults for name in fault.names}
    spoilt = [mark for mark in found.statements if statement_name(mark.manifest) in names]
    return len(forget_marks(archive, spoilt)) if spoilt else 0


def _set_aside(archive: Archive, states: States, digest: Digest) -> None:
    """Moves a damaged blob out of the way; a good one that came meanwhile stays."""
    path, aside = archive.blob_path(digest), archive.path / SET_ASIDE
    states.pop(digest, None)
    if archive.is_sound(digest):
        return
    with files.explained(path):
        aside.mkdir(exist_ok=True)
        if (aside / digest.hex).is_dir():  # a folder had the name of a blob once before
            raise ArchiveError(f"{aside / digest.hex} is in the way", "Look at what it is, and remove it.")
        with suppress(FileNotFoundError):
            path.replace(aside / digest.hex)
        files.sync_folder(archive.blobs)


def _fetch(
    archive: Archive,
    fault: Fault,
    places_for: Callable[[str], Sequence[Place]],
    open_registry: Callable[[str], Registry],
    done: Repair,
    progress: Progress,
) -> None:
    for name, place in ((each, place) for each in fault.names for place in places_for(each)):
        if (name, place) in done.answers:
            continue  # asked before, in vain
        try:
            registry = open_registry(place.host)
            if is_statement_name(name) and fault.role == "manifest":
                archive.add_bytes(registry.manifest(place.repository, fault.blob.digest).data)
            elif fault.role in ("index", "manifest"):
                archive.add_bytes(fetch_top(archive, registry, place, fault.blob.digest).data)
            else:
                fetch_blob(archive, registry, place.repository, fault.blob, progress)
            done.healed.append(Healed(fault, place))
            return
        except ImageError as error:
            done.answers[name, place] = error.reason


def _tidy(archive: Archive, states: States, everything: bool) -> None:
    """Removes what was set aside and is here again; where all is sound, also blobs that nothing needs."""
    aside = archive.path / SET_ASIDE
    if not aside.is_dir():
        return
    with files.explained(aside):
        for path in aside.iterdir():
            if path.name == "index.json" or path.is_dir():
                continue  # to be looked at by hand
            if everything or states.get(Digest(path.name)) == "":
                path.unlink()
        with suppress(OSError):
            aside.rmdir()
