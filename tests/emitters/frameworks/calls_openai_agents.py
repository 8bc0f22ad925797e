"""The OpenAI Agents SDK: tools, a hand-over from agent to agent, an agent as a tool, on both of OpenAI's APIs."""

from __future__ import annotations

import os
import sys
from typing import Any

import otel_cost_instrumentation
from tests.emitters.frameworks import harness

harness.watch_connections()
otel_cost_instrumentation.activate()
os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"  # it would upload its traces

from agents import (  # noqa: E402
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI  # noqa: E402


@function_tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}"


def _client(url: str) -> AsyncOpenAI:
    return AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def _responses(url: str, model: str = "gpt-4o") -> Any:
    return OpenAIResponsesModel(model, _client(url))


def _chat(url: str, model: str = "gpt-4o") -> Any:
    return OpenAIChatCompletionsModel(model, _client(url))


def _simple(model: Any, url: str) -> Agent:
    return Agent(name="Asked", instructions="You know the weather.", model=model(url), tools=[weather])


def _handing_over(model: Any, url: str) -> Agent:
    """A cheap agent hands over to one that has a tool."""
    expert = Agent(name="Expert", model=model(url), tools=[weather], handoff_description="Knows the weather")
    return Agent(name="Desk", model=model(url, "gpt-4o-mini"), handoffs=[expert])


def _consulting(model: Any, url: str) -> Agent:
    """An agent asks another one, three times at once, as a tool."""
    expert = Agent(name="Expert", model=model(url, "gpt-4o-mini"), tools=[weather])
    tool = expert.as_tool("ask_expert", "Ask somebody who knows")
    return Agent(name="Asked", model=model(url), tools=[tool])


async def _streamed(agent: Agent, text: str) -> None:
    async for _ in Runner.run_streamed(agent, text).stream_events():
        pass


def _ways(made: Any, text: str) -> dict[str, Any]:
    return {
        "": lambda url: harness.finish(Runner.run(made(_responses, url), text)),
        "_stream": lambda url: harness.finish(_streamed(made(_responses, url), text)),
        "_by_chat": lambda url: harness.finish(Runner.run(made(_chat, url), text)),
        "_by_chat_stream": lambda url: harness.finish(_streamed(made(_chat, url), text)),
    }


KINDS = {
    "tool": (_simple, "What is the weather?"),
    "handoff": (_handing_over, "What is the weather?"),
    "consulted": (_consulting, "Ask three, parallel:3"),
}
WAYS = {kind + end: way for kind, (made, text) in KINDS.items() for end, way in _ways(made, text).items()}
WAYS["tool_sync"] = lambda url: Runner.run_sync(_simple(_responses, url), "What is the weather?")

if __name__ == "__main__":
    sys.exit(harness.run(WAYS, ("openai-agents",)))
