"""Which dialect a span speaks, and what layer its emitter works at: scope first, attribute shape second."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.dialects.base import Emitter, Reading
from otel_cost.dialects.genai import GENAI, OFFICIAL
from otel_cost.dialects.native import ANTHROPIC_SDK
from otel_cost.dialects.reading import pick, read_span, unfolded
from otel_cost.dialects.scopes import EXACT, PREFIXES, SHAPES
from otel_cost.model import Layer

__all__ = ["CONVENTIONAL", "EVIDENCE", "Emitter", "Reading", "emitter_of", "read"]

CONVENTIONAL: Final = frozenset({GENAI.name, ANTHROPIC_SDK.name})
"""Dialects whose names and inclusion are the conventions', so that our instrumentors can write on such a span."""
EVIDENCE: Final[frozenset[str]] = frozenset({semconv.KIND}).union(*(marks for marks, _ in SHAPES))
"""Attributes any of which shows that a span may be a GenAI operation, or something else that costs."""


class _ScopeCache(dict[str, Emitter | None]):
    """Scope name to its emitter. Scopes are few; the bound is against ones made from data."""

    def __missing__(self, scope: str) -> Emitter | None:
        found = EXACT.get(scope) or next((emitter for prefix, emitter in PREFIXES if scope.startswith(prefix)), None)
        if len(self) < 10_000:
            self[scope] = found
        return found


_cache: Final = _ScopeCache()


def emitter_of(scope: str) -> Emitter | None:
    """The emitter behind an instrumentation scope; None when the scope is not in the table."""
    return _cache[scope]


def read(scope: str, kind: str, attributes: Mapping[str, object], version: str = "") -> Reading | None:
    """Read a span, or None when nothing on it says that it is a GenAI operation.

    ``kind`` is the span kind's name, ``version`` the scope's. Spans of unknown scopes are taken for a request when they
    are CLIENT spans, for a framework's own otherwise. A known scope alone is not enough: emitters also write helper
    spans.
    """
    emitter = _cache[scope]
    if EVIDENCE.isdisjoint(attributes):
        return None
    if emitter is None:
        emitter = _by_shape(kind, attributes)
    if emitter.unfolds:
        attributes = unfolded(attributes, emitter.unfolds)
    if emitter.variants:
        emitter = pick(emitter, version, kind, attributes)
    if emitter.helper:
        return None
    reading = read_span(emitter, attributes)
    if reading.operation in _AGENT_OPERATIONS:
        return reading._replace(layer=emitter.agents)
    return reading


def _by_shape(kind: str, attributes: Mapping[str, object]) -> Emitter:
    emitter = next((emitter for marks, emitter in SHAPES if not marks.isdisjoint(attributes)), OFFICIAL)
    layer = Layer.WIRE if kind == "CLIENT" else Layer.FRAMEWORK
    return emitter._replace(
        layer=layer,
        variants=tuple(variant._replace(emitter=variant.emitter._replace(layer=layer)) for variant in emitter.variants),
    )


_AGENT_OPERATIONS: Final = frozenset({semconv.OP_INVOKE_AGENT, semconv.OP_INVOKE_WORKFLOW})
