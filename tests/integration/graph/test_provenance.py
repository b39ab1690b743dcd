"""What real runs leave of statements, held against the published form of in-toto and SLSA."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement as Published

from buildbox.archive.layout import Archive
from buildbox.archive.statements import KeptStatement, all_statements
from buildbox.provenance.form import parse_statement, statement_bytes
from buildbox.provenance.statement import Source, Statement
from tests.integration.run.conftest import MakeProject
from tests.support.graphs import run_well
from tests.support.project import Project

GRAPH = """
[tasks.gen]
hermetic = true
inputs = ["src/**"]
outputs = ["gen/"]
run = "mkdir gen; tr a-z A-Z < src/a.txt > gen/out.txt"

[tasks.pack]
description = "Packs it"
hermetic = true
needs = ["gen"]
inputs = []
outputs = ["dist/*"]
pass-env = ["LEVEL"]
env = { MODE = "fast" }
run = "mkdir dist; cp gen/out.txt dist/packed; chmod +x dist/packed; ln -s packed dist/latest; echo done"

[tasks.check]
hermetic = true
needs = ["pack"]
run = "test -x dist/packed"
"""


def git(project: Project, *line: str, at: Path | None = None) -> str:
    where = at or project.root
    told = ("-c", "user.name=A Name", "-c", "user.email=a@example.com", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *told, *line], cwd=where, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(project: Project, at: Path | None = None) -> Source:
    """Commits all there is."""
    git(project, "init", "-q", at=at)
    git(project, "add", "-A", at=at)
    git(project, "commit", "-q", "-m", "all", at=at)
    head, tree = git(project, "rev-parse", "HEAD", "HEAD^{tree}", at=at).split()
    return Source(head, tree, True)


def kept(project: Project) -> list[KeptStatement]:
    return list(all_statements(Archive.open(project.home / "archive")))


def told(project: Project) -> dict[str, Statement]:
    """The newest statement of each step."""
    return {
        found.step.name: found for each in reversed(kept(project)) if (found := parse_statement(each.data))
    }


def check_published(data: bytes) -> None:
    """Raises where in-toto's own library doesn't take it."""
    value: dict[str, Any] = json.loads(data)
    Published.copy_from_pb(ParseDict(value, Published([], "", {}).pb)).validate()
    slsa = ParseDict(value["predicate"], Provenance())  # refuses what isn't in the schema
    assert slsa.build_definition.build_type and slsa.build_definition.external_parameters.fields
    assert slsa.run_details.builder.id
    parts = [*slsa.build_definition.resolved_dependencies, *slsa.run_details.byproducts]
    for part in parts:
        ResourceDescriptor.copy_from_pb(part).validate()


def test_each_step_with_files_leaves_a_statement_that_in_toto_takes(make_project: MakeProject) -> None:
    project = make_project(GRAPH, env={"LEVEL": "a secret level", "HOSTNAME": "a-host-name"})
    project.write({"src/a.txt": "text\n", ".gitignore": "/gen\n"})
    source = commit(project)
    run_well(project, "check")
    found = told(project)
    assert set(found) == {"gen", "pack"}
    for each in kept(project):
        check_published(each.data)
        assert statement_bytes(parse_statement(each.data)) == each.data
        words = each.data.decode()
        for private in ("a secret level", os.uname().nodename, str(project.root.parent), "a-host-name"):
            assert private not in words
    gen, pack = found["gen"], found["pack"]
    assert gen.source == pack.source == source
    assert (gen.limits, gen.files) == ((), 1)
    assert pack.limits == ("the caller's environment was let through: LEVEL",)
    assert gen.fingerprint_with({}) == gen.fingerprint
    assert pack.fingerprint_with({"LEVEL": "a secret level"}) == pack.fingerprint
    assert [(need.step, need.tree, need.fingerprint) for need in pack.needs] == [
        ("gen", gen.tree, gen.fingerprint)
    ]
    packed = (project.root / "dist/packed").read_bytes()
    assert [(entry.path, entry.mode) for entry in pack.outputs] == [
        ("dist/latest", 0o120000),
        ("dist/packed", 0o100755),
    ]
    assert pack.outputs[1].digest == hashlib.sha256(packed).hexdigest()
    assert (pack.project, pack.step.task.env, pack.log is None) == ("project", {"MODE": "fast"}, False)
    assert pack.finished - pack.started < 60 and 0 <= pack.started - gen.finished < 60
    assert pack.machine.kernel == os.uname().release and pack.machine.cpus == os.cpu_count()
    assert gen.run != pack.run
