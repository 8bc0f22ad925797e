"""``litellm`` (1.80 and later): completion, responses, embedding, image_generation, also asynchronous, and its Router,
which calls these.

The public functions are what all calls have in common: under them LiteLLM asks some providers through their SDKs
and others by itself, in ways that change with each release. Retries and fallbacks of the Router, and fallbacks of a
call, are calls of these functions, and each has its span; a try that LiteLLM repeats by itself had no answer, and no
bill. Where it uses an SDK that is instrumented, that one's span is the inner of two: the inner counts, and the outer is
the wrapper.

Its counts are OpenAI's and include cached tokens for every provider. In a stream they are those of the provider, which
a chunk hides when the app did not ask; where the provider did not tell, LiteLLM's own guess is left alone. An answer
from LiteLLM's cache cost nothing; mock answers are no calls. Text completions and sound are read only where an SDK
under LiteLLM is instrumented.

Sources: the sources and types of ``litellm`` 1.106.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple, cast

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _hosts
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._address import Server, host_and_port, server_at
from otel_cost_instrumentation._ask_usage import AZURE
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint
from otel_cost_instrumentation._openai_answers import chat, embeddings, response
from otel_cost_instrumentation._openai_media import images
from otel_cost_instrumentation._openai_streams import ChatReader, ResponseReader
from otel_cost_instrumentation._read import Attributes, Names, count, field, items, parts, text
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._unread import UnreadStream

_PROVIDERS: Final[Mapping[str, str]] = {
    "azure": AZURE,
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "codestral": "mistral_ai",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "ollama_chat": "ollama",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""LiteLLM's name of a provider to the conventional one, where they differ."""

# --- what goes in -----------------------------------------------------------------------------------------------------


class _Function(NamedTuple):
    """One of LiteLLM's functions; ``positional``: names of its first arguments."""

    name: str
    endpoint: Endpoint
    positional: tuple[str, ...]


_DRAWN_BY: Final = "dall-e-2"
"""The model of an image where the app names none."""
_INSIDE: Final = ("acompletion", "aembedding", "aresponses", "aimg_generation")
"""Set where an asynchronous function calls the synchronous one for its coroutine."""
_MOCKED: Final = ("mock_response", "mock_tool_calls")


def _read(module: object, args: tuple[object, ...], kwargs: Arguments, *, function: _Function) -> Request | None:
    body = dict(zip(function.positional, args, strict=False)) | dict(kwargs)
    if any(body.get(name) is True for name in _INSIDE) or any(body.get(name) for name in _MOCKED):
        return None
    model, server = _route(body)
    request = function.endpoint.request(server, body, kwargs, model=model, stream=body.get("stream") is True)
    return request._replace(parses_raw=True)


def _route(body: dict[str, object]) -> tuple[str, Server]:
    """The model without LiteLLM's prefix, and who is asked, as LiteLLM itself finds it."""
    base = text(body, "api_base") or text(body, "base_url")
    named: Any = sys.modules["litellm"].get_llm_provider(
        model=body.get("model") or _DRAWN_BY, custom_llm_provider=body.get("custom_llm_provider"), api_base=base or None
    )
    model, name, _, known_base = cast("tuple[str, str, object, str | None]", named)
    if name == "openai" and base:
        return model, server_at(base, _hosts.OPENAI, "openai")
    return model, Server(_PROVIDERS.get(name, name), *host_and_port(base or known_base or ""))


# --- what comes out ---------------------------------------------------------------------------------------------------

_IN_INPUT: Final[Names] = {semconv.USAGE_CACHE_WRITE: "cache_creation_tokens"}
_WRITTEN_FOR: Final[Names] = {
    semconv.ANTHROPIC_CACHE_5M: "ephemeral_5m_input_tokens",
    semconv.ANTHROPIC_CACHE_1H: "ephemeral_1h_input_tokens",
}
_TOOLS: Final[Names] = {semconv.UNIT_PREFIX + "web_searches": "web_search_requests"}
_FREE: Final[Attributes] = {semconv.USAGE_INPUT_TOKENS: 0, semconv.USAGE_OUTPUT_TOKENS: 0}


def _extra(usage: object) -> Attributes:
    """What LiteLLM's usage has beside the fields that it shares with OpenAI's."""
    details = field(usage, "prompt_tokens_details")
    found = parts(details, _IN_INPUT) | parts(field(details, "cache_creation_token_details"), _WRITTEN_FOR)
    return found | parts(field(usage, "server_tool_use"), _TOOLS)


def _where(answer: object) -> Attributes:
    """The host that was asked, where the arguments did not say."""
    address, port = host_and_port(text(answer, "_hidden_params", "api_base"))
    return {semconv.SERVER_ADDRESS: address, semconv.SERVER_PORT: port} if address else {}


def completion(answer: object) -> Attributes:
    if field(answer, "_hidden_params", "cache_hit") is True:
        return dict(_FREE)
    return chat(answer) | _extra(field(answer, "usage")) | _where(answer)


def responded(answer: object) -> Attributes:
    if field(answer, "_hidden_params", "cache_hit") is True:
        return dict(_FREE)
    return response(answer) | _where(answer)


def drawn(answer: object) -> Attributes:
    """Pictures; LiteLLM writes a usage of zeros where the provider told nothing."""
    if field(answer, "_hidden_params", "cache_hit") is True:
        return dict(_FREE)
    usage = field(answer, "usage")
    told = count(usage, "input_tokens") or count(usage, "output_tokens")
    return images(answer if told else {"data": items(answer, "data")}) | _where(answer)


def embedding(answer: object) -> Attributes:
    if field(answer, "_hidden_params", "cache_hit") is True:
        return dict(_FREE)
    return embeddings(answer) | _where(answer)


class CompletionReader(ChatReader):
    """Chunks of a completion. Usage that the app did not ask for is hidden in the last one."""

    def __init__(self, heard: Text) -> None:
        super().__init__(heard)
        self._told: Attributes = {}

    @property
    def final(self) -> bool:
        return super().final or bool(self._told)

    def read(self, chunk: object) -> bool:
        hidden, usage = field(chunk, "_hidden_params"), field(chunk, "usage")
        if text(hidden, "custom_llm_provider") == "cached_response":
            self._told = dict(_FREE)
        elif usage is None:
            usage = field(hidden, "usage")
        # LiteLLM writes zeros where the provider told nothing.
        if not self._told and (count(usage, "prompt_tokens") or count(usage, "completion_tokens")):
            self._told = chat({"usage": usage}) | _extra(usage)
        return super().read(chunk)

    def attributes(self) -> Attributes:
        return super().attributes() | self._told


# --- what is wrapped --------------------------------------------------------------------------------------------------

_CHAT: Final = Endpoint(
    semconv.OP_CHAT,
    completion,
    CompletionReader,
    written.chat,
    inputs=("messages", "response_format"),
    limits=("max_completion_tokens", "max_tokens"),
)
_EMBED: Final = Endpoint(semconv.OP_EMBEDDINGS, embedding, UnreadStream, written.embeddings, inputs=("input",))
_RESPOND: Final = Endpoint(
    semconv.OP_CHAT,
    responded,
    partial(ResponseReader, read_answer=responded),
    written.response,
    inputs=("input", "instructions", "text"),
    unseen=("previous_response_id", "conversation", "prompt"),
    limits=("max_output_tokens",),
)
_DRAW: Final = Endpoint(semconv.OP_GENERATE_CONTENT, drawn, UnreadStream, written.nothing, inputs=("prompt",))
_FUNCTIONS: Final = (
    _Function("completion", _CHAT, ("model", "messages")),
    _Function("embedding", _EMBED, ("model", "input")),
    _Function("responses", _RESPOND, ("input", "model")),
    _Function("image_generation", _DRAW, ("prompt", "model")),
)

PROVIDER: Final = Provider(
    name="litellm",
    methods=tuple(
        Method("litellm", prefix + function.name, partial(_read, function=function), asynchronous=prefix == "a")
        for function in _FUNCTIONS
        for prefix in ("", "a")
    ),
)
