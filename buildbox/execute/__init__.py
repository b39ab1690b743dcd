"""Runs a ContainerSpec to its end."""

from buildbox.execute.outcome import Outcome
from buildbox.execute.streams import Output, Streams

__all__ = ["Outcome", "Output", "Streams"]
