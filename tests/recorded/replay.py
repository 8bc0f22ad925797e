"""Recorded answers through the real SDKs, with otel-cost installed: what lands on the span.

Nothing goes out: the SDK's HTTP client gets a transport that answers from the recording. The SDK builds the request
for the recorded host and parses the recorded bytes, and the instrumentors see both as in an app.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast
from unittest import mock

import anthropic
import groq
import openai
from opentelemetry.sdk import trace as sdk_trace

import otel_cost_instrumentation
from otel_cost import runtime, semconv
from otel_cost.model import NANO
from tests.recorded.bill import UNDATED
from tests.recorded.exchanges import Exchange
from tests.recorded.other_sdks import call_bedrock, call_cohere, call_google, call_mistral, call_ollama
from tests.recorded.seen import Seen
from tests.support.world import World, make_world

_OPENAI: Final = frozenset({"openai", "azure", "deepseek", "together"})
"""Providers whose recordings the ``openai`` SDK can read, as apps do by giving it another base URL."""
_OWN: Final[Mapping[str, str]] = {"groq": "groq", "mistral": "mistralai", "ollama": "ollama"}
"""Providers whose recordings are read by an SDK that only they have."""
_UNITS: Final[Mapping[str, str]] = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
    semconv.USAGE_CACHE_READ: "cache_read_tokens",
    semconv.USAGE_CACHE_WRITE: "cache_write_tokens",
    semconv.ANTHROPIC_CACHE_5M: "cache_write_5m_tokens",
    semconv.ANTHROPIC_CACHE_1H: "cache_write_1h_tokens",
    semconv.USAGE_REASONING: "output_reasoning_tokens",
    semconv.USAGE_AUDIO_INPUT: "input_audio_tokens",
    semconv.USAGE_AUDIO_OUTPUT: "output_audio_tokens",
    semconv.USAGE_IMAGE_INPUT: "input_image_tokens",
    semconv.USAGE_IMAGE_OUTPUT: "output_image_tokens",
    semconv.USAGE_VIDEO_INPUT: "input_video_tokens",
    semconv.UNIT_PREFIX + "input_tool_tokens": "input_tool_tokens",
    semconv.UNIT_PREFIX + "web_searches": "web_searches",
    semconv.UNIT_PREFIX + "rerank_searches": "rerank_searches",
}
Call = Callable[..., Any]


def sdk_of(exchange: Exchange) -> str:
    """The SDK that an exchange is replayed through; "" for none. Vertex writes numbers for words where it is asked to,
    which is not what ``google-genai`` asks for."""
    if exchange.provider in _OPENAI:
        return "openai"
    if exchange.provider in ("gemini", "vertex"):
        return "" if "enum-encoding" in exchange.query else "google-genai"
    if exchange.provider in _OWN:
        return _OWN[exchange.provider]
    if exchange.provider == "anthropic" or _is_message_on_bedrock(exchange):
        return "anthropic"
    return {"bedrock": "boto3", "cohere": "cohere"}.get(exchange.provider, "")


def _is_message_on_bedrock(exchange: Exchange) -> bool:
    return "anthropic." in exchange.model_in_path and exchange.documents[0].get("type") == "message"


@contextmanager
def instrumented() -> Iterator[None]:
    """Our instrumentors are active; each call gets a process of its own to be counted in, as ids repeat in the
    recordings."""
    otel_cost_instrumentation.activate()
    try:
        yield
    finally:
        otel_cost_instrumentation.deactivate()
        runtime.uninstall()


def replayed(exchange: Exchange, at: datetime | None) -> Seen | None:
    """The span of the recorded call, made at ``at``; None when nothing noticed the call."""
    world = make_world()
    with _clock_at(at or UNDATED), _quiet():
        _call(exchange, world)
    return _seen(world)


@contextmanager
def _clock_at(moment: datetime) -> Iterator[None]:
    """Spans start when the recording was made, so that the prices of that time apply."""
    at_ns = int(moment.timestamp() * NANO)
    with mock.patch.object(sdk_trace, "time_ns", return_value=at_ns):
        yield


@contextmanager
def _quiet() -> Iterator[None]:
    """The SDKs warn of models and methods that have been retired since the recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _call(exchange: Exchange, world: World) -> None:
    others = {
        "google-genai": call_google,
        "mistralai": call_mistral,
        "boto3": call_bedrock,
        "cohere": call_cohere,
        "ollama": call_ollama,
    }
    if sdk_of(exchange) in others:
        others[sdk_of(exchange)](exchange, transport)
        return
    with _client(exchange, world) as client:
        method = _method(client, exchange)
        answer = method(**_arguments(method, exchange))
        if exchange.streamed:
            with answer as stream:
                for _ in stream:
                    pass


def _method(client: Any, exchange: Exchange) -> Call:
    words = exchange.endpoint.split("/")
    if sdk_of(exchange) == "anthropic":
        words = ["beta", "messages"] if "beta=true" in exchange.query else ["messages"]
    for word in words:
        client = getattr(client, word)
    return cast("Call", client.create)


_LEFT_OUT: Final[Mapping[str, Any]] = {"messages": [{"role": "user", "content": "(left out)"}], "input": "(left out)"}
"""Stands for what the recordings leave out of long requests."""


def _arguments(method: Call, exchange: Exchange) -> dict[str, Any]:
    """Fields of the request that the method has no parameter for go into its body as they are."""
    known = inspect.signature(method).parameters
    request = {name: value for name, value in _LEFT_OUT.items() if name in known} if exchange.trimmed else {}
    request |= {"model": exchange.model_requested, **exchange.request}
    extra = {name: value for name, value in request.items() if name not in known}
    # Any timeout: the anthropic SDK refuses long calls that neither stream nor say how long to wait.
    return {**{name: value for name, value in request.items() if name in known}, "extra_body": extra, "timeout": 60}


# --- clients ----------------------------------------------------------------------------------------------------------


def _client(exchange: Exchange, world: World) -> Any:
    """Of an SDK made by Stainless."""
    if sdk_of(exchange) == "anthropic":
        return _anthropic_client(exchange, world)
    return _groq_client(exchange) if sdk_of(exchange) == "groq" else _openai_client(exchange)


def _groq_client(exchange: Exchange) -> groq.Groq:
    http: Any = groq.DefaultHttpxClient(transport=transport(groq.DefaultHttpxClient, exchange))
    return groq.Groq(base_url=f"https://{exchange.host}", api_key="none", max_retries=0, http_client=http)


def _openai_client(exchange: Exchange) -> openai.OpenAI:
    http: Any = openai.DefaultHttpxClient(transport=transport(openai.DefaultHttpxClient, exchange))
    if exchange.provider == "azure":
        deployment = exchange.path.split("/deployments/")[1].split("/")[0]
        version = exchange.query.removeprefix("api-version=")
        return openai.AzureOpenAI(
            azure_endpoint=f"https://{exchange.host}", azure_deployment=deployment, api_version=version,
            api_key="none", max_retries=0, http_client=http,
        )  # fmt: skip
    base_url = f"https://{exchange.host}{exchange.path.removesuffix(exchange.endpoint)}"
    return openai.OpenAI(base_url=base_url, api_key="none", max_retries=0, http_client=http)


def _anthropic_client(exchange: Exchange, world: World) -> anthropic.Anthropic | anthropic.AnthropicBedrock:
    """With its own tracing on, as it is by default."""
    http: Any = anthropic.DefaultHttpxClient(transport=transport(anthropic.DefaultHttpxClient, exchange))
    common: dict[str, Any] = {
        "base_url": f"https://{exchange.host}",
        "api_key": "none",
        "max_retries": 0,
        "http_client": http,
        "open_telemetry": {"tracer_provider": world.provider},
    }
    if exchange.provider == "bedrock":
        return anthropic.AnthropicBedrock(aws_region=exchange.host.split(".")[1], **common)
    return anthropic.Anthropic(**common)


def transport(client: type, exchange: Exchange) -> Any:
    """A transport of whichever HTTP library the SDK is built on; both that there are have the same names."""
    library = importlib.import_module(client.__mro__[1].__module__.partition(".")[0])

    def answer(request: Any) -> Any:
        # The query is left out: the anthropic SDK has stopped sending the one that it was recorded with.
        assert (request.url.netloc.decode(), request.url.path) == (exchange.host, exchange.path)
        kind = exchange.content_type or ("text/event-stream" if exchange.streamed else "application/json")
        return library.Response(200, headers={**exchange.headers, "content-type": kind}, content=exchange.body)

    return library.MockTransport(answer)


# --- what was seen ----------------------------------------------------------------------------------------------------


def _seen(world: World) -> Seen | None:
    spans = [dict(span.attributes or {}) for span in world.finished() if semconv.STATUS in (span.attributes or {})]
    if not spans:
        return None
    [said] = spans
    amount: Any = said.get(semconv.COST_AMOUNT)
    counts: dict[str, Any] = {unit: said[name] for name, unit in _UNITS.items() if name in said}
    return Seen(
        counts=counts,
        status=str(said[semconv.STATUS]),
        reason=str(said.get(semconv.REASON, "")),
        detail=str(said.get(semconv.DETAIL, "")),
        nano_usd=None if amount is None else round(Decimal(repr(amount)) * NANO),
    )
