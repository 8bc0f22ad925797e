"""The calls of cases by LiteLLM. Its callbacks write in the background. Runs in an emitter's environment."""

from __future__ import annotations

import asyncio
import contextlib
import os

import calls_sdk
import litellm
from cases import Case
from opentelemetry import trace
from telling import base_url, emitter, ended, finish, wait_until

_BASE = {"openai": "/v1", "anthropic": ""}


def _asked(case: Case, **more: object) -> dict[str, object]:
    return {
        "model": f"{case.provider}/{case.model}",
        "messages": [{"role": "user", "content": case.prompt}],
        "api_base": base_url() + _BASE[case.provider],
        "api_key": "none",
        "num_retries": 0,
        "max_retries": 0,
        **more,
    }


async def _call(case: Case, **more: object) -> None:
    """One call, in the way that the callback can see: the second one's only hears of asynchronous calls."""
    asked = _asked(case, **more)
    if emitter() == "litellm_otel_v2" or "async" in case.name or case.calls > 1:
        answer = await litellm.acompletion(**asked)
    else:
        answer = await asyncio.to_thread(litellm.completion, **asked)
    if more.get("stream"):
        if hasattr(answer, "__aiter__") and emitter() == "litellm_otel_v2":
            async for _ in answer:
                pass
        else:
            await asyncio.to_thread(list, answer)


async def _all(case: Case, calls: int, **more: object) -> None:
    with contextlib.suppress(litellm.exceptions.InternalServerError):
        await asyncio.gather(*(_call(case, **more) for _ in range(calls)))
    await asyncio.to_thread(wait_until, lambda: ended("litellm") >= calls)


def chat(case: Case) -> None:
    finish(_all(case, max(1, case.calls)))


chat_cached_and_reasoning = chat_async = chat_parallel = chat_failed = messages = chat


def chat_stream(case: Case) -> None:
    finish(_all(case, 1, stream=True, stream_options={"include_usage": True}))


messages_stream = chat_stream


def chat_in_a_span(case: Case) -> None:
    """Inside the app's own span, as in any request that is served."""
    with trace.get_tracer("app").start_as_current_span("request"):
        chat(case)


def chat_in_a_span_set_apart(case: Case) -> None:
    """Its setting for spans of its own there: without it, it writes on the app's span."""
    os.environ["USE_OTEL_LITELLM_REQUEST_SPAN"] = "true"
    chat_in_a_span(case)
    del os.environ["USE_OTEL_LITELLM_REQUEST_SPAN"]


def chat_and_direct(case: Case) -> None:
    finish(_all(case, 1))
    for _ in range(case.calls - 1):
        calls_sdk.chat(case)


def embeddings(case: Case) -> None:
    asked = _asked(case, input=[case.prompt])
    del asked["messages"]

    async def call() -> None:
        if emitter() == "litellm_otel_v2":
            await litellm.aembedding(**asked)
        else:
            litellm.embedding(**asked)
        await asyncio.to_thread(wait_until, lambda: ended("litellm") >= 1)

    finish(call())
