"""HTTP/1.1 to one server from any thread, on the standard library: an app carries no HTTP client for otel-cost."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from socket import socket
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

from otel_cost.errors import ConfigError
from otel_cost.forking import after_fork_in_child

_IDLE: Final = 16
"""Connections kept open at most: one for each call that asks at the same moment."""
_CHUNK: Final = 2**16


class Answer(NamedTuple):
    """``retry_after`` is the header of that name, "" where there is none."""

    status: int
    body: bytes
    retry_after: str = ""


class Unreachable(Exception):
    """No connection, or no answer in time. The text names the server."""


class _Dropped(Exception):
    """The connection was closed, or never was. ``answered``: a part of the answer was handed on already."""

    def __init__(self, text: str, *, answered: bool) -> None:
        super().__init__(text)
        self.answered = answered


@dataclass(slots=True)
class _Request:
    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]
    deadline: float
    into: Callable[[bytes], None] | None
    answered: bool = False


class Connections:
    """Keeps connections alive between requests. Thread-safe; a forked child opens its own.

    Proxies that the environment names are not used. Looking up the server's name is left to the system, and takes as
    long as that takes; everything else keeps to the timeout.

    Args:
        url: ``http://`` or ``https://`` (certificates are verified), with a path where the server is below one.
        setting: What the URL is called where it was said, for errors.

    Raises:
        ConfigError: the URL is not one.
    """

    def __init__(self, url: str, setting: str) -> None:
        self.url, self._host, self._port, self._path, secure = _parsed(url, setting)
        self._tls = ssl.create_default_context() if secure else None
        self._idle: list[HTTPConnection] = []
        self._renew_lock()
        after_fork_in_child(self._after_fork)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def _after_fork(self) -> None:
        """The sockets are the parent's: two processes on one would read each other's answers."""
        self._renew_lock()
        self.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def send(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
        repeatable: bool,
        into: Callable[[bytes], None] | None = None,
    ) -> Answer:
        """Send a request, and wait ``timeout_s`` at most for all of the answer.

        Args:
            repeatable: The server may be told twice. Only then is a connection used that was open already, since that
                may turn out to be closed, without a word on whether the request was carried out.
            into: Gets the body of a 200 piece by piece, instead of the answer.

        Raises:
            Unreachable: no connection, or no answer in time.
        """
        deadline = time.monotonic() + timeout_s
        request = _Request(method, self._path + path, body, headers, deadline, into)
        idle = self._take_idle() if repeatable else None
        try:
            if idle is not None:
                try:
                    return self._exchange(idle, request)
                except _Dropped as dropped:
                    if dropped.answered:
                        raise
                    self.close()  # whoever closed this one closed the others as well
            return self._exchange(self._connection(), request)
        except TimeoutError as error:
            raise Unreachable(f"{self.url} did not answer within {timeout_s:g} s") from error
        except _Dropped as error:
            raise Unreachable(f"{self.url} cannot be reached: {error}") from error

    def _take_idle(self) -> HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _connection(self) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self._host, self._port)
        return HTTPSConnection(self._host, self._port, context=self._tls)

    def _exchange(self, connection: HTTPConnection, request: _Request) -> Answer:
        """Raises TimeoutError or _Dropped; the connection is closed then."""
        kept = False
        try:
            answer, kept = _exchanged(connection, request)
        except TimeoutError:
            raise
        except (OSError, HTTPException) as error:
            raise _Dropped(str(error) or type(error).__name__, answered=request.answered) from error
        finally:
            if not kept:
                connection.close()
        self._keep(connection)
        return answer

    def _keep(self, connection: HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
        connection.close()


def _exchanged(connection: HTTPConnection, request: _Request) -> tuple[Answer, bool]:
    """The answer, and whether the connection can be used again."""
    if connection.sock is None:
        connection.timeout = _left_s(request.deadline)
        connection.connect()
    # Kept here, since http.client forgets it as soon as the server says that it will close.
    sock = cast("socket", connection.sock)
    sock.settimeout(_left_s(request.deadline))
    connection.request(request.method, request.path, request.body, dict(request.headers))
    sock.settimeout(_left_s(request.deadline))
    with connection.getresponse() as response:
        found = bytearray()
        while chunk := _read_some(response, request.deadline, sock):
            if request.into is not None and response.status == HTTPStatus.OK:
                request.answered = True
                request.into(chunk)
            else:
                found += chunk
        if response.length:
            raise HTTPException("the answer ended before its end")
        answer = Answer(response.status, bytes(found), response.getheader("Retry-After", ""))
        return answer, not response.will_close


def _read_some(response: HTTPResponse, deadline: float, sock: socket) -> bytes:
    sock.settimeout(_left_s(deadline))
    return response.read1(_CHUNK)


def _left_s(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _parsed(url: str, setting: str) -> tuple[str, str, int | None, str, bool]:
    """The URL without what does not belong there, and its parts. Raises ConfigError, which never shows a password."""
    wrong = f"{setting}: {{}}; write for instance https://costs.example.com:4319"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(wrong.format(f"it is no URL: {error}")) from error
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(wrong.format("it needs http:// or https:// and a host"))
    if parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(wrong.format("a user, a query or a fragment has no place in it (the key is a setting)"))
    if not url.isascii() or any(character <= " " for character in url):
        raise ConfigError(wrong.format("it has characters that a URL cannot have"))
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}", host, port, path, parts.scheme == "https"
