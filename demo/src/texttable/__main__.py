"""`python3 -m texttable < FILE.csv`: show CSV as a table."""

from __future__ import annotations

import csv
import sys

from texttable.table import render


def main() -> int:
    sys.stdout.write(render(list(csv.reader(sys.stdin))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
