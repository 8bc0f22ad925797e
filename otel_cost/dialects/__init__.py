"""Which dialect a span speaks, and what layer its emitter works at: scope first, attribute shape second."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from otel_cost import semconv
from otel_cost.dialects.base import Dialect, Reading, read_span
from otel_cost.dialects.genai import GENAI
from otel_cost.dialects.openllmetry import OPENLLMETRY
from otel_cost.model import Layer

__all__ = ["CONVENTIONAL", "EVIDENCE", "Emitter", "Reading", "emitter_of", "read"]


class Emitter(NamedTuple):
    """Who writes spans of a scope, and what one of them stands for."""

    dialect: Dialect
    layer: Layer


_OTEL: Final = "opentelemetry.instrumentation."
_FRAMEWORKS: Final = ("langchain", "llamaindex", "haystack", "crewai", "openai_agents", "agno")
_SCOPES: Final[tuple[tuple[str, Emitter], ...]] = (
    # The first prefix that fits wins, so the longer ones stand first.
    (semconv.INSTRUMENTATION_SCOPE_PREFIX, Emitter(GENAI, Layer.WIRE)),
    ("com.anthropic.sdk.", Emitter(GENAI, Layer.WIRE)),
    (_OTEL + "genai.langchain", Emitter(GENAI, Layer.FRAMEWORK)),
    (_OTEL + "genai.", Emitter(GENAI, Layer.WIRE)),
    (_OTEL + "google_genai", Emitter(GENAI, Layer.WIRE)),
    (_OTEL + "openai_v2", Emitter(GENAI, Layer.WIRE)),
    ("opentelemetry.util.genai", Emitter(GENAI, Layer.WIRE)),
    *((_OTEL + framework, Emitter(OPENLLMETRY, Layer.FRAMEWORK)) for framework in _FRAMEWORKS),
    *(
        (_OTEL + library, Emitter(OPENLLMETRY, Layer.WIRE))
        for library in (
            "openai.",
            "anthropic",
            "cohere",
            "mistralai",
            "ollama",
            "groq",
            "bedrock",
            "together",
            "vertexai",
            "google_generativeai",
            "replicate",
            "watsonx",
            "writer",
        )
    ),
    ("traceloop.", Emitter(OPENLLMETRY, Layer.FRAMEWORK)),
)
_SHAPES: Final = (OPENLLMETRY, GENAI)
CONVENTIONAL: Final = GENAI.name
"""The dialect whose counts include each other as the conventions say."""
EVIDENCE: Final[frozenset[str]] = frozenset().union(*(dialect.marks for dialect in _SHAPES))
"""Attributes any of which shows that a span may be a GenAI operation."""


class _ScopeCache(dict[str, Emitter | None]):
    """Scope name to its emitter. Scopes are few; the bound is against ones made from data."""

    def __missing__(self, scope: str) -> Emitter | None:
        found = next((emitter for prefix, emitter in _SCOPES if scope.startswith(prefix)), None)
        if len(self) < 10_000:
            self[scope] = found
        return found


_cache: Final = _ScopeCache()


def emitter_of(scope: str) -> Emitter | None:
    """The emitter behind an instrumentation scope; None when the scope is not in the table."""
    return _cache[scope]


def read(scope: str, kind: str, attributes: Mapping[str, object]) -> Reading | None:
    """Read a span, or None when nothing on it says that it is a GenAI operation.

    ``kind`` is the span kind's name. Spans of unknown scopes are taken for a request when they are CLIENT spans, for a
    framework's own otherwise. A known scope alone is not enough: emitters also write helper spans.
    """
    emitter = emitter_of(scope)
    if EVIDENCE.isdisjoint(attributes):
        return None
    if emitter is None:
        layer = Layer.WIRE if kind == "CLIENT" else Layer.FRAMEWORK
        emitter = Emitter(_by_shape(attributes), layer)
    reading = read_span(emitter.dialect, emitter.layer, attributes)
    if reading.operation in _AGENT_OPERATIONS:
        return reading._replace(layer=Layer.AGENT)
    return reading


def _by_shape(attributes: Iterable[str]) -> Dialect:
    names = frozenset(attributes)
    return next((dialect for dialect in _SHAPES if not dialect.marks.isdisjoint(names)), GENAI)


_AGENT_OPERATIONS: Final = frozenset({semconv.OP_INVOKE_AGENT, semconv.OP_INVOKE_WORKFLOW})
