"""``otel-cost serve`` as a process: its address, its stop, its death, and the report afterwards."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from otel_cost.ledger.sql import open_ledger
from tests.contract.ledger.books import total
from tests.integration.server.serving import PROTOBUF, Server, chat, span, traces
from tests.support import processes, waiting
from tests.support.expected import Call

OTEL_COST = Path(sys.executable).parent / "otel-cost"
PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd


@contextmanager
def _serve(directory: Path, name: str = "server") -> Iterator[tuple[processes.Running, Server]]:
    command = [OTEL_COST, "serve", "--port", "0"]
    with processes.running(command, name=name, directory=directory) as child:

        def address() -> str:
            child.check_alive()
            found = re.search(r"listens on (http://\S+),", child.output())
            return found[1] if found else ""

        url = waiting.until(address, "the server to print its address")
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
            yield child, Server(url, client)


def _report(directory: Path) -> dict[str, object]:
    command = [OTEL_COST, "report", "--since", "1970-01-01", "--format", "json"]
    done = subprocess.run(command, cwd=directory, env=processes.clean_environment(), capture_output=True, check=True)
    body: dict[str, object] = json.loads(done.stdout)
    return body


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_stops_when_asked_and_the_report_has_the_dollars(tmp_path: Path, number: signal.Signals) -> None:
    with _serve(tmp_path) as (child, server):
        assert server.send(traces(*(span(chat()) for _ in range(4)), team="search")).status_code == 200
        while_running = _report(tmp_path)["total"]
        child.process.send_signal(number)
        assert child.process.wait(30) == 0
    assert "stopped" in child.output()
    assert "Traceback" not in child.output()
    after = _report(tmp_path)["total"]
    assert isinstance(after, dict)
    assert after == while_running
    assert after["cost"]["nano_usd"] == 4 * PRICE
    assert not (tmp_path / "otel-cost.db-wal").exists(), "the ledger was closed"


def test_killed_between_batches_and_sent_again_it_is_exact(tmp_path: Path) -> None:
    bodies = [traces(*(span(chat()) for _ in range(20))) for _ in range(10)]
    with _serve(tmp_path, "first") as (child, server):
        for body in bodies[:6]:
            assert server.send(body).status_code == 200
        # The seventh is on its way when the process dies: whether it was booked is unknown to its sender.
        with socket.create_connection((server.http.base_url.host, server.http.base_url.port or 0)) as raw:
            head = f"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: {PROTOBUF}\r\n"
            raw.sendall(f"{head}Content-Length: {len(bodies[6])}\r\n\r\n".encode() + bodies[6])
            child.kill()
    with open_ledger(f"sqlite:///{tmp_path / 'otel-cost.db'}") as ledger:
        assert total(ledger).calls in (120, 140), "whole batches, and none that was acknowledged is missing"
    with _serve(tmp_path, "second") as (_, server):
        for body in bodies:
            assert server.send(body).status_code == 200
        assert server.metric("otel_cost_book_operations_total") in (80, 60)
    after = _report(tmp_path)["total"]
    assert isinstance(after, dict)
    assert (after["calls"], after["cost"]["nano_usd"]) == (200, 200 * PRICE)


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [OTEL_COST, "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(
            command, cwd=tmp_path, env=processes.clean_environment(), capture_output=True, text=True, check=False
        )
    assert done.returncode == 2
    assert "Address already in use; choose another with --port" in done.stderr
    assert list(tmp_path.iterdir()) == []
