"""The ``mistralai`` SDK (2.10 and later): chat, fill-in-the-middle, agents, conversations, embeddings, OCR, audio.

Each method of the SDK makes its own request, so each is wrapped; ``parse`` and ``run`` go through these. The SDK's own
tracing (which an app has to ask for) starts its span for each attempt, where nothing of the wrapped class runs: it
cannot be claimed from here, and stays a second span of a call that is counted once. Releases from 2.0 on ask for an
OpenTelemetry that is older than otel-cost's, and 1.x has other modules: both are left alone.

Sources: the types of ``mistralai`` 3.7; Mistral's price list (OCR by the page, transcription by the minute of sound).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._address import Server, server_at
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint, no_text
from otel_cost_instrumentation._openai_answers import chat, embeddings
from otel_cost_instrumentation._openai_streams import ChatReader
from otel_cost_instrumentation._read import (
    Attributes,
    Names,
    count,
    field,
    items,
    parts,
    text,
    texts,
    totals,
)
from otel_cost_instrumentation._releases import Since
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._unread import UnreadStream, nothing

HOSTS: Final[Mapping[str, str]] = {
    "api.mistral.ai": "mistral_ai",
    ".mistral.ai": "mistral_ai",
    ".googleapis.com": "gcp.vertex_ai",
    ".models.ai.azure.com": "azure.ai.inference",
    ".services.ai.azure.com": "azure.ai.inference",
}

# --- what goes in -----------------------------------------------------------------------------------------------------


def _read(
    resource: object, args: tuple[object, ...], kwargs: Arguments, *, endpoint: Endpoint, streams: bool = False
) -> Request:
    return endpoint.request(_server(resource, kwargs), kwargs, kwargs, model=text(kwargs, "model"), stream=streams)


def _read_pages(resource: object, args: tuple[object, ...], kwargs: Arguments) -> Request:
    """Pages that are to be annotated cost more."""
    wanted = [kwargs.get(name) for name in ("document_annotation_format", "bbox_annotation_format")]
    annotated = any(hasattr(format, "type") or isinstance(format, dict) for format in wanted)
    request = _read(resource, args, kwargs, endpoint=_PAGES)
    return request._replace(answer=partial(pages, annotated=annotated))


def _server(resource: object, given: Arguments) -> Server:
    """Of this call or of the client."""
    details = field(resource, "sdk_configuration", "get_server_details")
    told = items(details()) if callable(details) else []
    return server_at(text(given, "server_url") or (str(told[0]) if told else ""), HOSTS, "mistral_ai")


# --- what comes out ---------------------------------------------------------------------------------------------------


_SOUND: Final[Names] = {
    semconv.UNIT_PREFIX + "audio_seconds": "prompt_audio_seconds",
    semconv.UNIT_PREFIX + "input_audio_seconds": "prompt_audio_seconds",
}
"""A time of sound, and the part of it that goes in: all of it."""
_MODEL: Final[Names] = {semconv.RESPONSE_MODEL: "model"}
_TOTALS: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "prompt_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "completion_tokens",
}


def completion(answer: object) -> Attributes:
    return chat(answer) | _extra(field(answer, "usage"))


def _extra(usage: object) -> Attributes:
    """What Mistral's usage has beside the fields that it shares with OpenAI's."""
    found = parts(usage, _SOUND)
    tier = text(usage, "service_tier")
    if tier:
        found[semconv.SERVICE_TIER] = tier
    return found


class CompletionReader(ChatReader):
    """Events of a streamed completion; the last one carries usage."""

    def __init__(self, heard: Text) -> None:
        super().__init__(heard)
        self._more: Attributes = {}

    def read(self, chunk: object) -> bool:
        completed = field(chunk, "data")
        self._more = _extra(field(completed, "usage")) or self._more
        return super().read(completed)

    def attributes(self) -> Attributes:
        return super().attributes() | self._more


def transcription(answer: object) -> Attributes:
    """Billed by the time of the sound; tokens are told beside it."""
    usage = field(answer, "usage")
    return texts(answer, _MODEL) | (_extra(usage) or totals(usage, _TOTALS))


class TranscriptionReader:
    """Events of a streamed transcription; the last one carries model and usage."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        data = field(event, "data")
        self._heard.add(text(data, "text"))
        if text(data, "type") == "transcription.done":
            self._known, self.final = transcription(data), True
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)


def pages(answer: object, annotated: bool = False) -> Attributes:
    number = count(answer, "usage_info", "pages_processed")
    names = ("input_document_pages", *(("input_annotated_document_pages",) if annotated else ()))
    counts = {} if number is None else {semconv.UNIT_PREFIX + name: number for name in names}
    return texts(answer, _MODEL) | counts


_CONVERSATION: Final[Names] = {semconv.CONVERSATION_ID: "conversation_id"}
_CONNECTORS: Final[Names] = {
    semconv.UNIT_PREFIX + "web_searches": "web_search",
    semconv.UNIT_PREFIX + "code_executions": "code_interpreter",
}


def conversation(answer: object) -> Attributes:
    """Tokens of connectors are told beside the prompt's and are input as well; their runs have fees."""
    models = [model for output in items(answer, "outputs") if (model := text(output, "model"))]
    found = texts(answer, _CONVERSATION) | conversation_usage(field(answer, "usage"))
    if models:
        found[semconv.RESPONSE_MODEL] = models[-1]
    return found


def _words(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    else:
        yield text(content, "text")


def _said(answer: object) -> list[str] | None:
    """The text of a conversation's answer."""
    outputs = items(answer, "outputs")
    parts_of = [items(output, "content") or [field(output, "content")] for output in outputs]
    return [piece for content in parts_of for part in content for piece in _words(part)] if outputs else None


def conversation_usage(usage: object) -> Attributes:
    found = totals(usage, _TOTALS)
    prompt, connected = count(usage, "prompt_tokens"), count(usage, "connector_tokens")
    if prompt is not None and connected:
        found[semconv.USAGE_INPUT_TOKENS] = prompt + connected
    return found | parts(field(usage, "connectors"), _CONNECTORS)


class ConversationReader:
    """Events of a streamed conversation."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self.final = False

    def read(self, event: object) -> bool:
        data = field(event, "data")
        kind = text(data, "type")
        self._known |= texts(data, _CONVERSATION) | texts(data, _MODEL)
        if kind == "message.output.delta":
            for piece in _words(field(data, "content")):
                self._heard.add(piece)
        elif kind == "conversation.response.done":
            self._known |= conversation_usage(field(data, "usage"))
            self.final = True
        elif kind == "conversation.response.error":
            self._known[semconv.ERROR_TYPE] = str(count(data, "code") or kind)
        return True

    def attributes(self) -> Attributes:
        return dict(self._known)


# --- what is wrapped --------------------------------------------------------------------------------------------------


_make: Final = partial(
    Endpoint,
    unseen=("agent_id", "conversation_id"),
    settings=("completion_args",),
    strings={semconv.AGENT_ID: "agent_id"},
    limits=("max_tokens",),
)
_CHAT: Final = _make(
    semconv.OP_CHAT, completion, CompletionReader, written.chat, inputs=("messages", "response_format")
)
_FIM: Final = _make(semconv.OP_TEXT_COMPLETION, completion, CompletionReader, written.chat, inputs=("prompt", "suffix"))
_TALK: Final = _make(semconv.OP_CHAT, conversation, ConversationReader, _said, inputs=("inputs", "instructions"))
_EMBED: Final = _make(semconv.OP_EMBEDDINGS, embeddings, UnreadStream, written.embeddings, inputs=("inputs",))
_CLASSIFY: Final = _make(semconv.OP_GENERATE_CONTENT, completion, UnreadStream, no_text)
_PAGES: Final = _make(semconv.OP_GENERATE_CONTENT, pages, UnreadStream, no_text)
_HEAR: Final = _make(semconv.OP_GENERATE_CONTENT, transcription, TranscriptionReader, no_text)
_SPEAK: Final = _make(semconv.OP_GENERATE_CONTENT, nothing, UnreadStream, no_text)
_HOMES: Final = ("mistralai.client", "mistralai.azure.client", "mistralai.gcp.client")
"""The SDK, and its clients for other clouds."""


def _methods() -> Iterator[Method]:
    for home in _HOMES:
        yield from _both(f"{home}.chat", "Chat", _CHAT, ("complete",), ("stream",))
    for home in (_HOMES[0], _HOMES[2]):
        yield from _both(f"{home}.fim", "Fim", _FIM, ("complete",), ("stream",))
    for home in _HOMES[:2]:
        yield from _pair(f"{home}.ocr", "Ocr.process", _read_pages)
    home = _HOMES[0]
    yield from _both(f"{home}.agents", "Agents", _CHAT, ("complete",), ("stream",))
    started = ("start", "append", "restart")
    yield from _both(
        f"{home}.conversations", "Conversations", _TALK, started, tuple(f"{name}_stream" for name in started)
    )
    yield from _both(f"{home}.embeddings", "Embeddings", _EMBED, ("create",))
    yield from _both(
        f"{home}.classifiers", "Classifiers", _CLASSIFY, ("moderate", "moderate_chat", "classify", "classify_chat")
    )
    yield from _both(f"{home}.transcriptions", "Transcriptions", _HEAR, ("complete",), ("stream",))
    yield from _both(f"{home}.speech", "Speech", _SPEAK, ("complete",))


def _both(
    module: str, owner: str, endpoint: Endpoint, whole: tuple[str, ...], streamed: tuple[str, ...] = ()
) -> Iterator[Method]:
    for names, streams in ((whole, False), (streamed, True)):
        for name in names:
            yield from _pair(module, f"{owner}.{name}", partial(_read, endpoint=endpoint, streams=streams))


def _pair(module: str, name: str, read: Callable[[object, tuple[object, ...], Arguments], Request]) -> Iterator[Method]:
    yield Method(module, name, read)
    yield Method(module, f"{name}_async", read, asynchronous=True)


PROVIDER: Final = Provider(name="mistralai", methods=tuple(_methods()), since=Since("mistralai", "2.10", "mistralai"))
