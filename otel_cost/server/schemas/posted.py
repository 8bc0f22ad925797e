"""Costs by hand: what is posted, and what becomes of it."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from otel_cost.errors import InvalidUsage
from otel_cost.items import MAX_USD
from otel_cost.labelling import MAX_LENGTH
from otel_cost.ledger.asking import instant_ns, iso
from otel_cost.ledger.questions import RECORD_FIELDS, VERDICT_FIELDS
from otel_cost.model import COST_PARTS, CostRecord, Usage
from otel_cost.server.schemas.calls import charge_fields
from otel_cost.server.schemas.given import Given
from otel_cost.server.schemas.money import Money

MAX_BATCH: Final = 1000
_MAX_LABELS: Final = 32
_COUNT: Final = 10**12
_LABEL: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_Name = Annotated[str, Field(max_length=256)]
_Needed = Annotated[str, Field(min_length=1, max_length=256)]
_Amount = Annotated[
    Decimal,
    Field(ge=0, le=MAX_USD, max_digits=40, description="USD: text is exact, a number is taken as written",
          examples=["0.0125"]),
]  # fmt: skip


class _Posted(Given):
    id: str | None = Field(
        default=None,
        pattern="^[!-~]{1,200}$",
        description="Yours, or the header Idempotency-Key: what is posted again under it is booked once. Made here if"
        " absent. It is unique within a trace",
        examples=["invoice-2026-09-17"],
    )
    at: str | None = Field(
        default=None,
        max_length=64,
        description="When it began, ISO 8601, UTC: decides the price and the period. Now if absent",
        examples=["2026-09-21T14:12:20Z"],
    )
    duration_s: float = Field(default=0, ge=0, le=31_536_000, examples=[1.25])
    trace_id: str | None = Field(
        default=None, pattern="^[0-9a-f]{32}$", description="The trace that it belongs to, if any"
    )
    labels: dict[str, str] = Field(
        default={},
        max_length=_MAX_LABELS,
        description="Who it is for",
        examples=[{"service": "shop", "team": "search", "execution": "run-17"}],
    )
    error: _Name = Field(default="", description="The error's type, where it failed", examples=[""])

    @field_validator("at")
    @classmethod
    def _is_instant(cls, at: str | None) -> str | None:
        if at is not None:
            instant_ns(at)
        return at

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for name, value in labels.items():
            if not _LABEL.fullmatch(name) or name in RECORD_FIELDS or name in VERDICT_FIELDS:
                raise ValueError(f"{name!r:.80} is not the name of a label")
            if len(value) > MAX_LENGTH:
                raise ValueError(f"the value of {name} has more than {MAX_LENGTH} characters")
        return labels


class PostedLlm(_Posted):
    """A model's call, priced here by provider, model and counts."""

    kind: Literal["llm"]
    provider: _Needed = Field(examples=["openai"])
    model: _Needed = Field(description="The one that answered", examples=["gpt-4o"])
    input_tokens: int | None = Field(
        default=None, ge=0, le=_COUNT, description="All, cached ones included", examples=[1000]
    )
    output_tokens: int | None = Field(
        default=None, ge=0, le=_COUNT, description="All, reasoning included", examples=[100]
    )
    usage: dict[str, int] = Field(
        default={}, max_length=64, description="Further counts by unit", examples=[{"cache_read_tokens": 800}]
    )
    operation: _Needed = Field(default="chat", examples=["chat"])
    service_tier: _Name = Field(default="", description="As answered: batch, flex, priority", examples=[""])
    response_id: _Name = Field(
        default="", description="The provider's: a call that was seen elsewhere as well is then counted once",
        examples=["chatcmpl-123"],
    )  # fmt: skip

    @field_validator("usage")
    @classmethod
    def _is_usage(cls, usage: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        totals = {
            name: info.data[name] for name in ("input_tokens", "output_tokens") if info.data.get(name) is not None
        }
        for name in totals.keys() & usage.keys():
            raise ValueError(f"{name} is given twice")
        try:
            Usage.of({**totals, **usage})
        except InvalidUsage as error:
            raise ValueError(str(error)) from error
        return usage

    @property
    def counts(self) -> dict[str, int]:
        totals = {"input_tokens": self.input_tokens, "output_tokens": self.output_tokens}
        return {**{name: count for name, count in totals.items() if count is not None}, **self.usage}


class PostedTool(_Posted):
    """A call of a paid tool or API."""

    kind: Literal["tool"]
    name: _Needed = Field(examples=["maps_api"])
    usd: _Amount | None = Field(default=None, description="What it cost; absent: by the price under tools:")
    operation: _Name = Field(default="", description="Kept as the label tool_operation", examples=["route"])
    request_id: _Name = Field(default="", examples=["q-17"])


class PostedInfrastructure(_Posted):
    """The use of a resource: what it cost, or a quantity that a price file has a price for."""

    kind: Literal["infrastructure"]
    resource: _Needed = Field(examples=["cpu_core"])
    usd: _Amount | None = Field(default=None, description="What it cost in all; absent: by the price under resources:")
    quantity: Annotated[Decimal, Field(ge=0, le=_COUNT, max_digits=40)] = Field(default=Decimal(1), examples=["2.5"])
    unit: _Name = Field(default="", description="With it the priced name is resource_unit", examples=["hour"])


Posted = Annotated[PostedLlm | PostedTool | PostedInfrastructure, Field(discriminator="kind")]


class PostedBatch(Given):
    entries: list[Posted] = Field(min_length=1, max_length=MAX_BATCH)


class BookedCost(BaseModel):
    """A cost as it was booked, with its charge. An unknown price is no error: `status` says ``unpriced``."""

    id: str = Field(examples=["invoice-2026-09-17"])
    created: bool = Field(description="False: it had been booked under this id before", examples=[True])
    key: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"])
    trace_id: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    at: str = Field(examples=["2026-09-21T14:12:20Z"])
    kind: str = Field(examples=["llm"])
    status: str = Field(description="priced, estimated, unpriced, or duplicate", examples=["priced"])
    reason: str = Field(examples=[""])
    detail: str = Field(examples=[""])
    cost: Money
    list_cost: Money
    parts: dict[str, Money] = Field(description=f"Disjoint parts of cost: {', '.join(COST_PARTS)}")
    pricing_model: str = Field(examples=["on_demand"])
    price_id: str = Field(examples=["openai:gpt-4o"])
    catalog: str = Field(examples=["genai-prices 0.2.3"])
    source: str = Field(examples=["genai-prices"])

    @classmethod
    def of(cls, given_id: str, record: CostRecord, *, created: bool) -> Self:
        return cls.model_validate(
            {
                **charge_fields(record.charge),
                "id": given_id,
                "created": created,
                "key": record.key,
                "trace_id": record.trace_id,
                "at": iso(record.start_ns),
                "kind": record.kind.value,
            }
        )


class BookedBatch(BaseModel):
    entries: list[BookedCost] = Field(description="In the order in which they were posted")
