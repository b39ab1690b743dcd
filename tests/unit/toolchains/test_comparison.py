from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from buildbox.archive.images import ArchivedImage
from buildbox.archive.layout import Archive
from buildbox.digest import Digest
from buildbox.oci import OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from buildbox.recipes.record import Built
from buildbox.reference import ImageRef
from buildbox.toolchains.comparison import (
    COMPRESSION,
    CONFIGURATION,
    CONTENTS,
    IDENTICAL,
    INDEX,
    Comparison,
    compare_images,
    judge,
)
from tests.support.images import make_layer
from tests.support.toolchains import packed, put_image

TAR = make_layer({"etc/a": b"one", "etc/b": b"two"})[0]
OTHER = make_layer({"etc/a": b"one", "etc/b": b"twO"})[0]


def plain(tar: bytes) -> bytes:
    return tar


class Pair:
    """Two archives, and images put into them."""

    def __init__(self, folder: Path) -> None:
        self.pinned = Archive.open(folder / "pinned")
        self.rebuilt = Archive.open(folder / "rebuilt")

    def compare(self, pinned: ArchivedImage, rebuilt: ArchivedImage) -> Comparison:
        return compare_images(pinned, self.pinned, rebuilt, self.rebuilt)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_the_same_image(pair: Pair) -> None:
    found = pair.compare(put_image(pair.pinned, TAR), put_image(pair.rebuilt, TAR))
    assert found == Comparison(IDENTICAL)
    assert found.identical
    assert found.lines() == []


def test_other_compression(pair: Pair) -> None:
    before, after = put_image(pair.pinned, TAR), put_image(pair.rebuilt, TAR, pack=lambda tar: packed(tar, 9))
    found = pair.compare(before, after)
    assert (found.kind, found.fields) == (COMPRESSION, ())
    assert found.lines() == [
        f"layer 1: {after.layers[0].size} bytes instead of {before.layers[0].size}, compressed"
    ]


def test_another_file(pair: Pair) -> None:
    found = pair.compare(put_image(pair.pinned, TAR), put_image(pair.rebuilt, OTHER))
    assert (found.kind, found.fields) == (CONTENTS, ())
    assert found.lines() == ["layer 1: 1 path differs", "  /etc/b: contents from byte 2 on"]


def test_files_are_compared_through_other_compressions(pair: Pair) -> None:
    found = pair.compare(
        put_image(pair.pinned, TAR), put_image(pair.rebuilt, OTHER, pack=plain, layer_type=OCI_LAYER)
    )
    assert [layer.difference.count for layer in found.layers] == [1]
    assert len(found.fields) == 1  # the manifest says so
    assert OCI_LAYER_GZIP in found.fields[0]


def test_gzip_in_several_parts_as_parallel_compressors_write_it(pair: Pair) -> None:
    found = pair.compare(
        put_image(pair.pinned, TAR),
        put_image(pair.rebuilt, OTHER, pack=lambda tar: packed(tar[:700]) + packed(tar[700:])),
    )
    assert [layer.difference.count for layer in found.layers] == [1]


def test_a_layer_that_cannot_be_unpacked_is_named_all_the_same(pair: Pair) -> None:
    for kind, packing in ((OCI_LAYER_ZSTD, plain), (OCI_LAYER_GZIP, plain)):
        found = pair.compare(
            put_image(pair.pinned, TAR), put_image(pair.rebuilt, OTHER, pack=packing, layer_type=kind)
        )
        assert found.kind == CONTENTS
        assert "can't be compared" in found.layers[0].difference.note


def test_of_several_layers_only_those_that_differ(pair: Pair) -> None:
    base = make_layer({"base": b""})[0]
    found = pair.compare(put_image(pair.pinned, base, TAR), put_image(pair.rebuilt, base, OTHER, TAR))
    assert [(layer.number, layer.difference.count) for layer in found.layers] == [(2, 1), (3, 0)]
    assert found.lines()[-1] == "layer 3: only the rebuilt image has it"


def test_more_files_than_are_shown(pair: Pair) -> None:
    many = make_layer({f"f{number}": b"" for number in range(14)})[0]
    lines = pair.compare(put_image(pair.pinned, many), put_image(pair.rebuilt, make_layer({})[0])).lines()
    assert lines[0] == "layer 1: 14 paths differ"
    assert lines[-1] == "  and 4 more"
    assert len(lines) == 12


def test_another_configuration_is_told_by_its_fields(pair: Pair) -> None:
    labels = {"Labels": {"a.b": "1"}}
    found = pair.compare(
        put_image(pair.pinned, TAR, settings={"Env": ["PATH=/bin", "A=1"], **labels}),
        put_image(pair.rebuilt, TAR, settings={"Env": ["A=2", "PATH=/bin"], "User": "me", **labels}),
    )
    assert (found.kind, found.layers) == (CONFIGURATION, ())
    assert found.fields == (
        'configuration: config.Env.A is "2" instead of "1"',
        'configuration: config.User is "me" instead of not there',
    )


def test_other_annotations(pair: Pair) -> None:
    found = pair.compare(
        put_image(pair.pinned, TAR), put_image(pair.rebuilt, TAR, annotations={"x": "\x1b" * 500})
    )
    assert found.kind == CONFIGURATION
    assert "annotations.x" in found.fields[0]
    assert "\x1b" not in found.fields[0]
    assert len(found.fields[0]) < 300


def test_another_index_around_the_same_image(pair: Pair) -> None:
    found = pair.compare(
        put_image(pair.pinned, TAR), put_image(pair.rebuilt, TAR, index={"annotations": {"x": "1"}})
    )
    assert (found.kind, found.fields) == (INDEX, ('index: annotations.x is "1" instead of not there',))
    assert not found.identical


def test_an_image_that_lost_a_blob_is_not_compared(pair: Pair) -> None:
    before, after = put_image(pair.pinned, TAR), put_image(pair.rebuilt, OTHER)
    pair.pinned.blob_path(before.layers[0].digest).unlink()
    with pytest.raises(Exception, match="lacks the blob"):
        pair.compare(before, after)


def digest(letter: str) -> Digest:
    return Digest(letter * 64)


RECORD = Built(
    ImageRef.parse("buildbox/tool:1").pinned(digest("a")),
    "linux/amd64",
    digest("b"),
    digest("c"),
    (digest("d"),),
    1000,
)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, IDENTICAL),
        ({"pin": "1"}, INDEX),
        ({"pin": "1", "manifest": "2"}, COMPRESSION),
        ({"pin": "1", "manifest": "2", "config": "3"}, CONFIGURATION),
        ({"pin": "1", "manifest": "2", "config": "3", "diff_ids": "4"}, CONTENTS),
    ],
)
def test_what_digests_tell(changes: dict[str, str], kind: str) -> None:
    values: dict[str, Any] = {key: digest(letter) for key, letter in changes.items()}
    if "pin" in values:
        values["pin"] = RECORD.pin.pinned(values["pin"])
    if "diff_ids" in values:
        values["diff_ids"] = (values["diff_ids"],)
    assert judge(RECORD, replace(RECORD, **values)) == kind
