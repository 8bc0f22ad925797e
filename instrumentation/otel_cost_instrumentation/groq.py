"""The ``groq`` SDK (0.18 and later): chat, embeddings, transcription and translation of sound.

Stainless made it, and its answers are OpenAI's: both are read as there. A stream tells its usage unasked, with its last
choice. Sound is billed by its time, at least 10 seconds of it, which an answer tells only as ``verbose_json``; other
formats, and speech, end ``unpriced: no_usage``. Groq's compound models bill what the models and tools inside them used:
neither they nor tools that Groq ran have a price here, and such a call is unpriced rather than too cheap.

Sources: the types of ``groq`` 1.7; https://groq.com/pricing and https://console.groq.com/docs/speech-to-text (minimum
billed length).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._address import Server, provider_of
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint, no_text
from otel_cost_instrumentation._openai_answers import chat, embeddings
from otel_cost_instrumentation._openai_streams import ChatReader
from otel_cost_instrumentation._read import Attributes, count, field, items, text
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stainless import read_post
from otel_cost_instrumentation._unread import UnreadStream, unread

HOSTS: Final[Mapping[str, str]] = {"api.groq.com": "groq"}
_PREFIX: Final = "openai/v1/"


def _read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    post = read_post(client, args, kwargs)
    if post is None:
        return None
    server = Server(provider_of(post.address, HOSTS, "groq"), post.address, post.port)
    path = post.path.rpartition(_PREFIX)[2]
    endpoint = ENDPOINTS.get(path)
    if endpoint is None:
        return unread(post._replace(path=path), server.provider, kwargs, FREE)
    return endpoint.request(server, post.body, kwargs, model=text(post.body, "model"), stream=post.stream)


# --- what comes out ---------------------------------------------------------------------------------------------------


def completion(answer: object) -> Attributes:
    runs = [tool for choice in items(answer, "choices") for tool in items(choice, "message", "executed_tools")]
    return chat(answer) | _runs(text(tool, "type") for tool in runs)


class CompletionReader(ChatReader):
    """Chunks of a chat completion. Tools that ran are told when they start and again when they end."""

    def __init__(self, heard: Text) -> None:
        super().__init__(heard)
        self._ran: dict[tuple[int, int], str] = {}

    def read(self, chunk: object) -> bool:
        for choice in items(chunk, "choices"):
            for tool in items(choice, "delta", "executed_tools"):
                self._ran[count(choice, "index") or 0, count(tool, "index") or 0] = text(tool, "type")
        return super().read(chunk)

    def attributes(self) -> Attributes:
        return super().attributes() | _runs(self._ran.values())


_CODE: Final = frozenset({"python", "code_interpreter", "code_execution"})
_NOT_BILLED: Final = frozenset({"function", "mcp"})
"""Tools that run elsewhere."""


def _runs(kinds: Iterable[str]) -> Attributes:
    """Tools that Groq ran, by their types; what is not code looks something up."""
    billed = [kind for kind in kinds if kind not in _NOT_BILLED]
    code = sum(kind in _CODE for kind in billed)
    counts = {"web_searches": len(billed) - code, "code_executions": code}
    return {semconv.UNIT_PREFIX + unit: number for unit, number in counts.items() if number}


_LEAST_SECONDS: Final = 10


def sound(answer: object) -> Attributes:
    """Of a transcription or translation, the time of the sound in whole seconds, rounded up."""
    duration = field(answer, "duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not math.isfinite(duration):
        return {}
    seconds = max(_LEAST_SECONDS, math.ceil(duration))
    return {semconv.UNIT_PREFIX + unit: seconds for unit in ("audio_seconds", "input_audio_seconds")}


# --- what is wrapped --------------------------------------------------------------------------------------------------

_SOUND: Final = Endpoint(semconv.OP_GENERATE_CONTENT, sound, UnreadStream, no_text)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "chat/completions": Endpoint(
        semconv.OP_CHAT,
        completion,
        CompletionReader,
        written.chat,
        inputs=("messages", "response_format", "documents"),
        limits=("max_completion_tokens", "max_tokens"),
    ),
    "embeddings": Endpoint(semconv.OP_EMBEDDINGS, embeddings, UnreadStream, written.embeddings, inputs=("input",)),
    "audio/transcriptions": _SOUND,
    "audio/translations": _SOUND,
}
FREE: Final = frozenset({"batches", "files", "fine_tunings", "models"})
"""Paths, and all below them, that are free or set up what is billed elsewhere."""

PROVIDER: Final = Provider(
    name="groq",
    methods=(
        Method(module="groq._base_client", name="SyncAPIClient.post", read=_read),
        Method(module="groq._base_client", name="AsyncAPIClient.post", read=_read, asynchronous=True),
    ),
)
