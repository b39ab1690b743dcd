"""Results in the remote archive (remote.py): what one machine has made, others needn't make again.

    REMOTE/results                     the repository of all results
    tag result-sha256-HEX              the result of this fingerprint
    tag provenance-sha256-HEX          the statement on it (statement_sharing.py)

Who may write there decides what its readers get: a result is held against its own digests and must say that
it is of the fingerprint asked for, but what a step would have made only running it tells. So machines read,
and those that are trusted write (`results` in [archive] of config.toml), and the registry should see to it.
A result that isn't what it should be is a miss, and is replaced by the next one that is pushed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from buildbox.archive.hints import all_hints, write_hint
from buildbox.archive.layout import Archive, BlobRefused
from buildbox.archive.places import Place, results_place
from buildbox.archive.push import Pushed, push_content, push_top
from buildbox.archive.remote import read_blob
from buildbox.archive.result_form import (
    Result,
    check_entries,
    parse_result,
    parse_result_manifest,
    result_tag,
)
from buildbox.archive.results import find_result
from buildbox.archive.statement_sharing import UnsoundStatement, pull_statement, push_statement
from buildbox.digest import Digest
from buildbox.errors import ArchiveError, ImageError
from buildbox.oci import OCI_MANIFEST, Descriptor, Manifest
from buildbox.progress import Progress, Silent
from buildbox.registry.client import NoManifest, OtherBytes
from buildbox.registry.refusal import Absent, TagFixed
from buildbox.units import show_size

if TYPE_CHECKING:
    from buildbox.registry.client import Registry

_HELD = (OtherBytes, NoManifest, UnsoundStatement)  # about one thing; what else goes wrong: the registry


class Unsound(ImageError):
    """What a registry has as a result isn't that result."""


def pull_result(
    archive: Archive, registry: Registry, repository: str, fingerprint: Digest, now: float
) -> Result | None:
    """Brings the result of `fingerprint` into the archive; None where the registry doesn't have it.

    All of it is verified first: manifest, config, outputs and log. Raises Unsound, OtherBytes, NoManifest
    where what is there can't be used; ImageError, ArchiveError.
    """
    try:
        fetched = registry.manifest(repository, result_tag(fingerprint))
    except Absent:
        return None
    where = f"{registry.host}/{repository}:{result_tag(fingerprint)}"
    try:
        manifest = parse_result_manifest(fetched.data, fingerprint)
        config = read_blob(registry, repository, manifest.config)
        result = parse_result(fetched.digest, manifest, config, fingerprint)
        check_entries(result)
        _fetch_layers(archive, registry, repository, manifest)
        _verify(archive, result)
    except (ValueError, BlobRefused) as error:
        why = error.reason if isinstance(error, ArchiveError) else str(error)
        raise Unsound(f"what {where} has can't be used: {why}") from None
    except Absent as error:
        raise Unsound(f"what {where} has isn't all there: {error.reason}") from None
    archive.add_bytes(config)
    archive.add_bytes(fetched.data)
    write_hint(archive, fingerprint, fetched.digest, now)
    return result


def push_result(
    archive: Archive,
    registry: Registry,
    repository: str,
    result: Result,
    progress: Progress,
    *,
    replace: bool = False,
) -> Pushed | None:
    """Brings a result to the registry; None where it has one of this fingerprint that isn't to be replaced.

    The tag comes last, and is read back. Raises ImageError, OtherBytes; ArchiveError.
    """
    tag = result_tag(result.fingerprint)
    if not replace and registry.has(repository, tag):
        return None
    top = Descriptor(OCI_MANIFEST, result.manifest, archive.size(result.manifest))
    pushed = push_content(archive, registry, repository, top, progress)
    return pushed + push_top(archive, registry, repository, top, tag, move=True)


def push_results(
    archive: Archive, registry: Registry, place: Place, progress: Progress
) -> Iterator[tuple[Result, Pushed | None, Pushed | None]]:
    """Brings all results of the archive to the registry that can be used, each as `push_result` does, with
    the statements on them; gives what that was of the result, and of the statement."""
    for hint in all_hints(archive):
        result = find_result(archive, hint.fingerprint)
        if result:
            pushed = push_result(archive, registry, place.repository, result, progress)
            new = pushed is not None
            told = push_statement(archive, registry, place.repository, result, progress, replace=new)
            yield result, pushed, told


class RemoteResults:
    """The results of a remote archive for the length of one run; may be asked from many threads.

    Nothing that goes wrong there is an error: what can't be had is a miss. A registry that doesn't answer is
    asked no more in this run, and `note` hears of it once; `detail` hears what few want to know.
    """

    def __init__(
        self,
        archive: Archive,
        remote: str,
        mode: str,
        open_registry: Callable[[str], Registry],
        *,
        note: Callable[[str], None],
        detail: Callable[[str], None],
    ) -> None:
        """`remote` is REGISTRY/PATH, "" for none; `mode` is "off", "pull" or "push" (and pull).

        `open_registry` gives the registry of a host, a `quick` one; it is called when there is something to
        ask, if ever.
        """
        self._archive, self._open = archive, open_registry
        self._place = results_place(remote)
        self._note, self._detail = note, detail
        self._lock = threading.Lock()
        self._registry: Registry | None = None
        self._told = False
        self._pulls = bool(remote) and mode in ("pull", "push")
        self._pushes = bool(remote) and mode == "push"
        self._unsound: set[Digest] = set()  # what the registry has of these is to be replaced

    def pull(self, fingerprint: Digest, now: float) -> Result | None:
        """The result of `fingerprint`, now in the archive; None where there is none that can be used."""
        if not self._pulls:
            return None
        try:
            result = pull_result(self._archive, self._ask(), self._place.repository, fingerprint, now)
        except (Unsound, *_HELD) as error:
            self._unsound.add(fingerprint)
            self._detail(error.reason)
            return None
        except (ImageError, ArchiveError) as error:
            self._pulls = self._pushes = False
            self._give_up(f"results aren't asked of {self._place}: {error.reason}")
            return None
        if result:
            size = result.outputs.size + (result.log.size if result.log else 0)
            self._detail(f"{result.step}: result {fingerprint.short} from {self._place}, {show_size(size)}")
            self._pull_statement(result, now)
        return result

    def push(self, result: Result) -> None:
        """Brings a result and the statement on it to the registry, where that is wanted."""
        if not self._pushes:
            return
        try:
            where = self._archive, self._ask(), self._place.repository
            replace = result.fingerprint in self._unsound
            pushed = push_result(*where, result, Silent(), replace=replace)
            told = push_statement(*where, result, Silent(), replace=pushed is not None)
        except (*_HELD, TagFixed) as error:
            self._detail(error.reason)
        except (ImageError, ArchiveError) as error:
            self._pushes = False
            self._give_up(f"results aren't pushed to {self._place}: {error.reason}")
        else:
            if pushed:
                self._detail(f"{result.step}: result pushed to {self._place}, {show_size(pushed.sent)}")
            if told:
                self._detail(f"{result.step}: statement pushed to {self._place}, {show_size(told.sent)}")

    def close(self) -> None:
        """Lets go of the connections."""
        with self._lock:
            if self._registry:
                self._registry.close()
                self._registry = None

    def _pull_statement(self, result: Result, now: float) -> None:
        """The statement on a result that came just now; the result counts without one."""
        try:
            pull_statement(self._archive, self._ask(), self._place.repository, result, now)
        except _HELD as error:
            self._detail(error.reason)
        except (ImageError, ArchiveError) as error:
            self._pulls = self._pushes = False
            self._give_up(f"results aren't asked of {self._place}: {error.reason}")

    def _ask(self) -> Registry:
        with self._lock:
            if self._registry is None:
                self._registry = self._open(self._place.host)
            return self._registry

    def _give_up(self, why: str) -> None:
        with self._lock:
            told, self._told = self._told, True
        (self._detail if told else self._note)(why)


def _fetch_layers(archive: Archive, registry: Registry, repository: str, manifest: Manifest) -> None:
    """What the archive lacks of the layers, or has damaged. Raises BlobRefused for other bytes."""
    for layer in manifest.layers:
        if archive.claim(layer.digest) and archive.is_sound(layer.digest):
            continue
        with archive.ingest(layer.digest, layer.size) as writer:
            for chunk in registry.blob(repository, layer):
                writer.write(chunk)


def _verify(archive: Archive, result: Result) -> None:
    """Whether outputs and log are what the config says. Raises ValueError."""
    from buildbox.archive.outputs import entries_of
    from buildbox.frames import read_frames

    if entries_of(archive.stream(result.outputs.digest)) != result.entries:
        raise ValueError("its outputs aren't those of its list")
    if result.log:
        for _ in read_frames(archive.stream(result.log.digest)):
            pass
