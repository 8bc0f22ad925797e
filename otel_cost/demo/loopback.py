"""A small HTTP server on a free port of 127.0.0.1 that ends quickly and leaves neither threads nor sockets behind."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Loopback(ThreadingHTTPServer):
    """A context manager; each connection has a thread of its own. ``owner`` is for the handlers to find their way."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, owner: object, handler: type[BaseHTTPRequestHandler]) -> None:
        self.owner = owner
        self.closing = threading.Event()
        """Set when the end has come: handlers that wait, wait on this."""
        self._lock = threading.Lock()
        self._open: dict[int, tuple[socket.socket, threading.Thread]] = {}
        super().__init__(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, without a path."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        self._cut_connections()
        self.server_close()

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open[id(request)] = (request, threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                del self._open[id(request)]

    def _cut_connections(self) -> None:
        """End the threads that wait for another request on a connection that its client keeps open."""
        with self._lock:
            held = list(self._open.values())
        for connection, _ in held:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the client was quicker
        for _, thread in held:
            thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle of an answer is nobody's business here."""


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1, kept alive, silent."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def home(self) -> Loopback:
        assert isinstance(self.server, Loopback)
        return self.server

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr: what came in is kept by the owner."""

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length", 0)))
