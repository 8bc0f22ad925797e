"""What the stream of new costs says."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.base import Entry
from otel_cost.server.schemas.money import Money


class LiveCost(BaseModel):
    """One row of the book. Adding up ``cost`` and ``operations`` of all of them is right: what is taken back is
    negative."""

    key: str
    entry: str = Field(description="charge, correction or void")
    operations: int = Field(description="1, or -1 where a verdict is taken back")
    at: str = Field(description="Start of the call")
    kind: str
    provider: str
    model: str
    operation: str
    status: str
    reason: str
    cost: Money = Field(description="Signed")
    input_tokens: int
    output_tokens: int
    labels: dict[str, str]

    @classmethod
    def of(cls, entry: Entry) -> Self:
        fields = ("kind", "provider", "model", "operation")
        input_tokens, output_tokens = entry.tokens
        return cls(
            key=entry.record_key,
            entry=entry.kind.value,
            operations=entry.operations,
            at=iso(entry.occurred_ns),
            **{name: entry.dimensions.get(name, "") for name in fields},
            status=entry.charge.status.value,
            reason=str(entry.charge.reason or ""),
            cost=Money.of(entry.amount_nano),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            labels={name: value for name, value in entry.dimensions.items() if name not in _FIELDS and value},
        )


_FIELDS = frozenset({"kind", "provider", "model", "operation", "layer", "scope"})
