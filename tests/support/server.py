"""``otel-cost serve`` as a process of its own, on a database of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support import ports, processes

BIN = Path(sys.executable).parent


@contextmanager
def running(directory: Path, more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start it, wait until it is healthy, and give its base URL. Its database is ``directory/book.db``; ``more`` is its
    environment beside that."""
    (port,) = ports.free_ports(1)
    environment = processes.clean_environment(
        {
            "OTEL_COST_SERVER_PORT": str(port),
            "OTEL_COST_SERVER_DATABASE": f"sqlite:///{directory / 'book.db'}",
            **(more or {}),
        }
    )
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [BIN / "otel-cost", "serve"]
    with processes.running(command, name="server", directory=directory, environment=environment) as child:
        processes.until_answers(child, f"{url}/healthz")
        yield url
