"""The ``google-genai`` SDK (1.22 and later): Gemini through the developer API and through Vertex AI.

Every method of the SDK, sync or async, chats and automatic function calls included, asks ``BaseApiClient`` for one HTTP
request with the path and body in hand; what that returns is the answer's JSON as text, with what the SDK's own types
leave out. A synchronous stream is a generator that sends its request with its first step. (Before
1.22 both returned other things: older releases are left alone.)

Interactions have a client of their own, and their answers are not read: each request of theirs ends ``unpriced:
no_usage``. Live sessions, over websockets, are not seen.

Gemini counts thoughts beside the candidates' tokens and the results of tools beside the prompt's: the convention's
totals include both. A part of documents is counted as images, as ``genai-prices`` has it.

Sources: the types and request paths of ``google-genai`` 3.4; Google's reference of ``UsageMetadata``; Google's price
list (searches with Google are billed for each prompt up to Gemini 2.5, for each query since Gemini 3).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final, NamedTuple, cast

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._address import Server, host_and_port
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint, no_text
from otel_cost_instrumentation._google_usage import usage
from otel_cost_instrumentation._read import (
    Attributes,
    Names,
    count,
    field,
    items,
    text,
    texts,
)
from otel_cost_instrumentation._releases import Since
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stream import Watcher
from otel_cost_instrumentation._unread import UnreadStream, nothing

# --- what goes in -----------------------------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """One request: ``verb`` is what the path ends in, such as ``generateContent``."""

    model: str
    verb: str
    body: dict[str, object]


def _asked(args: tuple[object, ...], kwargs: Arguments) -> _Asked | None:
    method, path, body = [*args, *(None,) * 3][:3]
    method, path = kwargs.get("http_method", method), kwargs.get("path", path)
    body = kwargs.get("request_dict", body)
    if method != "post" or not isinstance(path, str) or not isinstance(body, dict):
        return None
    resource, _, verb = path.partition("?")[0].rpartition(":")
    if not resource:
        return _Asked(text(body, "model").rpartition("/")[2], path.rpartition("/")[2], body)
    return _Asked(resource.rpartition("/")[2], verb, body)


def _read(
    client: object, args: tuple[object, ...], kwargs: Arguments, *, streams: bool, lazy: bool = False
) -> Request | None:
    asked = _asked(args, kwargs)
    if asked is None or not asked.model or asked.verb in FREE:
        return None
    server = _server(client, kwargs.get("http_options", args[3] if len(args) > 3 else None))
    return _endpoint(asked).request(server, asked.body, kwargs, model=asked.model, stream=streams, lazy=lazy)


def _read_interaction(resource: object, args: tuple[object, ...], kwargs: Arguments) -> Request:
    """One request of an interaction, whose body is fields or one object."""
    body = field(kwargs.get("request"), "body") or kwargs.get("request") or kwargs
    told = field(resource, "sdk_configuration", "get_server_details")
    url = str(cast("Callable[[], tuple[object, ...]]", told)()[0]) if callable(told) else ""
    server = Server("gcp.vertex_ai" if "aiplatform" in url else "gcp.gemini", *host_and_port(url))
    model = text(body, "model").rpartition("/")[2]
    request = _UNREAD.request(server, {}, kwargs, model=model, stream=field(body, "stream") is True)
    return request._replace(watch=_left_alone)


def _left_alone(answer: object, watcher: Watcher) -> None:
    """The app gets what the SDK made."""


def _endpoint(asked: _Asked) -> Endpoint:
    if asked.verb != "predict":
        return ENDPOINTS.get(asked.verb, _UNREAD)
    # Vertex has one verb for all models that are older than Gemini: what goes in tells them apart.
    first = next(iter(items(asked.body, "instances")), None)
    return _EMBEDDINGS if field(first, "content") is not None else _IMAGES


def _server(client: object, options: object) -> Server:
    """Of this request's own options or the client's."""
    url = text(options, "base_url") or text(client, "_http_options", "base_url")
    return Server("gcp.vertex_ai" if field(client, "vertexai") else "gcp.gemini", *host_and_port(url))


# --- what comes out ---------------------------------------------------------------------------------------------------


_HEAD: Final[Names] = {semconv.RESPONSE_ID: "responseId", semconv.RESPONSE_MODEL: "modelVersion"}


def _document(response: object) -> object:
    """The answer's JSON, in the SDK's HTTP response."""
    body = field(response, "body")
    return json.loads(body) if isinstance(body, str) and body else None


def content(response: object) -> Attributes:
    """A whole answer of ``generateContent``."""
    reader = ContentReader(Text())
    reader.read(response)
    return reader.attributes()


class ContentReader:
    """Chunks of an answer. Each carries the counts so far; those of the chunk with a finish reason are final."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._head: Attributes = {}
        self._usage: object = None
        self._reasons: dict[int, str] = {}
        self._queries: list[object] = []

    @property
    def final(self) -> bool:
        return self._usage is not None and bool(self._reasons)

    def read(self, chunk: object) -> bool:
        document = _document(chunk)
        self._head.update(texts(document, _HEAD))
        for candidate in items(document, "candidates"):
            self._read_candidate(candidate)
        blocked = text(document, "promptFeedback", "blockReason")
        if blocked:
            self._reasons[0] = blocked
        self._usage = field(document, "usageMetadata") or self._usage
        return True

    def _read_candidate(self, candidate: object) -> None:
        for piece in _words(candidate):
            self._heard.add(piece)
        reason = text(candidate, "finishReason")
        if reason:
            self._reasons[count(candidate, "index") or 0] = reason
        self._queries += items(candidate, "groundingMetadata", "webSearchQueries")

    def attributes(self) -> Attributes:
        found = self._head | usage(self._usage)
        if self._reasons:
            found[semconv.RESPONSE_FINISH_REASONS] = [self._reasons[index] for index in sorted(self._reasons)]
        if self._queries:
            model = str(found.get(semconv.RESPONSE_MODEL, ""))
            found[semconv.UNIT_PREFIX + "web_searches"] = _searches(model, self._queries)
        return found


def _words(candidate: object) -> Iterator[str]:
    for part in items(candidate, "content", "parts"):
        yield text(part, "text")
        call = field(part, "functionCall")
        if call is not None:
            yield text(call, "name")
            yield json.dumps(field(call, "args"))


def _written(response: object) -> list[str] | None:
    candidates = items(_document(response), "candidates")
    return [piece for candidate in candidates for piece in _words(candidate)] if candidates else None


_BILLED_BY_PROMPT: Final = re.compile(r"gemini-(1|2)(\.|-)")


def _searches(model: str, queries: list[object]) -> int:
    return 1 if _BILLED_BY_PROMPT.match(model) else len(queries)


def embeddings(response: object) -> Attributes:
    """Vectors: the developer API tells usage, Vertex's older models the tokens of each text."""
    document = _document(response)
    known = usage(field(document, "usageMetadata"))
    if known:
        return known
    told = [count(item, "embeddings", "statistics", "token_count") for item in items(document, "predictions")]
    tokens = [number for number in told if number is not None]
    return {semconv.USAGE_INPUT_TOKENS: sum(tokens)} if tokens else {}


def images(response: object) -> Attributes:
    """Pictures, which are billed by the piece: as requests, for which a price can be stated."""
    made = [item for item in items(_document(response), "predictions") if text(item, "bytesBase64Encoded")]
    return {semconv.UNIT_PREFIX + "requests": len(made)} if made else {}


_make: Final = partial(
    Endpoint,
    unseen=("cachedContent",),
    settings=("generationConfig", "parameters"),
    numbers={semconv.REQUEST_TEMPERATURE: "temperature", semconv.REQUEST_TOP_P: "topP"},
    limits=("maxOutputTokens",),
    choices=("candidateCount", "sampleCount"),
)
_EMBEDDINGS: Final = _make(
    semconv.OP_EMBEDDINGS, embeddings, UnreadStream, no_text, inputs=("requests", "instances", "content", "contents")
)
_IMAGES: Final = _make(semconv.OP_GENERATE_CONTENT, images, UnreadStream, no_text)
_UNREAD: Final = _make(semconv.OP_GENERATE_CONTENT, nothing, UnreadStream, no_text)
_CONTENT: Final = _make(
    semconv.OP_GENERATE_CONTENT, content, ContentReader, _written, inputs=("contents", "systemInstruction")
)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "generateContent": _CONTENT,
    "streamGenerateContent": _CONTENT,
    "batchEmbedContents": _EMBEDDINGS,
    "embedContent": _EMBEDDINGS,
}

FREE: Final = frozenset(
    {
        *("countTokens", "computeTokens", "fetchPredictOperation"),
        *("batchGenerateContent", "asyncBatchEmbedContent", "batchPredictionJobs", "tuningJobs", "tunedModels"),
    }
)
"""What is free, or sets up something that is billed elsewhere."""

_CLIENT: Final = "google.genai._api_client"
_INTERACTIONS: Final = "google.genai._gaos.interactions"
PROVIDER: Final = Provider(
    name="google_genai",
    methods=(
        Method(_CLIENT, "BaseApiClient.request", partial(_read, streams=False)),
        Method(_CLIENT, "BaseApiClient.async_request", partial(_read, streams=False), asynchronous=True),
        Method(_CLIENT, "BaseApiClient.request_streamed", partial(_read, streams=True, lazy=True)),
        Method(_CLIENT, "BaseApiClient.async_request_streamed", partial(_read, streams=True), asynchronous=True),
        Method(_INTERACTIONS, "Interactions.create", _read_interaction, later=True),
        Method(_INTERACTIONS, "AsyncInteractions.create", _read_interaction, asynchronous=True, later=True),
    ),
    since=Since("google-genai", "1.22", "google.genai"),
)
