"""LlamaIndex: models by themselves, an index that is asked, agents with tools, agents that hand over."""

from __future__ import annotations

import sys
from typing import Any

import otel_cost_instrumentation
from tests.emitters.frameworks import harness

harness.watch_connections()
otel_cost_instrumentation.activate()

from llama_index.core import Document, VectorStoreIndex  # noqa: E402
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent  # noqa: E402
from llama_index.core.llms import ChatMessage  # noqa: E402
from llama_index.embeddings.openai import OpenAIEmbedding  # noqa: E402
from llama_index.llms.anthropic import Anthropic  # noqa: E402
from llama_index.llms.openai import OpenAI, OpenAIResponses  # noqa: E402

QUESTION = [ChatMessage(role="user", content="What is the weather?")]


def _chat(url: str, model: str = "gpt-4o") -> Any:
    return OpenAI(model=model, api_base=f"{url}/v1", api_key="none", max_retries=0)


def _responses(url: str, model: str = "gpt-4o") -> Any:
    return OpenAIResponses(model=model, api_base=f"{url}/v1", api_key="none", max_retries=0)


def _messages(url: str, model: str = "claude-sonnet-4-5") -> Any:
    return Anthropic(model=model, base_url=url, api_key="none", max_retries=0)


def weather(city: str) -> str:
    """The weather in a city."""
    return f"Rain in {city}"


def whole(model: Any) -> Any:
    return lambda url: model(url).chat(QUESTION)


def streamed(model: Any) -> Any:
    return lambda url: list(model(url).stream_chat(QUESTION))


def agent(model: Any, *, streaming: bool) -> Any:
    async def ask(url: str) -> None:
        await FunctionAgent(tools=[weather], llm=model(url), streaming=streaming).run("What is the weather?")

    return lambda url: harness.finish(ask(url))


async def _handing_over(url: str) -> None:
    """A cheap agent hands over to one that has a tool, on another provider."""
    desk = FunctionAgent(
        name="Desk", description="Takes questions", llm=_chat(url, "gpt-4o-mini"), can_handoff_to=["Expert"]
    )
    expert = FunctionAgent(name="Expert", description="Knows the weather", llm=_messages(url), tools=[weather])
    await AgentWorkflow(agents=[desk, expert], root_agent="Desk").run("What is the weather?")


def index(url: str) -> None:
    """Vectors of documents and of a question, and an answer from them."""
    vectors = OpenAIEmbedding(model="text-embedding-3-small", api_base=f"{url}/v1", api_key="none", max_retries=0)
    made = VectorStoreIndex.from_documents(
        [Document(text="It rains."), Document(text="It pours.")], embed_model=vectors
    )
    made.as_query_engine(llm=_chat(url)).query("Does it rain?")


WAYS = {
    "chat": whole(_chat),
    "chat_stream": streamed(_chat),
    "responses": whole(_responses),
    "responses_stream": streamed(_responses),
    "messages": whole(_messages),
    "messages_stream": streamed(_messages),
    "agent": agent(_chat, streaming=False),
    "agent_stream": agent(_chat, streaming=True),
    "agent_responses": agent(_responses, streaming=False),
    "agent_anthropic": agent(_messages, streaming=False),
    "agent_anthropic_stream": agent(_messages, streaming=True),
    "handoff": lambda url: harness.finish(_handing_over(url)),
    "index": index,
}
PACKAGES = (
    "llama-index-core",
    "llama-index-llms-openai",
    "llama-index-llms-anthropic",
    "llama-index-embeddings-openai",
)

if __name__ == "__main__":
    sys.exit(harness.run(WAYS, PACKAGES))
