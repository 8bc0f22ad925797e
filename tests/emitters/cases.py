"""What the emitters are asked to observe: shared by the script that makes the calls and the test that knows the price.

Imports nothing but the standard library, since the script runs in the emitters' environment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Case:
    """One way to call a provider.

    Attributes:
        name: Its key in the script's answer, and the name of the function in ``calls_<via>`` that makes the calls.
        provider: As genai-prices calls it.
        usage: What the stand-in answers for one call, in its own directive's words.
        calls: How many calls are billed.
        failed: Calls that end in an error without usage: known to cost nothing.
        directives: Further directives for the stand-in.
        priceless: No price exists: the status says so whoever observes.
        via: Who is asked to make the call: ``sdk`` (OpenAI's or Anthropic's), ``langchain``, ``pydantic_ai``,
            ``litellm``, ``bedrock`` (boto3), ``gemini`` (google-genai) or ``mistral`` (mistralai).
        column: Where it stands in the table of the docs.
    """

    name: str
    provider: str
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)
    calls: int = 1
    failed: int = 0
    directives: str = ""
    priceless: bool = False
    via: str = "sdk"
    column: str = "not streamed"

    @property
    def prompt(self) -> str:
        """The user message that tells the stand-in what to answer."""
        told = f"usage:{json.dumps(self.usage)} " if self.usage else ""
        return f"{told}{self.directives} please"


_PLAIN: Final = {"input": 1234, "output": 321}
_CACHED: Final = {"input": 2000, "output": 700, "cached": 1024, "reasoning": 300}
_CLAUDE: Final = {"input": 5000, "output": 111, "cached": 3000, "cache_write": 1000}
_SEARCHED: Final = {"input": 1234, "output": 321, "web_searches": 2}

_MINI: Final = ("openai", "gpt-4o-mini", _PLAIN)
_SONNET: Final = ("anthropic", "claude-sonnet-4-6", _CLAUDE)
_NOVA: Final = ("aws", "amazon.nova-pro-v1:0", _PLAIN)
_BEDROCK_SONNET: Final = ("aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", _CLAUDE)
_FLASH: Final = ("google", "gemini-2.5-flash", _PLAIN)
_MISTRAL: Final = ("mistral", "mistral-large-latest", _PLAIN)


def _by(via: str) -> tuple[Case, ...]:
    """What every framework is asked to do."""
    return (
        Case("chat", *_MINI, via=via),
        Case("chat_cached_and_reasoning", "openai", "o3-mini", _CACHED, via=via),
        Case("chat_async", "openai", "gpt-4o", _PLAIN, via=via),
        Case("chat_parallel", *_MINI, calls=8, via=via),
        Case("chat_stream", *_MINI, via=via, column="streamed"),
        Case("chat_failed", "openai", "gpt-4o-mini", calls=0, failed=1, directives="error:500", via=via),
        Case("chat_in_a_span", *_MINI, calls=3, via=via),
        Case("chat_and_direct", *_MINI, calls=4, via=via),
        Case("messages", *_SONNET, via=via),
        Case("messages_stream", *_SONNET, via=via, column="streamed"),
    )


CASES: Final = (
    Case("chat", *_MINI),
    Case("chat_cached_and_reasoning", "openai", "o3-mini", _CACHED),
    Case("chat_async", "openai", "gpt-4o", _PLAIN),
    Case("chat_stream", *_MINI, column="streamed"),
    Case("chat_stream_cached", "openai", "o3-mini", _CACHED, column="streamed"),
    Case("chat_stream_without_usage", *_MINI, column="streamed, usage not asked for"),
    Case("chat_twice", *_MINI, calls=2),
    Case("chat_in_threads", *_MINI, calls=8),
    Case("chat_retried", *_MINI, directives="error:500*1"),
    Case("chat_failed", "openai", "gpt-4o-mini", calls=0, failed=1, directives="error:500"),
    Case("chat_unknown_model", "openai", "no-such-model", _PLAIN, priceless=True),
    Case("responses", "openai", "gpt-4o", _CACHED),
    Case("responses_stream", "openai", "gpt-4o", _CACHED, column="streamed"),
    Case("responses_web_search", "openai", "gpt-4o", _SEARCHED, column="web searches"),
    Case("embeddings", "openai", "text-embedding-3-small", {"input": 4321}, column="embeddings"),
    Case("messages", "anthropic", "claude-sonnet-4-6", _PLAIN),
    Case("messages_cached", *_SONNET),
    Case("messages_async", *_SONNET),
    Case("messages_stream", *_SONNET, column="streamed"),
    Case("messages_stream_helper", *_SONNET, column="streamed"),
    Case("messages_twice", *_SONNET, calls=2),
    Case("messages_web_search", "anthropic", "claude-sonnet-4-6", _SEARCHED, column="web searches"),
    Case("messages_stream_web_search", "anthropic", "claude-sonnet-4-6", _SEARCHED, column="web searches"),
    *_by("langchain"),
    *_by("pydantic_ai"),
    *_by("litellm"),
    Case("embeddings", "openai", "text-embedding-3-small", {"input": 4321}, via="litellm", column="embeddings"),
    Case("chat_in_a_span_set_apart", *_MINI, calls=3, via="litellm"),
    Case("converse", *_NOVA, via="bedrock"),
    Case("converse_cached", *_BEDROCK_SONNET, via="bedrock"),
    Case("converse_in_threads", *_NOVA, calls=8, via="bedrock"),
    Case("converse_failed", "aws", "amazon.nova-pro-v1:0", calls=0, failed=1, directives="error:500", via="bedrock"),
    Case("converse_stream", *_BEDROCK_SONNET, via="bedrock", column="streamed"),
    Case("invoke", *_BEDROCK_SONNET, via="bedrock", column="InvokeModel"),
    Case("invoke_stream", *_BEDROCK_SONNET, via="bedrock", column="InvokeModel, streamed"),
    Case("generate", *_FLASH, via="gemini"),
    Case("generate_cached_and_thinking", "google", "gemini-2.5-flash", _CACHED, via="gemini"),
    Case("generate_async", *_FLASH, via="gemini"),
    Case("generate_in_threads", *_FLASH, calls=8, via="gemini"),
    Case("generate_failed", "google", "gemini-2.5-flash", calls=0, failed=1, directives="error:500", via="gemini"),
    Case("generate_stream", "google", "gemini-2.5-flash", _CACHED, via="gemini", column="streamed"),
    Case("chat", *_MISTRAL, via="mistral"),
    Case("chat_async", *_MISTRAL, via="mistral"),
    Case("chat_in_threads", *_MISTRAL, calls=8, via="mistral"),
    Case("chat_failed", "mistral", "mistral-large-latest", calls=0, failed=1, directives="error:500", via="mistral"),
    Case("chat_stream", *_MISTRAL, via="mistral", column="streamed"),
    Case("embeddings", "mistral", "mistral-embed", {"input": 4321}, via="mistral", column="embeddings"),
)
