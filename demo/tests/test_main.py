from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def test_csv_on_stdin_becomes_a_table_on_stdout() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "texttable"],
        input='name,size\n"a, b",10\nc,9\n',
        env={"PYTHONPATH": str(SOURCE), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert result.stdout == "name  size\n----  ----\na, b    10\nc        9\n"
