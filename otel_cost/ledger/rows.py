"""Values to rows and back. Pure; text is made safe for every store here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from otel_cost.ledger.base import Entry, Heard, Standing
from otel_cost.ledger.questions import LABEL_COLUMNS, RECORD_FIELDS
from otel_cost.ledger.schema import PART_COLUMNS
from otel_cost.model import Called, Charge, CostRecord, Kind, Layer, PricingModel, Reason, Status, Terms, Usage

MAX_TEXT: Final = 1024
"""Characters kept of any text: names and ids are far shorter, and content is never recorded."""
MAX_LABELS: Final = 64

Row = Mapping[str, object]


def text(value: str) -> str:
    """``value`` as every store can keep it: PostgreSQL takes no NUL, no driver takes lone surrogates."""
    if len(value) <= MAX_TEXT and value.isascii() and "\0" not in value:
        return value  # nearly all of them
    return value[:MAX_TEXT].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def _texts(values: Mapping[str, str]) -> dict[str, str]:
    return {text(name): text(value) for name, value in list(values.items())[:MAX_LABELS]}


def record_row(record: CostRecord, booked_ns: int) -> Row:
    """The row of a record on its first arrival."""
    caller = record.caller
    texts = {
        "record_key": record.key,
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "parent_span_id": record.parent_span_id,
        "response_id": record.response_id,
        "kind": record.kind,
        "operation": record.operation,
        "provider": record.provider,
        "model": record.model,
        "model_requested": record.model_requested,
        "model_answered": record.model_answered,
        "process": record.process,
        "scope": record.scope,
        "layer": record.layer,
        "caller_route": caller.route,
        "caller_address": caller.address,
        "caller_token_hash": caller.token_hash,
        "finish_reason": record.finish_reason,
        "error": record.error,
        "status": record.charge.status,
        "counted_as": record.counted_as,
        **{label: record.labels.get(label, "") for label in LABEL_COLUMNS},
    }
    return {
        **{name: text(str(value)) for name, value in texts.items()},
        "start_ns": record.start_ns,
        "end_ns": record.end_ns,
        "booked_ns": booked_ns,
        "labels": _texts(record.labels),
        "usage": dict(record.usage.counts) if record.usage else None,
        "streaming": record.streaming,
        "sampled": record.sampled,
        "time_to_first_chunk_s": record.time_to_first_chunk_s,
        "sequence": 0,
        **_terms_row(record.terms),
    }


def _terms_row(terms: Terms | None) -> Row:
    if terms is None:
        return {"service_tier": None, "server_address": None, "usage_estimated": None}
    return {
        "service_tier": text(terms.service_tier),
        "server_address": text(terms.server_address),
        "usage_estimated": terms.usage_estimated,
    }


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
    )


def entry_row(entry: Entry, booked_ns: int) -> Row:
    """Amounts are signed in the row, so that sums need no case distinction."""
    sign, charge = entry.operations, entry.charge
    input_tokens, output_tokens = entry.tokens
    return {
        "record_key": text(entry.record_key),
        "sequence": entry.sequence,
        "entry": str(entry.kind),
        "operations": sign,
        "occurred_ns": entry.occurred_ns,
        "booked_ns": booked_ns,
        "amount_nano": sign * charge.amount_nano,
        "list_nano": sign * charge.list_nano,
        **{column: sign * part for column, part in zip(PART_COLUMNS, charge.parts, strict=True)},
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "status": str(charge.status),
        "reason": str(charge.reason or ""),
        "detail": text(charge.detail),
        "pricing_model": str(charge.pricing_model),
        "price_id": text(charge.price_id),
        "catalog": text(charge.catalog),
        "source": text(charge.source),
        "counted_as": text(entry.counted_as),
        "paying_list_nano": None if charge.paying_list_nano is None else sign * charge.paying_list_nano,
    }


def opinion_row(heard: Heard) -> Row:
    opinion = heard.opinion
    return {
        "record_key": text(heard.record_key),
        "sequence": heard.sequence,
        "source": opinion.source.value,
        "amount_nano": opinion.amount_nano,
        "against_nano": opinion.against_nano,
        "disagrees": opinion.disagrees,
    }


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
        dimensions=MappingProxyType({**labels, **{name: string(name) for name in RECORD_FIELDS}}),
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
