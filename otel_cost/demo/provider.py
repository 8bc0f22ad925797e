"""A stand-in for the LLM providers: their wire formats on loopback, told by the request what to answer.

It answers ``POST /v1/chat/completions``, ``/v1/responses``, ``/v1/embeddings`` (OpenAI's shapes) and ``/v1/messages``
(Anthropic's), streamed where the request says ``"stream": true``, over HTTP/1.1 with kept-alive connections. Any model
name is answered: that a model has no price is for otel-cost to notice. Only the standard library is used.

Without directives an answer used 100 input tokens a message and 50 output tokens a choice (embeddings: input only).
Directives stand anywhere in the text of the last user message (for embeddings, of the last input):

``usage:{"input": 1000, "output": 200, "cached": 400, "reasoning": 50}``
    Tokens of the call. ``input`` and ``output`` are totals that include their parts: ``cached`` (read from the cache),
    ``cache_write`` (5 minutes), ``cache_write_1h``, ``audio_input``; ``reasoning``, ``audio_output``. ``web_searches``
    counts requests. The same directive means the same usage for every provider: each one's own habit (Anthropic's
    input leaves the cached tokens out) is applied on the wire. ``usage:none`` leaves the usage out of the answer.
``error:429``
    Any status from 400 to 599, in the provider's error shape; 429 carries retry headers. ``error:500*2`` fails only the
    first two attempts, as counted by the SDK's ``x-stainless-retry-count``, or by equal requests that failed before.
    ``error:midstream`` sends an error event half-way through a stream, ``error:drop`` cuts the connection there
    (without a stream: a 500, or no answer at all).
    ``error:failed`` is a response of the Responses API with status ``failed`` and its usage.
``slow:0.2`` and ``pause:0.05``
    Seconds before the answer starts, and between the events of a stream.
``tier:flex`` · ``id:fixed-id`` · ``model:gpt-4o-2024-08-06`` · ``stop:length`` · ``chunks:5``
    The answered service tier, response id (otherwise unique), model (otherwise as requested), finish reason (in
    OpenAI's words), and the number of text pieces.

``StandInProvider(script=…)`` adds directives for requests that carry none, such as those of an unmodified app;
``StandInProvider(wires=…)`` speaks other providers' formats: a finder from a path to its
:class:`~otel_cost.demo.wire.Wire`.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, TypedDict

from otel_cost.demo.directives import Cut, Json, Told
from otel_cost.demo.loopback import Handler, Loopback
from otel_cost.demo.wire import Finder, Frame, Payload, Wire
from otel_cost.demo.wire_anthropic import Messages
from otel_cost.demo.wire_openai import Chat, Embeddings
from otel_cost.demo.wire_responses import Responses

Script = Callable[[str, Mapping[str, object]], str]
"""From path and body of a request to the directives to add to it; may raise nothing."""


class Received(TypedDict):
    """One request as it came in; header names are in lower case."""

    path: str
    body: Json
    headers: dict[str, str]


WIRES: Final[Mapping[str, Wire]] = {
    "/v1/chat/completions": Chat(),
    "/v1/responses": Responses(),
    "/v1/embeddings": Embeddings(),
    "/v1/messages": Messages(),
}
_CHAT: Final = Chat()


def known_wire(path: str) -> Wire | None:
    """The stand-in's own endpoints."""
    return WIRES.get(path)


def _no_script(path: str, body: Mapping[str, object]) -> str:
    return ""


class StandInProvider:
    """The stand-in as a context manager; answers each connection in a thread of its own.

    ``requests`` and ``statuses`` (of the answers) may be read at any time: a request is there before its answer starts.
    Leaving the block cuts the connections that clients keep open and ends every thread.
    """

    def __init__(self, script: Script = _no_script, wires: Finder = known_wire) -> None:
        self.requests: list[Received] = []
        self.statuses: list[int] = []
        self.script = script
        self.wires = wires
        self._failed: Counter[tuple[str, bytes]] = Counter()
        self._server = Loopback(self, _Handler)

    @property
    def base_url(self) -> str:
        """Where it listens, without a path: the ``anthropic`` SDK's base URL; ``openai`` wants ``/v1`` after it."""
        return self._server.url

    def failed_before(self, path: str, raw: bytes) -> int:
        """How often this very request was told to fail, since it was last answered."""
        return self._failed[path, raw]

    def note(self, path: str, raw: bytes, *, failed: bool) -> None:
        """Remember how the request ended."""
        self._failed[path, raw] = self._failed[path, raw] + 1 if failed else 0

    def __enter__(self) -> StandInProvider:
        self._server.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.__exit__(*exc_info)


class _Handler(Handler):
    @property
    def _provider(self) -> StandInProvider:
        assert isinstance(self.home.owner, StandInProvider)
        return self.home.owner

    def do_POST(self) -> None:
        self._handle("POST")

    def do_GET(self) -> None:
        self._handle("GET")

    def _handle(self, method: str) -> None:
        raw = self.body()
        path = self.path.partition("?")[0]
        wire = self._provider.wires(path)
        if wire is None or wire.method != method:
            self._send_json(404, _CHAT.error(404, f"Invalid URL ({method} {path})"), _CHAT)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = wire.body(headers, raw)
            self._provider.requests.append({"path": path, "body": body, "headers": headers})
            told = wire.told(body, self._provider.script(path, body))
        except ValueError as error:
            self._send_json(400, wire.error(400, str(error)), wire)
            return
        self._answer(wire, body, self._as_told_now(told, path, raw))

    def _as_told_now(self, told: Told, path: str, raw: bytes) -> Told:
        """Whether this attempt is one that was told to fail. Some SDKs count their attempts; for others equal requests
        are attempts at one."""
        counted = self.headers.get("x-stainless-retry-count", "")
        attempt = int(counted) if counted.isdigit() else self._provider.failed_before(path, raw)
        fails = told.fails(attempt)
        self._provider.note(path, raw, failed=fails)
        return told if fails else replace(told, error="")

    def _answer(self, wire: Wire, body: Json, told: Told) -> None:
        self.home.closing.wait(told.slow_s)
        streamed = wire.streams(body)
        status = 500 if told.error == "midstream" and not streamed else told.status
        if status is not None:
            self._send_json(status, wire.error(status, f"The stand-in was told to fail with {status}"), wire)
        elif streamed:
            self._send_stream(wire, wire.events(body, told), told.pause_s)
        elif told.error == "drop":
            self._cut()
        else:
            answer = wire.answer(body, told)
            if isinstance(answer, Payload):
                self._send_payload(200, answer, wire)
            else:
                self._send_json(200, answer, wire)

    def _send_json(self, status: int, answer: Json, wire: Wire) -> None:
        self._send_payload(status, Payload(json.dumps(answer).encode(), "application/json"), wire)

    def _send_payload(self, status: int, payload: Payload, wire: Wire) -> None:
        self._send_head(status, payload.content_type, wire)
        if status == 429:
            self.send_header("retry-after", "1")
            self.send_header("retry-after-ms", "20")
        self.send_header("content-length", str(len(payload.content)))
        self.end_headers()
        self.wfile.write(payload.content)

    def _send_head(self, status: int, content_type: str, wire: Wire) -> None:
        self._provider.statuses.append(status)
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header(wire.request_id_header, "req_" + secrets.token_hex(12))

    def _send_stream(self, wire: Wire, frames: Iterator[Frame], pause_s: float) -> None:
        self._send_head(200, wire.stream_type, wire)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for number, (name, data) in enumerate(frames):
                if number and pause_s:
                    self.home.closing.wait(pause_s)
                self._send_chunk(wire.frame(name, data))
        except Cut:
            self._cut()
            return
        self._send_chunk(b"")

    def _send_chunk(self, payload: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))
        self.wfile.flush()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
