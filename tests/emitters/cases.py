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
        name: Its key in the script's answer, and the name of the function there that makes the calls.
        provider: As genai-prices calls it.
        usage: What the stand-in answers for one call, in its own directive's words.
        calls: How many calls are billed.
        failed: Calls that end in an error without usage: known to cost nothing.
        directives: Further directives for the stand-in.
        unseen_by: Emitter sets that cannot see this case's usage. Alone they leave it unpriced, which is said and never
            a price of 0.
        priceless: No price exists: the status says so whoever observes.
    """

    name: str
    provider: str
    model: str
    usage: Mapping[str, int] = field(default_factory=dict)
    calls: int = 1
    failed: int = 0
    directives: str = ""
    unseen_by: tuple[str, ...] = ()
    priceless: bool = False

    @property
    def prompt(self) -> str:
        """The user message that tells the stand-in what to answer."""
        told = f"usage:{json.dumps(self.usage)} " if self.usage else ""
        return f"{told}{self.directives} please"


_PLAIN: Final = {"input": 1234, "output": 321}
_CACHED: Final = {"input": 2000, "output": 700, "cached": 1024, "reasoning": 300}
_CLAUDE: Final = {"input": 5000, "output": 111, "cached": 3000, "cache_write": 1000}

CASES: Final = (
    Case("chat", "openai", "gpt-4o-mini", _PLAIN),
    Case("chat_cached_and_reasoning", "openai", "o3-mini", _CACHED),
    Case("chat_async", "openai", "gpt-4o", _PLAIN),
    Case("chat_stream", "openai", "gpt-4o-mini", _PLAIN),
    Case("chat_stream_without_usage", "openai", "gpt-4o-mini", _PLAIN, unseen_by=("official", "openllmetry")),
    Case("chat_twice", "openai", "gpt-4o-mini", _PLAIN, calls=2),
    Case("chat_in_threads", "openai", "gpt-4o-mini", _PLAIN, calls=8),
    Case("chat_retried", "openai", "gpt-4o-mini", _PLAIN, directives="error:500*1"),
    Case("chat_failed", "openai", "gpt-4o-mini", calls=0, failed=1, directives="error:500"),
    Case("chat_unknown_model", "openai", "no-such-model", _PLAIN, priceless=True),
    Case("responses", "openai", "gpt-4o", _CACHED),
    Case("responses_stream", "openai", "gpt-4o", _PLAIN),
    Case("embeddings", "openai", "text-embedding-3-small", {"input": 4321}),
    Case("messages", "anthropic", "claude-sonnet-4-6", _PLAIN),
    Case("messages_cached", "anthropic", "claude-sonnet-4-6", _CLAUDE),
    Case("messages_async", "anthropic", "claude-sonnet-4-6", _PLAIN),
    Case("messages_stream", "anthropic", "claude-sonnet-4-6", _CLAUDE),
    Case("messages_stream_helper", "anthropic", "claude-sonnet-4-6", _PLAIN),
    Case("messages_twice", "anthropic", "claude-sonnet-4-6", _PLAIN, calls=2),
)
