"""Where the outcome is not exact: which, and why. A test fails when an entry is missing, and when it is not needed."""

from __future__ import annotations

from typing import Final, NamedTuple

from tests.emitters.running import Outcome


class Known(NamedTuple):
    """Cases of some emitters, in some modes, whose outcome is not exact.

    Attributes:
        cases: Names of cases.
        why: For the docs: what the emitter does or leaves out.
    """

    emitters: tuple[str, ...]
    modes: tuple[str, ...]
    cases: tuple[str, ...]
    outcome: Outcome
    why: str

    @property
    def silent(self) -> bool:
        """Whether the emitter writes no span at all."""
        return self.outcome is Outcome.UNSEEN


_ALONE: Final = ("alone",)
_BOTH: Final = ("alone", "native")
_ALL: Final = ("alone", "native", "ours")
_MESSAGES: Final = ("messages", "messages_stream")

KNOWN: Final = (
    Known(
        ("official", "openllmetry", "openinference", "logfire", "langfuse_openai"),
        _BOTH,
        ("chat_stream_without_usage",),
        Outcome.UNPRICED,
        "nobody asked the provider for the usage of the stream, so the span has no counts (our instrumentor asks)",
    ),
    Known(
        ("openlit",),
        _ALONE,
        ("chat_stream_without_usage",),
        Outcome.ESTIMATED,
        "OpenLIT takes half a token for each character where nobody asked for the usage of the stream",
    ),
    Known(
        ("openllmetry",),
        _ALONE,
        (*_MESSAGES, "messages_cached", "messages_async", "messages_stream_helper", "messages_twice"),
        Outcome.ESTIMATED,
        "OpenLLMetry adds the placeholder in a stream's first event to its output, and does not always say that a "
        "message was streamed; a whole message is exact all the same",
    ),
    Known(
        ("openllmetry_langchain",),
        _ALONE,
        _MESSAGES,
        Outcome.ESTIMATED,
        "OpenLLMetry's LangChain handler loses what was written to the cache; inside it, its anthropic one is silent",
    ),
    Known(
        ("openinference_langchain",),
        _ALL,
        ("messages_stream",),
        Outcome.EXTRA,
        "OpenInference's anthropic span of LangChain's stream ends without counts, in a trace of its own",
    ),
    Known(
        ("openinference_langchain",),
        _ALL,
        ("chat_failed",),
        Outcome.EXTRA,
        "the failed call is in two traces, without counts or an id to know it by: each says failed, at 0",
    ),
    Known(
        ("openllmetry_langchain", "litellm_otel", "litellm_otel_v2", "langfuse_openai"),
        ("ours",),
        ("chat_failed",),
        Outcome.EXTRA,
        "the failed call is in two traces, without counts or an id to know it by: each says failed, at 0",
    ),
    Known(
        ("openlit_langchain",),
        _ALONE,
        ("chat_async", "chat_parallel"),
        Outcome.UNSEEN,
        "OpenLIT writes no span for LangChain's asynchronous calls",
    ),
    Known(
        ("openlit_langchain",),
        _ALONE,
        ("chat_stream",),
        Outcome.ESTIMATED,
        "OpenLIT's LangChain handler does not say whether it estimated the counts of a stream (here it did not)",
    ),
    Known(
        ("openlit_langchain",),
        _ALONE,
        ("messages",),
        Outcome.ESTIMATED,
        "OpenLIT's LangChain handler loses the cache counts of Anthropic's messages",
    ),
    Known(
        ("openlit_langchain",),
        _ALONE,
        ("messages_stream",),
        Outcome.UNPRICED,
        'OpenLIT gives the model of LangChain\'s stream as "anthropic"',
    ),
    Known(
        ("langfuse_openai",),
        _ALONE,
        ("embeddings",),
        Outcome.UNPRICED,
        "Langfuse names no provider, and who sells text-embedding-3-small its name does not tell",
    ),
)


def known_of(emitter: str, mode: str, case: str) -> Known | None:
    """The entry for one case; None where it has to be exact."""
    for entry in KNOWN:
        if emitter in entry.emitters and mode in entry.modes and case in entry.cases:
            return entry
    return None
