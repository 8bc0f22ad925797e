"""The ``anthropic`` SDK, which traces itself unless it is told not to, and its clients for Bedrock and Vertex AI."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import anthropic
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, optional, user
from tests.support.wires.vertex_claude import wires

__all__ = ["CASES", "wires"]

CLAUDE = "claude-opus-4-5"
ON_BEDROCK = "global.anthropic.claude-sonnet-4-5-20250929-v1:0"
ON_VERTEX = "claude-sonnet-4-5@20250929"


def _traced(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    option: Any = False if tracing is None else {"tracer_provider": tracing}
    return kind(base_url=base_url, api_key="none", max_retries=retries, open_telemetry=option)


def _untraced(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    return _traced(base_url, retries, None, asynchronous)


def _bedrock(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = anthropic.AsyncAnthropicBedrock if asynchronous else anthropic.AnthropicBedrock
    option: Any = False if tracing is None else {"tracer_provider": tracing}
    return kind(base_url=base_url, aws_region="us-east-1", api_key="none", max_retries=retries, open_telemetry=option)


def _vertex(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = anthropic.AsyncAnthropicVertex if asynchronous else anthropic.AnthropicVertex
    option: Any = False if tracing is None else {"tracer_provider": tracing}
    return kind(
        base_url=base_url,
        region="global",
        project_id="p",
        access_token="none",
        max_retries=retries,
        open_telemetry=option,
    )


def _message(client: Client, text: str, stream: bool, *, model: str = CLAUDE) -> Any:
    return client.messages.create(model=model, max_tokens=64, messages=user(text), **optional(stream))


def _raw_message(client: Client, text: str, stream: bool, *, model: str = CLAUDE) -> Any:
    raw = client.messages.with_raw_response
    return raw.create(model=model, max_tokens=64, messages=user(text), **optional(stream))


def _beta_message(client: Client, text: str, stream: bool) -> Any:
    return client.beta.messages.create(model=CLAUDE, max_tokens=64, messages=user(text), **optional(stream))


def _raw_beta_message(client: Client, text: str, stream: bool) -> Any:
    raw = client.beta.messages.with_raw_response
    return raw.create(model=CLAUDE, max_tokens=64, messages=user(text), **optional(stream))


def _helper(client: Client, text: str, *, model: str = CLAUDE) -> Any:
    return client.messages.stream(model=model, max_tokens=64, messages=user(text))


def _in_the_cloud(name: str, client: Any, model: str, provider: str) -> Case:
    return replace(
        _SELF_TRACED,
        name=name,
        client=client,
        call=partial(_message, model=model),
        raw=partial(_raw_message, model=model),
        helper=partial(_helper, model=model),
        model=model,
        provider_name=provider,
    )


_SELF_TRACED = Case(
    name="anthropic-self-traced",
    provider="anthropic",
    client=_traced,
    call=_message,
    raw=_raw_message,
    helper=_helper,
    stream_types=(anthropic.Stream, anthropic.AsyncStream),
    api_error=anthropic.APIError,
    model=CLAUDE,
    streams_usage_before_end=True,
    self_traced=True,
)
CASES = (
    _SELF_TRACED,
    replace(_SELF_TRACED, name="anthropic-untraced", client=_untraced, self_traced=False),
    replace(
        _SELF_TRACED,
        name="anthropic-beta",
        call=_beta_message,
        raw=_raw_beta_message,
        helper=lambda client, text: client.beta.messages.stream(model=CLAUDE, max_tokens=64, messages=user(text)),
    ),
    _in_the_cloud("anthropic-bedrock", _bedrock, ON_BEDROCK, "aws.bedrock"),
    _in_the_cloud("anthropic-vertex", _vertex, ON_VERTEX, "gcp.vertex_ai"),
)
