"""What happened to budgets: thresholds that were reached, changes by people, reservations that were lost; and to those
that are apps' own."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Self

from pydantic import BaseModel, Field

from otel_cost import semconv
from otel_cost.budgets.evaluate import severity
from otel_cost.budgets.spec import PPM
from otel_cost.budgets.stores.base import Alert, AuditEntry, LostHold
from otel_cost.ledger.asking import iso
from otel_cost.ledger.audit import Audited
from otel_cost.ledger.events import Reported
from otel_cost.server.schemas.money import Money
from otel_cost.server.schemas.period import Period


class AlertOf(BaseModel):
    """A threshold that a budget reached."""

    id: int = Field(examples=[17])
    at: str = Field(examples=["2026-09-21T14:00:00Z"])
    budget: str = Field(examples=["team-month"])
    scope: dict[str, str] = Field(examples=[{"team": "search"}])
    period_start: str | None = Field(
        description="As the budget's time zone has it", examples=["2026-09-01T00:00:00+00:00"]
    )
    threshold: str = Field(description="Share of the limit, 1 being all of it", examples=["0.8"])
    severity: str = Field(description="info, warning or critical", examples=["warning"])
    spent: Money
    limit: Money
    state: str = Field(description="active, acknowledged or resolved", examples=["active"])
    actor: str | None = Field(description="Who acknowledged or resolved it", examples=[None])

    @classmethod
    def of(cls, alert: Alert) -> Self:
        share = Decimal(alert.threshold) / PPM
        return cls(
            id=alert.id,
            at=iso(alert.at_ns),
            budget=alert.row.budget,
            scope=dict(alert.row.scope),
            period_start=alert.row.period or None,
            threshold=f"{share:f}",
            severity=severity(share),
            spent=Money.of(alert.spent_nano),
            limit=Money.of(alert.limit_nano),
            state=alert.state,
            actor=alert.actor or None,
        )


class AlertList(BaseModel):
    alerts: list[AlertOf] = Field(description="The newest first")


class Change(BaseModel):
    """One change, by whom and why."""

    at: str = Field(examples=["2026-09-21T14:00:00Z"])
    actor: str = Field(description="The id of the key, or who ran the command", examples=["key-7f3a"])
    action: str = Field(examples=["budget.pause"])
    target: str = Field(description="What it was done to", examples=["team-month"])
    scope: dict[str, str] = Field(description="The value of a budget", examples=[{"team": "search"}])
    reason: str = Field(examples=["runaway agent"])
    detail: dict[str, Any] = Field(
        description="What it was like before and after", examples=[{"before": {"paused": False}}]
    )

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            at=iso(entry.at_ns),
            actor=entry.actor,
            action=f"budget.{entry.kind}",
            target=entry.budget,
            scope=dict(entry.scope),
            reason=entry.reason,
            detail={"before": json.loads(entry.before), "after": json.loads(entry.after)},
        )

    @classmethod
    def done(cls, one: Audited) -> Self:
        """Something else that was done."""
        return cls(
            at=iso(one.at_ns),
            actor=one.actor,
            action=one.action,
            target=one.target,
            scope={},
            reason="",
            detail=dict(one.detail),
        )


class AuditLog(BaseModel):
    changes: list[Change] = Field(description="The newest first")


class EventOf(BaseModel):
    """What an app told of a budget of its own."""

    at: str = Field(examples=["2026-09-21T14:00:00Z"])
    name: str = Field(examples=[semconv.EVENT_BUDGET_BREACH])
    budget: str = Field(examples=["session-limit"])
    severity: str = Field(examples=["critical"])
    message: str = Field(examples=["budget 'session-limit' is used up"])
    labels: dict[str, str] = Field(description="Whose it is", examples=[{"service": "shop", "team": "search"}])
    attributes: dict[str, str | int | float | bool] = Field(examples=[{semconv.BUDGET_LIMIT: 20.0}])

    @classmethod
    def of(cls, event: Reported) -> Self:
        return cls(
            at=iso(event.at_ns),
            name=event.name,
            budget=event.budget,
            severity=event.severity,
            message=event.message,
            labels=dict(event.labels),
            attributes=dict(event.attributes),
        )


class EventList(Period):
    events: list[EventOf] = Field(description="The newest first")


class LostOf(BaseModel):
    """A reservation whose call never told what it cost."""

    hold: str = Field(examples=["3e1f9c0b"])
    lapsed: str = Field(examples=["2026-09-21T14:00:00Z"])
    budget: str = Field(examples=["team-month"])
    scope: dict[str, str] = Field(examples=[{"team": "search"}])
    reserved: Money
    charged: bool = Field(description="Became spend; else its room was given back", examples=[False])

    @classmethod
    def of(cls, hold: LostHold) -> Self:
        return cls(
            hold=hold.hold_id,
            lapsed=iso(hold.expired_ns),
            budget=hold.row.budget,
            scope=dict(hold.row.scope),
            reserved=Money.of(hold.amount_nano),
            charged=hold.charged,
        )


class LostList(BaseModel):
    lost: list[LostOf] = Field(description="The newest first")
