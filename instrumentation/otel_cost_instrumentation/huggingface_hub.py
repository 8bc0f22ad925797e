"""The ``huggingface_hub`` SDK's inference clients (1.0 and later): chat, text generation, embeddings. Other tasks that
name a model end ``unpriced: no_usage``.

All of it goes through one private method for each kind of client, with the URL, the body and the task in hand; what it
returns are the bytes of the answer, or the lines of a stream, from which the SDK makes what the app gets.

Hugging Face's router bills what the provider behind it asks: ``huggingface_groq`` is the price list's name for one of
these. A call that leaves the choice to the router does not learn whom it chose, so it is ``huggingface``, without a
price; ``model:groq`` names one. An endpoint of one's own is billed by the hour: ``unpriced: unknown_provider`` and its
host, until ``prices.overlay`` says what a token costs.

Vectors, and text without ``details``, come without usage: these are estimated.

Sources: the types and paths of ``huggingface_hub`` 2.4; https://huggingface.co/docs/inference-providers (router,
policies, ``stream_options``); text-generation-inference's reference (``details``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, cast
from urllib.parse import SplitResult, urlsplit

from otel_cost import semconv
from otel_cost_instrumentation import _hosts
from otel_cost_instrumentation._address import Server, host_and_port, provider_of
from otel_cost_instrumentation._ask_usage import may_ask, with_usage
from otel_cost_instrumentation._base import Method, Provider
from otel_cost_instrumentation._endpoint import Endpoint
from otel_cost_instrumentation._huggingface_answers import (
    ChatLines,
    TextLines,
    chat,
    chat_text,
    generated,
    generated_text,
    vectors,
    vectors_text,
    watched_lines,
)
from otel_cost_instrumentation._read import field, text
from otel_cost_instrumentation._releases import Since
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stainless import Post
from otel_cost_instrumentation._unread import UnreadStream, unread

_ROUTER: Final = "router.huggingface.co"
_OWN: Final = "huggingface"
HOSTS: Final[Mapping[str, str]] = {**_hosts.OPENAI, _ROUTER: _OWN}
_POLICIES: Final = frozenset({"", "cheapest", "fastest", "preferred"})
"""What may follow a model's name in place of a provider's."""
_NO_MODEL: Final = frozenset({"dummy", "tgi"})
"""What is sent as a model's name to servers that have one model only."""

# --- what goes in -----------------------------------------------------------------------------------------------------

_asked: Final[ContextVar[str]] = ContextVar("otel_cost_huggingface_model", default="")
"""The model, by its name on Hugging Face, of the request that this context made ready last."""


def _note(helper: object, args: tuple[object, ...], kwargs: Arguments) -> None:
    """Remember the model that is asked for: what is sent next has the provider's own name for it, which is in no price
    list of the router's."""
    _asked.set(text(kwargs, "model"))


def _read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    told = args[0] if args else kwargs.get("request_parameters")
    address, port = host_and_port(text(told, "url"))
    if not address:
        return None
    url = urlsplit(text(told, "url"))
    given = field(told, "json")
    body = cast("dict[str, object]", given) if isinstance(given, dict) else {}
    provider, model = _behind(url, _model(url, told, body))
    stream = kwargs.get("stream") is True
    post = Post(url.path.strip("/"), {**body, "model": model}, stream, False, address, port)
    endpoint = ENDPOINTS.get(text(told, "task"))
    if endpoint is None:
        return unread(post, provider, kwargs, ())
    request = endpoint.request(Server(provider, address, port), body, kwargs, model=model, stream=stream)
    if stream and endpoint is CHAT and may_ask(client, post, HOSTS, kwargs):
        # What is sent was made by the SDK for this one call, from what the app gave.
        cast("Any", told).json = with_usage({}, body)["body"]
        request = request._replace(reader=partial(ChatLines, conceal=True))
    return request._replace(watch=watched_lines)


def _model(url: SplitResult, told: object, body: Mapping[str, object]) -> str:
    """The model's name on Hugging Face where its router is asked, else the name that is sent."""
    asked = _asked.get() if url.hostname == _ROUTER else ""
    for name in (asked, text(body, "model"), text(told, "model"), _in_path(url.path)):
        if name and name not in _NO_MODEL and not name.startswith(("http://", "https://")):
            return name
    return ""


def _in_path(path: str) -> str:
    """``organisation/name`` of a path such as ``/hf-inference/models/organisation/name/pipeline/task``."""
    model = f"{path}/".partition("/models/")[2]
    return model.partition("/pipeline/")[0].partition("/v1/")[0].strip("/")


def _behind(url: SplitResult, model: str) -> tuple[str, str]:
    """The provider, "" for an unknown one, and the model as it calls it."""
    if url.hostname != _ROUTER:
        return provider_of(url.hostname or "", HOSTS, _OWN), model
    routed = url.path.strip("/").partition("/")[0]
    if routed != "v1":
        return f"{_OWN}_{routed}", model
    name, _, chosen = model.partition(":")
    return (_OWN if chosen in _POLICIES else f"{_OWN}_{chosen}"), name


# --- what is wrapped --------------------------------------------------------------------------------------------------

CHAT: Final = Endpoint(
    semconv.OP_CHAT,
    chat,
    ChatLines,
    chat_text,
    inputs=("messages", "response_format"),
    limits=("max_tokens", "max_completion_tokens"),
)
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "conversational": CHAT,
    "text-generation": Endpoint(
        semconv.OP_TEXT_COMPLETION,
        generated,
        TextLines,
        generated_text,
        inputs=("inputs", "prompt"),
        settings=("parameters",),
        limits=("max_new_tokens", "max_tokens"),
    ),
    "feature-extraction": Endpoint(
        semconv.OP_EMBEDDINGS, vectors, UnreadStream, vectors_text, inputs=("inputs", "input")
    ),
}
"""By the SDK's names of tasks."""

PROVIDER: Final = Provider(
    name="huggingface_hub",
    methods=(
        Method("huggingface_hub.inference._providers._common", "TaskProviderHelper.prepare_request", _note),
        Method("huggingface_hub.inference._client", "InferenceClient._inner_post", _read),
        Method(
            "huggingface_hub.inference._generated._async_client",
            "AsyncInferenceClient._inner_post",
            _read,
            asynchronous=True,
        ),
    ),
    # Before, lines of a stream were bytes. The rest of the package is in many apps that ask no model.
    since=Since("huggingface_hub", "1.0", "huggingface_hub.inference._client"),
)
