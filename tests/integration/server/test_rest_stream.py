"""New costs as server-sent events, over a real socket."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from otel_cost.ledger.base import Entry, EntryKind
from otel_cost.model import NANO
from otel_cost.server import live
from tests.contract.ledger.books import priced
from tests.integration.server.serving import Server, chat, span, traces
from tests.integration.server.shop import dollars, problem
from tests.support import waiting

STREAM = "/api/v1/costs/stream"


@dataclass
class Heard:
    """What came of a stream so far."""

    lines: list[str] = field(default_factory=list[str])
    ended: bool = False

    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for block in "\n".join(self.lines).split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if line and not line.startswith(":"))
            if "event" in fields:
                found.append({**fields, "data": json.loads(fields["data"])})
        return found

    def until(self, count: int) -> list[dict[str, Any]]:
        return waiting.until(lambda: len(self.events()) >= count and self.events(), f"{count} events") or []


@contextmanager
def listening(server: Server, query: str = "", last: str = "") -> Iterator[Heard]:
    heard = Heard()
    opened = threading.Event()
    done = threading.Event()

    def listen() -> None:
        headers = {"last-event-id": last} if last else {}
        with (
            httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http,
            http.stream("GET", f"{STREAM}{query}", headers=headers) as answer,
        ):
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                heard.lines.append(line)
                opened.set()
                if done.is_set():
                    break
        heard.ended = True

    thread = threading.Thread(target=listen)
    thread.start()
    assert opened.wait(30)
    try:
        yield heard
    finally:
        done.set()
        thread.join(30)


def _post(server: Server, usd: int, team: str = "search") -> None:
    entry = {"kind": "tool", "name": "x", "usd": usd, "labels": {"team": team}}
    assert server.http.post("/api/v1/costs/entries", json=entry).status_code == 201


def test_what_is_booked_is_told(server: Server) -> None:
    """FEATURES B7, C15: live updates."""
    with listening(server, "?heartbeat_s=1") as heard:
        server.send(traces(span(chat()), team="search"))
        _post(server, 3)
        chat_event, tool = heard.until(2)
        assert (chat_event["event"], chat_event["data"]["model"], chat_event["data"]["input_tokens"]) == (
            "charge", "gpt-4o", 1000,
        )  # fmt: skip
        assert chat_event["data"]["labels"] == {"service": "shop", "team": "search"}
        assert (tool["data"]["kind"], dollars(tool["data"]["cost"])) == ("tool", 3)
        waiting.until(lambda: ": still here" in heard.lines, "a heartbeat")


def test_a_client_hears_what_it_asked_for(server: Server) -> None:
    with listening(server, "?team=support&heartbeat_s=1") as heard:
        _post(server, 1)
        _post(server, 2, "support")
        _post(server, 4)
        (event,) = heard.until(1)
        assert dollars(event["data"]["cost"]) == 2
    assert problem(server.http.get(f"{STREAM}?tema=x"), 400)["field"] == "tema"


def test_a_client_that_comes_back_gets_what_it_missed(server: Server) -> None:
    with listening(server, "?heartbeat_s=1") as heard:
        _post(server, 1)
        (first,) = heard.until(1)
    _post(server, 2)
    _post(server, 4)
    with listening(server, "?heartbeat_s=1", last=first["id"]) as heard:
        assert [dollars(event["data"]["cost"]) for event in heard.until(2)] == [2, 4]
    with listening(server, "?heartbeat_s=1", last="another-process-7") as heard:
        assert heard.until(1)[0]["event"] == "missed"


def test_what_is_taken_back_is_negative(server: Server) -> None:
    wrapper = span(chat())
    inner = span(chat(), start_ns=wrapper.start_time_unix_nano + 1000, length_ns=10**8)
    inner.trace_id, inner.parent_span_id = wrapper.trace_id, wrapper.span_id
    with listening(server, "?heartbeat_s=1") as heard:
        server.send(traces(wrapper, scope="opentelemetry.instrumentation.langchain"))
        server.send(traces(inner, scope="opentelemetry.instrumentation.openai_v2"))
        waiting.until(lambda: sum(event["data"]["operations"] for event in heard.events()) == 1, "one call to stand")
        events = heard.until(1)
    total = server.summary()["total"]
    assert isinstance(total, dict)
    assert sum(event["data"]["cost"]["nano_usd"] for event in events) == total["cost"]["nano_usd"] > 0


def test_streams_end_with_the_server(server: Server) -> None:
    with listening(server, "?heartbeat_s=60") as heard:
        server.stop()
        waiting.until(lambda: heard.ended, "the stream to end")


# --- what a slow client misses ----------------------------------------------------------------------------------------


def _entry(number: int) -> Entry:
    return Entry(f"k{number}", 0, EntryKind.CHARGE, 1, priced(NANO), number, dimensions={"team": "search"})


async def test_a_slow_client_is_told_how_many_it_missed() -> None:
    told = live.Live()
    stream = told.listen({}, "", 0.01)
    assert await anext(stream) is None
    told.tell([_entry(number) for number in range(live.QUEUED + 7)])
    heard = [await anext(stream) for _ in range(live.QUEUED + 1)]
    assert heard[-1] == 7
    assert all(isinstance(one, live.Booked) for one in heard[:-1])
    told.end()
    async with asyncio.timeout(30):
        assert [one async for one in stream] == []


async def test_what_is_kept_for_those_who_come_back_is_bounded() -> None:
    told = live.Live()
    told.tell([_entry(number) for number in range(live.KEPT + 5)])
    old = told.listen({}, told.id_of(1), 0.01)
    assert await anext(old) == -1
    known = told.listen({}, told.id_of(live.KEPT + 4), 0.01)
    last = await anext(known)
    assert isinstance(last, live.Booked)
    assert last.number == live.KEPT + 5
    ahead = told.listen({}, told.id_of(10**6), 0.01)
    assert await anext(ahead) == -1
    for stream in (old, known, ahead):
        await stream.aclose()  # type: ignore[attr-defined]
