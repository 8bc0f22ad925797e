"""How many spans of LLM calls ``otel-cost serve`` books in a second, over HTTP, with roll-ups.

``python -m tests.benchmarks.bench_ingest [--seconds 20] [--postgres]`` starts the server as its users do, on a
database of its own, and sends it batches of 512 spans over kept connections from another process of this machine.
Half of the spans carry a verdict, as those of our own instrumentors do; the server prices the other half. Every span
is new; models, teams, users and sessions are as many as a busy hour of a company has. What was answered is then
compared with the book: a run that lost or doubled anything fails, whatever its speed. Beside it stands the barest
thing that takes the same batches, without HTTP, prices and sums; also printed is the server's memory after a tenth of
the run and at its end.
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import os
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from otel_cost.ledger.questions import SummaryQuery
from otel_cost.ledger.sql import open_ledger
from tests.benchmarks.reporting import Row, report
from tests.support import ports, processes
from tests.support.postgres import postgres_server

BATCH = 512
SENDERS = 4
PREPARED = 40
"""Batches that a sender makes beforehand; before each sending their ids and times are made new in place."""
MODELS = (
    ("openai", "gpt-5", "gpt-5-2025-08-07"), ("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07"),
    ("openai", "gpt-4.1", "gpt-4.1-2025-04-14"), ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ("anthropic", "claude-haiku-4-5", "claude-haiku-4-5-20251001"), ("groq", "llama-3.3-70b-versatile", ""),
)  # fmt: skip
TEAMS = ("search", "ads", "support", "research", "platform", "finance")
PLACEHOLDER = b"\xfe" * 16
RESPONSE_ID = "chatcmpl-" + "?" * 24


def _pair(key: str, value: str | int | float) -> KeyValue:
    kinds = {str: "string_value", int: "int_value", float: "double_value"}
    return KeyValue(key=key, value=AnyValue(**{kinds[type(value)]: value}))  # type: ignore[arg-type]


def _span(number: int, start_ns: int) -> Span:
    pick = random.Random(number)
    provider, asked, answered = pick.choice(MODELS)
    input_tokens, output_tokens = pick.randint(50, 20_000), pick.randint(10, 2_000)
    attributes: dict[str, str | int | float] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": asked,
        "gen_ai.response.model": answered or asked,
        "gen_ai.response.id": RESPONSE_ID,
        "gen_ai.usage.input_tokens": input_tokens,
        "gen_ai.usage.output_tokens": output_tokens,
        "server.address": f"api.{provider}.com",
        "server.port": 443,
        "user.id": f"user-{pick.randrange(2_000)}",
        "session.id": f"session-{pick.randrange(20_000)}",
        "otel_cost.team": pick.choice(TEAMS),
    }
    if number % 2:
        usd = (input_tokens * 125 + output_tokens * 1000) / 1e8
        attributes |= {
            "otel_cost.status": "priced",
            "gen_ai.usage.cost.amount": usd,
            "gen_ai.usage.cost.currency": "USD",
            "otel_cost.cost.input": input_tokens * 125 / 1e8,
            "otel_cost.cost.output": output_tokens * 1000 / 1e8,
            "otel_cost.price.id": f"{provider}:{asked}",
            "otel_cost.price.catalog": "bench",
        }
    return Span(
        trace_id=PLACEHOLDER,
        span_id=PLACEHOLDER[:8],
        name=f"chat {asked}",
        kind=Span.SpanKind.SPAN_KIND_CLIENT,
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + pick.randint(200, 8_000) * 10**6,
        status=SpanStatus(),
        attributes=[_pair(key, value) for key, value in attributes.items()],
    )


@dataclass
class Batch:
    """An encoded request, and where in it the spans' trace, span and response ids begin."""

    body: bytearray
    places: list[tuple[int, int, int]]

    @classmethod
    def made(cls, first: int, service: str) -> Batch:
        start_ns = time.time_ns() - 3_600 * 10**9
        spans = [_span(first + number, start_ns + number * 10**6) for number in range(BATCH)]
        scope = ScopeSpans(scope=InstrumentationScope(name="opentelemetry.instrumentation.openai_v2"), spans=spans)
        resource = Resource(attributes=[_pair("service.name", service), _pair("service.instance.id", service)])
        request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])
        body = bytearray(request.SerializeToString())
        places, at = [], -1
        while (at := body.find(PLACEHOLDER, at + 1)) >= 0:
            span = body.find(PLACEHOLDER[:8], at + 16)
            places.append((at, span, body.find(RESPONSE_ID.encode(), span) + len("chatcmpl-")))
            at = span
        assert len(places) == BATCH
        return cls(body, places)

    def renewed(self, pick: random.Random) -> bytes:
        """The same spans under new ids."""
        for trace, span, response in self.places:
            self.body[trace : trace + 16] = pick.randbytes(16)
            self.body[span : span + 8] = pick.randbytes(8)
            self.body[response : response + 24] = pick.randbytes(12).hex().encode()
        return bytes(self.body)


def _send(url: str, seconds: float, number: int, answered: multiprocessing.Queue[int]) -> None:
    """One sender, for its time; puts how many spans were taken."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
    pick = random.Random(number)
    batches = [Batch.made((number * PREPARED + index) * BATCH, f"app-{number}") for index in range(PREPARED)]
    taken, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        body = batches[pick.randrange(PREPARED)].renewed(pick)
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, (answer.status, said)
        taken += BATCH
    answered.put(taken)


def _generate(url: str, seconds: float, answered: multiprocessing.Queue[int]) -> None:
    """All senders, as threads of one process: what they need of a core is what a generator is allowed here."""
    threads = [threading.Thread(target=_send, args=(url, seconds, number, answered)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass
class Run:
    per_second: float
    rss_early_mb: float
    rss_late_mb: float
    cpu_us: float
    database_mb: float


@contextmanager
def _serving(directory: Path, database: str) -> Iterator[tuple[str, int]]:
    (port,) = ports.free_ports(1)
    environment = processes.clean_environment(
        {
            "OTEL_COST_SERVER_PORT": str(port),
            "OTEL_COST_SERVER_DATABASE": database,
        }
    )
    url = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [Path(sys.executable).parent / "otel-cost", "serve"]
    with processes.running(command, name="server", directory=directory, environment=environment) as child:
        processes.until_answers(child, f"{url}/healthz")
        yield url, child.process.pid


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def _cpu_s(pid: int) -> float:
    """What the server's threads have used of the processors."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _run(database: str, directory: Path, seconds: float) -> Run:
    with _serving(directory, database) as (url, pid):
        answered: multiprocessing.Queue[int] = multiprocessing.Queue()
        generator = multiprocessing.Process(target=_generate, args=(url, seconds, answered))
        before = _cpu_s(pid)
        generator.start()
        time.sleep(seconds / 10)
        early = _rss_mb(pid)
        taken = sum(answered.get(timeout=seconds * 2 + 60) for _ in range(SENDERS))
        late = _rss_mb(pid)
        cpu_us = (_cpu_s(pid) - before) / taken * 1e6
        generator.join()
    with open_ledger(database, create=False) as ledger:
        booked = sum(ledger.summary(SummaryQuery(0, time.time_ns())).total.operations.values())
    if booked != taken:
        raise SystemExit(f"sent and answered: {taken} spans; in the book: {booked}")
    size = sum(path.stat().st_size for path in directory.glob("book.db*")) / 2**20
    return Run(taken / seconds, early, late, cpu_us, size)


def _bare(directory: Path, seconds: float) -> float:
    """Spans a second of the barest thing that takes the same batches: decoded by protobuf into dicts, and each put into
    SQLite as a row of its id and its attributes, one durable transaction a batch. No HTTP, no prices, no sums."""
    connection = sqlite3.connect(directory / "bare.db", isolation_level=None)
    for setting in ("journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute("CREATE TABLE bare (id TEXT PRIMARY KEY, start_ns INTEGER, attributes TEXT)")
    connection.execute("CREATE INDEX bare_start ON bare (start_ns)")
    pick, batch = random.Random(0), Batch.made(0, "bare")
    taken, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        request = ExportTraceServiceRequest.FromString(batch.renewed(pick))
        spans = request.resource_spans[0].scope_spans[0].spans
        rows = [(span.trace_id.hex() + span.span_id.hex(), span.start_time_unix_nano, _said(span)) for span in spans]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO bare VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
        taken += BATCH
    connection.close()
    return taken / seconds


def _said(span: Span) -> str:
    return json.dumps({pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes})


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--postgres", action="store_true", help="on PostgreSQL as well")
    given = arguments.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="otel-cost-bench-") as made:
        directory = Path(made)
        bare = _bare(directory, given.seconds / 4)
        run = _run(f"sqlite:///{directory / 'book.db'}", directory, given.seconds)
        rows += _rows("SQLite", run, 5_000, bare)
    if given.postgres:
        with tempfile.TemporaryDirectory(prefix="otel-cost-bench-") as made, postgres_server(durable=True) as server:
            rows += _rows("PostgreSQL", _run(server.url(), Path(made), given.seconds), 2_500, None)
    return report("Spans of LLM calls booked over HTTP, batches of 512", rows)


def _rows(what: str, run: Run, target: float, bare: float | None) -> list[Row]:
    return [
        Row(f"{what}: booked", run.per_second, "spans/s", at_least=target, beside=bare),
        Row(f"{what}: processor time of the server for each", run.cpu_us, "µs"),
        Row(f"{what}: memory at the end", run.rss_late_mb, "MB", beside=run.rss_early_mb),
    ]


if __name__ == "__main__":
    sys.exit(main())
