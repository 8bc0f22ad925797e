"""Amazon Bedrock by ``boto3``/``botocore`` and by ``aiobotocore``: Converse and InvokeModel, streamed and whole.

Every call of every AWS service passes the one wrapped method: a call of another service is let through by a plain
function, before any wrapper.

The body of InvokeModel is the app's to read. Where the headers tell all that is billed, it is not touched; where they
do not (prompts that may be cached, servers that send no such headers), it is overheard while the app reads it. The
model is the one that was asked for, as its id says where it runs and what that costs; bodies leave that out.

Run from boto3 1.34.131 and aiobotocore 2.13.1 on (Converse is as old as these). Not seen: bidirectional streams, which
need another SDK; what guardrails cost; bodies under aiobotocore's httpx backend, of which headers are read.

Sources: the service model of ``bedrock-runtime`` in botocore 1.43; AWS's reference of inference parameters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, cast

from otel_cost import semconv, shield
from otel_cost.estimating import Text
from otel_cost_instrumentation._address import Server, host_and_port
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._bedrock_usage import METRICS, Told, spoken, written
from otel_cost_instrumentation._endpoint import Endpoint, no_text
from otel_cost_instrumentation._events import overhear_body, watched_events
from otel_cost_instrumentation._read import Attributes, field, text
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stream import Watcher
from otel_cost_instrumentation._unread import UnreadStream, nothing

SERVICE: Final = "bedrock-runtime"

# --- what goes in -----------------------------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """One request. ``body``: Converse's parameters, or the decoded body of InvokeModel."""

    model: str
    body: Mapping[str, object]
    server: Server
    raw: object = None

    @property
    def embeds(self) -> bool:
        return "embed" in self.model

    @property
    def generates_text(self) -> bool:
        """Others (pictures, videos, rankings) are not billed by the token."""
        return "taskType" not in self.body and any(name in self.body for name in _INPUTS)


_INPUTS: Final = ("messages", "system", "prompt", "inputText", "message", "chat_history", "texts")
"""Fields that are sent as tokens."""


def _mine(client: object) -> bool:
    return type(client).__name__ == "BedrockRuntime"  # botocore makes a class for each service


def _read(client: Any, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    if client.meta.service_model.service_name != SERVICE:
        return None
    operation = args[0] if args else kwargs.get("operation_name")
    params = args[1] if len(args) > 1 else kwargs.get("api_params")
    make = OPERATIONS.get(str(operation))
    if make is None or not isinstance(params, dict):
        return None
    server = Server("aws.bedrock", *host_and_port(text(client, "meta", "endpoint_url")))
    raw = params.get("body")
    body = params if raw is None else _decoded(raw)
    return make(_Asked(text(params, "modelId"), body, server, raw), kwargs)


def _decoded(body: object) -> Mapping[str, object]:
    """A body of InvokeModel; nothing of a file, which is the SDK's to read."""
    if not isinstance(body, str | bytes | bytearray):
        return {}
    try:
        document = json.loads(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _request(asked: _Asked, arguments: Arguments, *, streams: bool) -> Request:
    request = _endpoint(asked).request(asked.server, asked.body, arguments, model=asked.model, stream=streams)
    prompt = request.prompt if asked.generates_text else None
    return request._replace(answer=partial(_whole, Told()), prompt=prompt)


def _endpoint(asked: _Asked) -> Endpoint:
    if asked.embeds:
        return _EMBED
    if "messages" in asked.body or "message" in asked.body:
        return _TALK
    return _WRITE if asked.generates_text else _OTHER


# --- what comes out ---------------------------------------------------------------------------------------------------


def _whole(told: Told, answer: object) -> Attributes:
    """Of the SDK's answer, or, later, of the body in it."""
    told.headers(answer)
    told.service(answer)
    told.document(answer)
    return told.attributes()


class EventReader:
    """Events of a stream: Converse's own, or chunks of InvokeModel's with a JSON document each."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._told = Told()

    @property
    def final(self) -> bool:
        return self._told.final

    def read(self, event: object) -> bool:
        chunk = field(event, "chunk", "bytes")
        document = json.loads(chunk) if isinstance(chunk, bytes) else event
        for piece in spoken(document):
            self._heard.add(piece)
        self._told.document(document)
        return True

    def attributes(self) -> Attributes:
        return self._told.attributes()


def _is_last(event: object) -> bool:
    chunk = field(event, "chunk", "bytes")
    if not isinstance(chunk, bytes):
        return field(event, "metadata") is not None
    # A model may write the name as well: looked for first, as decoding every chunk again costs more.
    return METRICS.encode() in chunk and field(_decoded(chunk), METRICS) is not None


def _watch_events(result: object, watcher: Watcher, *, key: str) -> object | None:
    stand_in = watched_events(field(result, key), watcher, _is_last)
    if stand_in is not None and isinstance(result, dict):
        result[key] = stand_in
        return cast("object", result)
    return None


_SHORT: Final = "otel-cost: the headers' counts; the body, which tells what was cached, was not read"


def _may_cache(body: object) -> bool:
    """Whether the body asks for anything to be cached. Nobody knows of a file, which is the SDK's to read."""
    if isinstance(body, str):
        return "cache_control" in body or "cachePoint" in body
    return not isinstance(body, bytes | bytearray) or b"cache_control" in body or b"cachePoint" in body


class _Body:
    """An answer of InvokeModel whose headers come first and whose body the app reads later, or never."""

    def __init__(self, asked: _Asked, told: Told) -> None:
        self._may_cache = _may_cache(asked.raw)
        self._wanted = ("input",) if asked.embeds else ("input", "output")
        self._told = told

    def watch(self, result: object, watcher: Watcher) -> object | None:
        self._told.headers(result)
        told_all = self._told.has(*self._wanted)
        if told_all and (not self._may_cache or self._told.has("read", "written")):
            return None
        watcher.read_whole(result)
        heard = lambda body: watcher.read_whole(shield.run("instrumentation: body", None, json.loads, body))  # noqa: E731
        return result if overhear_body(field(result, "body"), watcher, heard) else None

    def answer(self, answer: object) -> Attributes:
        found = _whole(self._told, answer)
        if self._may_cache and self._told.has("input"):
            short = not self._told.has("read") and not self._told.has("written")
            short = short and field(answer, "ResponseMetadata") is not None
            found[semconv.USAGE_ESTIMATED] = short
            found[semconv.USAGE_ESTIMATED_HOW] = _SHORT if short else ""
        return found


# --- what is wrapped --------------------------------------------------------------------------------------------------

_make: Final = partial(
    Endpoint,
    answer=nothing,  # what reads it keeps the counts of one call
    reader=EventReader,
    written=written,
    inputs=_INPUTS,
    tools=("tools", "toolConfig"),
    settings=("inferenceConfig", "textGenerationConfig"),
    numbers={semconv.REQUEST_TEMPERATURE: "temperature", semconv.REQUEST_TOP_P: "topP"},
    strings={},
    limits=("max_tokens", "maxTokens", "max_gen_len", "max_tokens_to_sample", "max_new_tokens", "maxTokenCount"),
    choices=(),
)
_TALK: Final = _make(semconv.OP_CHAT)
_WRITE: Final = _make(semconv.OP_TEXT_COMPLETION)
_EMBED: Final = _make(semconv.OP_EMBEDDINGS)
_OTHER: Final = _make(semconv.OP_GENERATE_CONTENT)
_UNREAD: Final = Endpoint(semconv.OP_GENERATE_CONTENT, nothing, UnreadStream, no_text)


def _converse(asked: _Asked, arguments: Arguments) -> Request:
    return _request(asked, arguments, streams=False)


def _streamed(asked: _Asked, arguments: Arguments, *, key: str) -> Request:
    return _request(asked, arguments, streams=True)._replace(watch=partial(_watch_events, key=key))


def _invoke(asked: _Asked, arguments: Arguments) -> Request:
    body = _Body(asked, Told())
    return _request(asked, arguments, streams=False)._replace(answer=body.answer, watch=body.watch)


def _later(asked: _Asked, arguments: Arguments) -> Request:
    """Videos and the like, made later and billed by the second."""
    return _UNREAD.request(asked.server, {}, arguments, model=asked.model)


OPERATIONS: Final[Mapping[str, Callable[[_Asked, Arguments], Request]]] = {
    "Converse": _converse,
    "ConverseStream": partial(_streamed, key="stream"),
    "InvokeModel": _invoke,
    "InvokeModelWithResponseStream": partial(_streamed, key="body"),
    "StartAsyncInvoke": _later,
}
"""The others are free, look at what exists, or are billed by other units (guardrails)."""

PROVIDER: Final = Provider(
    name="bedrock",
    methods=(
        Method("botocore.client", "BaseClient._make_api_call", _read, mine=_mine),
        Method("aiobotocore.client", "AioBaseClient._make_api_call", _read, asynchronous=True, mine=_mine),
    ),
)
