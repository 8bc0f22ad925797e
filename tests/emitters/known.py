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
_OURS: Final = ("ours",)
_WITH_OURS: Final = ("alone", "ours")
_MESSAGES: Final = ("messages", "messages_stream")
_SEARCHES: Final = ("messages_web_search", "messages_stream_web_search")
_FEES: Final = (
    "no attribute tells how often the provider searched the web, so the fees are missing (our instrumentors read them)"
)

KNOWN: Final = (
    Known(
        ("official", "openllmetry", "openinference", "logfire", "langfuse_openai", "openai_v2"),
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
    Known(
        ("official", "openllmetry", "openinference", "openlit", "logfire", "langfuse_openai"),
        _BOTH,
        ("responses_web_search",),
        Outcome.PART,
        _FEES,
    ),
    Known(
        ("official", "openinference", "openlit", "anthropic_sdk"),
        _BOTH,
        _SEARCHES,
        Outcome.PART,
        _FEES,
    ),
    Known(("openllmetry",), ("native",), _SEARCHES, Outcome.PART, _FEES),
    Known(
        ("openllmetry",),
        _ALONE,
        _SEARCHES,
        Outcome.ESTIMATED,
        "as other messages, and without the fees of searches, which no attribute tells",
    ),
    Known(
        ("openinference", "logfire"),
        _OURS,
        ("responses_web_search",),
        Outcome.PART,
        "its span is inside ours, so it ends first and is counted; it does not tell the searches",
    ),
    Known(
        ("openai_v2",),
        _ALONE,
        (
            *("chat", "chat_cached_and_reasoning", "chat_async", "chat_stream", "chat_stream_cached"),
            *("chat_twice", "chat_in_threads", "chat_retried"),
        ),
        Outcome.ESTIMATED,
        "openai-v2 does not tell how much of a chat's input was cached",
    ),
    Known(
        ("openai_v2",),
        _ALONE,
        ("responses", "responses_stream", "responses_web_search"),
        Outcome.UNSEEN,
        "openai-v2 does not observe responses",
    ),
    Known(
        ("litellm_otel",),
        _ALONE,
        ("chat_in_a_span",),
        Outcome.PART,
        "LiteLLM's otel callback writes on the span that it finds open, one call over another; "
        "`USE_OTEL_LITELLM_REQUEST_SPAN=true` makes it write spans of its own, and exact (chat_in_a_span_set_apart)",
    ),
    Known(
        ("botocore", "all_bedrock"),
        _ALONE,
        ("invoke", "invoke_stream"),
        Outcome.ESTIMATED,
        "botocore's span ends first, and does not tell cached tokens of InvokeModel",
    ),
    Known(
        ("openllmetry_bedrock",),
        _ALONE,
        ("invoke", "invoke_stream"),
        Outcome.ESTIMATED,
        "OpenLLMetry does not tell cached tokens of InvokeModel",
    ),
    Known(
        ("openllmetry_bedrock",),
        _ALONE,
        ("converse", "converse_in_threads"),
        Outcome.UNPRICED,
        "OpenLLMetry takes the vendor off the model's id, and who makes nova-pro-v1:0 its name does not tell (an alias "
        "in the settings does)",
    ),
    Known(
        ("openinference_bedrock",),
        _ALONE,
        ("invoke_stream",),
        Outcome.ESTIMATED,
        "OpenInference keeps only the sum of the input of a message that InvokeModel streams",
    ),
    Known(
        ("openlit_bedrock",),
        _ALONE,
        ("converse_stream", "invoke", "invoke_stream"),
        Outcome.UNSEEN,
        "OpenLIT observes Converse, and no stream of it",
    ),
    *(
        Known((emitter,), modes, (case,), Outcome.UNSEEN, "on the span of a failed call OpenLIT writes only the error")
        for emitter, modes, case in (
            ("openlit_bedrock", _ALONE, "converse_failed"),
            ("openlit_gemini", _ALONE, "generate_failed"),
            # It needs a mistralai that is older than our instrumentor reads.
            ("openlit_mistral", _WITH_OURS, "chat_failed"),
        )
    ),
    Known(
        ("openllmetry_gemini",),
        _ALONE,
        ("generate", "generate_cached_and_thinking", "generate_async", "generate_in_threads", "generate_stream"),
        Outcome.ESTIMATED,
        "OpenLLMetry does not tell thinking tokens; the output is taken from the total (here exactly)",
    ),
    Known(
        ("openinference_mistral",),
        _ALONE,
        ("embeddings",),
        Outcome.UNSEEN,
        "OpenInference's mistralai does not observe embeddings",
    ),
    Known(
        ("openllmetry_mistral",),
        _WITH_OURS,
        ("embeddings",),
        Outcome.EXTRA,
        "beside the SDK's own span, which has the counts, OpenLLMetry's has none and another id (its mistralai is "
        "older than our instrumentor reads)",
    ),
)


def known_of(emitter: str, mode: str, case: str) -> Known | None:
    """The entry for one case; None where it has to be exact."""
    for entry in KNOWN:
        if emitter in entry.emitters and mode in entry.modes and case in entry.cases:
            return entry
    return None
