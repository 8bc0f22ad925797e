"""The ``ollama`` SDK (0.4 and later): chat, generate, embed, against a server of one's own or Ollama's.

All of it goes through one private method for each kind of client, with the path and body in hand (before 0.4, without:
older releases are left alone). A stream is a
generator that sends its request with its first step, and tells its counts with the last line. Ollama writes no count
that is 0: of a prompt that it still had in memory, nothing was evaluated.

Nobody bills for a server of one's own, so there is no price: such calls are ``unpriced: unknown_provider`` and name the
host, until ``prices.overlay`` says what they cost. Free is
``{provider: ollama, model: "*", per_1m: {input: 0, output: 0}}``.

Sources: the types and paths of ``ollama`` 0.6; https://docs.ollama.com/api.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._address import Server
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint, no_text
from otel_cost_instrumentation._read import Attributes, Names, count, field, items, text, texts, totals
from otel_cost_instrumentation._releases import Since
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._unread import UnreadStream

# --- what goes in -----------------------------------------------------------------------------------------------------


def _read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    """The call, made with (type of the answer, HTTP method, path) and the body as ``json``."""
    path, body = args[2] if len(args) > 2 else None, kwargs.get("json")
    endpoint = ENDPOINTS.get(path) if isinstance(path, str) else None
    if endpoint is None or not isinstance(body, dict):
        return None
    streams = kwargs.get("stream") is True
    model = text(body, "model")
    return endpoint.request(_server(client), _described(body), kwargs, model=model, stream=streams, lazy=streams)


def _server(client: object) -> Server:
    url = field(client, "_client", "base_url")
    port = count(url, "port") or (443 if text(url, "scheme") == "https" else 80)
    return Server("ollama", text(url, "host"), port)


def _described(body: dict[str, object]) -> dict[str, object]:
    """The body with images told as such, not as base64."""
    messages = [{**item, **_images(item)} if isinstance(item, dict) else item for item in items(body, "messages")]
    return {**body, **_images(body), **({"messages": messages} if messages else {})}


def _images(part: dict[str, object]) -> dict[str, object]:
    images = items(part, "images")
    return {"images": ["data:"] * len(images)} if images else {}


# --- what comes out ---------------------------------------------------------------------------------------------------


_HEAD: Final[Names] = {semconv.RESPONSE_MODEL: "model"}
_COUNTS: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "prompt_eval_count",
    semconv.USAGE_OUTPUT_TOKENS: "eval_count",
}
_NOTHING_ASKED: Final = frozenset({"load", "unload"})


def generated(answer: object) -> Attributes:
    """Of a whole answer, or the last line of a stream."""
    found = texts(answer, _HEAD)
    reason = text(answer, "done_reason")
    if reason:
        found[semconv.RESPONSE_FINISH_REASONS] = [reason]
    counts = totals(answer, _COUNTS)
    if counts or reason in _NOTHING_ASKED:
        found.update(dict.fromkeys(_COUNTS, 0) | counts)
    return found


class LinesReader:
    """Lines of a streamed answer; the last one has the counts."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self.final = False

    def read(self, line: object) -> bool:
        for piece in _said(line):
            self._heard.add(piece)
        self._known = generated(line)
        self.final = semconv.USAGE_OUTPUT_TOKENS in self._known
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)


def _said(answer: object) -> Iterator[str]:
    """The text of a chat's answer, or of a completion."""
    message = field(answer, "message")
    yield text(answer, "response")
    yield text(message, "content")
    for part in (answer, message):
        yield text(part, "thinking")
    for call in items(message, "tool_calls"):
        arguments = field(call, "function", "arguments")
        yield text(call, "function", "name")
        yield json.dumps(dict(arguments)) if isinstance(arguments, Mapping) else ""


def _written(answer: object) -> list[str] | None:
    return list(_said(answer)) if field(answer, "done") is True else None


def embedded(answer: object) -> Attributes:
    return texts(answer, _HEAD) | totals(answer, {semconv.USAGE_INPUT_TOKENS: "prompt_eval_count"})


_SCORED: Final[Names] = {semconv.USAGE_INPUT_TOKENS: "input_tokens", semconv.USAGE_OUTPUT_TOKENS: "output_tokens"}


def scored(answer: object) -> Attributes:
    return texts(answer, _HEAD) | totals(field(answer, "usage"), _SCORED)


# --- what is wrapped --------------------------------------------------------------------------------------------------

_OPTIONS: Final = ("options",)
_LIMITS: Final = ("num_predict",)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "/api/chat": Endpoint(
        semconv.OP_CHAT,
        generated,
        LinesReader,
        _written,
        inputs=("messages", "format"),
        settings=_OPTIONS,
        limits=_LIMITS,
    ),
    "/api/generate": Endpoint(
        semconv.OP_TEXT_COMPLETION,
        generated,
        LinesReader,
        _written,
        inputs=("prompt", "system", "suffix", "images", "format"),
        settings=_OPTIONS,
        limits=_LIMITS,
        unseen=("context",),
    ),
    "/api/embed": Endpoint(semconv.OP_EMBEDDINGS, embedded, UnreadStream, no_text, inputs=("input",)),
    "/api/embeddings": Endpoint(semconv.OP_EMBEDDINGS, embedded, UnreadStream, no_text, inputs=("prompt",)),
    "/v1/systemone": Endpoint(
        semconv.OP_GENERATE_CONTENT, scored, UnreadStream, no_text, inputs=("state", "questions")
    ),
}
"""Everything else that the SDK does is about models as files, or looks something up on the web."""

PROVIDER: Final = Provider(
    name="ollama",
    methods=(
        Method(module="ollama._client", name="Client._request", read=_read),
        Method(module="ollama._client", name="AsyncClient._request", read=_read, asynchronous=True),
    ),
    since=Since("ollama", "0.4", "ollama"),  # before, it passed no type of the answer
)
