"""Signals, streams and ends on other engines: tests that the machine's Docker passes."""

from tests.integration.run.test_signals import (
    test_a_killed_run_is_cleaned_up_by_the_next,
    test_second_ctrl_c_kills,
    test_signal_reaches_the_task,
)
from tests.integration.run.test_streams import (
    test_a_program_that_is_not_there,
    test_every_byte_value_and_no_newline_at_the_end,
)
from tests.integration.run.test_tty import (
    test_keys_reach_the_task_and_the_terminal_is_as_before,
)

USUAL = ("podman",)  # rootless Docker has no other way with them

__all__ = [
    "test_a_killed_run_is_cleaned_up_by_the_next",
    "test_a_program_that_is_not_there",
    "test_every_byte_value_and_no_newline_at_the_end",
    "test_keys_reach_the_task_and_the_terminal_is_as_before",
    "test_second_ctrl_c_kills",
    "test_signal_reaches_the_task",
]
