"""Single calls, as the book has them now."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import BookedCall
from otel_cost.model import COST_PARTS, Charge, CostRecord
from otel_cost.server.schemas.money import Money
from otel_cost.server.schemas.period import Narrowed


class CallerOf(BaseModel):
    """Who called the app, as far as it was allowed to say."""

    route: str = Field(examples=["/chat/{id}"])
    address: str = Field(examples=[""])
    token_hash: str = Field(description="A keyed hash", examples=[""])


class Entry(BaseModel):
    """One call. A wrapper's or duplicate's money is another one's: ``counted_as``, where that is known."""

    key: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"])
    trace_id: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    span_id: str = Field(examples=["00f067aa0ba902b7"])
    parent_span_id: str = Field(examples=[""])
    response_id: str = Field(description="The provider's", examples=["chatcmpl-123"])
    at: str = Field(description="Start of the call, UTC", examples=["2026-09-21T14:12:20Z"])
    duration_s: float = Field(examples=[1.25])
    time_to_first_chunk_s: float | None = Field(examples=[0.4])
    booked_at: str = Field(examples=["2026-09-21T14:12:25Z"])
    corrected: bool = Field(description="Whether another verdict was booked before this one", examples=[False])
    kind: str = Field(description="llm, tool or infrastructure", examples=["llm"])
    operation: str = Field(examples=["chat"])
    provider: str = Field(examples=["openai"])
    model: str = Field(description="The answered one; of a tool or a resource its name", examples=["gpt-4o-2024-08-06"])
    model_requested: str = Field(examples=["gpt-4o"])
    status: str = Field(description="priced, estimated, unpriced, wrapper or duplicate", examples=["priced"])
    reason: str = Field(description="A code, where there is more to say", examples=[""])
    detail: str = Field(examples=[""])
    cost: Money
    list_cost: Money
    parts: dict[str, Money] = Field(description=f"Disjoint parts of cost: {', '.join(COST_PARTS)}")
    pricing_model: str = Field(examples=["on_demand"])
    price_id: str = Field(examples=["openai:gpt-4o"])
    catalog: str = Field(description="The price data's version", examples=["genai-prices 0.2.3"])
    source: str = Field(examples=["genai-prices"])
    usage: dict[str, int] = Field(
        description="Counts by unit; parts are within their wholes",
        examples=[{"input_tokens": 1000, "cache_read_tokens": 200, "output_tokens": 100}],
    )
    labels: dict[str, str] = Field(examples=[{"service": "shop", "team": "search"}])
    caller: CallerOf
    streaming: bool = Field(examples=[True])
    finish_reason: str = Field(examples=["stop"])
    error: str = Field(description="The error's type; empty where it went well", examples=[""])
    counted_as: str = Field(examples=[""])
    scope: str = Field(description="The instrumentation that said it", examples=["otel_cost"])
    layer: str = Field(description="wire, framework or agent", examples=["wire"])

    @classmethod
    def of(cls, call: BookedCall) -> Self:
        record, charge = call.record, call.record.charge
        caller = record.caller
        return cls.model_validate(
            {
                **_what(record),
                **charge_fields(charge),
                "booked_at": iso(call.booked_ns),
                "corrected": call.corrected,
                "usage": dict(record.usage.counts) if record.usage is not None else {},
                "labels": dict(record.labels),
                "caller": CallerOf(route=caller.route, address=caller.address, token_hash=caller.token_hash),
            }
        )


def charge_fields(charge: Charge) -> dict[str, object]:
    """A charge as the fields of whatever has one."""
    return {
        "status": charge.status.value,
        "reason": str(charge.reason or ""),
        "detail": charge.detail,
        "cost": Money.of(charge.amount_nano),
        "list_cost": Money.of(charge.list_nano),
        "parts": {part: Money.of(nano) for part, nano in zip(COST_PARTS, charge.parts, strict=True)},
        "pricing_model": charge.pricing_model.value,
        "price_id": charge.price_id,
        "catalog": charge.catalog,
        "source": charge.source,
    }


def _what(record: CostRecord) -> dict[str, object]:
    same = ("key", "trace_id", "span_id", "parent_span_id", "response_id", "duration_s", "time_to_first_chunk_s")
    more = ("operation", "provider", "model", "model_requested", "streaming", "finish_reason", "error", "counted_as")
    return {
        **{name: getattr(record, name) for name in (*same, *more, "scope")},
        "at": iso(record.start_ns),
        "kind": record.kind.value,
        "layer": record.layer.value,
    }


class EntryPage(Narrowed):
    """``GET /api/v1/costs/entries``: newest first."""

    entries: list[Entry]
    next_cursor: str | None = Field(description="For the next page; null on the last one", examples=["eyJ2IjoxfQ"])
