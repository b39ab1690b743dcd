"""What git is given of the caller's environment, and how calls are made together."""

from __future__ import annotations

import threading

import pytest

from buildbox.trees.git import clean_environment, together


def test_nothing_of_the_caller_leads_git_elsewhere() -> None:
    given = {
        "PATH": "/bin", "HOME": "/h", "LC_ALL": "de_DE.UTF-8", "GIT_DIR": "/x", "GIT_INDEX_FILE": "/y",
        "GIT_TRACE": "1", "GIT_CONFIG_PARAMETERS": "'a.b'='c'", "GIT_OPTIONAL_LOCKS": "1",
    }  # fmt: skip
    ours = clean_environment(given)
    assert {"PATH": "/bin", "HOME": "/h", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}.items() <= ours.items()
    assert not {"GIT_DIR", "GIT_INDEX_FILE", "GIT_TRACE", "GIT_CONFIG_PARAMETERS"} & ours.keys()


def test_the_users_configuration_stays() -> None:
    given = {
        "GIT_CONFIG_GLOBAL": "/g",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "GIT_CEILING_DIRECTORIES": "/home",
    }
    assert given.items() <= clean_environment(given).items()


def test_calls_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def meet() -> str:
        both.wait()
        return threading.current_thread().name

    assert len(set(together(meet, meet))) == 2
    assert together(lambda: 1, lambda: 2, lambda: 3) == [1, 2, 3]


def test_the_first_failure_is_raised() -> None:
    def fail(text: str) -> None:
        raise ValueError(text)

    with pytest.raises(ValueError, match="second"):
        together(lambda: None, lambda: fail("second"), lambda: fail("third"))
