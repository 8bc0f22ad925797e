"""Which frameworks are run, in which environment, and how many calls each way of working with one makes.

Imports nothing of a framework: the tests and the docs read it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from packaging.requirements import Requirement

from tests.emitters.environments import FRAMEWORKS as NEWEST
from tests.emitters.environments import FRAMEWORKS_BEHIND as BEHIND
from tests.emitters.environments import EmitterSet


@dataclass(frozen=True, eq=False)
class Framework:
    """
    Attributes:
        packages: Its own, and SDKs that it calls; of those that ``home`` pins.
        runs: What is done with it, for people.
        ways: Name of a way in ``calls_<name>`` to the number of calls that the provider bills.
    """

    name: str
    title: str
    home: EmitterSet
    packages: tuple[str, ...]
    runs: str
    ways: Mapping[str, int]

    @property
    def versions(self) -> dict[str, str]:
        """Package to the version that is pinned in ``home``."""
        pinned = [Requirement(text) for text in self.home.requirements]
        found = {one.name: str(one.specifier).removeprefix("==") for one in pinned}
        return {package: found[package] for package in self.packages}

    @property
    def script(self) -> str:
        """The module that runs in ``home``."""
        return f"tests.emitters.frameworks.calls_{self.name}"


def _each(names: tuple[str, ...], calls: int) -> dict[str, int]:
    return dict.fromkeys(names, calls)


_BOTH: Final = ("", "_stream", "_by_chat", "_by_chat_stream")
FRAMEWORKS: Final = (
    Framework(
        "langgraph",
        "LangChain, LangGraph",
        NEWEST,
        ("langchain", "langgraph", "langchain-openai", "langchain-anthropic", "openai", "anthropic"),
        "chains, batches, vectors; agents with two tools; tools called at once that ask models; branches of a graph",
        {
            **_each(("chain", "chain_stream", "vectors"), 1),
            "batch": 8,
            **_each(("agent", "agent_stream", "agent_async", "agent_async_stream"), 3),
            **_each(("agent_anthropic", "agent_anthropic_stream", "agent_responses", "agent_responses_stream"), 3),
            **_each(("parallel_tools", "branches"), 5),
        },
    ),
    Framework(
        "pydantic_ai",
        "Pydantic-AI",
        NEWEST,
        ("pydantic-ai-slim", "openai", "anthropic"),
        "agents with a tool; an agent that asks another one three times at once",
        {
            **_each(("chat", "chat_stream", "responses", "responses_stream", "messages", "messages_stream"), 2),
            "delegated": 8,
        },
    ),
    Framework(
        "openai_agents",
        "OpenAI Agents SDK",
        NEWEST,
        ("openai-agents", "openai"),
        "agents with a tool; a hand-over to another agent; an agent that asks another one three times at once",
        {
            "tool_sync": 2,
            **{f"tool{end}": 2 for end in _BOTH},
            **{f"handoff{end}": 3 for end in _BOTH},
            **{f"consulted{end}": 8 for end in _BOTH},
        },
    ),
    Framework(
        "llama_index",
        "LlamaIndex",
        BEHIND,
        ("llama-index-core", "llama-index-llms-openai", "llama-index-llms-anthropic", "openai"),
        "models by themselves; an index, asked; agents with a tool; a hand-over to an agent of another provider",
        {
            **_each(("chat", "chat_stream", "responses", "responses_stream", "messages", "messages_stream"), 1),
            **_each(("agent", "agent_stream", "agent_responses", "agent_anthropic", "agent_anthropic_stream"), 2),
            **_each(("handoff", "index"), 3),
        },
    ),
    Framework(
        "crewai",
        "CrewAI",
        BEHIND,
        ("crewai", "openai"),
        "models by themselves; crews of one agent with a tool, and of two",
        {
            **_each(("model", "model_stream"), 1),
            **_each(("tool", "tool_stream", "tool_anthropic", "tool_anthropic_stream"), 2),
            "two_agents": 3,
        },
    ),
)
