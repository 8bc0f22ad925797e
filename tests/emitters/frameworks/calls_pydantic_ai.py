"""Pydantic-AI: agents with tools, on all three APIs, and one agent that is another's tool."""

from __future__ import annotations

import sys
from typing import Any

import otel_cost_instrumentation
from tests.emitters.frameworks import harness

harness.watch_connections()
otel_cost_instrumentation.activate()

from anthropic import AsyncAnthropic  # noqa: E402
from openai import AsyncOpenAI  # noqa: E402
from pydantic_ai import Agent  # noqa: E402
from pydantic_ai.models.anthropic import AnthropicModel  # noqa: E402
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: E402
from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: E402
from pydantic_ai.providers.openai import OpenAIProvider  # noqa: E402


def _chat(url: str) -> Any:
    return OpenAIChatModel("gpt-4o", provider=_openai(url))


def _responses(url: str) -> Any:
    return OpenAIResponsesModel("gpt-4o", provider=_openai(url))


def _openai(url: str) -> OpenAIProvider:
    return OpenAIProvider(openai_client=AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0))


def _messages(url: str) -> Any:
    client = AsyncAnthropic(base_url=url, api_key="none", max_retries=0)
    return AnthropicModel("claude-sonnet-4-5", provider=AnthropicProvider(anthropic_client=client))


def _agent(model: Any) -> Agent:
    agent = Agent(model)

    @agent.tool_plain
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"Rain in {city}"

    return agent


async def _stream(agent: Agent) -> None:
    async with agent.run_stream("What is the weather?") as result:
        async for _ in result.stream_text():
            pass


def whole(model: Any) -> Any:
    return lambda url: harness.finish(_agent(model(url)).run("What is the weather?"))


def streamed(model: Any) -> Any:
    return lambda url: harness.finish(_stream(_agent(model(url))))


def delegated(url: str) -> None:
    """An agent whose tool is an agent, which is called three times at once, on another provider."""
    expert, asked = _agent(_messages(url)), Agent(_chat(url))

    @asked.tool_plain
    async def ask_expert(question: str) -> str:
        """Ask somebody who knows."""
        return str((await expert.run(question)).output)

    harness.finish(asked.run("Ask three, parallel:3"))


WAYS = {
    "chat": whole(_chat),
    "chat_stream": streamed(_chat),
    "responses": whole(_responses),
    "responses_stream": streamed(_responses),
    "messages": whole(_messages),
    "messages_stream": streamed(_messages),
    "delegated": delegated,
}

if __name__ == "__main__":
    sys.exit(harness.run(WAYS, ("pydantic-ai-slim",)))
