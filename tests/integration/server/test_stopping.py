"""A server that is told to stop while it is sent spans: what it acknowledged is in the book, and it ends well."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import httpx
import pytest

from otel_cost.ledger.sql import open_ledger
from tests.contract.ledger.books import total
from tests.integration.server.replicas import Replica
from tests.integration.server.serving import PROTOBUF, Server, chat, span, traces
from tests.support import waiting
from tests.support.expected import Call

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd
SPANS = 5


class Sender(threading.Thread):
    """Sends batches one after the other until one is not taken; what was acknowledged is in ``taken``."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self.taken: list[bytes] = []
        self.refused: bytes | None = None

    def run(self) -> None:
        with httpx.Client(base_url=self._url, trust_env=False, timeout=30) as client:
            while self.refused is None:
                body = traces(*(span(chat()) for _ in range(SPANS)))
                try:
                    response = client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
                except httpx.TransportError:
                    self.refused = body
                    break
                if response.status_code == 200:
                    self.taken.append(body)
                else:
                    self.refused = body


def test_stopped_under_load_what_was_acknowledged_is_booked_and_a_repeat_adds_nothing(tmp_path: Path) -> None:
    replica = Replica(tmp_path, f"sqlite:///{tmp_path / 'book.db'}", "server")
    senders = [Sender(replica.url) for _ in range(3)]
    with replica.running() as child:
        for sender in senders:
            sender.start()
        waiting.until(lambda: all(len(sender.taken) > 3 for sender in senders), "some batches to be taken")
        child.process.send_signal(signal.SIGTERM)
        for sender in senders:
            sender.join()
        assert child.process.wait(60) == 0
        assert "Traceback" not in child.output()
    acknowledged = [body for sender in senders for body in sender.taken]
    unknown = [sender.refused for sender in senders if sender.refused is not None]
    with open_ledger(replica.database) as ledger:
        booked = total(ledger).calls
        assert len(acknowledged) * SPANS <= booked <= (len(acknowledged) + len(unknown)) * SPANS
    with replica.running(), replica.client() as client:
        for body in [*unknown, *acknowledged]:
            assert client.send(body).status_code == 200
    with open_ledger(replica.database) as ledger:
        row = total(ledger)
        everything = (len(acknowledged) + len(unknown)) * SPANS
        assert (row.calls, row.amount_nano) == (everything, everything * PRICE)


def test_it_can_be_reached_while_it_drains_says_that_it_stops_and_ends_its_streams(tmp_path: Path) -> None:
    replica = Replica(tmp_path, f"sqlite:///{tmp_path / 'book.db'}", "server", ["--drain", "300"])
    with replica.running() as child, replica.client() as client:
        assert client.http.get("/healthz").headers.get("connection") != "close"
        with client.http.stream("GET", "/api/v1/costs/stream") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith(":")
            child.process.send_signal(signal.SIGTERM)
            for _ in lines:
                pass
        refused = waiting.until(lambda: _unready(client), "the server to say that it stops")
        assert refused.json()["detail"] == "the server is stopping"
        assert client.http.get("/healthz").status_code == 200
        taken = client.send(traces(span(chat())))
        assert (taken.status_code, taken.headers["connection"]) == (200, "close")
        assert client.http.get("/health").json()["status"] == "stopping"
        # At the second one it does not wait any more.
        child.process.send_signal(signal.SIGINT)
        assert child.process.wait(60) == 0
    with open_ledger(replica.database) as ledger:
        assert total(ledger).calls == 1


def _unready(client: Server) -> httpx.Response | None:
    response = client.http.get("/readyz")
    return response if response.status_code == 503 else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_with_nothing_to_do_it_stops_without_waiting(tmp_path: Path, number: signal.Signals) -> None:
    replica = Replica(tmp_path, f"sqlite:///{tmp_path / 'book.db'}", "server")
    with replica.running() as child:
        child.process.send_signal(number)
        assert child.process.wait(60) == 0
        assert child.output().endswith("stopped\n")
        assert "budgets: in sqlite:///" in child.output()
        assert "keys:    none yet" in child.output()
