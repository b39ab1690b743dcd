"""Statements to try things on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildbox.config.model import Task, Toolchain
from buildbox.digest import Digest
from buildbox.oci import Platform
from buildbox.provenance.statement import Machine, Need, Source, Statement, UsedImage
from buildbox.reference import ImageRef
from buildbox.tasks.fingerprint import FORMAT
from buildbox.tasks.plan import Step
from buildbox.trees.entry import FILE, LINK, Entry

PIN = Digest.of(b"index")
PLATFORM = Platform("linux", "amd64")


def a_step(**changes: Any) -> Step:
    """A hermetic step as a statement tells of it; `changes` are those of its task."""
    task = Task(
        name="package",
        description="",
        toolchain="image",
        run=None,
        argv=("make", "dist"),
        env={"LEVEL": "2"},
        pass_env=(),
        workdir=".",
        network="none",
        mounts=(),
        timeout=None,
        memory=None,
        cpus=None,
        pids=4096,
        user="caller",
        rootfs="read-only",
        hermetic=True,
        outputs=("dist/**",),
    )
    task = replace(task, **changes)
    ref = ImageRef.parse(f"registry.example.com/tools:1@{PIN}")
    return Step("package", task, Toolchain("image", ref, PLATFORM), task.argv or ())


def a_statement(step: Step | None = None, **changes: Any) -> Statement:
    """A statement that doesn't contradict itself, with `changes`."""
    step = step or a_step()
    outputs = (
        Entry("dist/a.bin", FILE, Digest.of(b"a").hex, 1),
        Entry("dist/latest", LINK, Digest.of(b"a.bin").hex, 5),
    )
    statement = Statement(
        project="sample",
        step=step,
        epoch=315532800,
        environment={"HOME": "/home/build", "LEVEL": "2", "SOURCE_DATE_EPOCH": "315532800"},
        fingerprint=Digest.of(b""),
        format=FORMAT,
        source=Source("1" * 40, "2" * 40, True, "sub", {"sub/lib": "3" * 40}),
        inputs=Digest.of(b"inputs"),
        files=3,
        image=UsedImage(
            str(step.toolchain.image), PIN, Digest.of(b"manifest"), Digest.of(b"config"), PLATFORM
        ),
        services={},
        needs=(Need("deps", Digest.of(b"deps"), Digest.of(b"fingerprint"), Digest.of(b"result")),),
        outputs=outputs,
        log=Digest.of(b"log"),
        machine=Machine("1.0", "Docker Engine 20.10.24", "classic (overlay2)", "6.1.0", "A CPU", 2),
        run="0123456789ab",
        started=1_700_000_000.25,
        finished=1_700_000_001.5,
    )
    statement = replace(statement, **changes)
    return replace(statement, fingerprint=statement.fingerprint_with({}))
