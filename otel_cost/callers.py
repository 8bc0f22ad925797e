"""Who called the app: route, client address and a keyed hash of the caller's token, put around a request by middleware.

Like labels they live in a private value of the OpenTelemetry context. The token itself is never kept: its hash
(HMAC-SHA256 under a key of the app's own) says which calls came from one caller, and nobody without the key can look a
token up by it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

from opentelemetry import context
from opentelemetry.context import Context

from otel_cost import labelling, semconv
from otel_cost.config import Config
from otel_cost.context_blocks import ContextBlock

_KEY: Final = context.create_key("otel-cost-caller")
_HASH_LENGTH: Final = 32
"""Hexadecimal digits: 128 bits, beyond any chance that two tokens share them."""
_MAX_LENGTH: Final = 256


class Incoming(NamedTuple):
    """One inbound request. ``route`` is asked for when a call ends: frameworks choose it after middleware has run."""

    route: Callable[[], str]
    address: str
    token_hash: str


class around(ContextBlock):
    """A request's calls: its caller, and the labels that the settings take from its headers.

    Args:
        config: ``caller`` says what is kept, ``labels.headers`` which headers are labels.
        headers: By lower-case name.
        address: The peer's address.
        route: The route's template (``/users/{id}``), never the path: paths hold ids without end.
    """

    def __init__(self, config: Config, headers: Mapping[str, str], address: str, route: Callable[[], str]) -> None:
        settings = config.caller
        token = next((headers[name] for name in settings.token_headers if headers.get(name)), "")
        self._incoming = Incoming(
            route, address if settings.address else "", token_hash(token, settings.hash_key) if token else ""
        )
        self._labels = {
            label: value for header, label in config.labels.headers.items() if (value := headers.get(header.lower()))
        }

    def changed(self) -> Context:
        changed = labelling.labels.of(self._labels).changed() if self._labels else context.get_current()
        return context.set_value(_KEY, self._incoming, changed)

    def fresh(self) -> around:
        return self


def token_hash(token: str, key: str) -> str:
    """The keyed hash of a token, without its scheme (``Bearer``); empty without a key, as a hash that anybody can make
    is no secret."""
    if not key:
        return ""
    secret = token.rpartition(" ")[2]
    return hmac.new(key.encode(), secret.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()[:_HASH_LENGTH]


def attributes_in(where: Context | None) -> dict[str, object]:
    """What is known of the caller in the context ``where``, as span attributes."""
    incoming = cast("Incoming | None", context.get_value(_KEY, where))
    if incoming is None:
        return {}
    told = (
        (semconv.CALLER_ROUTE, incoming.route()),
        (semconv.CALLER_ADDRESS, incoming.address),
        (semconv.CALLER_TOKEN_HASH, incoming.token_hash),
    )
    return {name: value[:_MAX_LENGTH] for name, value in told if value}
