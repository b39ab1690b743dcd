"""How requests get to an engine over any kind of socket."""

from __future__ import annotations

import socket
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from buildbox.engine.dialing import Dial


class DiallingAdapter(HTTPAdapter):
    """Requests over connections that `dial` makes, one of which is kept; whatever the URL and proxies say.

    A proxy can't carry what engines make of a connection, once a container is attached.
    """

    def __init__(self, dial: Dial) -> None:
        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return dial()

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        self._pool = Pool("engine", maxsize=1)
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        """The one pool that there is; requests 2.32 and later ask so."""
        return self._pool

    def get_connection(self, *args: Any, **options: Any) -> HTTPConnectionPool:
        """The same, for requests before 2.32."""
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> str:
        """The path alone: there is no proxy."""
        return str(request.path_url)

    def close(self) -> None:
        """Closes what is idle."""
        super().close()
        self._pool.close()
