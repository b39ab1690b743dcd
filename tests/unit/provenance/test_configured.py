"""Whatever a `.buildbox.toml` may say of a hermetic task, a statement of it is understood again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from buildbox.config.load import load
from buildbox.provenance.form import parse_statement, statement_bytes
from buildbox.tasks.plan import plan_tasks
from tests.support.statements import PIN, a_statement

TEXT = f"""
[project]
name = "häl lo · 'x'"
[toolchains.a]
image = "registry.example.com:5000/x/y:1@{PIN}"
platform = "linux/amd64"
shell = ["bash", "-euo", "pipefail", "-c"]
[toolchains.b]
image = "registry.example.com/x/y@{PIN}"
platform = "linux/amd64"
[tasks.t]
description = "Does it: ünïcode"
matrix.toolchain = ["a", "b"]
matrix.env.LEVEL = ["4", "5 and more", "ü"]
run = '''
echo "a	b" \\
  "$@"
'''
hermetic = true
inputs = []
outputs = ["dist/{{LEVEL}}-{{toolchain}}/", "a b-{{LEVEL}}-{{toolchain}}/*"]
env = {{ A = "", B = "multi\\nline", C = "\\u0001" }}
pass-env = ["Z", "A_FIRST"]
workdir = "sub/dir"
network = "mynet"
services = ["one", "db"]
caches = {{ pip = "~/.cache/pip", other = "/var/x" }}
secrets = ["TOKEN", "ANOTHER"]
timeout = "1h10m"
retries = 3
memory = "2.5g"
cpus = 1.5
pids = 10
user = "1000:1000"
rootfs = "writable"
source-date-epoch = 12345
[services.db]
image = "docker.io/postgres:16@{PIN}"
run = "serve it"
env = {{ A = "b" }}
ready = "pg_isready"
ready-timeout = "60s"
memory = "1g"
cpus = 0.5
pids = 99
user = "root"
rootfs = "writable"
[services.one]
image = "docker.io/other@{PIN}"
argv = ["serve", ""]
ready-port = 80
"""


def test_all_that_a_task_may_say(tmp_path: Path) -> None:
    (tmp_path / ".buildbox.toml").write_text(TEXT)
    config = load(tmp_path / ".buildbox.toml")
    example = a_statement()
    steps = plan_tasks(config, ["t"]).steps.values()
    assert len(steps) == 6
    for step in steps:
        statement = replace(
            example,
            project=config.name,
            step=replace(step, task=replace(step.task, run=None, argv=step.argv)),
            epoch=12345,
            environment={"SOURCE_DATE_EPOCH": "12345", "FROM_IMAGE": "\n"},
            image=replace(example.image, reference=str(step.toolchain.image)),
            services={each.name: replace(example.image, reference=str(each.image)) for each in step.services},
        )
        passed = {"Z": "z"}
        statement = replace(statement, fingerprint=statement.fingerprint_with(passed))
        data = statement_bytes(statement)
        found = parse_statement(data)
        assert statement_bytes(found) == data
        assert found.fingerprint_with(passed) == statement.fingerprint
        assert (found.limits, found.step.argv) == (statement.limits, step.argv)
