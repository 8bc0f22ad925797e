"""A ``CostRecord`` as flat attributes and back: what travels on spans (the verdict) and in ``otel_cost.charge`` events.

Money travels twice: as a USD double for people and backends, and as exact integer nano-USD for the book. Where only the
double is there, rounding it to nano-USD gives the integer back exactly below 4 million USD (53 bits of mantissa).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otel_cost import semconv
from otel_cost.errors import InvalidUsage
from otel_cost.model import (
    COST_PARTS,
    MAX_OPINION_NANO,
    NANO,
    NO_CALLER,
    Caller,
    Charge,
    CostRecord,
    Kind,
    Layer,
    Opinion,
    OpinionSource,
    PricingModel,
    Reason,
    Status,
    Terms,
    Usage,
    nano_to_usd,
    record_key,
)
from otel_cost.units import UNITS

Value = str | bool | int | float
_REASONS: Final = {reason.value: reason for reason in Reason}
_LABELS_PREFIX: Final = semconv.LABEL_PREFIX + "label."
_OPINIONS: Final = {semconv.OPINION_PREFIX + source.value: source for source in OpinionSource}
_OPINION_NAMES: Final = frozenset(_OPINIONS)


@dataclass(frozen=True, slots=True)
class Adopted:
    """A verdict that was made in process and stands on a span, with the opinions that were heard there. Costs under
    other names on such a span are not heard again: they may be ours (``compat``)."""

    charge: Charge
    counted_as: str
    opinions: tuple[Opinion, ...] = ()


def charge_to_attributes(charge: Charge) -> dict[str, Value]:
    """The verdict as span attributes. Only counted charges carry an amount, so that summing it is right anywhere."""
    attributes: dict[str, Value] = {semconv.STATUS: charge.status.value}
    if charge.reason is not None:
        attributes[semconv.REASON] = charge.reason.value
    if charge.detail:
        attributes[semconv.DETAIL] = charge.detail
    if charge.status.counted:
        attributes[semconv.COST_AMOUNT] = nano_to_usd(charge.amount_nano)
        attributes[semconv.COST_CURRENCY] = "USD"
        if charge.source:
            attributes[semconv.COST_SOURCE] = charge.source
        for name, nano in zip(COST_PARTS, charge.parts, strict=True):
            if nano:
                attributes[semconv.COST_PART_PREFIX + name] = nano_to_usd(nano)
        if charge.price_id:
            attributes[semconv.PRICE_ID] = charge.price_id
            attributes[semconv.PRICE_CATALOG] = charge.catalog
        if charge.pricing_model is not PricingModel.ON_DEMAND:
            attributes[semconv.PRICING_MODEL] = charge.pricing_model.value
        if charge.list_nano != charge.amount_nano:
            attributes[semconv.CHARGE_LIST_NANO] = charge.list_nano
    return attributes


def verdict_on(attributes: Mapping[str, object]) -> Adopted | None:
    """The verdict that stands on a span; None when there is none, or one that nobody adopts (prices were loading)."""
    status_text = attributes.get(semconv.STATUS)
    if not isinstance(status_text, str):
        return None
    try:
        charge = _charge_of(attributes, Status(status_text))
    except (ValueError, OverflowError):
        return None  # written by something else, or a newer release: price it here
    if charge.reason in (Reason.PRICES_LOADING, Reason.FAULT):
        return None
    return Adopted(charge, _text(attributes, semconv.CHARGE_COUNTED), _opinions_of(attributes))


def opinions_to_attributes(opinions: tuple[Opinion, ...]) -> dict[str, Value]:
    """Second opinions as span attributes: for the eye, and for the book, which compares them anew."""
    attributes: dict[str, Value] = {
        semconv.OPINION_PREFIX + opinion.source.value: nano_to_usd(opinion.amount_nano)
        for opinion in opinions
        if opinion.amount_nano is not None
    }
    if any(opinion.disagrees for opinion in opinions):
        attributes[semconv.OPINION_DISAGREES] = True
    return attributes


def _opinions_of(attributes: Mapping[str, object]) -> tuple[Opinion, ...]:
    if _OPINION_NAMES.isdisjoint(attributes):
        return ()
    found: list[Opinion] = []
    for name, source in _OPINIONS.items():
        try:
            nano = _nano(attributes, "", name)
        except (ValueError, OverflowError):
            continue
        if nano is not None and nano <= MAX_OPINION_NANO:
            found.append(Opinion(source, nano))
    return tuple(found)


def _charge_of(attributes: Mapping[str, object], status: Status) -> Charge:
    reason = _REASONS.get(_text(attributes, semconv.REASON))
    amount = _amount_of(attributes) if status.counted else 0
    parts = [
        _nano(attributes, semconv.CHARGE_PART_NANO_PREFIX + name, semconv.COST_PART_PREFIX + name) or 0
        for name in COST_PARTS
    ]
    if sum(parts) != amount:
        # Parts that were cut on the way (attribute limits): the amount stands, its split is unknown.
        parts = [0, 0, 0, 0, amount]
    list_nano = attributes.get(semconv.CHARGE_LIST_NANO)
    return Charge(
        status=status,
        reason=reason,
        detail=_text(attributes, semconv.DETAIL),
        amount_nano=amount,
        list_nano=list_nano if isinstance(list_nano, int) and list_nano >= 0 else amount,
        parts=(parts[0], parts[1], parts[2], parts[3], parts[4]),
        pricing_model=PricingModel(_text(attributes, semconv.PRICING_MODEL) or PricingModel.ON_DEMAND),
        price_id=_text(attributes, semconv.PRICE_ID),
        catalog=_text(attributes, semconv.PRICE_CATALOG),
        source=_text(attributes, semconv.COST_SOURCE),
    )


def record_to_attributes(record: CostRecord) -> dict[str, Value]:
    """All of a record, as the attributes of an ``otel_cost.charge`` event."""
    charge = record.charge
    attributes: dict[str, Value] = {
        **charge_to_attributes(charge),
        **opinions_to_attributes(record.opinions),
        semconv.CHARGE_KEY: record.key,
        semconv.CHARGE_AMOUNT_NANO: charge.amount_nano,
        semconv.CHARGE_LIST_NANO: charge.list_nano,
        semconv.CHARGE_START_NS: record.start_ns,
        semconv.CHARGE_END_NS: record.end_ns,
        semconv.CHARGE_SCOPE: record.scope,
        semconv.CHARGE_LAYER: record.layer.value,
        semconv.CHARGE_TRACE_ID: record.trace_id,
        semconv.CHARGE_SPAN_ID: record.span_id,
        semconv.OPERATION_NAME: record.operation,
        semconv.PROVIDER_NAME: record.provider,
        semconv.REQUEST_STREAM: record.streaming,
        semconv.KIND: record.kind.value,
    }
    for name, nano in zip(COST_PARTS, charge.parts, strict=True):
        attributes[semconv.CHARGE_PART_NANO_PREFIX + name] = nano
    texts = {
        semconv.CHARGE_PARENT_SPAN_ID: record.parent_span_id,
        semconv.CHARGE_COUNTED: record.counted_as,
        semconv.CHARGE_PROCESS: record.process,
        semconv.REQUEST_MODEL: record.model_requested,
        semconv.RESPONSE_MODEL: record.model_answered,
        semconv.RESPONSE_ID: record.response_id,
        semconv.RESPONSE_FINISH_REASONS: record.finish_reason,
        semconv.ERROR_TYPE: record.error,
        semconv.CALLER_ROUTE: record.caller.route,
        semconv.CALLER_ADDRESS: record.caller.address,
        semconv.CALLER_TOKEN_HASH: record.caller.token_hash,
    }
    attributes.update({name: text for name, text in texts.items() if text})
    if record.terms is not None:
        attributes.update(_terms_to_attributes(record.terms))
    if record.usage is not None:
        attributes.update({semconv.UNIT_PREFIX + unit: count for unit, count in record.usage.counts.items()})
    attributes.update({_LABELS_PREFIX + label: value for label, value in record.labels.items()})
    return attributes


def record_from_attributes(attributes: Mapping[str, object]) -> CostRecord:
    """A record from the attributes of an ``otel_cost.charge`` event. Units and reasons that a newer release knows are
    left out: the event may be all there is of the money.

    Raises:
        InvalidUsage: the key, times, status or amounts are missing or make no sense, or the counts contradict each
            other.
    """
    try:
        charge = _charge_of(attributes, Status(_text(attributes, semconv.STATUS)))
        layer = Layer(_text(attributes, semconv.CHARGE_LAYER) or Layer.WIRE)
        kind = _kind(attributes)
    except (ValueError, OverflowError) as error:
        raise InvalidUsage(f"not a charge event: {error}") from None
    usage = {
        unit: value
        for name, value in attributes.items()
        if name.startswith(semconv.UNIT_PREFIX) and (unit := name.removeprefix(semconv.UNIT_PREFIX)) in UNITS
    }
    return CostRecord(
        key=_whole_key(attributes),
        trace_id=_text(attributes, semconv.CHARGE_TRACE_ID),
        span_id=_text(attributes, semconv.CHARGE_SPAN_ID),
        parent_span_id=_text(attributes, semconv.CHARGE_PARENT_SPAN_ID),
        start_ns=_required_int(attributes, semconv.CHARGE_START_NS),
        end_ns=_required_int(attributes, semconv.CHARGE_END_NS),
        operation=_text(attributes, semconv.OPERATION_NAME),
        provider=_text(attributes, semconv.PROVIDER_NAME),
        model_requested=_text(attributes, semconv.REQUEST_MODEL),
        model_answered=_text(attributes, semconv.RESPONSE_MODEL),
        charge=charge,
        usage=Usage.of(usage) if usage else None,
        kind=kind,
        response_id=_text(attributes, semconv.RESPONSE_ID),
        labels={
            name.removeprefix(_LABELS_PREFIX): value
            for name, value in attributes.items()
            if name.startswith(_LABELS_PREFIX) and isinstance(value, str)
        },
        process=_text(attributes, semconv.CHARGE_PROCESS),
        scope=_text(attributes, semconv.CHARGE_SCOPE),
        layer=layer,
        streaming=attributes.get(semconv.REQUEST_STREAM) is True,
        sampled=False,
        finish_reason=_text(attributes, semconv.RESPONSE_FINISH_REASONS),
        error=_text(attributes, semconv.ERROR_TYPE),
        counted_as=_text(attributes, semconv.CHARGE_COUNTED),
        opinions=_opinions_of(attributes),
        caller=caller_of(attributes),
        terms=_terms_of(attributes),
    )


def _terms_to_attributes(terms: Terms) -> dict[str, Value]:
    # Always written, also when empty: nothing there means that the sender does not know these attributes.
    return {
        semconv.CHARGE_SERVICE_TIER: terms.service_tier,
        semconv.SERVER_ADDRESS: terms.server_address,
        semconv.CHARGE_USAGE_ESTIMATED: terms.usage_estimated,
    }


def _terms_of(attributes: Mapping[str, object]) -> Terms | None:
    if semconv.CHARGE_USAGE_ESTIMATED not in attributes:
        return None
    return Terms(
        _text(attributes, semconv.CHARGE_SERVICE_TIER),
        _text(attributes, semconv.SERVER_ADDRESS),
        attributes[semconv.CHARGE_USAGE_ESTIMATED] is True,
    )


def caller_of(attributes: Mapping[str, object]) -> Caller:
    """Who called the app, as far as a span or an event says."""
    route = attributes.get(semconv.CALLER_ROUTE)
    if route is None and semconv.CALLER_TOKEN_HASH not in attributes and semconv.CALLER_ADDRESS not in attributes:
        return NO_CALLER
    return Caller(
        route if isinstance(route, str) else "",
        _text(attributes, semconv.CALLER_ADDRESS),
        _text(attributes, semconv.CALLER_TOKEN_HASH),
    )


def _kind(attributes: Mapping[str, object]) -> Kind:
    """The event's kind; events of earlier releases have none."""
    kind = _text(attributes, semconv.KIND)
    if kind:
        return Kind(kind)
    return Kind.TOOL if _text(attributes, semconv.OPERATION_NAME) == semconv.OP_EXECUTE_TOOL else Kind.LLM


def _amount_of(attributes: Mapping[str, object]) -> int:
    """The amount of a counted charge, in nano-USD. Raises ValueError where there is none, or in another currency: an
    amount that was cut on the way is not a known 0."""
    currency = attributes.get(semconv.COST_CURRENCY, "USD")
    amount = _nano(attributes, semconv.CHARGE_AMOUNT_NANO, semconv.COST_AMOUNT)
    if amount is None or currency != "USD":
        raise ValueError(f"a counted charge needs an amount in USD, not {currency!r:.20}")
    return amount


def _nano(attributes: Mapping[str, object], exact: str, double: str) -> int | None:
    """The exact integer where it is there, else the double rounded; never negative. None where neither is there.

    Raises:
        ValueError, OverflowError: the double is NaN, infinite, negative or beyond what a double can hold to a nano-USD.
    """
    whole = attributes.get(exact)
    if isinstance(whole, int) and not isinstance(whole, bool):
        if not 0 <= whole < 2**63:
            raise ValueError(f"{exact} is {whole}")
        return whole
    value = attributes.get(double)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < _EXACT_USD:
        raise ValueError(f"{double} is {value}")
    return round(value * NANO)


_EXACT_USD: Final = 4_000_000


def _text(attributes: Mapping[str, object], name: str) -> str:
    value = attributes.get(name)
    return value if isinstance(value, str) else ""


def _whole_key(attributes: Mapping[str, object]) -> str:
    """The key, also where a limit on the length of values cut it: then many calls would have one.

    Raises InvalidUsage where there is none, or the span's id was cut as well.
    """
    key, span_id = _required_text(attributes, semconv.CHARGE_KEY), _text(attributes, semconv.CHARGE_SPAN_ID)
    whole = record_key(_text(attributes, semconv.CHARGE_TRACE_ID), span_id)
    if not whole.startswith(key):
        return key
    if len(span_id) < _SPAN_ID_DIGITS:
        raise InvalidUsage(f"not a charge event: {semconv.CHARGE_KEY} was cut to {len(key)} characters")
    return whole


_SPAN_ID_DIGITS: Final = 16


def _required_text(attributes: Mapping[str, object], name: str) -> str:
    value = _text(attributes, name)
    if not value:
        raise InvalidUsage(f"not a charge event: {name} is missing")
    return value


def _required_int(attributes: Mapping[str, object], name: str) -> int:
    value = attributes.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**63:
        raise InvalidUsage(f"not a charge event: {name} is {value!r:.40}")
    return value
