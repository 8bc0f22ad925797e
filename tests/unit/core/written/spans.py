"""A span and what it has to be read as."""

from __future__ import annotations

from dataclasses import dataclass

from otel_cost import dialects
from otel_cost.dialects import Reading
from otel_cost.model import Layer

OTEL = "opentelemetry.instrumentation."
WIRE, FRAMEWORK, AGENT = Layer.WIRE, Layer.FRAMEWORK, Layer.AGENT


@dataclass(frozen=True)
class Written:
    """One span and what it has to be read as. ``counts`` are units without ``_tokens``."""

    name: str
    scope: str
    attributes: dict[str, object]
    counts: dict[str, int]
    layer: Layer = WIRE
    kind: str = "CLIENT"
    version: str = ""
    operation: str = "chat"
    provider: str = ""
    model: str = ""
    response_id: str = ""
    tier: str = ""
    streaming: bool = False
    doubted: str = ""

    def read(self) -> Reading:
        reading = dialects.read(self.scope, self.kind, self.attributes, self.version)
        assert reading is not None
        return reading


def usage(input: int, output: int, **parts: int) -> dict[str, object]:
    """Conventional attributes; ``__`` stands for a dot."""
    return {
        "gen_ai.usage.input_tokens": input,
        "gen_ai.usage.output_tokens": output,
        **{f"gen_ai.usage.{name.replace('__', '.')}": count for name, count in parts.items()},
    }


def called(provider: str, model: str, operation: str = "chat", system: bool = False) -> dict[str, object]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.system" if system else "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
    }


CACHED = {"input": 1000, "output": 50, "cache_read": 700, "cache_write": 200}
GEMINI = "gemini-2.5-pro"
