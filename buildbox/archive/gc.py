"""What `archive gc` does, while others may save.

Where nobody saves (savers.py), nobody begins before it is done: what is dropped is removed at once. Else
names go that nobody has come to count on since it was planned, and of blobs only what nobody claimed
(Archive.claim) for a day, each under the archive's lock. What nothing ever referred to is left for a day in
any case: it is an interrupted download's.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive import files, savers
from buildbox.archive.hints import forget_hints, look_up, result_name, state_of_hints
from buildbox.archive.layout import REPAIR, Archive
from buildbox.archive.left import Needs, needs_of_kept, take_results, take_statements
from buildbox.archive.marks import forget_marks, state_of_marks, statement_name
from buildbox.archive.plan import Drop, Limits, plan, size_of
from buildbox.archive.projects import KnownProject, forget, known_projects
from buildbox.archive.stock import RESULT, STATEMENT, Kept, blob_names, take_stock
from buildbox.archive.use import last_used
from buildbox.digest import Digest
from buildbox.errors import ArchiveError
from buildbox.oci import Descriptor

_GRACE = 86400.0  # seconds for which what nothing refers to is left alone
_HEX = re.compile(r"[0-9a-f]{64}")  # a blob's name
_TICK = 1.0  # seconds; more than a file system's clock steps by
_BATCH = 50  # blobs that are removed before somebody else gets the lock


@dataclass(frozen=True)
class Collected:
    """What `collect` did, or would do."""

    drops: tuple[Drop, ...]
    blobs: int  # removed, of what is dropped and of what nothing referred to
    freed: int  # bytes of them, and of the files below
    files: int  # abandoned downloads and files aside
    size: int  # bytes of all that is kept
    gone: tuple[KnownProject, ...]  # projects that don't count any more
    alone: bool  # nobody saved meanwhile: else blobs of what was dropped are there for another day


def collect(
    archive: Archive, data: Path, limits: Limits, now: float, *, dry_run: bool, also: Iterable[Digest] = ()
) -> Collected:
    """Drops what may go by `limits`, and removes blobs that nothing refers to and what dead writers left.

    `data` is buildbox's folder with its notes on projects, `also` are images that are needed beside theirs
    and those of statements that are to stay. A dry run changes nothing. Raises ArchiveError; before anything
    is done where something that stays is damaged, for what it needs can't be told then.
    """
    with nullcontext(True) if dry_run else savers.nobody_else(archive.path) as alone:
        return _collect(_Work(archive, data, now, frozenset(also), alone), limits, dry_run)


def loose(archive: Archive, stock: Iterable[Kept]) -> int:
    """Bytes of the blobs that are in nothing of `stock`. Raises ArchiveError."""
    with files.explained(archive.blobs):
        return sum(archive.size(digest) for digest in _loose(archive, _all_blobs(stock)))


@dataclass(frozen=True)
class _Work:
    archive: Archive
    data: Path
    now: float
    also: frozenset[Digest]
    alone: bool  # nobody saves meanwhile

    def needed(self, projects: Iterable[KnownProject]) -> Needs:
        needs = needs_of_kept(self.archive)
        return Needs(needs.images.union(self.also, *(each.digests for each in projects)), needs.results)

    def released(self, drops: Iterable[Drop]) -> frozenset[Digest]:
        """Blobs that nobody can be counting on once `drops` have no name."""
        return frozenset().union(*(drop.kept.blobs for drop in drops)) if self.alone else frozenset()


def _collect(work: _Work, limits: Limits, dry_run: bool) -> Collected:
    archive = work.archive
    _check_names(archive)
    projects = known_projects(work.data)
    needed = work.needed(projects)
    stock = _all_kept(archive, needed)
    used = {kept.top.digest: when for kept in stock if (when := _last_used(work, kept))}
    drops = plan(stock, used, needed.all, limits, work.now)
    going = {drop.kept.names for drop in drops}
    staying = [kept for kept in stock if kept.names not in going]
    _check_damage(staying)
    if dry_run:
        unnamed = _loose(archive, _all_blobs(staying))
        found = [_removable(archive, digest, work.released(drops), work.now) for digest in unnamed]
        sizes = [size for size in found if size is not None]
    else:
        drops = _drop(work, drops, used)
        sizes = list(_sweep(work, work.released(drops)))
        staying = list(_all_kept(archive, needed))
        forget(work.data, _gone(projects), {digest for kept in staying for digest in kept.manifests})
    aside = list(_abandoned(archive, work.now, remove=not dry_run))
    freed = sum(sizes) + sum(aside)
    return Collected(drops, len(sizes), freed, len(aside), size_of(staying), _gone(projects), work.alone)


def _drop(work: _Work, drops: Sequence[Drop], used: Mapping[Digest, float]) -> tuple[Drop, ...]:
    """Forgets the names of `drops`; gives those that nobody has come to count on meanwhile."""
    if not drops:
        return ()
    needed = work.needed(known_projects(work.data)).all
    hints = [drop.kept.hint for drop in drops if drop.kept.hint]
    marks = [drop.kept.mark for drop in drops if drop.kept.mark]
    left = forget_hints(work.archive, hints, lambda hint: hint.manifest in needed)
    gone = {*map(result_name, left), *map(statement_name, forget_marks(work.archive, marks))}
    planned = {drop.kept.top.digest: drop.kept for drop in drops if drop.kept.kind not in (RESULT, STATEMENT)}

    def spare(found: Descriptor) -> bool:
        kept = planned.get(found.digest)
        return (
            kept is None
            or not (work.alone or _is_settled(work, kept))
            or not kept.manifests.isdisjoint(needed)
            or (last_used(work.data, kept.manifests) or 0) > used.get(found.digest, 0)
        )

    names = {name for kept in planned.values() for name in kept.names}
    gone |= work.archive.drop(names, spare) if names else frozenset()
    return tuple(drop for drop in drops if gone.issuperset(drop.kept.names))


def _is_settled(work: _Work, kept: Kept) -> bool:
    """Whether nobody has saved it anew since it was seen."""
    try:
        changed = work.archive.blob_path(kept.top.digest).stat().st_ctime_ns
    except FileNotFoundError:
        return True
    return changed == kept.changed and changed / 1e9 < work.now - _TICK


def _sweep(work: _Work, released: Collection[Digest]) -> Iterator[int]:
    """Removes blobs that nothing refers to; gives the bytes of each."""
    archive = work.archive
    seen, live = None, _all_blobs(_all_kept(archive, work.needed(known_projects(work.data))))
    todo = sorted(_loose(archive, live))
    for start in range(0, len(todo), _BATCH):
        with files.locked(archive.path / "lock"), files.explained(archive.blobs):
            if seen != (seen := _state_of_names(archive)):  # something was named meanwhile
                stock = _all_kept(archive, work.needed(known_projects(work.data)))
                _check_damage(stock)
                live = _all_blobs(stock)
            for digest in todo[start : start + _BATCH]:
                size = _removable(archive, digest, released, work.now)
                if digest not in live and size is not None:
                    archive.blob_path(digest).unlink()
                    yield size


def _removable(archive: Archive, digest: Digest, released: Collection[Digest], now: float) -> int | None:
    """Bytes of a blob that nothing refers to, if it may go; None where it is to stay, or gone."""
    try:
        status = archive.blob_path(digest).stat()
    except FileNotFoundError:
        return None
    may_go = digest in released or now - status.st_ctime > _GRACE
    return status.st_size if may_go else None


def _abandoned(archive: Archive, now: float, *, remove: bool) -> Iterator[int]:
    """Bytes of what dead writers left: a blob's beginning at once, a download that can go on after a day."""
    with files.explained(archive.path):
        paths = [path for name in ("ingest", "partial") for path in (archive.path / name).glob("*")]
        for path in paths:
            try:
                file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                status = os.fstat(file)
                if not files.is_at(file, path):
                    continue
                done = path.parent.name == "ingest" or (archive.blobs / path.name).exists()
                if done or now - status.st_mtime > _GRACE:
                    if remove:
                        path.unlink()
                    yield status.st_size
            except BlockingIOError:
                pass  # its writer lives
            finally:
                os.close(file)


def _all_blobs(stock: Iterable[Kept]) -> frozenset[Digest]:
    return frozenset().union(*(kept.blobs for kept in stock))


def _loose(archive: Archive, live: Collection[Digest]) -> list[Digest]:
    hexes = {digest.hex for digest in live}
    return [Digest(name) for name in blob_names(archive) if name not in hexes and _HEX.fullmatch(name)]


def _gone(projects: Iterable[KnownProject]) -> tuple[KnownProject, ...]:
    return tuple(project for project in projects if project.gone)


def _all_kept(archive: Archive, needed: Needs) -> tuple[Kept, ...]:
    results = take_results(archive, needed.results)
    return (*take_stock(archive, needed.images), *results, *take_statements(archive))


def _last_used(work: _Work, kept: Kept) -> float | None:
    """Statements are used with the result of their fingerprint, images by what runs in them."""
    hint = look_up(work.archive, kept.mark.fingerprint) if kept.mark else kept.hint
    return hint.used if hint else last_used(work.data, kept.manifests)


def _state_of_names(archive: Archive) -> tuple[int, int, int, int]:
    """Another one after each change of index.json, which is always a new file, of results or statements."""
    status = (archive.path / "index.json").stat()
    return status.st_ino, status.st_ctime_ns, state_of_hints(archive), state_of_marks(archive)


def _check_names(archive: Archive) -> None:
    path = archive.path / "index.json"
    if not path.exists() and blob_names(archive):
        raise ArchiveError(
            f"the archive's list of names is gone: {path}",
            f"Without it all would be garbage. Make it anew: {REPAIR}",
        )


def _check_damage(stock: Iterable[Kept]) -> None:
    for kept in stock:
        if kept.damage and kept.kind not in (RESULT, STATEMENT):
            name = kept.names[0] if kept.names else str(kept.top.digest)
            raise ArchiveError(
                f"what {name} needs can't be told: {kept.damage}", f"Mend it first, then collect: {REPAIR}"
            )
