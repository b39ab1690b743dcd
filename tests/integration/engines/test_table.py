"""SPEC section 4's table on other engines, line by line: the very tests that the machine's Docker passes.

Where the caller isn't root outside, whoever is root inside is the caller: test_rootless.py. What Podman 4.3
does otherwise: test_podman.py.
"""

from tests.integration.run.test_table import (
    test_exec_starts_in_the_callers_folder,
    test_file_system_is_read_only_but_for_tmp_and_home,
    test_files_belong_to_the_caller,
    test_network_brings_certificates_and_proxies,
    test_no_network_unless_named,
    test_only_named_variables_pass,
    test_orphans_are_reaped,
    test_source_folder_that_is_a_link,
    test_two_runs_of_one_project_at_once,
    test_workdir_and_mounts,
)

__all__ = [
    "test_exec_starts_in_the_callers_folder",
    "test_file_system_is_read_only_but_for_tmp_and_home",
    "test_files_belong_to_the_caller",
    "test_network_brings_certificates_and_proxies",
    "test_no_network_unless_named",
    "test_only_named_variables_pass",
    "test_orphans_are_reaped",
    "test_source_folder_that_is_a_link",
    "test_two_runs_of_one_project_at_once",
    "test_workdir_and_mounts",
]
