"""What real runs leave of statements, held against the published form of in-toto and SLSA."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import textwrap
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
from buildbox.signing.envelope import open_envelope, verify
from buildbox.signing.files import read_statement_file
from buildbox.signing.keys import generate
from tests.integration.run.conftest import MakeProject
from tests.support.graphs import run_well
from tests.support.project import Project, keep_image
from tests.support.tiny_image import tiny_image

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


def test_statements_are_written_beside_artifacts_and_are_never_inputs(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n", ".gitignore": "/gen\n"})
    commit(project)
    for _ in ("it runs", "it is a hit"):
        run_well(project, "--provenance", "gen", "pack")
        names = sorted(str(path.relative_to(project.root)) for path in project.root.rglob("*.jsonl"))
        assert names == ["dist/packed.intoto.jsonl", "gen.intoto.jsonl"]
        for name in names:
            payload, envelope = read_statement_file(project.root / name)
            assert envelope is None and payload in [each.data for each in kept(project)]
            (project.root / name).unlink()
    assert len(kept(project)) == 2 and all(each.kept for each in kept(project))
    run_well(project, "--provenance", "gen", "pack")
    project.write({"src/a.txt": "another\n"})
    run_well(project, "gen")
    source = told(project)["gen"].source
    assert source and not source.clean
    outdated = "--force builds it anew"
    assert outdated not in project.run("run", "--provenance", "gen").err
    git(project, "commit", "-q", "-a", "-m", "more")
    assert outdated in project.run("run", "--provenance", "gen").err, "it still tells of the time before"
    assert outdated not in project.run("run", "--force", "--provenance", "gen").err
    source = told(project)["gen"].source
    assert source and source.clean, "what tasks make, and statements beside it, is no change of the tree"


def test_a_statement_is_signed_and_takes_the_place_of_the_bare_one(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    key = generate(project.root / "own.key", None)
    run_well(project, "gen")
    for _ in range(2):
        events = project.run("run", "--json", "--sign", "--key", "own.key", "gen").out.splitlines()
        assert json.loads(events[-1]) == {
            "event": "told",
            "task": "gen",
            "statement": str(kept(project)[0].manifest),
            "signed": True,
            "files": ["gen.intoto.jsonl"],
        }
        payload, envelope = read_statement_file(project.root / "gen.intoto.jsonl")
        assert envelope and verify(open_envelope(envelope), [key]) == (key.id,)
        assert [(each.data, each.envelope, each.kept) for each in kept(project)] == [
            (payload, envelope, True)
        ]


def test_what_can_have_no_statement_is_said(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    done = project.run("run", "--provenance", "check")
    assert done.status == 2 and "Name those that they need: gen, pack" in done.err
    assert not kept(project)
    done = project.run("run", "--sign", "gen")
    assert done.status == 2 and "signing.key" in done.err and "buildbox keygen" in done.err
    assert not kept(project), "what signs is looked for before anything runs"
    assert project.run("run", "--key", "own.key", "gen").status == 2
    assert project.run("run", "--watch", "--sign", "gen").status == 2
    run_well(project, "gen")
    shutil.rmtree(project.home / "archive/provenance")
    assert run_well(project, "gen").of("cached") == {"gen"}
    assert run_well(project, "--provenance", "gen").of("passed") == {"gen"}, "nothing told how it was made"
    assert run_well(project, "--provenance", "gen").of("cached") == {"gen"}
    (project.root / "gen.intoto.jsonl").unlink()
    (project.root / "gen.intoto.jsonl/folder").mkdir(parents=True)
    done = project.run("run", "--provenance", "gen")
    assert done.status == 2 and "gen.intoto.jsonl" in done.err
    assert not list(project.root.glob(".buildbox-*"))
    text = (project.root / ".buildbox.toml").read_text()
    links = """
    [tasks.links]
    hermetic = true
    inputs = []
    outputs = ["links/"]
    run = "mkdir links; ln -s nothing links/latest"
    """
    project.write({".buildbox.toml": text + textwrap.dedent(links)})
    done = project.run("run", "--provenance", "links")
    assert done.status == 0 and "links: no statement: none of its outputs is a file" in done.err


def test_submodules_and_folders_of_a_repository(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(GRAPH, root="repository/sub folder")
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.txt").write_text("b")
    theirs = commit(project, at=other)
    project.write({"src/a.txt": "text\n"})
    top = project.root.parent
    git(project, "init", "-q", at=top)
    git(project, "submodule", "--quiet", "add", str(other), "sub folder/src/lib", at=top)
    ours = commit(project, at=top)
    run_well(project, "gen")
    modules = {"sub folder/src/lib": theirs.commit}
    assert told(project)["gen"].source == Source(ours.commit, ours.tree, True, "sub folder", modules)
    (project.root / "src/lib/b.txt").write_text("changed")
    run_well(project, "gen")
    found = told(project)["gen"]
    assert found.source == Source(ours.commit, ours.tree, False, "sub folder", modules)
    assert found.limits == ("the working tree wasn't as its commit has it",)


def test_services_networks_and_needs_in_the_working_tree(make_project: MakeProject) -> None:
    tasks = """
    [tasks.mounted]
    outputs = ["made.txt"]
    run = "echo made > made.txt"
    [tasks.all]
    hermetic = true
    inputs = []
    needs = ["mounted"]
    outputs = ["out.txt"]
    network = "bridge"
    caches = { things = "~/.cache/things" }
    services = ["side"]
    secrets = ["A_SECRET"]
    run = "cat made.txt > out.txt; cat /run/secrets/A_SECRET"
    [services.side]
    image = "{pin}"
    argv = ["sleep", "100"]
    ready = "true"
    """
    project = make_project("", env={"A_SECRET": "very secret"})
    pin = keep_image(project.home, tiny_image(), "tests/busybox:1")
    text = (project.root / ".buildbox.toml").read_text()
    project.write({".buildbox.toml": text + tasks.replace("{pin}", pin)})
    run_well(project, "--allow", "env=A_SECRET", "all")
    found = told(project)["all"]
    assert b"very secret" not in kept(project)[0].data
    check_published(kept(project)[0].data)
    assert found.limits == (
        "it had a network (bridge)",
        "it had caches: things",
        "it had secrets: A_SECRET",
        "there was no commit of its source",
        "it needs mounted, which worked in the project's own folder",
    )
    assert found.services == {"side": found.image} and found.step.services[0].argv == ("sleep", "100")


def test_a_step_that_fails_or_lacks_an_output_leaves_no_statement(make_project: MakeProject) -> None:
    project = make_project("""
    [tasks.fails]
    hermetic = true
    outputs = ["a"]
    run = "touch a; false"
    [tasks.lacks]
    hermetic = true
    outputs = ["a", "b"]
    run = "touch a"
    [tasks.link]
    hermetic = true
    outputs = ["a"]
    run = "ln -s b a"
    """)
    for task in ("fails", "lacks", "link"):
        project.run("run", "--provenance", task)
    assert kept(project) == []


def test_the_log_of_what_was_built(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n", ".gitignore": "/gen\n"})
    assert "nothing is known" in project.run("log").err
    source = commit(project)
    run_well(project, "pack")
    project.write({"src/a.txt": "another\n"})
    run_well(project, "pack")
    listed = project.run("log")
    rows = [line.split() for line in listed.out.splitlines()[1:]]
    assert [row[3] for row in rows] == ["pack", "gen", "pack", "gen"]
    assert [row[-4] for row in rows] == [f"{source.commit[:10]}*"] * 2 + [source.commit[:10]] * 2
    found = json.loads(project.run("log", "--json", "-n", "3").out)["builds"]
    assert [build["task"] for build in found] == ["pack", "gen", "pack"]
    assert "-n 30" in project.run("log", "-n", "3").err
    # the same by an id, a fingerprint, the file that was made, and another of the same bytes
    (tmp_path / "elsewhere").write_bytes((project.root / "dist/packed").read_bytes())
    by_id = found[0]["statement"].removeprefix("sha256:")[:12]
    names = (
        by_id,
        found[0]["statement"],
        found[0]["fingerprint"],
        "dist/packed",
        str(tmp_path / "elsewhere"),
    )
    told_of = [json.loads(project.run("log", "--json", name).out) for name in names]
    assert all(each == told_of[0] for each in told_of)
    document = told_of[0].pop("document")
    assert told_of[0] == found[0]
    assert statement_bytes(parse_statement(json.dumps(document).encode())) in [
        each.data for each in kept(project)
    ]
    words = project.run("log", "dist/packed").out
    assert (
        "with changes that no commit has" in words and "the working tree wasn't as its commit has it" in words
    )
    # of another project
    project.write(
        {".buildbox.toml": '[project]\nname = "other"\n' + (project.root / ".buildbox.toml").read_text()}
    )
    assert project.run("log").out == ""
    assert len(project.run("log", "--all").out.splitlines()) == 5


def test_a_statement_is_kept_or_let_go_by_hand(make_project: MakeProject) -> None:
    project = make_project(GRAPH)
    project.write({"src/a.txt": "text\n"})
    run_well(project, "gen")
    assert json.loads(project.run("log", "--json", "--keep", "gen").out)["stays"] is True
    assert [each.kept for each in kept(project)] == [True]
    assert project.run("log", "--no-keep", "gen/out.txt").status == 0
    assert [each.kept for each in kept(project)] == [False]
    for line, status, words in (
        (("log", "--keep"), 2, "which build"),
        (("log", "abcdef0123"), 2, "no statement abcdef0123"),
        (("log", "no-such-file"), 2, "no file no-such-file"),
        (("log", "src/a.txt"), 119, "no statement tells of"),
    ):
        done = project.run(*line)
        assert (done.status, words in done.err) == (status, True), done.err


def test_an_input_that_git_ignores_is_in_no_commit(make_project: MakeProject) -> None:
    project = make_project(GRAPH.replace('["src/**"]', '["src/a.txt", "local/**"]'))
    project.write({"src/a.txt": "text\n", ".gitignore": "/gen\n/local\n"})
    commit(project)
    run_well(project, "gen")
    project.write({"local/settings": "l"})
    run_well(project, "gen")
    assert [found.clean for each in kept(project) if (found := parse_statement(each.data).source)] == [
        False,
        True,
    ]
