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
    first two attempts, as counted by the SDK's ``x-stainless-retry-count``. ``error:midstream`` sends an error event
    half-way through a stream, ``error:drop`` cuts the connection there (without a stream: a 500, or no answer at all).
    ``error:failed`` is a response of the Responses API with status ``failed`` and its usage.
``slow:0.2`` and ``pause:0.05``
    Seconds before the answer starts, and between the events of a stream.
``tier:flex`` · ``id:fixed-id`` · ``model:gpt-4o-2024-08-06`` · ``stop:length`` · ``chunks:5``
    The answered service tier, response id (otherwise unique), model (otherwise as requested), finish reason (in
    OpenAI's words), and the number of text pieces.

``StandInProvider(script=…)`` adds directives for requests that carry none, such as those of an unmodified app.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol, TypedDict

from otel_cost.demo.directives import BadDirective, Cut, Json, Told
from otel_cost.demo.loopback import Handler, Loopback
from otel_cost.demo.wire_anthropic import Messages
from otel_cost.demo.wire_openai import Chat, Embeddings, Frame
from otel_cost.demo.wire_responses import Responses

Script = Callable[[str, Mapping[str, object]], str]
"""From path and body of a request to the directives to add to it; may raise nothing."""


class Received(TypedDict):
    """One request as it came in; header names are in lower case."""

    path: str
    body: Json
    headers: dict[str, str]


class Wire(Protocol):
    """The shapes of one endpoint."""

    @property
    def request_id_header(self) -> str: ...
    def told(self, body: Mapping[str, object], extra: str) -> Told: ...
    def answer(self, body: Mapping[str, object], told: Told) -> Json: ...
    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]: ...
    def error(self, status: int, message: str) -> Json: ...


WIRES: Final[dict[str, Wire]] = {
    "/v1/chat/completions": Chat(),
    "/v1/responses": Responses(),
    "/v1/embeddings": Embeddings(),
    "/v1/messages": Messages(),
}
_CHAT: Final = Chat()


def _no_script(path: str, body: Mapping[str, object]) -> str:
    return ""


class StandInProvider:
    """The stand-in as a context manager; answers each connection in a thread of its own.

    ``requests`` and ``statuses`` (of the answers) may be read at any time: a request is there before its answer starts.
    Leaving the block cuts the connections that clients keep open and ends every thread.
    """

    def __init__(self, script: Script = _no_script) -> None:
        self.requests: list[Received] = []
        self.statuses: list[int] = []
        self.script = script
        self._server = Loopback(self, _Handler)

    @property
    def base_url(self) -> str:
        """Where it listens, without a path: the ``anthropic`` SDK's base URL; ``openai`` wants ``/v1`` after it."""
        return self._server.url

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
        raw = self.body()
        path = self.path.partition("?")[0]
        wire = WIRES.get(path)
        if wire is None:
            self._send_json(404, _CHAT.error(404, f"Invalid URL (POST {path})"), _CHAT)
            return
        try:
            body = json.loads(raw)
            if not isinstance(body, dict):
                raise BadDirective("the body is not a JSON object")
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._provider.requests.append({"path": path, "body": body, "headers": headers})
            told = wire.told(body, self._provider.script(path, body))
        except ValueError as error:
            self._send_json(400, wire.error(400, str(error)), wire)
            return
        self._answer(wire, body, told)

    def do_GET(self) -> None:
        self._send_json(404, _CHAT.error(404, f"Invalid URL (GET {self.path})"), _CHAT)

    def _answer(self, wire: Wire, body: Json, told: Told) -> None:
        self.home.closing.wait(told.slow_s)
        attempt = self.headers.get("x-stainless-retry-count", "0")
        if not told.fails(int(attempt) if attempt.isdigit() else 0):
            told = replace(told, error="")
        streamed = body.get("stream") is True
        status = 500 if told.error == "midstream" and not streamed else told.status
        if status is not None:
            self._send_json(status, wire.error(status, f"The stand-in was told to fail with {status}"), wire)
        elif streamed:
            self._send_stream(wire, wire.events(body, told), told.pause_s)
        elif told.error == "drop":
            self._cut()
        else:
            self._send_json(200, wire.answer(body, told), wire)

    def _send_json(self, status: int, answer: Json, wire: Wire) -> None:
        payload = json.dumps(answer).encode()
        self._send_head(status, "application/json", wire)
        if status == 429:
            self.send_header("retry-after", "1")
            self.send_header("retry-after-ms", "20")
        self.send_header("content-length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _send_head(self, status: int, content_type: str, wire: Wire) -> None:
        self._provider.statuses.append(status)
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header(wire.request_id_header, "req_" + secrets.token_hex(12))

    def _send_stream(self, wire: Wire, frames: Iterator[Frame], pause_s: float) -> None:
        self._send_head(200, "text/event-stream; charset=utf-8", wire)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for number, (name, data) in enumerate(frames):
                if number and pause_s:
                    self.home.closing.wait(pause_s)
                self._send_chunk(_event(name, data))
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


def _event(name: str, data: Json | str) -> bytes:
    text = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()
