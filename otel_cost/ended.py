"""One ended span, and what it is to matching and to those that take records. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from otel_cost import semconv, wire
from otel_cost.dialects import Reading
from otel_cost.matching import COUNT, Verdict
from otel_cost.model import EMPTY, Charge, CostRecord, Kind, Reason, Status, Terms, Usage
from otel_cost.sightings import NO_TOTALS, NOTHING_INSIDE, Inside, Sighting


class EndedSpan(NamedTuple):
    """One ended span, from this process or from OTLP. Ids are lower-case hex, times UTC nanoseconds, ``error`` is the
    error type, empty when the operation went well. ``labels`` and ``inside`` are known in process only."""

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    kind: str
    scope: str
    scope_version: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, object]
    resource: Mapping[str, object]
    error: str = ""
    labels: Mapping[str, str] = EMPTY
    sampled: bool = True
    inside: Inside = NOTHING_INSIDE


def record_of(
    span: EndedSpan, reading: Reading, key: str, who: Mapping[str, str], charge: Charge, counted_as: str
) -> CostRecord:
    first_chunk = span.attributes.get(semconv.RESPONSE_TIME_TO_FIRST_CHUNK)
    return CostRecord(
        key=key,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        operation=reading.operation,
        provider=reading.provider,
        model_requested=reading.model_requested,
        model_answered=reading.model_answered,
        charge=charge,
        usage=reading.usage,
        response_id=reading.response_id,
        labels=who,
        process=_process_of(span),
        scope=span.scope,
        layer=reading.layer,
        streaming=reading.streaming,
        sampled=span.sampled,
        finish_reason=reading.finish_reason,
        error=span.error,
        time_to_first_chunk_s=float(first_chunk) if isinstance(first_chunk, int | float) else None,
        counted_as=counted_as,
        caller=wire.caller_of(span.attributes),
        terms=Terms(reading.service_tier, reading.server_address, bool(reading.estimated)),
    )


def _process_of(span: EndedSpan) -> str:
    process = span.resource.get(semconv.SERVICE_INSTANCE_ID)
    return process if isinstance(process, str) else ""


def sighting_of(span: EndedSpan, reading: Reading, key: str, tenant: str, *, of_model: bool = True) -> Sighting:
    failed = bool(span.error) and _used_nothing(reading.usage)
    return Sighting(
        key=key,
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_span_id=span.parent_span_id,
        process=_process_of(span) or span.trace_id,
        tenant=tenant,
        scope=span.scope,
        layer=reading.layer,
        kind=span.kind,
        response_id=reading.response_id,
        totals=NO_TOTALS if failed else _totals(reading.usage),
        models=_models(reading.model_answered, reading.model_requested),
        start_ns=span.start_ns,
        end_ns=span.end_ns,
        inside=span.inside,
        doubted=bool(reading.estimated),
        failed=failed,
        of_model=of_model,
    )


def sighting_of_record(record: CostRecord) -> Sighting:
    failed = bool(record.error) and _used_nothing(record.usage)
    return Sighting(
        key=record.key,
        trace_id=record.trace_id,
        span_id=record.span_id,
        parent_span_id=record.parent_span_id,
        process=record.process or record.trace_id,
        tenant=record.labels.get("tenant", ""),
        scope=record.scope,
        layer=record.layer,
        kind="CLIENT",
        response_id=record.response_id,
        totals=NO_TOTALS if failed else _totals(record.usage),
        models=_models(record.model_answered, record.model_requested),
        start_ns=record.start_ns,
        end_ns=record.end_ns,
        doubted=record.charge.reason is Reason.USAGE_ESTIMATED,
        failed=failed,
        of_model=record.kind is Kind.LLM,
    )


def _used_nothing(usage: Usage | None) -> bool:
    """Whether there are no counts, or none but 0, which LiteLLM writes on a call that failed."""
    return usage is None or not any(usage.counts.values())


def _totals(usage: Usage | None) -> tuple[int, int]:
    return NO_TOTALS if usage is None else (usage.get("input_tokens"), usage.get("output_tokens"))


def _models(answered: str, requested: str) -> tuple[str, ...]:
    if answered and requested and answered != requested:
        return (answered, requested)
    return (answered or requested,) if answered or requested else ()


def verdict_of(record: CostRecord) -> Verdict:
    """A record's verdict as matching sees it: an unpriced call is a call, like a priced one."""
    status = record.charge.status
    if status in (Status.WRAPPER, Status.DUPLICATE):
        return Verdict(status, record.charge.reason, record.counted_as)
    return COUNT
