"""Three servers over one PostgreSQL: whatever each of them is sent, and when it dies, the book is exact."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from sqlalchemy import func, select

from otel_cost import semconv
from otel_cost.ledger.schema import entries, rollups_15min, rollups_day
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import NANO
from tests.integration.server.replicas import Replica, RoundRobin
from tests.integration.server.serving import Server, chat, pairs, request, span
from tests.support import processes, waiting
from tests.support.expected import Call
from tests.support.postgres import Postgres, postgres_server

pytestmark = pytest.mark.postgres

PRICE = Call("chat", "gpt-4o", 1000, 100).nano_usd
WIRE = "opentelemetry.instrumentation.openai_v2"
FRAMEWORK = "opentelemetry.instrumentation.genai.langchain"
PROCESSES = 4
BATCHES = 25
CALLS = 10
"""In one batch: with two batches for each, of the requests' own spans and of a framework's around them."""


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres, request: pytest.FixtureRequest) -> str:
    name = request.node.name.split("[")[0]
    postgres.run(f"CREATE DATABASE {name}")
    open_ledger(postgres.url(name)).close()
    return postgres.url(name)


@dataclass(frozen=True)
class Calls:
    """Some calls of one process, each with a span of its own and one of a framework around it."""

    own: bytes
    framework: bytes


def _calls(process: int, number: int, start_ns: int) -> Calls:
    # Calls of a process follow each other: which spans are one call has to be told by when they were.
    starts = [start_ns + (number * CALLS + index) * 50_000_000 for index in range(CALLS)]
    own = [_twin(at, 20_000_000) for at in starts]
    framework = [_twin(at - 1_000_000, 22_000_000) for at in starts]
    labels = {"team": f"team-{process % 2}"}
    return Calls(_body(own, WIRE, process, **labels), _body(framework, FRAMEWORK, process, **labels))


def _twin(start_ns: int, length_ns: int) -> Span:
    return span(chat(), start_ns=start_ns, length_ns=length_ns)


def _body(spans: list[Span], scope: str, process: int, **labels: str) -> bytes:
    made = request(*spans, scope=scope, **labels)
    made.resource_spans[0].resource.attributes.extend(pairs({semconv.SERVICE_INSTANCE_ID: f"process-{process}"}))
    return made.SerializeToString()


def test_one_is_killed_and_twins_are_split_nothing_lost_nothing_doubled(database: str, tmp_path: Path) -> None:
    """FEATURES O8."""
    start_ns = time.time_ns() - 600 * NANO
    batches = [_calls(process, number, start_ns) for process in range(PROCESSES) for number in range(BATCHES)]
    bodies = [body for calls in batches for body in (calls.own, calls.framework)]
    random.Random(7).shuffle(bodies)
    expected = len(batches) * CALLS
    replicas = [Replica(tmp_path, database, f"replica-{number}") for number in range(3)]
    with ExitStack() as running:
        children = [running.enter_context(replica.running(wait=False)) for replica in replicas]
        for replica, child in zip(replicas, children, strict=True):
            processes.until_answers(child, f"{replica.url}/readyz")
        _send(bodies[: len(bodies) // 3], replicas)
        # The first one, which most likely has the lock, dies in the middle of it.
        sender = threading.Thread(target=_send, args=(bodies[len(bodies) // 3 :], replicas))
        sender.start()
        children[0].kill()
        running.enter_context(replicas[0].running())
        sender.join()
        clients = [running.enter_context(replica.client()) for replica in replicas]
        waiting.until(lambda: _total(clients[1]) == (expected, expected * PRICE), "every call to be counted once")
        # A sender whose answer was lost sends again, to whom it likes.
        _send(bodies[:: len(bodies) // 30], replicas)
        waiting.until(lambda: _total(clients[2]) == (expected, expected * PRICE), "nothing to be added")
        assert clients[0].nano(team="team-1") == expected * PRICE // 2
    _check_sums(database, expected)


def _send(bodies: list[bytes], replicas: list[Replica]) -> None:
    """Two senders at once, each in turns to all servers."""
    queue = list(bodies)
    lock = threading.Lock()

    def work(first: int) -> None:
        urls = [replica.url for replica in replicas]
        sender = RoundRobin(urls[first:] + urls[:first])
        while True:
            with lock:
                if not queue:
                    break
                body = queue.pop(0)
            sender.send(body)
        sender.close()

    senders = [threading.Thread(target=work, args=(first,)) for first in range(2)]
    for one in senders:
        one.start()
    for one in senders:
        one.join()


def _total(client: Server) -> tuple[int, int]:
    total = client.summary(days=1)["total"]
    assert isinstance(total, dict)
    return total["calls"], total["cost"]["nano_usd"]


def _check_sums(database: str, expected: int) -> None:
    """What is rolled up is what the entries say."""
    with open_ledger(database) as ledger:
        for table in (entries, rollups_15min, rollups_day):
            sums = select(func.sum(table.c.operations), func.sum(table.c.amount_nano))
            with ledger.beside() as connection:
                found = connection.execute(sums).one()
            assert tuple(map(int, found)) == (expected * 2, expected * PRICE), table.name
