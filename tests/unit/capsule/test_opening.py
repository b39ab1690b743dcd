"""Capsules that somebody changed: nothing of them is used."""

from __future__ import annotations

import gzip
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildbox.archive.images import find_image
from buildbox.archive.layout import REF_NAME
from buildbox.archive.results import find_result
from buildbox.capsule.form import MAGIC
from buildbox.capsule.members import plain_header
from buildbox.capsule.opening import Opened, is_capsule, open_capsule
from buildbox.capsule.supply import CapsuleSupply
from buildbox.digest import Digest
from buildbox.errors import CantTell, Mismatch, UsageError
from buildbox.oci import OCI_INDEX, canonical
from buildbox.provenance.form import statement_bytes
from buildbox.rebuilding.subject import Chosen
from buildbox.trees.packing import pack
from buildbox.trees.tar import END, padding
from tests.support import trees
from tests.support.capsules import FILES, Contents, Sample, contents, entries_of, sample
from tests.support.images import AMD64, make_image
from tests.support.kept_statements import envelope_of
from tests.support.statements import a_statement


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return sample(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="module")
def capsule(made: Sample) -> Path:
    path = made.folder / "capsule.tar"
    made.create(path)
    return path


def opened(capsule: Path, tmp_path: Path, change: Callable[[Contents], None]) -> Opened:
    found = contents(capsule)
    change(found)
    return open_capsule(found.write(tmp_path / "changed.tar"), tmp_path / "into")


def test_all_of_it_is_there(made: Sample, capsule: Path, tmp_path: Path) -> None:
    found = open_capsule(capsule, tmp_path / "into")
    (build,) = found.builds
    assert (build.statement, build.data, build.envelope) == (made.statement, made.data, None)
    assert find_image(found.archive, made.image.digest, AMD64)
    assert find_result(found.archive, made.need.fingerprint) == made.need
    with CapsuleSupply(found).inputs(made.statement) as inputs:
        assert inputs.entries == entries_of(FILES)
        assert trees.seen(inputs.root) == trees.seen(made.supply.root)
    assert not inputs.root.exists()


def test_only_its_own_inputs_are_in_it(capsule: Path, tmp_path: Path) -> None:
    supply = CapsuleSupply(open_capsule(capsule, tmp_path / "into"))
    with pytest.raises(CantTell, match="source isn't at hand") as caught, supply.inputs(a_statement()):
        pass
    assert "hasn't got them" in caught.value.missing[0]


def test_what_is_a_capsule_shows_at_its_start(capsule: Path, tmp_path: Path) -> None:
    assert is_capsule(capsule)
    other = tmp_path / "other"
    for data in (b"", b"{}", capsule.read_bytes()[:512], gzip.compress(capsule.read_bytes())):
        other.write_bytes(data)
        assert not is_capsule(other)
    with pytest.raises(UsageError):
        is_capsule(tmp_path / "nowhere")


def test_one_that_is_cut_short_anywhere_is_refused(capsule: Path, tmp_path: Path) -> None:
    data = capsule.read_bytes()
    for number, end in enumerate(range(1024, len(data), len(data) // 40)):
        (tmp_path / "cut").write_bytes(data[:end])
        with pytest.raises(Mismatch, match="cut short"):
            open_capsule(tmp_path / "cut", tmp_path / str(number))


def test_any_changed_byte_is_found(capsule: Path, tmp_path: Path) -> None:
    data = capsule.read_bytes()
    for number, at in enumerate(range(7, len(data), len(data) // 150)):
        (tmp_path / "bad").write_bytes(data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :])
        with pytest.raises(Mismatch, match="damaged, or was changed"):
            open_capsule(tmp_path / "bad", tmp_path / str(number))


def extra_blob(found: Contents) -> None:
    found.blob(b"more")


def extra_file(found: Contents) -> None:
    found.members["run.sh"] = b"#!/bin/sh\n"


def missing_layer(found: Contents) -> None:
    image = next(entry for entry in found.index if "tools" in json.dumps(entry))
    layer = json.loads(found.get(Digest.parse(image["digest"])))["layers"][0]
    found.drop(Digest.parse(layer["digest"]))


def other_readme(found: Contents) -> None:
    found.members["README.md"] = MAGIC + b"curl example.com | sh\n"


def no_capsule(found: Contents) -> None:
    found.set_index([entry for entry in found.index if "capsule" not in json.dumps(entry)])


def wrong_size(found: Contents) -> None:
    found.set_index([entry | {"size": entry["size"] + 1} for entry in found.index])


def another_statement(found: Contents) -> None:
    found.change_config(
        lambda value: {**value, "builds": [value["builds"][0] | {"statement": str(Digest.of(b"x"))}]}
    )


def no_build(found: Contents) -> None:
    found.change_config(lambda value: {**value, "builds": []})


def no_list(found: Contents) -> None:
    found.change_config(lambda value: {**value, "left-out": None})


def result_of_another(found: Contents) -> None:
    need = next(entry for entry in found.index if "result@" in json.dumps(entry))
    found.change_config(lambda value: {**value, "builds": [value["builds"][0] | {"result": need["digest"]}]})


def strange_annotations(found: Contents) -> None:
    found.set_index([{**entry, "annotations": ["a", 1]} for entry in found.index])


def endless_size(found: Contents) -> None:
    text = json.dumps(found.index).replace('"size": ', '"size": 1e999, "was": ')
    found.members["index.json"] = b'{"schemaVersion":2,"manifests":%s}' % text.encode()


def result_of_nobody(found: Contents) -> None:
    name = next(entry["annotations"][REF_NAME] for entry in found.index if "result@" in json.dumps(entry))
    found.change(name, lambda manifest: {**manifest, "annotations": 7})


def words_for_the_terminal(found: Contents) -> None:
    found.change("capsule", lambda manifest: {**manifest, "mediaType": "\x1b[31m"})


def not_an_index(found: Contents) -> None:
    found.members["index.json"] = b"[" * 100_000


def other_layout(found: Contents) -> None:
    found.members["oci-layout"] = canonical({"imageLayoutVersion": "2.0.0"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (extra_blob, "1 files that nothing in it leads to"),
        (extra_file, "a file that no capsule has: run.sh"),
        (missing_layer, "it lacks sha256:"),
        (other_readme, "README isn't the one"),
        (no_capsule, "nothing in it leads to"),
        (wrong_size, "isn't of the size"),
        (another_statement, "is none of its files"),
        (no_build, "it has no build"),
        (no_list, "can't be read"),
        (result_of_another, "the result of another build"),
        (strange_annotations, "not a descriptor"),
        (endless_size, "not a descriptor"),
        (result_of_nobody, "is not a digest|another fingerprint"),
        (words_for_the_terminal, r"\\x1b\[31m"),
        (not_an_index, "a list in lists"),
        (other_layout, "layout is of another version"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    change: Callable[[Contents], None], said: str, capsule: Path, tmp_path: Path
) -> None:
    with pytest.raises(Mismatch, match=said):
        opened(capsule, tmp_path, change)


def test_members_come_once_and_in_order(capsule: Path, tmp_path: Path) -> None:
    data = capsule.read_bytes()
    name = max(name for name in contents(capsule).members if name.startswith("blobs/"))
    again = contents(capsule).members[name]
    member = plain_header(name, len(again)) + again + padding(len(again))
    first = next(at for at in range(0, len(data), 512) if data[at : at + 13] == b"blobs/sha256/")
    for number, at in enumerate((first, len(data) - len(END))):
        (tmp_path / "twice").write_bytes(data[:at] + member + data[at:])
        with pytest.raises(Mismatch, match="there twice, or not in its place"):
            open_capsule(tmp_path / "twice", tmp_path / str(number))


def test_newer_ones_can_not_be_told(made: Sample, capsule: Path, tmp_path: Path) -> None:
    with pytest.raises(CantTell, match="version 2"):
        opened(capsule, tmp_path, lambda found: found.change_config(lambda value: {**value, "version": 2}))
    (folder := tmp_path / "two").mkdir()
    newer = made.data.replace(b"urn:buildbox:task:v1", b"urn:buildbox:task:v2")
    with pytest.raises(CantTell, match="a kind that isn't known here"):
        opened(capsule, folder, lambda found: found.exchange("statements/", newer))


def test_a_statement_that_was_changed_is_refused(made: Sample, capsule: Path, tmp_path: Path) -> None:
    changed = made.data.replace(b'"make"', b'"fake"')
    assert changed != made.data
    with pytest.raises(Mismatch, match="fingerprint doesn't follow from the rest"):
        opened(capsule, tmp_path, lambda found: found.exchange("statements/", changed))


def test_inputs_that_are_others_are_refused(made: Sample, capsule: Path, tmp_path: Path) -> None:
    trees.write(tmp_path / "other", {"README": "bye"})
    tar = b"".join(pack(tmp_path / "other", None, epoch=0, owner=(0, 0)))
    found = opened(capsule, tmp_path, lambda found: found.exchange("inputs/", tar))
    with (
        pytest.raises(Mismatch, match="hasn't got the inputs of package: they are others"),
        CapsuleSupply(found).inputs(made.statement),
    ):
        pass
    assert sorted(path.name for path in (tmp_path / "into").iterdir() if path.name.startswith("inputs")) == []


def test_an_image_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    zeros = gzip.compress(bytes(1 << 24), 9)
    packed = zeros * 80  # a member of gzip after the other
    made = sample(tmp_path / "sample", image=make_image(pack=lambda plain: packed))
    made.create(tmp_path / "bomb.tar")
    with pytest.raises(Mismatch, match=r"1\.3 MB, unpack to more than 1\.2 GB"):
        open_capsule(tmp_path / "bomb.tar", tmp_path / "into")


def test_indexes_of_indexes_are_walked_once(capsule: Path, tmp_path: Path) -> None:
    def nested(found: Contents) -> None:
        entries = found.index
        image = next(entry for entry in entries if "tools" in json.dumps(entry))
        child = {key: value for key, value in image.items() if key != "annotations"}
        for _ in range(2):
            data = canonical({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child] * 5000})
            child = {"mediaType": OCI_INDEX, "digest": str(found.blob(data)), "size": len(data)}
        found.set_index([*entries, child])

    assert len(opened(capsule, tmp_path, nested).images) == 2  # else it takes hours


def test_a_capsule_with_holes_takes_its_room_beforehand(capsule: Path, tmp_path: Path) -> None:
    path = tmp_path / "holes"
    path.write_bytes(capsule.read_bytes())
    os.truncate(path, 15 << 40)  # less than ext4's most
    with pytest.raises(CantTell, match="no room") as caught:
        open_capsule(path, tmp_path / "into")
    assert "16492.7 GB are needed" in caught.value.missing[0]


def test_envelopes_hold_the_statements_beside_them_and_signatures(made: Sample, tmp_path: Path) -> None:
    unsigned = json.dumps({**json.loads(envelope_of(made.data)), "signatures": []}).encode()
    for number, (envelope, says) in enumerate(
        ((envelope_of(b"{}"), "envelope holds another statement"), (unsigned, "doesn't have 1 to 100"))
    ):
        made.create(tmp_path / f"{number}.tar", chosen=[Chosen(made.statement, made.data, envelope)])
        with pytest.raises(Mismatch, match=says):
            open_capsule(tmp_path / f"{number}.tar", tmp_path / f"into{number}")


def test_a_capsule_of_two_builds_with_the_same_inputs_has_them_once(made: Sample, tmp_path: Path) -> None:
    later = replace(made.statement, run="another", started=1.8e9, finished=1.8e9)
    chosen = [Chosen(made.statement, made.data, None), Chosen(later, statement_bytes(later), None)]
    made.create(tmp_path / "a.tar", chosen=chosen)
    found = open_capsule(tmp_path / "a.tar", tmp_path / "into")
    assert [build.statement.run for build in found.builds] == ["0123456789ab", "another"]
    assert sum(title.startswith("inputs/") for title in found.titles) == 1


def test_the_same_build_again_and_again_is_refused(capsule: Path, tmp_path: Path) -> None:
    def repeated(found: Contents) -> None:
        found.change_config(lambda value: {**value, "builds": value["builds"] * 2000})

    with pytest.raises(Mismatch, match="a build twice"):
        opened(capsule, tmp_path, repeated)


def test_a_thing_of_many_names_is_read_once(capsule: Path, tmp_path: Path) -> None:
    def renamed(found: Contents) -> None:
        entries = found.index
        found.set_index(
            [
                entry | {"annotations": {**entry["annotations"], REF_NAME: f"name-{number}"}}
                for entry in entries
                for number in range(5000)
            ]
        )

    start = time.process_time()
    opened(capsule, tmp_path, renamed)
    assert time.process_time() - start < 5  # seconds; else 5000 times as long as one
