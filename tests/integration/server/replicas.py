"""Several ``otel-cost serve`` over one book, and a sender that spreads what it has over them and does not give up."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.integration.server.serving import PROTOBUF, Server
from tests.support import ports, processes, server, waiting


@dataclass
class Replica:
    """One server, which can be killed and started again at the same address."""

    directory: Path
    database: str
    name: str
    options: Sequence[str] = ()
    port: int = field(default_factory=lambda: ports.free_ports(1)[0])
    _starts: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, *, wait: bool = True) -> Iterator[processes.Running]:
        """Started, and ready unless that is not waited for."""
        self._starts += 1
        command = [server.BIN / "otel-cost", "serve", "--port", str(self.port), "--db", self.database, *self.options]
        name = f"{self.name}-{self._starts}"
        with processes.running(command, name=name, directory=self.directory) as child:
            if wait:
                processes.until_answers(child, f"{self.url}/readyz")
            yield child

    @contextmanager
    def client(self) -> Iterator[Server]:
        with httpx.Client(base_url=self.url, trust_env=False, timeout=30) as http:
            yield Server(self.url, http)


class RoundRobin:
    """Sends each batch to the next server; to the one after it where that does not take it."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._next = itertools.cycle(urls)
        self._http = httpx.Client(trust_env=False, timeout=10)

    def send(self, body: bytes) -> None:
        """Return once a server has acknowledged ``body``."""
        waiting.until(lambda: self._sent(body), "a server to take a batch", poll_s=0.02)

    def close(self) -> None:
        self._http.close()

    def _sent(self, body: bytes) -> bool:
        try:
            response = self._http.post(
                f"{next(self._next)}/v1/traces", content=body, headers={"content-type": PROTOBUF}
            )
        except httpx.TransportError:
            return False
        return response.status_code == 200


def listening_url(child: processes.Running) -> str:
    """Where a server on any free port listens, once it does."""

    def address() -> str:
        child.check_alive()
        found = re.search(r"listens on (http://\S+),", child.output())
        return found[1] if found else ""

    return waiting.until(address, "the server to print its address")
