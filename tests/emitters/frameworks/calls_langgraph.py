"""LangChain and LangGraph: chains, agents with tools, tools that ask models themselves, branches side by side."""

from __future__ import annotations

import operator
import sys
from typing import Annotated, Any, TypedDict

import otel_cost_instrumentation
from tests.emitters.frameworks import harness

harness.watch_connections()
otel_cost_instrumentation.activate()

from langchain.agents import create_agent  # noqa: E402
from langchain_anthropic import ChatAnthropic  # noqa: E402
from langchain_core.prompts import ChatPromptTemplate  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402
from langgraph.graph import END, START, StateGraph  # noqa: E402
from langgraph.types import Send  # noqa: E402

QUESTION = {"messages": [{"role": "user", "content": "What is the weather?"}]}


def _openai(url: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model="gpt-4o", base_url=f"{url}/v1", api_key="none", max_retries=0, **more)


def _anthropic(url: str, **more: Any) -> ChatAnthropic:
    return ChatAnthropic(model="claude-sonnet-4-5", base_url=url, api_key="none", max_retries=0, **more)


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}"


@tool
def forecast(city: str) -> str:
    """The weather of tomorrow in a city."""
    return f"Sun in {city}"


def _agent(model: Any) -> Any:
    return create_agent(model, [weather, forecast], system_prompt="You know the weather.")


def chain(url: str) -> None:
    (ChatPromptTemplate.from_template("Tell of {what}") | _openai(url)).invoke({"what": "rain"})


def chain_stream(url: str) -> None:
    list((ChatPromptTemplate.from_template("Tell of {what}") | _openai(url)).stream({"what": "rain"}))


def batch(url: str) -> None:
    _openai(url).batch(["rain"] * 8)


def vectors(url: str) -> None:
    # Without its tokenizer, which would be fetched.
    OpenAIEmbeddings(
        model="text-embedding-3-small", base_url=f"{url}/v1", api_key="none", check_embedding_ctx_length=False
    ).embed_documents(["rain", "sun"])


def responses(url: str) -> None:
    _agent(_openai(url, use_responses_api=True)).invoke(QUESTION)


def responses_stream(url: str) -> None:
    list(_agent(_openai(url, use_responses_api=True)).stream(QUESTION, stream_mode="messages"))


async def _astream(agent: Any) -> None:
    async for _ in agent.astream(QUESTION, stream_mode="messages"):
        pass


def parallel_tools(url: str) -> None:
    """The model calls one tool three times at once, and each asks a smaller model, side by side."""
    small = ChatOpenAI(model="gpt-4o-mini", base_url=f"{url}/v1", api_key="none", max_retries=0)

    @tool
    def summary(city: str) -> str:
        """A summary of a city."""
        return str(small.invoke(f"Sum up {city}").content)

    question = {"messages": [{"role": "user", "content": "Sum up, parallel:3"}]}
    create_agent(_openai(url), [summary]).invoke(question)


class _State(TypedDict):
    said: Annotated[list[str], operator.add]


def branches(url: str) -> None:
    """Four branches of a graph at once, then one node more, on both providers."""

    def ask(state: dict[str, Any]) -> dict[str, list[str]]:
        return {"said": [str(_openai(url).invoke(state["topic"]).content)]}

    def gather(state: _State) -> dict[str, list[str]]:
        return {"said": [str(_anthropic(url).invoke(" ".join(state["said"])).content)]}

    graph = StateGraph(_State)
    graph.add_node("ask", ask)
    graph.add_node("gather", gather)
    graph.add_conditional_edges(START, lambda _: [Send("ask", {"topic": "rain"}) for _ in range(4)], ["ask"])
    graph.add_edge("ask", "gather")
    graph.add_edge("gather", END)
    graph.compile().invoke({"said": []})


WAYS = {
    "chain": chain,
    "chain_stream": chain_stream,
    "batch": batch,
    "vectors": vectors,
    "agent": lambda url: _agent(_openai(url)).invoke(QUESTION),
    "agent_stream": lambda url: list(_agent(_openai(url)).stream(QUESTION, stream_mode="messages")),
    "agent_async": lambda url: harness.finish(_agent(_openai(url)).ainvoke(QUESTION)),
    "agent_async_stream": lambda url: harness.finish(_astream(_agent(_openai(url)))),
    "agent_anthropic": lambda url: _agent(_anthropic(url)).invoke(QUESTION),
    "agent_anthropic_stream": lambda url: list(_agent(_anthropic(url)).stream(QUESTION, stream_mode="messages")),
    "agent_responses": responses,
    "agent_responses_stream": responses_stream,
    "parallel_tools": parallel_tools,
    "branches": branches,
}

if __name__ == "__main__":
    sys.exit(harness.run(WAYS, ("langchain", "langgraph", "langchain-openai", "langchain-anthropic")))
