"""What one reading is charged: which operations can cost, what needs no price to be said, and the price. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_cost import semconv
from otel_cost.dialects import Reading
from otel_cost.ended import EndedSpan
from otel_cost.model import Charge, Layer, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.pricing.providers import priced_model
from otel_cost.pricing.schedules import SoFar

LOADING: Final = Charge(Status.UNPRICED, Reason.PRICES_LOADING)
"""Nobody adopts this one: the record waits, and is charged when the prices are there."""
NO_PRICES: Final = Charge(Status.UNPRICED, Reason.NO_PRICES)
_COSTLESS: Final = frozenset({"create_agent", "plan", "retrieval"})
"""Operations that cost nothing by themselves; memory operations are told by their suffix. Tools go by their prices."""
_GIVEN_UP: Final = (
    *("Timeout", "Cancelled", "Canceled", "GeneratorExit", "KeyboardInterrupt"),  # the app stopped waiting
    *("ReadError", "RemoteProtocolError", "ConnectionClosedError"),  # the connection was lost after sending
)
"""Error types of calls that were given up on: the provider may have answered, and billed, all the same."""
_NO_COUNTS: Final = Usage.of({})


def can_cost(reading: Reading) -> bool:
    operation = reading.operation
    if operation in _COSTLESS or operation.endswith(("_memory", "_memory_store")):
        return False
    # fetch_response carries no tokens by convention; where one does, it is the first sight of a finished response.
    if operation == semconv.OP_FETCH_RESPONSE and reading.usage is None and not reading.problem:
        return False
    return bool(operation) or reading.usage is not None or bool(reading.problem)


def without_price(span: EndedSpan, reading: Reading) -> Charge | None:
    """The charge where no price is needed to say it: contradictory counts, nothing reported, failed calls."""
    if reading.problem:
        return Charge(Status.UNPRICED, Reason.INVALID_USAGE, reading.problem)
    if reading.usage is None:
        if span.error:
            if any(word in span.error for word in _GIVEN_UP):
                return Charge(Status.UNPRICED, Reason.ABORTED, span.error)
            return Charge(Status.PRICED, Reason.FAILED, span.error, source="rule")
        if reading.layer is Layer.AGENT:
            return Charge(Status.UNPRICED, Reason.REMOTE_AGENT)
        return Charge(Status.UNPRICED, Reason.NO_USAGE, f"{span.scope or 'the span'} reported no token counts")
    return None


def usage_follows(span: EndedSpan, reading: Reading) -> bool:
    """Whether a later span tells what the call used: its emitter has streams' usage there, or ours says that the answer
    is fetched later."""
    if span.error:
        return False
    return reading.follows or (reading.usage is None and span.attributes.get(semconv.USAGE_FOLLOWS) is True)


def query_of(span: EndedSpan, reading: Reading) -> PriceQuery:
    return PriceQuery(
        provider=reading.provider,
        model=priced_model(reading.provider, reading.model_requested, reading.model_answered),
        at_ns=span.start_ns,
        service_tier=reading.service_tier,
        server_address=reading.server_address,
        requested_model=reading.model_requested,
    )


def estimated_by(span: EndedSpan, reading: Reading) -> str:
    """Who estimated the counts and how, in words; empty where the provider counted."""
    if not reading.estimated:
        return ""
    how = span.attributes.get(semconv.USAGE_ESTIMATED_HOW)
    if isinstance(how, str) and how:
        return how
    return f"{reading.estimated} ({span.scope})" if span.scope else reading.estimated


def price(
    usage: Usage | None, query: PriceQuery, estimated: str, catalog: Catalog, so_far: SoFar | None = None
) -> Charge:
    """The price of ``usage``; ``estimated`` where its counts are, whoever says so."""
    charge = catalog.price(usage if usage is not None else _NO_COUNTS, query, so_far)
    if estimated and charge.status is Status.PRICED:
        detail = "; ".join(filter(None, (estimated, charge.detail)))
        return replace(charge, status=Status.ESTIMATED, reason=Reason.USAGE_ESTIMATED, detail=detail)
    return charge
