"""What costs and is no model's call: tools by the call (``execute_tool`` spans, MCP's too), resources by the quantity.

A span carries the amount itself (``otel_cost.usd``, where the app knows it), or a price file says what the tool or the
resource costs. A tool that nobody priced costs nothing, unless the span says that it costs (``otel_cost.kind``).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from otel_cost import semconv
from otel_cost.dialects import Reading
from otel_cost.model import Charge, Kind, Layer, Reason, Status
from otel_cost.pricing import Catalog
from otel_cost.pricing.calculator import fixed

GIVEN: Final = "given"
"""Source and price id of an amount that the app said."""
MAX_USD: Final = 10**6
"""No single operation costs more (the ledger's bound on one amount)."""
_MAX_QUANTITY: Final = 10**12
_LONGEST: Final = 100
"""Characters of a number that is written as text."""
_SMALLEST: Final = -40
"""Powers of ten: what is smaller is 0 in any sum that can be booked."""


class Item(NamedTuple):
    """One span that stands for a tool's call or a used resource. ``given`` is the charge where the span says it all."""

    kind: Kind
    reading: Reading
    quantity: Fraction
    given: Charge | None
    declared: bool
    """The span says that it costs: without a price it is unpriced, not free."""

    @property
    def name(self) -> str:
        return self.reading.model_requested


def item_of(reading: Reading | None, attributes: Mapping[str, object]) -> Item | None:
    """What the span stands for, when that is a tool or a resource."""
    kind = attributes.get(semconv.KIND)
    if kind == Kind.INFRASTRUCTURE.value:
        return _resource(attributes)
    if reading is None or reading.operation != semconv.OP_EXECUTE_TOOL:
        return None
    named = reading._replace(
        model_requested=_text(attributes, semconv.TOOL_NAME),
        model_answered="",
        usage=None,
        response_id=_text(attributes, semconv.TOOL_CALL_ID),
    )
    declared = kind == Kind.TOOL.value or semconv.USD in attributes
    return Item(Kind.TOOL, named, Fraction(1), _given(attributes), declared)


def _resource(attributes: Mapping[str, object]) -> Item:
    reading = _NOTHING._replace(model_requested=_text(attributes, semconv.RESOURCE))
    quantity = _number(attributes.get(semconv.QUANTITY, 1), semconv.QUANTITY, _MAX_QUANTITY)
    if isinstance(quantity, str):
        return Item(Kind.INFRASTRUCTURE, reading, Fraction(0), _invalid(quantity), True)
    return Item(Kind.INFRASTRUCTURE, reading, quantity, _given(attributes), True)


_NOTHING: Final = Reading(
    dialect="otel_cost",
    layer=Layer.WIRE,
    operation=semconv.OP_USE_RESOURCE,
    provider="",
    model_requested="",
    model_answered="",
    usage=None,
    problem="",
    response_id="",
    service_tier="",
    server_address="",
    streaming=False,
    finish_reason="",
    estimated="",
    follows=False,
)


def _given(attributes: Mapping[str, object]) -> Charge | None:
    if semconv.USD not in attributes:
        return None
    usd = _number(attributes[semconv.USD], semconv.USD, MAX_USD)
    if isinstance(usd, str):
        return _invalid(usd)
    return fixed(usd, Fraction(1), GIVEN, "", GIVEN)


def charge_of(item: Item, at_ns: int, error: str, catalog: Catalog) -> Charge | None:
    """What an item without an amount of its own cost at ``at_ns``; 0 for a tool's call that failed, None for a tool
    that nobody priced."""
    if item.kind is Kind.INFRASTRUCTURE:
        return catalog.resource(item.name, item.quantity, at_ns)
    charge = catalog.tool(item.name, at_ns)
    if charge is None:
        detail = f"tools: {item.name!r:.80} has no price"
        return Charge(Status.UNPRICED, Reason.NO_RATE, detail) if item.declared else None
    return Charge(Status.PRICED, Reason.FAILED, error, source="rule") if error else charge


def _invalid(problem: str) -> Charge:
    return Charge(Status.UNPRICED, Reason.INVALID_USAGE, problem)


def _number(value: object, name: str, maximum: int) -> Fraction | str:
    """The exact number, as it was written; or what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > _LONGEST:
        return f"{name} is {value!r:.40}, not a number"
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except ArithmeticError:
        return f"{name} is {value!r:.40}, not a number"
    if not number.is_finite() or not 0 <= number <= maximum:
        return f"{name} is {value!r:.40}, not a number from 0 to {maximum:,}"
    # Without the bound "1e-999999" would be a fraction of a million digits.
    return Fraction(number) if number.adjusted() > _SMALLEST else Fraction(0)


def _text(attributes: Mapping[str, object], name: str) -> str:
    value = attributes.get(name)
    return value if isinstance(value, str) else ""
