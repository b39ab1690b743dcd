"""Tables for the terminal, from rows or from CSV."""

from texttable.table import render
from texttable.width import width

__all__ = ["render", "width"]
