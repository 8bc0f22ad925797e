"""The calls of cases by LangChain's chat models. Runs in an emitter's environment."""

from __future__ import annotations

import asyncio
import contextlib

import calls_sdk
from cases import Case
from opentelemetry import trace
from telling import base_url, emitter, finish


def _handlers() -> dict[str, object]:
    if emitter() != "langfuse_langchain":
        return {}
    from langfuse.langchain import CallbackHandler

    return {"callbacks": [CallbackHandler()]}


def _openai(case: Case):
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(
        model=case.model, base_url=f"{base_url()}/v1", api_key="none", max_retries=0, stream_usage=True, **_handlers()
    )


def _anthropic(case: Case):
    from langchain_anthropic import ChatAnthropic

    return ChatAnthropic(model=case.model, base_url=base_url(), api_key="none", max_retries=0, **_handlers())


def chat(case: Case) -> None:
    _openai(case).invoke(case.prompt)


chat_cached_and_reasoning = chat


def chat_async(case: Case) -> None:
    finish(_openai(case).ainvoke(case.prompt))


def chat_parallel(case: Case) -> None:
    async def call() -> None:
        model = _openai(case)
        await asyncio.gather(*(model.ainvoke(case.prompt) for _ in range(case.calls)))

    finish(call())


def chat_stream(case: Case) -> None:
    list(_openai(case).stream(case.prompt))


def chat_failed(case: Case) -> None:
    import openai

    with contextlib.suppress(openai.InternalServerError):
        chat(case)


def chat_in_a_span(case: Case) -> None:
    """Inside the app's own span, as in any request that is served."""
    with trace.get_tracer("app").start_as_current_span("request"):
        for _ in range(case.calls):
            chat(case)


def chat_and_direct(case: Case) -> None:
    chat(case)
    for _ in range(case.calls - 1):
        calls_sdk.chat(case)


def messages(case: Case) -> None:
    _anthropic(case).invoke(case.prompt)


def messages_stream(case: Case) -> None:
    list(_anthropic(case).stream(case.prompt))
