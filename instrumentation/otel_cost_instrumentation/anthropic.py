"""The ``anthropic`` SDK: messages, also through its clients for Bedrock, Vertex and Foundry.

Anthropic's ``input_tokens`` leaves out what was read from and written to the cache; the convention's includes it. From
1.17 on the SDK traces itself, in ``request``, which ``post`` calls: its span starts after our guard, is current inside
``_request`` and ends before that returns. There it is claimed and written to; without it (switched off, or an older
SDK) a span of ours is opened at the same place.

Supported from 0.47.2 on, tested with that and 2.12. (Before, the stream helper reads past the stream that it was given,
and is estimated.) Clients keep their methods, so they have to be made after otel-cost is active. Batches are charged
when their results are read. How long code ran that Anthropic runs, which is billed beyond the free hours, no answer
tells: that fee is not in the charge.

Sources: the types and the tracing of ``anthropic`` 2.12; Anthropic's documentation of compaction for the rule that all
``usage.iterations`` are billed.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _hosts
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._address import Server
from otel_cost_instrumentation._base import Inside, Method, Provider
from otel_cost_instrumentation._downloads import Download, Result, json_lines
from otel_cost_instrumentation._endpoint import Endpoint
from otel_cost_instrumentation._read import (
    Attributes,
    Names,
    count,
    field,
    items,
    parts,
    text,
    texts,
)
from otel_cost_instrumentation._request import Arguments, Request
from otel_cost_instrumentation._stainless import read_get, read_post
from otel_cost_instrumentation._unread import unread

_INPUTS: Final = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_MESSAGES: Final = "v1/messages"
_FREE: Final = frozenset(
    {
        "v1/messages/count_tokens",
        "v1/messages/batches",
        *("v1/" + path for path in ("agents", "deployments", "environments", "files", "models", "organizations")),
        *("v1/" + path for path in ("sessions", "skills", "user_profiles", "vaults")),
    }
)
"""Free, or set up something that is billed elsewhere."""
_HEAD: Final[Names] = {semconv.RESPONSE_ID: "id", semconv.RESPONSE_MODEL: "model"}


def _read(client: object, args: tuple[object, ...], kwargs: Arguments) -> Request | None:
    post = read_post(client, args, kwargs)
    if post is None:
        return None
    provider = _hosts.behind(client, post.address, _hosts.ANTHROPIC, "anthropic")
    if post.path != _MESSAGES:
        return unread(post, provider, kwargs, _FREE)
    server = Server(provider, post.address, post.port)
    return MESSAGES.request(server, post.body, kwargs, model=text(post.body, "model"), stream=post.stream)


_RESULTS: Final = re.compile(r"v1/messages/batches/([^/]+)/results")


def _read_results(client: object, args: tuple[object, ...], kwargs: Arguments) -> Download | None:
    got = read_get(client, args, kwargs)
    found = None if got is None else _RESULTS.search(got.path)
    if got is None or found is None:
        return None
    return Download(
        provider=_hosts.behind(client, got.address, _hosts.ANTHROPIC, "anthropic"),
        address=got.address,
        port=got.port,
        lines=json_lines,
        result=partial(_result, found[1]),
    )


def _result(batch: str, line: object) -> Result | None:
    """One line of a batch's results. Requests that failed, were cancelled or expired are not billed."""
    answer = field(line, "result", "message")
    if text(line, "result", "type") != "succeeded" or answer is None:
        return None
    return Result(f"{batch}/{text(line, 'custom_id')}", semconv.OP_CHAT, message(answer))


def message(answer: object) -> Attributes:
    found = texts(answer, _HEAD)
    reason = text(answer, "stop_reason")
    if reason:
        found[semconv.RESPONSE_FINISH_REASONS] = [reason]
    usage = field(answer, "usage")
    if usage is not None:
        found.update(message_usage({name: field(usage, name) for name in _USAGE}))
    return found


_USAGE: Final = (
    *_INPUTS,
    "output_tokens",
    "output_tokens_details",
    "cache_creation",
    "server_tool_use",
    "service_tier",
    "speed",
    "iterations",
)
"""The fields of a usage that are read."""


def message_usage(usage: dict[str, object]) -> Attributes:
    """Usage of a message, by field. Where it lists its iterations and they come to more, they are what is billed:
    compaction is left out of the totals. Iterations of another model are priced like the answer's, as one span has
    one model."""
    listed = items(usage, "iterations")
    billed: list[object] = [usage]
    more = _total(listed, *_INPUTS, "output_tokens") - _total(billed, *_INPUTS, "output_tokens")
    if listed and more >= 0:
        billed = listed
    found: Attributes = {}
    if count(usage, "input_tokens") is not None:
        found[semconv.USAGE_INPUT_TOKENS] = _total(billed, *_INPUTS)
    if count(usage, "output_tokens") is not None:
        found[semconv.USAGE_OUTPUT_TOKENS] = _total(billed, "output_tokens")
    split = [field(entry, "cache_creation") for entry in billed]
    of_the_input = {
        semconv.USAGE_CACHE_READ: _total(billed, "cache_read_input_tokens"),
        semconv.USAGE_CACHE_WRITE: _total(billed, "cache_creation_input_tokens"),
        semconv.ANTHROPIC_CACHE_5M: _total(split, "ephemeral_5m_input_tokens"),
        semconv.ANTHROPIC_CACHE_1H: _total(split, "ephemeral_1h_input_tokens"),
    }
    found.update({name: number for name, number in of_the_input.items() if number})
    if listed and more > 0:
        # The SDK (and whoever else wrote the span) puts the smaller totals over these when it ends the span.
        found.update({semconv.UNIT_PREFIX + unit: found[name] for name, unit in _SUMMED.items() if name in found})
    found.update(parts(usage.get("output_tokens_details"), _THINKING))
    found.update(parts(usage.get("server_tool_use"), _SEARCHES))
    found.update(texts(usage, _TIER))
    if text(usage, "speed") == _FAST:
        found[semconv.SERVICE_TIER] = _FAST
    return found


_SUMMED: Final[Names] = {
    semconv.USAGE_INPUT_TOKENS: "input_tokens",
    semconv.USAGE_OUTPUT_TOKENS: "output_tokens",
    semconv.USAGE_CACHE_READ: "cache_read_tokens",
    semconv.USAGE_CACHE_WRITE: "cache_write_tokens",
    semconv.ANTHROPIC_CACHE_5M: "cache_write_5m_tokens",
    semconv.ANTHROPIC_CACHE_1H: "cache_write_1h_tokens",
}
"""Attribute to unit, of what is summed over iterations."""
_THINKING: Final[Names] = {semconv.USAGE_REASONING: "thinking_tokens"}
_SEARCHES: Final[Names] = {semconv.UNIT_PREFIX + "web_searches": "web_search_requests"}
_TIER: Final[Names] = {semconv.ANTHROPIC_RESPONSE_SERVICE_TIER: "service_tier"}
_FAST: Final = "fast"
"""A speed with a price of its own; ``service_tier`` stays "standard" beside it, also on the SDK's own span."""


def _total(entries: list[object], *names: str) -> int:
    return sum(count(entry, name) or 0 for entry in entries for name in names)


class MessageReader:
    """Events of a streamed message. ``message_start`` tells the input and a placeholder for the output;
    ``message_delta`` tells the totals, leaving out what did not change."""

    def __init__(self, heard: Text) -> None:
        self._heard = heard
        self._known: Attributes = {}
        self._usage: dict[str, object] = {}
        self.final = False

    def read(self, event: object) -> bool:
        kind = text(event, "type")
        if kind == "content_block_delta":
            delta = field(event, "delta")
            for name in ("text", "partial_json", "thinking"):
                self._heard.add(text(delta, name))
        elif kind == "message_start":
            self._known = texts(field(event, "message"), _HEAD)
            self._take(field(event, "message", "usage"))
        elif kind == "message_delta":
            reason = text(event, "delta", "stop_reason")
            if reason:
                self._known[semconv.RESPONSE_FINISH_REASONS] = [reason]
            self.final = self._take(field(event, "usage")) or self.final
        return True

    def _take(self, usage: object) -> bool:
        told = {name: value for name in _USAGE if (value := field(usage, name)) is not None}
        self._usage.update(told)
        return bool(told)

    def attributes(self) -> Attributes:
        return self._known | message_usage(self._usage)


MESSAGES: Final = Endpoint(
    semconv.OP_CHAT,
    message,
    MessageReader,
    written.message,
    inputs=("messages", "system"),
    unseen=("mcp_servers",),
    strings={},
    limits=("max_tokens",),
    choices=(),
)
_OWN_SPAN: Final = Inside(send="_request", answer="_process_response")
PROVIDER: Final = Provider(
    name="anthropic",
    methods=(
        Method(module="anthropic._base_client", name="SyncAPIClient.post", read=_read, inside=_OWN_SPAN),
        Method(
            module="anthropic._base_client",
            name="AsyncAPIClient.post",
            read=_read,
            asynchronous=True,
            inside=_OWN_SPAN,
        ),
        Method(module="anthropic._base_client", name="SyncAPIClient.get", read=_read_results),
        Method(module="anthropic._base_client", name="AsyncAPIClient.get", read=_read_results, asynchronous=True),
    ),
)
