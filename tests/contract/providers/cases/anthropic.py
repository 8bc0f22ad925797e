"""The ``anthropic`` SDK, which traces itself unless it is told not to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anthropic
from opentelemetry.trace import TracerProvider

from tests.contract.providers.cases.base import Case, Client, optional, user

CLAUDE = "claude-opus-4-5"


def _traced(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    kind = anthropic.AsyncAnthropic if asynchronous else anthropic.Anthropic
    option: Any = False if tracing is None else {"tracer_provider": tracing}
    return kind(base_url=base_url, api_key="none", max_retries=retries, open_telemetry=option)


def _untraced(base_url: str, retries: int, tracing: TracerProvider | None, asynchronous: bool) -> Client:
    return _traced(base_url, retries, None, asynchronous)


def _message(client: Client, text: str, stream: bool) -> Any:
    return client.messages.create(model=CLAUDE, max_tokens=64, messages=user(text), **optional(stream))


def _raw_message(client: Client, text: str, stream: bool) -> Any:
    raw = client.messages.with_raw_response
    return raw.create(model=CLAUDE, max_tokens=64, messages=user(text), **optional(stream))


def _beta_message(client: Client, text: str, stream: bool) -> Any:
    return client.beta.messages.create(model=CLAUDE, max_tokens=64, messages=user(text), **optional(stream))


def _raw_beta_message(client: Client, text: str, stream: bool) -> Any:
    raw = client.beta.messages.with_raw_response
    return raw.create(model=CLAUDE, max_tokens=64, messages=user(text), **optional(stream))


_SELF_TRACED = Case(
    name="anthropic-self-traced",
    provider="anthropic",
    client=_traced,
    call=_message,
    raw=_raw_message,
    helper=lambda client, text: client.messages.stream(model=CLAUDE, max_tokens=64, messages=user(text)),
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
)
