"""From an artifact to the statement that tells of it, and whether to believe that."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from buildbox.archive.layout import Archive
from buildbox.archive.statements import find_statements
from buildbox.errors import CantTell, Mismatch, UsageError
from buildbox.provenance.form import Unknown, parse_statement
from buildbox.provenance.statement import Statement
from buildbox.signing.envelope import open_envelope, verify
from buildbox.signing.files import SUFFIX, NoStatement, beside, read_statement_file
from buildbox.signing.keys import PublicKey
from buildbox.verifying.artifact import Artifact, check_artifact, look


@dataclass(frozen=True)
class Given:
    """A statement that nobody has looked at."""

    data: bytes
    envelope: bytes | None
    told: str  # where it is from, for people


@dataclass(frozen=True)
class Trust:
    """What a statement takes to be believed."""

    keys: tuple[PublicKey, ...]  # one of them has signed it
    unsigned: bool  # or it isn't signed at all
    hint: str  # how to have a key that is trusted


ANYONE = Trust((), unsigned=True, hint="")  # for who shows what is told, or finds out by a rebuild


@dataclass(frozen=True)
class Verified:
    """A statement that is believed, and what it tells of the artifact."""

    statement: Statement
    told: str  # where the statement is from, for people
    signed: tuple[PublicKey, ...]  # none: nobody vouches for it
    artifact: Artifact | None  # None: only the statement was looked at
    output: str = ""  # what the statement calls the artifact


def verify_artifact(path: Path, given: Path | None, archive: Archive | None, trust: Trust) -> Verified:
    """Whether what is at the absolute `path` is what a statement says of it.

    That is the one in the file `given`, else beside it, else one that `archive` keeps. A statement at `path`
    is verified together with what it lies beside, if that is there.
    Raises UsageError where a file isn't what it should be, Mismatch where something was changed or isn't
    signed by whom it should be, CantTell where something is missing.
    """
    if given is None and path.name.endswith(SUFFIX):
        path, given = path.with_name(path.name.removesuffix(SUFFIX)), path
        if not os.path.lexists(path):
            return _verify_statement(given, trust)
    artifact = look(path)
    if given is not None:
        return _verify(artifact, read_given(given), trust)
    near = find_near(artifact)
    if near:
        return _verify(artifact, near, trust)
    kept = find_statements(archive, artifact.subject) if archive and artifact.subject else ()
    if kept:
        told = "the archive's statement"
        givens = [Given(each.data, each.envelope, f"{told} {each.manifest.short}") for each in kept]
        return _first(artifact, sorted(givens, key=lambda each: each.envelope is None), trust)
    if is_statement(path):
        return _verify_statement(path, trust)
    raise unknown(artifact, archive)


def believe(given: Given, trust: Trust) -> tuple[Statement, tuple[PublicKey, ...]]:
    """The statement, and who signed it. Nothing of it is read before its signature is verified.

    Raises Mismatch, CantTell.
    """
    signed = _signed(given, trust)
    try:
        return parse_statement(given.data), signed
    except Unknown as error:
        raise CantTell(
            f"{given.told} is of a kind or a version that this buildbox doesn't know",
            "A newer buildbox may know it.",
            [str(error)],
        ) from None
    except ValueError as error:
        raise Mismatch(f"{given.told} is damaged, or was changed", str(error)) from None


def hold_against(given: Given, keys: Sequence[PublicKey]) -> tuple[PublicKey, ...]:
    """Those of `keys` that signed a statement, for who needs nobody's word but takes no false one.

    An empty tuple where it isn't signed, or by others. Raises Mismatch where it names one of `keys`, but
    isn't signed by that: then something was changed.
    """
    if given.envelope is None:
        return ()
    try:
        named = {signature.key for signature in open_envelope(given.envelope).signatures}
    except ValueError as error:
        raise Mismatch(f"the signature of {given.told} is damaged: {error}") from None
    ours = tuple(key for key in keys if key.id in named)
    return _signed(given, Trust(ours, unsigned=True, hint=""))


def _signed(given: Given, trust: Trust) -> tuple[PublicKey, ...]:
    if given.envelope is None:
        if trust.unsigned:
            return ()
        raise Mismatch(
            f"{given.told} isn't signed",
            "Anybody may have written it. Where that is good enough: --unsigned",
        )
    if not trust.keys:
        if trust.unsigned:
            return ()
        raise CantTell(f"{given.told} is signed, and there is no key to hold that against", trust.hint)
    try:
        envelope = open_envelope(given.envelope)
    except ValueError as error:
        raise Mismatch(f"the signature of {given.told} is damaged: {error}") from None
    if envelope.payload != given.data:
        raise Mismatch(f"what is signed isn't {given.told}")
    try:
        ids = verify(envelope, trust.keys)
    except Mismatch as error:
        raise Mismatch(f"{given.told}: {error.reason}", error.hint) from None
    return tuple({key.id: key for key in trust.keys if key.id in ids}.values())


def _verify(artifact: Artifact, given: Given, trust: Trust) -> Verified:
    statement, signed = believe(given, trust)
    return Verified(statement, given.told, signed, artifact, check_artifact(artifact, statement, given.told))


def _verify_statement(path: Path, trust: Trust) -> Verified:
    given = read_given(path)
    statement, signed = believe(given, trust)
    return Verified(statement, given.told, signed, None)


def _first(artifact: Artifact, found: Sequence[Given], trust: Trust) -> Verified:
    """The first that is believed, of statements that all tell of the artifact."""
    problem: Mismatch | CantTell | None = None
    for given in found:
        try:
            return _verify(artifact, given, trust)
        except (Mismatch, CantTell) as error:
            problem = problem or error
    assert problem is not None
    raise problem


def find_near(artifact: Artifact) -> Given | None:
    """The statement beside the artifact, or beside a folder that it is in, where that one tells of it.

    Raises Mismatch, UsageError where what lies beside it holds none.
    """
    if os.path.lexists(beside(artifact.path)):
        try:
            return read_given(beside(artifact.path))
        except NoStatement as error:
            raise Mismatch(error.reason, f"It was made as the statement of {artifact.told}.") from None
    for folder, given in _above(artifact.path):
        if _seems_to_tell_of(artifact, folder, given.data):
            return given
    return None


def _above(path: Path) -> Iterator[tuple[Path, Given]]:
    """The folders that `path` is in, each with the statement beside it."""
    for folder in path.parents:
        if folder.name and os.path.lexists(beside(folder)):
            try:
                yield folder, read_given(beside(folder))
            except UsageError:
                continue  # it isn't what was named


def _seems_to_tell_of(artifact: Artifact, folder: Path, data: bytes) -> bool:
    """Whether a statement, unread, has the artifact's bytes, or its name: then with others, perhaps."""
    inside = artifact.path.relative_to(folder.parent).as_posix() + ("/" if artifact.folder else '"')
    digests = [entry.digest for entry in artifact.entries if entry.digest]
    names = [f'"{inside}', f"/{inside}"]  # in JSON, at the project's top or below
    return any(text.encode(errors="surrogateescape") in data for text in (*names, *digests))


def read_given(path: Path) -> Given:
    """The statement in a file. Raises UsageError."""
    return Given(*read_statement_file(path), str(path))


def is_statement(path: Path) -> bool:
    """Whether the file holds one, whatever its name."""
    try:
        with path.open("rb") as file:
            if file.read(256).lstrip()[:1] != b"{":
                return False
        read_statement_file(path)
    except (OSError, UsageError):
        return False
    return True


def unknown(artifact: Artifact, archive: Archive | None) -> CantTell:
    """What to say of an artifact that there is no statement of."""
    subject = f" of sha256:{artifact.subject.hex}" if artifact.subject else ""
    return CantTell(
        f"no statement tells of {artifact.told}",
        "Name one with --statement FILE. Where it is built: buildbox run --sign TASK",
        [
            f"beside it there is no {beside(artifact.path).name}",
            f"the archive has none{subject}" if archive else "there is no archive here",
        ],
    )
