"""More that other engines keep to as the machine's Docker does. Only where `--engines` asks for it."""

from tests.integration.run.test_parallel import (
    test_a_signal_reaches_all_that_runs,
)
from tests.integration.run.test_signals import (
    test_nothing_is_left_after_any_end,
    test_signal_ends_a_task_that_does_not_care,
    test_timeout,
)
from tests.integration.run.test_streams import (
    test_death_by_signal,
    test_logs_of_the_engine_hold_nothing,
    test_streams_are_kept_apart,
)
from tests.integration.run.test_tty import (
    test_shell,
    test_size,
)
from tests.integration.services.test_services import (
    test_a_service_is_ready_before_its_task,
    test_all_start_at_once_and_find_each_other,
    test_volumes_of_the_image_go_too,
    trial,
)

__all__ = [
    "test_a_service_is_ready_before_its_task",
    "test_a_signal_reaches_all_that_runs",
    "test_all_start_at_once_and_find_each_other",
    "test_death_by_signal",
    "test_logs_of_the_engine_hold_nothing",
    "test_nothing_is_left_after_any_end",
    "test_shell",
    "test_signal_ends_a_task_that_does_not_care",
    "test_size",
    "test_streams_are_kept_apart",
    "test_timeout",
    "test_volumes_of_the_image_go_too",
    "trial",
]
