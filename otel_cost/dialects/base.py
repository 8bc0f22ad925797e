"""What a dialect is: a table of attribute names and of how counts include each other; and one reader for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from otel_cost.errors import InvalidUsage
from otel_cost.model import Layer, Usage

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one family of emitters writes a GenAI call. The first present name of a tuple counts.

    Attributes:
        name: For error texts and second opinions.
        units: Unit of ``otel_cost.units`` to the attribute names that carry its count.
        marks: Attributes any of which shows this dialect on a span of an unknown scope.
        cache_outside_input: Providers for which the emitter's input count leaves cached tokens out, so that they have
            to be added to get the inclusive total; ``*`` for all.
        reasoning_outside_output: Likewise for reasoning tokens and the output count.
        estimates: The emitter is known to estimate counts without saying so.
    """

    name: str
    units: Mapping[str, Names]
    marks: frozenset[str]
    operation: Names = ()
    provider: Names = ()
    request_model: Names = ()
    response_model: Names = ()
    response_id: Names = ()
    finish_reasons: Names = ()
    service_tier: Names = ()
    server_address: Names = ()
    streaming: Names = ()
    estimated: Names = ()
    cache_outside_input: frozenset[str] = frozenset()
    reasoning_outside_output: frozenset[str] = frozenset()
    estimates: bool = False
    operations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Reading:
    """What a dialect made of one span. ``problem`` is set when the counts cannot be true; ``usage`` is None then, and
    when nothing was reported."""

    dialect: str
    layer: Layer
    operation: str
    provider: str
    model_requested: str
    model_answered: str
    usage: Usage | None
    problem: str
    response_id: str
    service_tier: str
    server_address: str
    streaming: bool
    finish_reason: str
    estimated: bool


def read_span(dialect: Dialect, layer: Layer, attributes: Mapping[str, object]) -> Reading:
    """Read one span's attributes by ``dialect``. Never raises: contradictions are ``Reading.problem``."""
    provider = _text(attributes, dialect.provider)
    operation = _text(attributes, dialect.operation)
    usage, problem = _usage(dialect, provider, attributes)
    return Reading(
        dialect=dialect.name,
        layer=layer,
        operation=dialect.operations.get(operation, operation),
        provider=provider,
        model_requested=_text(attributes, dialect.request_model),
        model_answered=_text(attributes, dialect.response_model),
        usage=usage,
        problem=problem,
        response_id=_text(attributes, dialect.response_id),
        service_tier=_text(attributes, dialect.service_tier),
        server_address=_text(attributes, dialect.server_address),
        streaming=bool(_first(attributes, dialect.streaming)),
        finish_reason=_text(attributes, dialect.finish_reasons),
        estimated=dialect.estimates or bool(_first(attributes, dialect.estimated)),
    )


def _usage(dialect: Dialect, provider: str, attributes: Mapping[str, object]) -> tuple[Usage | None, str]:
    counts: dict[str, object] = {}
    for unit, names in dialect.units.items():
        for name in names:
            value = attributes.get(name)
            if value is not None:
                counts[unit] = value
                break
    if not counts:
        return None, ""
    try:
        return Usage.of(_inclusive(dialect, provider, counts)), ""
    except InvalidUsage as error:
        return None, str(error)


def _inclusive(dialect: Dialect, provider: str, counts: dict[str, object]) -> dict[str, object]:
    """Totals made inclusive, where the emitter leaves parts out of them."""
    if _applies(dialect.cache_outside_input, provider):
        _add(counts, "input_tokens", ("cache_read_tokens", "cache_write_tokens"))
    if _applies(dialect.reasoning_outside_output, provider):
        _add(counts, "output_tokens", ("output_reasoning_tokens",))
    return counts


def _applies(providers: frozenset[str], provider: str) -> bool:
    return bool(providers) and ("*" in providers or provider in providers)


def _add(counts: dict[str, object], whole: str, parts: tuple[str, ...]) -> None:
    if whole in counts:
        # Validated one by one first, so that a bad part is named and not hidden in a sum.
        values = Usage.of({part: counts[part] for part in parts if part in counts})
        total = Usage.of({whole: counts[whole]}).get(whole)
        counts[whole] = total + sum(values.counts.values())


def _first(attributes: Mapping[str, object], names: Names) -> object:
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def _text(attributes: Mapping[str, object], names: Names) -> str:
    value = _first(attributes, names)
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        items: tuple[object, ...] = tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return ",".join(str(item) for item in items)
    return str(value)
