from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from buildbox.archive.hints import all_hints, read_hint, write_hint
from buildbox.archive.layout import Archive
from buildbox.archive.result_form import CONFIG, LOG, RESULT
from buildbox.archive.results import Result, ResultDamaged, extract, find_result, keep_result, replay
from buildbox.digest import Digest
from buildbox.oci import OCI_LAYER, OCI_MANIFEST
from buildbox.trees.entry import FILE, FOLDER, LINK, PROGRAM, tree_digest
from buildbox.trees.faults import TreeError
from tests.support.results import NOW, OUTPUTS, WRITES, Written, document, keep, write_log, write_outputs

DAY = 86400
FINGERPRINT = document()[0]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.open(tmp_path / "archive")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


def seen(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Kind and content of all that is in a folder, but for folders with something in them."""
    found = {}
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = (LINK, os.fsencode(path.readlink()))
        elif path.is_dir():
            if not any(path.iterdir()):
                found[name] = (FOLDER, b"")
        else:
            found[name] = (mode, path.read_bytes())
    return found


def test_what_is_kept_is_found_and_comes_back(archive: Archive, scratch: Path, tmp_path: Path) -> None:
    kept = keep(archive, scratch)
    found = find_result(archive, FINGERPRINT)
    assert found == kept
    assert (found.step, found.seconds, found.created) == ("build", 1.5, NOW)
    assert found.document == {"argv": ["make"], "number": 0}
    assert [entry.path for entry in found.entries] == sorted(OUTPUTS, key=os.fsencode)
    assert found.tree == tree_digest(found.entries)
    (tmp_path / "to").mkdir()
    before = os.umask(0o077)
    try:
        extract(archive, found, tmp_path / "to")
    finally:
        os.umask(before)
    modes = {"dist/run": PROGRAM, "dist/latest": LINK, "dist/empty": FOLDER}
    assert seen(tmp_path / "to") == {name: (modes.get(name, FILE), data) for name, data in OUTPUTS.items()}


def test_the_log_comes_back_byte_for_byte_in_its_order(archive: Archive, scratch: Path) -> None:
    output = Written()
    replay(archive, keep(archive, scratch), output)
    assert output.writes == list(WRITES)


def test_a_step_may_leave_nothing(archive: Archive, scratch: Path, tmp_path: Path) -> None:
    empty = write_log(tmp_path / "log", ())
    result = keep(archive, scratch, outputs={}, log=empty)
    assert find_result(archive, FINGERPRINT) == result
    output = Written()
    extract(archive, result, tmp_path / "nowhere")
    replay(archive, result, output)
    assert (result.entries, result.log, output.writes) == ((), None, [])


def test_a_result_is_an_artifact_that_says_what_it_is_of(archive: Archive, scratch: Path) -> None:
    result = keep(archive, scratch)
    value = json.loads(archive.blob_path(result.manifest).read_bytes())
    assert (value["mediaType"], value["artifactType"]) == (OCI_MANIFEST, RESULT)
    assert value["config"]["mediaType"] == CONFIG
    assert [layer["mediaType"] for layer in value["layers"]] == [OCI_LAYER, LOG]
    assert value["annotations"] == {
        "buildbox.result.fingerprint": str(FINGERPRINT),
        "buildbox.result.step": "build",
        "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
    }
    with tarfile.open(archive.blob_path(result.outputs.digest)) as tar:
        members = {member.name: member for member in tar}
    folders = {"dist", "caf\u00e9"}
    assert [name for name in members if name not in folders] == sorted(OUTPUTS, key=os.fsencode)
    assert {(member.uid, member.gid, member.mtime) for member in members.values()} == {(0, 0, 0)}
    assert archive.refs() == ()


def test_the_same_outputs_are_the_same_blob(archive: Archive, scratch: Path) -> None:
    one, two = keep(archive, scratch, 1), keep(archive, scratch, 2)
    assert one.outputs == two.outputs
    assert one.manifest != two.manifest


def test_large_outputs_come_back(archive: Archive, scratch: Path, tmp_path: Path) -> None:
    outputs = {f"many/{number}": os.urandom(300_000) for number in range(5)}
    result = keep(archive, scratch, outputs=outputs)
    (tmp_path / "to").mkdir()
    extract(archive, result, tmp_path / "to")
    assert seen(tmp_path / "to") == {name: (FILE, data) for name, data in outputs.items()}


def test_what_was_never_kept_is_not_found(archive: Archive) -> None:
    assert find_result(archive, FINGERPRINT) is None
    assert all_hints(archive) == ()


def test_the_last_one_counts(archive: Archive, scratch: Path) -> None:
    keep(archive, scratch)
    last = keep(archive, scratch, now=NOW + 5)
    assert find_result(archive, FINGERPRINT) == last


@pytest.mark.parametrize("hint", [b"", b"sha256:", b"\xff" * 200, b"sha256:" + b"0" * 64, b"../../x"])
def test_a_hint_that_leads_nowhere_is_no_result_until_the_next(
    archive: Archive, scratch: Path, hint: bytes
) -> None:
    keep(archive, scratch)
    (archive.path / "results" / FINGERPRINT.hex).write_bytes(hint)
    assert find_result(archive, FINGERPRINT) is None
    again = keep(archive, scratch)
    assert find_result(archive, FINGERPRINT) == again


def test_a_hint_to_another_result_is_no_result(archive: Archive, scratch: Path) -> None:
    other = keep(archive, scratch, 7)
    write_hint(archive, FINGERPRINT, other.manifest, NOW)
    assert find_result(archive, FINGERPRINT) is None


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def turn(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


PARTS: dict[str, Callable[[Archive, Result], Digest]] = {
    "manifest": lambda archive, result: result.manifest,
    "config": lambda archive, result: Digest.parse(
        json.loads(archive.blob_path(result.manifest).read_bytes())["config"]["digest"]
    ),
    "outputs": lambda archive, result: result.outputs.digest,
    "log": lambda archive, result: result.log.digest if result.log else result.manifest,
}


@pytest.mark.parametrize("how", [cut, turn, Path.unlink])
@pytest.mark.parametrize("part", PARTS)
def test_damage_is_never_used_and_is_mended_by_keeping_again(
    archive: Archive, scratch: Path, tmp_path: Path, part: str, how: Callable[[Path], None]
) -> None:
    result = keep(archive, scratch)
    how(archive.blob_path(PARTS[part](archive, result)))
    found = find_result(archive, FINGERPRINT)
    assert found is None or part in ("outputs", "log")
    (tmp_path / "to").mkdir()
    output = Written()
    if found:
        with pytest.raises(ResultDamaged):
            if part == "log":
                replay(archive, found, output)
            else:
                extract(archive, found, tmp_path / "to")
        assert output.writes == []
        assert find_result(archive, FINGERPRINT) is None  # nobody tries again
    again = keep(archive, scratch)
    assert find_result(archive, FINGERPRINT) == again
    (tmp_path / "again").mkdir()
    extract(archive, again, tmp_path / "again")
    replay(archive, again, output)
    assert output.writes == list(WRITES)


def test_outputs_that_change_while_they_are_kept_are_refused(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    entries = write_outputs(tmp_path / "made", {"a": b"aaaa", "latest": b"a"})
    log = write_log(tmp_path / "log")
    fingerprint, data = document()
    for change in (
        lambda: (tmp_path / "made/a").write_bytes(b"bbbb"),
        lambda: (tmp_path / "made/a").write_bytes(b"aaaaa"),
        lambda: (tmp_path / "made/a").write_bytes(b"aaa"),
        lambda: (tmp_path / "made/a").unlink(),
        lambda: (tmp_path / "made/a").symlink_to("/etc/passwd"),
    ):
        change()
        with pytest.raises(TreeError, match=r"a (changed|can)"):
            keep_result(
                archive,
                fingerprint=fingerprint,
                document=data,
                step="x",
                entries=entries,
                folder=tmp_path / "made",
                log=log,
                seconds=1,
                now=NOW,
            )
    assert find_result(archive, fingerprint) is None


def test_a_fingerprint_is_that_of_its_document(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        keep_result(
            archive,
            fingerprint=Digest.of(b"another"),
            document=b"{}",
            step="x",
            entries=[],
            folder=tmp_path,
            log=write_log(tmp_path / "log"),
            seconds=1,
            now=NOW,
        )


def test_a_hit_is_noted_once_a_day(archive: Archive, scratch: Path) -> None:
    keep(archive, scratch)

    def used() -> float:
        return all_hints(archive)[0].used

    find_result(archive, FINGERPRINT, NOW + DAY / 2)
    assert used() == NOW
    find_result(archive, FINGERPRINT)
    assert used() == NOW
    find_result(archive, FINGERPRINT, NOW + 2 * DAY)
    assert used() == NOW + 2 * DAY
    assert read_hint(archive, FINGERPRINT)
