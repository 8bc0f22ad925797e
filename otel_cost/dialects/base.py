"""What a dialect is: a table of attribute names and of how counts include each other; and one reader for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

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
    unit_of: Mapping[str, tuple[str, int]] = field(init=False)
    """Attribute name to its unit, and its place among the names of that unit."""
    field_of: Mapping[str, tuple[str, int]] = field(init=False)
    """Attribute name to the field of this class that lists it, and its place there."""

    def __post_init__(self) -> None:
        fields: dict[str, Names] = {name: getattr(self, name) for name in _TEXTS + _FLAGS}
        object.__setattr__(self, "unit_of", _places(self.units))
        object.__setattr__(self, "field_of", _places(fields))


_TEXTS: Final = (
    "operation",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "finish_reasons",
    "service_tier",
    "server_address",
)
_FLAGS: Final = ("streaming", "estimated")


def _places(names_of: Mapping[str, Names]) -> dict[str, tuple[str, int]]:
    return {name: (target, place) for target, names in names_of.items() for place, name in enumerate(names)}


class Reading(NamedTuple):
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
    found = _first_of(dialect.field_of, attributes)
    provider = _text(found.get("provider"))
    operation = _text(found.get("operation"))
    usage, problem = _usage(dialect, provider, attributes)
    return Reading(
        dialect=dialect.name,
        layer=layer,
        operation=dialect.operations.get(operation, operation),
        provider=provider,
        model_requested=_text(found.get("request_model")),
        model_answered=_text(found.get("response_model")),
        usage=usage,
        problem=problem,
        response_id=_text(found.get("response_id")),
        service_tier=_text(found.get("service_tier")),
        server_address=_text(found.get("server_address")),
        streaming=bool(found.get("streaming")),
        finish_reason=_text(found.get("finish_reasons")),
        estimated=dialect.estimates or bool(found.get("estimated")),
    )


def _first_of(targets: Mapping[str, tuple[str, int]], attributes: Mapping[str, object]) -> dict[str, object]:
    """Target to the value of its first present name.

    Goes over what is there, not over all that could be: a span has a dozen attributes, a dialect a hundred names.
    """
    found: dict[str, object] = {}
    places: dict[str, int] = {}
    for name, value in attributes.items():
        target = targets.get(name)
        if target is not None and value is not None and value != "":
            what, place = target
            if place <= places.get(what, place):
                found[what], places[what] = value, place
    return found


def _usage(dialect: Dialect, provider: str, attributes: Mapping[str, object]) -> tuple[Usage | None, str]:
    counts = _first_of(dialect.unit_of, attributes)
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


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        items: tuple[object, ...] = tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return ",".join(str(item) for item in items)
    return str(value)
