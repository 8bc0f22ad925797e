"""CrewAI: crews of one and of two agents, with a tool, streamed and not, on both providers."""

from __future__ import annotations

import os
import sys
from typing import Any

import otel_cost_instrumentation
from tests.emitters.frameworks import harness

harness.watch_connections()
otel_cost_instrumentation.activate()
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_DISABLE_TRACKING="true", CREWAI_TRACING_ENABLED="false")

from crewai import LLM, Agent, Crew, Task  # noqa: E402
from crewai.tools import tool  # noqa: E402


@tool("weather")
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}"


def _openai(url: str, *, stream: bool = False, model: str = "gpt-4o") -> Any:
    return LLM(model=f"openai/{model}", base_url=f"{url}/v1", api_key="none", stream=stream, max_retries=0)


def _anthropic(url: str, *, stream: bool = False) -> Any:
    return LLM(model="anthropic/claude-sonnet-4-5", base_url=url, api_key="none", stream=stream, max_retries=0)


def _agent(role: str, model: Any, *tools: Any) -> Agent:
    return Agent(role=role, goal="Know the weather", backstory="Lives outside", llm=model, tools=list(tools))


def _kickoff(*agents: Agent) -> None:
    tasks = [Task(description="What is the weather?", expected_output="One word", agent=one) for one in agents]
    Crew(agents=list(agents), tasks=tasks, tracing=False).kickoff()


WAYS = {
    "model": lambda url: _openai(url).call("What is the weather?"),
    "model_stream": lambda url: _openai(url, stream=True).call("What is the weather?"),
    "tool": lambda url: _kickoff(_agent("Asked", _openai(url), weather)),
    "tool_stream": lambda url: _kickoff(_agent("Asked", _openai(url, stream=True), weather)),
    "tool_anthropic": lambda url: _kickoff(_agent("Asked", _anthropic(url), weather)),
    "tool_anthropic_stream": lambda url: _kickoff(_agent("Asked", _anthropic(url, stream=True), weather)),
    "two_agents": lambda url: _kickoff(
        _agent("Asked", _openai(url), weather), _agent("Writer", _openai(url, model="gpt-4o-mini"))
    ),
}

if __name__ == "__main__":
    sys.exit(harness.run(WAYS, ("crewai",)))
