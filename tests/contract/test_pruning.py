"""That an image out of the archive stays in an engine whose user tidies up."""

from __future__ import annotations

import json

import docker
import pytest

from buildbox.archive.loader import keep_tag
from tests.contract.kept import LABEL, Kept, Make, tags
from tests.support.engines import Subject


@pytest.fixture
def subject(real_subject: Subject) -> Subject:
    return real_subject


def prune(subject: Subject, kept: Kept, everything: bool) -> None:
    """`docker image prune`, of only this image: the engine may have others that people want."""
    ours = {"label": [f"{LABEL}={kept.mark}"]}
    client = docker.DockerClient(base_url=subject.url)
    try:
        if everything and subject.engine.info().name == "Podman Engine":
            # Podman 4.3's Docker-compatible prune knows only what is dangling; its own can do as `prune -a`.
            params = {"all": "true", "filters": json.dumps(ours)}
            client.api.post(f"{client.api.base_url}/v4.0.0/libpod/images/prune", params=params)
        else:
            client.images.prune(filters={**ours, "dangling": not everything})
    finally:
        client.close()


def test_it_outlives_a_prune(subject: Subject, make: Make) -> None:
    kept = make(indexed=True)
    image, image_id = kept.restore(subject)
    prune(subject, kept, everything=False)
    assert subject.engine.has_image(image_id)
    assert tags(subject, kept) == [keep_tag(image)]
    prune(subject, kept, everything=True)  # `prune -a` drops all that no container uses
    assert not kept.known(subject)
    assert kept.restore(subject)[1] == image_id
