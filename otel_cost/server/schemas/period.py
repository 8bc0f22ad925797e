"""The period that an answer is about, and by what it was narrowed down."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import SummaryQuery


class Period(BaseModel):
    """``from`` is inclusive, ``to`` exclusive, both by the start of the call, in UTC."""

    from_: str = Field(alias="from", serialization_alias="from", examples=["2026-09-14T00:00:00Z"])
    to: str = Field(examples=["2026-09-21T14:13:20Z"])


class Narrowed(Period):
    currency: str = Field(default="USD", examples=["USD"])
    filters: dict[str, str] = Field(
        description="What was filtered by, the scope of the key included", examples=[{"team": "search"}]
    )


def narrowed(query: SummaryQuery) -> Mapping[str, object]:
    """The fields of :class:`Narrowed`."""
    return {"from": iso(query.from_ns), "to": iso(query.to_ns), "filters": dict(query.filters)}
