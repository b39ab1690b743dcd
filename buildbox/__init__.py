"""buildbox: run builds in toolchain containers that are pinned by digest."""

__version__ = "0.1.0"
