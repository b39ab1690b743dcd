"""All that a person sees. The only user of rich, and that only when it draws."""

from buildbox.console.messages import Console
from buildbox.console.writing import write_all

__all__ = ["Console", "write_all"]
