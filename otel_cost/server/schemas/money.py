"""Amounts: exact twice, as decimal text in USD, and as an integer in nano-USD."""

from __future__ import annotations

from decimal import Decimal
from typing import Self

from pydantic import BaseModel, Field

from otel_cost.model import NANO


def usd_text(nano: int) -> str:
    """Nano-USD as a plain decimal number of USD with nine places, never in exponent form."""
    return f"{Decimal(nano) / NANO:.9f}"


def share_text(part: int, whole: int) -> str | None:
    """``part`` of ``whole`` as a decimal number with four places, 1 being all of it; None of nothing."""
    return f"{Decimal(part) / whole:.4f}" if whole else None


class Money(BaseModel):
    usd: str = Field(description="USD, exact, as a decimal number", examples=["0.001250000"])
    nano_usd: int = Field(description="The same in nano-USD (1e-9 USD)", examples=[1250000])

    @classmethod
    def of(cls, nano: int) -> Self:
        return cls(usd=usd_text(nano), nano_usd=nano)
