"""Asking for the usage of an OpenAI-format stream (``stream_options.include_usage``), where the host will understand.

A server that does not know the option may refuse the whole request, so only hosts whose reference documents it are
asked, and those that the settings name. Never a loopback address by itself: a model server or a sidecar listens there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost import runtime
from otel_cost_instrumentation._address import provider_of
from otel_cost_instrumentation._enclosing import enclosing
from otel_cost_instrumentation._read import field, text
from otel_cost_instrumentation._request import Arguments
from otel_cost_instrumentation._stainless import Post

AZURE: Final = "azure.ai.openai"
_DOCUMENT_IT: Final = frozenset({"openai", AZURE, "groq", "deepseek", "x_ai", "huggingface"})
"""Providers whose reference documents the option. The others either send usage unasked (OpenRouter, Together) or may
refuse an option that they do not know."""
_AZURE_KNOWS_SINCE: Final = "2024-09-01"
"""First Azure API version with ``stream_options``; earlier ones answer 400 ("Unknown parameter"), as do requests with
``data_sources`` in any version."""


def may_ask(client: object, post: Post, hosts: Mapping[str, str], arguments: Arguments) -> bool:
    """Whether to ask: the app did not, the host knows how, and the app reads the stream through the SDK, so that the
    extra chunk can be kept from it. ``hosts``: host, or domain from the dot on, to provider."""
    provider = provider_of(post.address, hosts, "")
    if _reads_the_wire(post) or not (provider in _DOCUMENT_IT or _named(post.address)):
        return False
    extra = field(arguments.get("options"), "extra_json")
    for body in (post.body, extra):
        if field(body, "stream_options", "include_usage") is True or field(body, "data_sources") is not None:
            return False
    if field(extra, "stream_options") is not None:
        return False
    version = text(field(client, "default_query"), "api-version")
    return provider != AZURE or not version or version[:10] >= _AZURE_KNOWS_SINCE


def _reads_the_wire(post: Post) -> bool:
    """Whether the app gets the raw response, and not a library that it called."""
    around = enclosing()
    return post.raw and not (around is not None and around.parses_raw)


def _named(address: str) -> bool:
    """Whether the settings name the host, or a domain that it is in."""
    current = runtime.current()
    named = () if current is None else current.config.stream_usage_hosts
    return any(
        address == host or (host[:1] == "." and address.endswith(host)) for host in (name.lower() for name in named)
    )


def with_usage(arguments: Arguments, body: Mapping[str, object]) -> Arguments:
    """The arguments with the question added, to copies: the app's own body stays as it is."""
    theirs = body.get("stream_options")
    options = {**theirs, "include_usage": True} if isinstance(theirs, Mapping) else {"include_usage": True}
    return {**arguments, "body": {**body, "stream_options": options}}
