"""`buildbox schema` prints a schema wherever it is called, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from buildbox.config.keys import PROJECT_FILE, USER_FILE
from buildbox.config.kinds import Table
from buildbox.config.schema import schema
from tests.support.terminal import ROOT


@pytest.mark.parametrize(
    ("options", "file"), [((), PROJECT_FILE), (("--user",), USER_FILE), (("--json",), PROJECT_FILE)]
)
def test_it_prints_the_schema(options: tuple[str, ...], file: Table, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "buildbox", "schema", *options],
        cwd=tmp_path,  # in no project
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == schema(file)
