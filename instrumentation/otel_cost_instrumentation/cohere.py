"""The ``cohere`` SDK (5.16 and later): chat, generation, embeddings, rankings and the rest, by both of its clients.

Every whole answer comes through one of the SDK's raw clients. Streams are generators of the clients themselves, which
send their request with their first step; streams of ``with_raw_response`` are not seen. Releases before 5.16 have no
raw clients, and are left alone.

Cohere tells ``tokens`` and ``billed_units``. The latter are what it bills: a preamble of its own, and what was cached,
count in the former only. Rankings are billed by the search, and pictures to be embedded by tokens or by the piece.

Sources: the types of ``cohere`` 7.3; https://docs.cohere.com (billed units).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._address import Server, server_at
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint
from otel_cost_instrumentation._read import (
    Attributes,
    Names,
    field,
    items,
    sent,
    text,
)
from otel_cost_instrumentation._releases import Since
from otel_cost_instrumentation._request import Arguments, Request

HOSTS: Final[Mapping[str, str]] = {
    ".cohere.com": "cohere",
    ".cohere.ai": "cohere",
    ".amazonaws.com": "aws.bedrock",
    ".models.ai.azure.com": "azure.ai.inference",
    ".services.ai.azure.com": "azure.ai.inference",
}

# --- what goes in -----------------------------------------------------------------------------------------------------


_OMITTED: Final = ...
"""What the SDK takes for an argument that is not there."""


def _read(
    client: object, args: tuple[object, ...], kwargs: Arguments, *, endpoint: Endpoint, streams: bool = False
) -> Request:
    given = {name: value for name, value in kwargs.items() if value is not _OMITTED}
    return endpoint.request(_server(client), given, kwargs, model=text(given, "model"), stream=streams, lazy=streams)


def _server(client: object) -> Server:
    """Of the client, whose generated names are the same in all releases that are read here."""
    base = field(client, "_client_wrapper", "get_base_url") or field(
        client, "_raw_client", "_client_wrapper", "get_base_url"
    )
    return server_at(str(base()) if callable(base) else "", HOSTS, "cohere")


# --- what comes out ---------------------------------------------------------------------------------------------------


_BILLED: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
    semconv.UNIT_PREFIX + "rerank_searches": "search_units",
    semconv.UNIT_PREFIX + "input_document_pages": "pages",
}
_PIECES: Final = ("images", "classifications")
"""Billed by the piece: as requests, for which a price can be stated."""


def _whole(value: object, name: str) -> int | None:
    """A count; the SDK's types make fractions of them."""
    number = field(value, name)
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return int(number) if number == int(number) else None


def billed(usage: object) -> Attributes:
    """What Cohere bills, in ``usage`` or ``meta``."""
    units = field(usage, "billed_units")
    told = {attribute: _whole(units, name) for attribute, name in _BILLED.items()}
    found: Attributes = {attribute: number for attribute, number in told.items() if number is not None}
    image_tokens = _whole(units, "image_tokens")
    if image_tokens:
        found[semconv.USAGE_INPUT_TOKENS] = (_whole(units, "input_tokens") or 0) + image_tokens
        found[semconv.USAGE_IMAGE_INPUT] = image_tokens
    pieces = sum(_whole(units, name) or 0 for name in _PIECES)
    if pieces and not image_tokens:
        found[semconv.UNIT_PREFIX + "requests"] = pieces
    return found


def answer(response: object) -> Attributes:
    """A whole answer, in the SDK's raw response."""
    return _told(field(response, "data"))


def _told(data: object) -> Attributes:
    found = billed(field(data, "usage")) or billed(field(data, "meta"))
    identity = text(data, "response_id") or text(data, "id")
    if identity:
        found[semconv.RESPONSE_ID] = identity
    reason = text(data, "finish_reason") or text(next(iter(items(data, "generations")), None), "finish_reason")
    if reason:
        found[semconv.RESPONSE_FINISH_REASONS] = [reason]
    if reason == "ERROR":  # no exception of the SDK's
        found[semconv.ERROR_TYPE] = reason
    return found


class EventReader:
    """Events of a streamed answer, of either version of the API; the last one carries usage."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        for piece in _spoken(event):
            self._heard.add(piece)
        kind = text(event, "type") or text(event, "event_type")
        if kind == "message-start" and text(event, "id"):
            self._known[semconv.RESPONSE_ID] = text(event, "id")
        elif kind == "message-end":
            self._end(_told(field(event, "delta")))
        elif kind == "stream-end":
            self._end(_told(field(event, "response")))
        return True

    def _end(self, told: Attributes) -> None:
        self._known |= told
        self.final = True

    def attributes(self) -> Attributes:
        return dict(self._known)


def _spoken(event: object) -> Iterator[str]:
    message = field(event, "delta", "message")
    content = field(message, "content")
    yield text(content, "text")
    yield text(content, "thinking")
    yield text(message, "tool_plan")
    function = field(message, "tool_calls", "function")
    yield text(function, "name")
    yield text(function, "arguments")
    if text(event, "event_type") in ("text-generation", "tool-calls-chunk"):
        yield text(event, "text")


def written(response: object) -> list[str] | None:
    """The text of a whole answer."""
    data = field(response, "data")
    message = field(data, "message")
    values = [field(message, name) for name in ("content", "tool_plan", "tool_calls")]
    values += [field(data, name) for name in ("text", "tool_calls", "generations")]
    values += [] if field(data, "embeddings") is None else [""]
    told = [value for value in values if value is not None]
    return [piece for piece in sent(*told) if isinstance(piece, str)] if told else None


# --- what is wrapped --------------------------------------------------------------------------------------------------


_V1_TALK: Final = ("message", "chat_history", "preamble", "documents", "tool_results")
_make: Final = partial(
    Endpoint,
    answer=answer,
    reader=EventReader,
    written=written,
    unseen=("conversation_id", "connectors"),
    numbers={semconv.REQUEST_TEMPERATURE: "temperature", semconv.REQUEST_TOP_P: "p"},
    limits=("max_tokens",),
    choices=("num_generations",),
)
_TALK: Final = _make(semconv.OP_CHAT, inputs=("messages", "documents"))
_TALK_1: Final = _make(semconv.OP_CHAT, inputs=_V1_TALK)
_WRITE: Final = _make(semconv.OP_TEXT_COMPLETION, inputs=("prompt",))
_EMBED: Final = _make(semconv.OP_EMBEDDINGS, inputs=("texts", "inputs"))
_OTHER: Final = _make(semconv.OP_GENERATE_CONTENT)
_V2: Final = {"chat": _TALK, "embed": _EMBED, "rerank": _OTHER, "parse": _OTHER}
_V1: Final = {
    "chat": _TALK_1,
    "generate": _WRITE,
    "embed": _EMBED,
    "rerank": _OTHER,
    "classify": _OTHER,
    "summarize": _OTHER,
}
_LATER: Final = ("parse",)


def _methods() -> Iterator[Method]:
    for package, name, endpoints in (("cohere.v2.", "V2Client", _V2), ("cohere.", "BaseCohere", _V1)):
        raw = package + ("raw_client" if endpoints is _V2 else "raw_base_client")
        plain = package + ("client" if endpoints is _V2 else "base_client")
        for method, endpoint in endpoints.items():
            read, later = partial(_read, endpoint=endpoint), method in _LATER
            yield Method(raw, f"Raw{name}.{method}", read, later=later)
            yield Method(raw, f"AsyncRaw{name}.{method}", read, asynchronous=True, later=later)
        for method, endpoint in (("chat", endpoints["chat"]), *((("generate", _WRITE),) if endpoints is _V1 else ())):
            # Both kinds make generators without a request: neither is a coroutine function.
            read = partial(_read, endpoint=endpoint, streams=True)
            yield Method(plain, f"{name}.{method}_stream", read)
            yield Method(plain, f"Async{name}.{method}_stream", read)


PROVIDER: Final = Provider(name="cohere", methods=tuple(_methods()), since=Since("cohere", "5.16", "cohere"))
