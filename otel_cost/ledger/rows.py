"""Values to rows and back. Pure; text is made safe for every store here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from otel_cost.ledger.base import Entry, Heard, Standing
from otel_cost.ledger.questions import ENTITY_KINDS, LABEL_COLUMNS, RECORD_FIELDS
from otel_cost.ledger.schema import PART_COLUMNS
from otel_cost.model import Called, Charge, CostRecord, Kind, Layer, PricingModel, Reason, Status, Terms, Usage

MAX_TEXT: Final = 1024
"""Characters kept of any text: names and ids are far shorter, and content is never recorded."""
MAX_LABELS: Final = 64

_ENCODE: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_SUMMED_BY: Final = frozenset({*LABEL_COLUMNS, *ENTITY_KINDS})


def text(value: str) -> str:
    """``value`` as every store can keep it: PostgreSQL takes no NUL, no driver takes lone surrogates."""
    if len(value) <= MAX_TEXT and value.isascii() and "\0" not in value:
        return value  # nearly all of them
    return value[:MAX_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def texts(values: Sequence[str]) -> Sequence[str]:
    """:func:`text` of each. One look at all of them together tells, nearly always, that none has to change."""
    joined = "".join(values)
    if len(joined) <= MAX_TEXT and joined.isascii() and "\0" not in joined:
        return values
    return [text(value) for value in values]


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    pairs = list(values.items())
    if len(pairs) > MAX_LABELS:
        # What sums are kept by stays: else a verdict would not be taken back from where it was added.
        pairs.sort(key=lambda pair: pair[0] not in _SUMMED_BY)
        del pairs[MAX_LABELS:]
    names, kept = texts([name for name, _ in pairs]), texts([value for _, value in pairs])
    return dict(zip(names, kept, strict=True))


def _json(value: Mapping[str, object]) -> str:
    return _ENCODE(value)


def record_values(record: CostRecord, booked_ns: int) -> tuple[object, ...]:
    """A record on its first arrival, in the order of the columns of ``records``."""
    key, trace_id, span_id, parent, response_id, *more = texts(_texts_of(record))
    labelled = more[: len(LABEL_COLUMNS)]
    *named, route, address, token_hash, finish_reason, error, counted_as = more[len(LABEL_COLUMNS) :]
    operation, provider, model, requested, answered, process, scope = named
    return (
        key,
        trace_id,
        span_id,
        parent,
        response_id,
        record.start_ns,
        record.end_ns,
        booked_ns,
        record.kind.value,
        operation,
        provider,
        model,
        requested,
        answered,
        process,
        scope,
        record.layer.value,
        *labelled,
        _json(_texts(record.labels)),
        usage_json(record.usage.counts if record.usage else None),
        route,
        address,
        token_hash,
        finish_reason,
        error,
        record.streaming,
        record.sampled,
        record.time_to_first_chunk_s,
        record.charge.status.value,
        counted_as,
        0,
        *_terms_values(record.terms),
    )


def _texts_of(record: CostRecord) -> tuple[str, ...]:
    caller, get = record.caller, record.labels.get
    return (
        record.key,
        record.trace_id,
        record.span_id,
        record.parent_span_id,
        record.response_id,
        *[get(label, "") for label in LABEL_COLUMNS],
        record.operation,
        record.provider,
        record.model,
        record.model_requested,
        record.model_answered,
        record.process,
        record.scope,
        caller.route,
        caller.address,
        caller.token_hash,
        record.finish_reason,
        record.error,
        record.counted_as,
    )


def usage_json(counts: Mapping[str, int] | None) -> str | None:
    return _json(dict(counts)) if counts is not None else None


def _terms_values(terms: Terms | None) -> tuple[object, ...]:
    if terms is None:
        return None, None, None
    return text(terms.service_tier), text(terms.server_address), terms.usage_estimated


def called_from(row: Mapping[Any, Any]) -> Called:
    """Who was called, from a record's columns."""
    tier, address, estimated = row["service_tier"], row["server_address"], row["usage_estimated"]
    known = tier is not None and address is not None and estimated is not None
    return Called(
        provider=str(row["provider"]),
        model_requested=str(row["model_requested"]),
        model_answered=str(row["model_answered"]),
        terms=Terms(str(tier), str(address), bool(estimated)) if known else None,
    )


def record_from(row: Mapping[Any, Any]) -> CostRecord:
    """What a record was, as far as later spans are judged against it: no amounts, no labels but the tenant."""
    counts = _counts(row["usage"])
    return CostRecord(
        key=str(row["record_key"]),
        trace_id=str(row["trace_id"]),
        span_id=str(row["span_id"]),
        parent_span_id=str(row["parent_span_id"]),
        start_ns=int(row["start_ns"]),
        end_ns=int(row["end_ns"]),
        operation=str(row["operation"]),
        provider=str(row["provider"]),
        model_requested=str(row["model_requested"]),
        model_answered=str(row["model_answered"]),
        charge=Charge(Status(row["status"])),
        usage=Usage.of(counts) if counts else None,
        kind=Kind(row["kind"]),
        response_id=str(row["response_id"]),
        labels={"tenant": tenant} if (tenant := str(row["tenant"])) else {},
        process=str(row["process"]),
        scope=str(row["scope"]),
        layer=Layer(row["layer"]),
        counted_as=str(row["counted_as"]),
        error=str(row["error"]),
    )


def entry_values(entry: Entry, booked_ns: int) -> tuple[object, ...]:
    """In the order of the columns of ``entries``, its id apart. Amounts are signed in the row, so that sums need no
    case distinction."""
    sign, charge = entry.operations, entry.charge
    said = (entry.record_key, charge.detail, charge.price_id, charge.catalog, charge.source, entry.counted_as)
    key, detail, price_id, catalog, source, counted_as = texts(said)
    return (
        key,
        entry.sequence,
        entry.kind.value,
        sign,
        entry.occurred_ns,
        booked_ns,
        sign * charge.amount_nano,
        sign * charge.list_nano,
        *(sign * part for part in charge.parts),
        *entry.tokens,
        charge.status.value,
        charge.reason.value if charge.reason else "",
        detail,
        charge.pricing_model.value,
        price_id,
        catalog,
        source,
        counted_as,
        None if charge.paying_list_nano is None else sign * charge.paying_list_nano,
    )


def opinion_values(heard: Heard) -> tuple[object, ...]:
    """In the order of the columns of ``opinions``."""
    opinion = heard.opinion
    return (
        text(heard.record_key),
        heard.sequence,
        opinion.source.value,
        opinion.amount_nano,
        opinion.against_nano,
        opinion.disagrees,
    )


def standing_from(row: Mapping[Any, Any]) -> Standing:
    """From a record's columns joined with those of its last entry (prefixed ``entry_``)."""

    def string(name: str) -> str:
        return str(row[name])

    def integer(name: str) -> int:
        value = row[name]
        assert isinstance(value, int)
        return value

    parts = tuple(integer(f"entry_{column}") for column in PART_COLUMNS)
    paying = row["entry_paying_list_nano"]
    reason = string("entry_reason")
    labels = MappingProxyType(_stored_labels(row["labels"]))
    # By the columns, as the sums are: the first release cut such labels off the others where there were many.
    named = {name: value for name in LABEL_COLUMNS if (value := string(name))}
    return Standing(
        key=string("record_key"),
        sequence=integer("sequence"),
        occurred_ns=integer("start_ns"),
        charge=Charge(
            status=Status(string("entry_status")),
            reason=Reason(reason) if reason else None,
            detail=string("entry_detail"),
            amount_nano=integer("entry_amount_nano"),
            list_nano=integer("entry_list_nano"),
            parts=(parts[0], parts[1], parts[2], parts[3], parts[4]),
            pricing_model=PricingModel(string("entry_pricing_model")),
            price_id=string("entry_price_id"),
            catalog=string("entry_catalog"),
            source=string("entry_source"),
            paying_list_nano=None if paying is None else int(paying),
        ),
        counts=_counts(row["usage"]),
        dimensions=MappingProxyType({**labels, **named, **{name: string(name) for name in RECORD_FIELDS}}),
        counted_as=string("counted_as"),
        called=called_from(row),
        error=string("error"),
        trace_id=string("trace_id"),
        duration_ns=max(0, integer("end_ns") - integer("start_ns")),
        labels=labels,
    )


def _counts(value: object) -> Mapping[str, int]:
    counts = value if isinstance(value, dict) else {}
    return MappingProxyType({str(unit): int(count) for unit, count in counts.items()})


def _stored_labels(value: object) -> dict[str, str]:
    labels = value if isinstance(value, dict) else {}
    return {str(name): str(label) for name, label in labels.items()}
