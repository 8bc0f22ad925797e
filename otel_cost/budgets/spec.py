"""A budget in its normal form, the calls that it applies to, and the row that a call counts against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from decimal import Decimal
from typing import Final, NamedTuple

from otel_cost import semconv
from otel_cost.budget_settings import Action, BudgetSettings, Period, Reserve
from otel_cost.budgets.periods import PeriodSpan, period_span
from otel_cost.model import NANO, CostRecord, PlannedCall
from otel_cost.settings_values import parse_duration, parse_instant, parse_percent, parse_timezone

UNBOUNDED: Final = frozenset({"session", "trace", "user", "conversation", "execution"})
"""Labels without a bound: rows by them expire and have no gauges of their own."""

CALL_FACTS: Final = frozenset({"provider", "model", "operation", "kind"})
"""What is known of a call, but not of a block of code that makes some."""
PPM: Final = 1_000_000
"""Thresholds are integers in millionths of the limit: 800,000 is 80 %."""
Scope = tuple[tuple[str, str], ...]
"""Label names and values, in the order of a budget's ``per:``."""


class RowKey(NamedTuple):
    """One budget, for one value of its ``per:`` labels, in one period (its start, ISO 8601; empty when it has none)."""

    budget: str
    scope: Scope
    period: str


@dataclass(frozen=True, slots=True)
class Override:
    """What is different for one value of the ``per:`` label."""

    amount_nano: int | None
    action: Action | None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """One budget. Money in nano-USD, durations in seconds, shares as ``Decimal`` (1 is 100 %)."""

    name: str
    amount_nano: int
    period: Period
    timezone: tzinfo
    per: tuple[str, ...]
    match: Mapping[str, str]
    thresholds: tuple[Decimal, ...]
    action: Action
    grace: Decimal
    unpriced: str
    """``allow`` or ``block``; ``assume`` counts ``assumed_nano`` for an unpriced call."""
    assumed_nano: int
    starts_ns: int | None
    ends_ns: int | None
    overrides: Mapping[str, Override]
    reserve: Reserve
    reserve_cap_nano: int | None
    carry_over: bool
    timeout_s: float
    fail_closed: bool
    """Whether calls are stopped when the store cannot be reached."""
    charge_expired: bool
    """Whether a reservation whose call never settled becomes spend."""
    cooldown_s: float
    notify: tuple[str, ...]
    last_span: list[PeriodSpan] = field(default_factory=list["PeriodSpan"], compare=False, repr=False)
    """The period asked for last, at most one: a cache."""

    def limit_nano(self, scope: Scope) -> int:
        override = self._override(scope)
        return self.amount_nano if override is None or override.amount_nano is None else override.amount_nano

    def action_for(self, scope: Scope) -> Action:
        override = self._override(scope)
        return self.action if override is None or override.action is None else override.action

    def paused_in_settings(self, scope: Scope) -> bool:
        override = self._override(scope)
        return override is not None and override.paused

    @property
    def scope_labels(self) -> tuple[str, ...]:
        """The labels that its rows are told apart by."""
        return (self.period,) if self.period in ("session", "trace") else self.per

    def is_about(self, facts: Mapping[str, str]) -> bool:
        """Whether it can be told from ``facts`` which of its rows they belong to: a budget by model says nothing about
        a block of code, only about each call in it."""
        if facts.keys() >= CALL_FACTS:
            return True
        return not (CALL_FACTS - facts.keys()).intersection((*self.per, *self.match))

    @property
    def actions(self) -> set[Action]:
        """Every action that it can take, whatever the value."""
        return {self.action, *(one.action for one in self.overrides.values() if one.action is not None)}

    def has_own_limit(self, scope: Scope) -> bool:
        """Whether an override gives this value an amount of its own."""
        override = self._override(scope)
        return override is not None and override.amount_nano is not None

    def _override(self, scope: Scope) -> Override | None:
        return self.overrides.get(scope[0][1]) if self.overrides and len(scope) == 1 else None

    def row(self, facts: Mapping[str, str], at_ns: int) -> RowKey | None:
        """The row that a call with ``facts`` made at ``at_ns`` counts against; None when the budget does not apply.

        A missing ``per:`` label counts as the empty value: unlabelled spend has a limit too. A session budget does not
        apply to calls without a session, since they cannot be told apart.
        """
        if any(facts.get(label) != value for label, value in self.match.items()):
            return None
        if (self.starts_ns is not None and at_ns < self.starts_ns) or (
            self.ends_ns is not None and at_ns >= self.ends_ns
        ):
            return None
        if self.period in ("session", "trace"):
            value = facts.get(self.period, "")
            return RowKey(self.name, ((self.period, value),), "") if value else None
        scope = tuple((label, facts.get(label, "")) for label in self.per)
        if self.period == "total":
            return RowKey(self.name, scope, "")
        return RowKey(self.name, scope, self._span(at_ns).name)

    def needs_label(self, facts: Mapping[str, str]) -> bool:
        """Whether the budget would apply, if only it were known which session (or trace) the call belongs to."""
        matches = all(facts.get(label) == value for label, value in self.match.items())
        return matches and self.period in ("session", "trace") and not facts.get(self.period)

    def period_end_ns(self, at_ns: int) -> int | None:
        """When the period that ``at_ns`` lies in ends (exclusive); None when it never does by itself."""
        return None if self.period in ("session", "trace", "total") else self._span(at_ns).end_ns

    def _span(self, at_ns: int) -> PeriodSpan:
        # Nearly every call lies in the period of the one before: calendar arithmetic is done once a period.
        last = self.last_span[-1] if self.last_span else None
        if last is None or not last.start_ns <= at_ns < last.end_ns:
            last = period_span(self.period, self.timezone, at_ns)
            self.last_span[:] = [last]
        return last

    @property
    def marks(self) -> tuple[int, ...]:
        """The thresholds in millionths of the limit, ascending, and the limit itself whether it is one of them or
        not."""
        return tuple(sorted({*(int(share * PPM) for share in self.thresholds), PPM}))

    def row_before(self, facts: Mapping[str, str], at_ns: int) -> RowKey | None:
        """The row of the period before, where the budget applied then and its period is one of the calendar."""
        if self.period in ("session", "trace", "total"):
            return None
        return self.row(facts, self._span(at_ns).start_ns - 1)

    @property
    def has_gauges(self) -> bool:
        return self.period not in ("session", "trace") and not UNBOUNDED.intersection(self.per)


@dataclass(frozen=True, slots=True)
class BudgetState:
    """Where one row of a budget stands. Money in nano-USD; ``paused`` by hand or by itself.

    ``ends_ns``: when its period ends (exclusive, UTC), None when it never does by itself.
    """

    budget: Budget
    row: RowKey
    limit_nano: int
    spent_nano: int
    reserved_nano: int
    action: Action
    paused: bool
    paused_by_hand: bool = False
    ends_ns: int | None = None

    @property
    def utilization(self) -> float:
        """Spent over limit; 0 for nothing of nothing, infinite for something of nothing."""
        if self.limit_nano:
            return self.spent_nano / self.limit_nano
        return float("inf") if self.spent_nano else 0.0

    def attributes(self) -> dict[str, str]:
        """Metric attributes: the budget, its period's kind, and one attribute for each ``per:`` label."""
        return {
            semconv.BUDGET_NAME: self.budget.name,
            semconv.BUDGET_PERIOD: self.budget.period,
            **{semconv.label_attribute(label): value for label, value in self.row.scope if value},
        }


def budget_of(settings: BudgetSettings) -> Budget:
    """The normal form of a validated ``budgets:`` entry."""
    unpriced = settings.unpriced
    assumed = Decimal(0) if isinstance(unpriced, str) else unpriced["assume"]
    return Budget(
        name=settings.name,
        amount_nano=_nano(settings.amount_usd),
        period=settings.period,
        timezone=parse_timezone(settings.timezone),
        per=settings.per,
        match=settings.match,
        thresholds=tuple(sorted({parse_percent(share) for share in settings.thresholds})),
        action=settings.action,
        grace=parse_percent(settings.grace) if settings.grace else Decimal(0),
        unpriced=unpriced if isinstance(unpriced, str) else "assume",
        assumed_nano=_nano(assumed),
        starts_ns=_instant_ns(settings.starts, settings.timezone),
        ends_ns=_instant_ns(settings.ends, settings.timezone),
        overrides={
            value: Override(_nano_or_none(override.amount_usd), override.action, override.paused)
            for value, override in settings.overrides.items()
        },
        reserve=settings.reserve,
        reserve_cap_nano=_nano_or_none(settings.reserve_cap_usd),
        carry_over=settings.carry_over,
        timeout_s=parse_duration(settings.timeout),
        fail_closed=settings.fail == "closed",
        charge_expired=settings.expired == "charge",
        cooldown_s=parse_duration(settings.cooldown),
        notify=settings.notify,
    )


def facts_of_record(record: CostRecord) -> dict[str, str]:
    """What budgets can match and split by: labels, and what kind of call it was."""
    return facts_of(
        record.labels,
        trace_id=record.trace_id,
        provider=record.provider,
        model_requested=record.model_requested,
        model_answered=record.model_answered,
        operation=record.operation,
        kind=record.kind.value,
    )


def facts_of(
    labels: Mapping[str, str],
    *,
    trace_id: str,
    provider: str,
    model_requested: str,
    model_answered: str,
    operation: str,
    kind: str,
) -> dict[str, str]:
    """The facts of a call that was made, whoever tells it."""
    return {
        **labels,
        "trace": trace_id,
        "provider": provider,
        # The requested name on both sides of a call: the answered one is not known before it, and is often dated.
        "model": model_requested or model_answered,
        "operation": operation,
        "kind": kind,
    }


def facts_of_call(call: PlannedCall, trace_id: str) -> dict[str, str]:
    """The same facts before a call."""
    return {
        **call.labels,
        "trace": trace_id,
        "provider": call.provider,
        "model": call.model,
        "operation": call.operation,
        "kind": "llm",
    }


def _nano(amount: Decimal) -> int:
    return int((amount * NANO).to_integral_value())


def _nano_or_none(amount: Decimal | None) -> int | None:
    return None if amount is None else _nano(amount)


def _instant_ns(text: str | None, zone: str) -> int | None:
    return None if text is None else round(parse_instant(text, parse_timezone(zone)).timestamp()) * NANO
