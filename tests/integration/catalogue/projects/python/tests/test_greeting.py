import pytest

from greeting import greeting


@pytest.mark.parametrize("name", ["world", "wörld", ""])
def test_it_names_whom_it_greets(name: str) -> None:
    assert greeting(name) == f"hello, {name}"
