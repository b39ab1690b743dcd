"""A client for each request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from buildbox.engine.clients import Clients


class Client:
    def __init__(self) -> None:
        self.users = 0
        self.closed = False

    def close(self) -> None:
        self.closed = True


class Counted:
    """Makes clients, and knows them all."""

    def __init__(self) -> None:
        self.made: list[Client] = []

    def __call__(self) -> Client:
        self.made.append(Client())
        return self.made[-1]


def test_one_thread_has_one_client() -> None:
    """Also after a fault."""
    make = Counted()
    clients = Clients(make)
    for _ in range(3):
        with clients.one():
            pass
        with pytest.raises(KeyError), clients.one():
            raise KeyError
    assert len(make.made) == 1


def test_no_two_requests_have_the_same() -> None:
    make = Counted()
    clients = Clients(make)
    together = threading.Barrier(4)

    def ask(_: int) -> int:
        with clients.one() as client:
            client.users += 1
            together.wait(20)
            users: int = client.users
            client.users -= 1
            return users

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(8))) == [1] * 8
    assert len(make.made) == 4


@pytest.mark.parametrize("idle", [True, False])
def test_all_are_closed_in_the_end(idle: bool) -> None:
    """One that is in use, when its request is over."""
    make = Counted()
    clients = Clients(make)
    end: Callable[[], None] = clients.close
    with clients.one():
        with clients.one():
            pass
        if not idle:
            end()
            assert [client.closed for client in make.made] == [False, True]
    if idle:
        end()
    assert [client.closed for client in make.made] == [True, True]
