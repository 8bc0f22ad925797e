"""The calls of cases by Pydantic-AI agents. Runs in an emitter's environment."""

from __future__ import annotations

import asyncio
import contextlib

import calls_sdk
from cases import Case
from opentelemetry import trace
from telling import base_url, finish


def _openai(case: Case):
    from openai import AsyncOpenAI
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(base_url=f"{base_url()}/v1", api_key="none", max_retries=0)
    return Agent(OpenAIChatModel(case.model, provider=OpenAIProvider(openai_client=client)))


def _anthropic(case: Case):
    from anthropic import AsyncAnthropic
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=base_url(), api_key="none", max_retries=0)
    return Agent(AnthropicModel(case.model, provider=AnthropicProvider(anthropic_client=client)))


async def _stream(agent, case: Case) -> None:
    async with agent.run_stream(case.prompt) as result:
        async for _ in result.stream_text():
            pass


def chat(case: Case) -> None:
    finish(_openai(case).run(case.prompt))


chat_cached_and_reasoning = chat_async = chat


def chat_parallel(case: Case) -> None:
    async def call() -> None:
        agent = _openai(case)
        await asyncio.gather(*(agent.run(case.prompt) for _ in range(case.calls)))

    finish(call())


def chat_stream(case: Case) -> None:
    finish(_stream(_openai(case), case))


def chat_failed(case: Case) -> None:
    from pydantic_ai.exceptions import ModelHTTPError

    with contextlib.suppress(ModelHTTPError):
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
    finish(_anthropic(case).run(case.prompt))


def messages_stream(case: Case) -> None:
    finish(_stream(_anthropic(case), case))
