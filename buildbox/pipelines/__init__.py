"""Pipelines of CI systems, written from the task graph."""
