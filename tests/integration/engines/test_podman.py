"""Podman as root: the rest of SPEC section 4's table, and what Podman 4.3 does in its own way."""

from __future__ import annotations

import pytest

from buildbox.errors import EngineError
from tests.integration.graph.test_hermetic import (
    test_a_task_sees_its_inputs_and_what_it_needs_and_nothing_else,
)
from tests.integration.run.conftest import MakeProject
from tests.integration.run.test_table import (
    test_image_with_user_entrypoint_and_workdir,
    test_rights,
    test_unreadable_source_file,
    test_user_place_and_environment,
    test_user_root_and_numbers,
    test_writable_rootfs,
)
from tests.integration.services.test_services import (
    test_a_service_is_ready_before_its_task,
    test_a_service_that_ends_is_told_with_its_last_words,
    trial,
)
from tests.support.engines import Subject

__all__ = [
    "test_a_service_is_ready_before_its_task",
    "test_a_service_that_ends_is_told_with_its_last_words",
    "test_a_task_sees_its_inputs_and_what_it_needs_and_nothing_else",
    "test_image_with_user_entrypoint_and_workdir",
    "test_rights",
    "test_unreadable_source_file",
    "test_user_place_and_environment",
    "test_user_root_and_numbers",
    "test_writable_rootfs",
    "trial",
]

WHERE = ("podman",)


def test_it_is_not_asked_to_build(elsewhere: Subject) -> None:
    with pytest.raises(EngineError, match="host's network"):
        elsewhere.engine.build(iter([]), "Dockerfile", print, args={}, cache=True, network="none")


def test_limits(make_project: MakeProject) -> None:
    """They hold; whose memory limit it was that killed a task isn't told."""
    project = make_project(
        """
[tasks.limits]
run = "cat /sys/fs/cgroup/memory*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null || true"
memory = "32m"
[tasks.hog]
run = "exec tail -c 190m /dev/zero"
memory = "16m"
"""
    )
    assert str(32 << 20) in project.ok("run", "limits").split()
    result = project.run("run", "hog")
    assert result.status == 137
    assert "hog failed: exit status 137, perhaps at its memory limit (16 MiB)" in result.err


def test_folders_with_signs(make_project: MakeProject) -> None:
    """But for a colon beside a comma, a quote or a newline: Podman's words for mounts know no quoting."""
    for name in ("quote'\"s", "a,b=c", "new\nline", "a:b"):
        project = make_project('[tasks.t]\nargv = ["cat", "file name"]\n', root=name)
        project.write({"file name": name})
        assert project.ok("run", "t") == name
    project = make_project('[tasks.t]\nargv = ["true"]\n', root="a,b:c")
    refused = project.run("run", "t")
    assert refused.status == 120
    assert "Podman can't mount a path with both a colon and a comma" in refused.err
