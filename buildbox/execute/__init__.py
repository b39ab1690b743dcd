"""Runs a ContainerSpec to its end."""

from buildbox.execute.life import Execution, execute
from buildbox.execute.outcome import Outcome
from buildbox.execute.streams import Output, Streams

__all__ = ["Execution", "Outcome", "Output", "Streams", "execute"]
