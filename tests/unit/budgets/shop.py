"""Budgets at work without an app: calls that are planned, made and settled, at prices that are easy to see."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets import BudgetEvent, Budgets, Hold
from otel_cost.budgets.reserving import Reserving
from otel_cost.budgets.spec import Budget, budget_of
from otel_cost.budgets.stores import Store
from otel_cost.model import NANO, Charge, CostRecord, PlannedCall, Reason, Status, Usage, record_key

MODEL = "m"
WINDOW = 10_000
_numbers = itertools.count(1)


def usd(amount: str | int) -> Decimal:
    return Decimal(amount)


def budget(name: str = "b", amount_usd: str | int = 100, **settings: object) -> Budget:
    return budget_of(BudgetSettings(name=name, amount_usd=usd(amount_usd), **settings))  # type: ignore[arg-type]


def planned(*, output: int | None = 1, model: str = MODEL, sent: int = 0, **labels: str) -> PlannedCall:
    return PlannedCall("p", model, "chat", input_bytes=sent, max_output_tokens=output, labels=labels)


def cost_nano(call: PlannedCall, usage: Usage) -> int | None:
    """A dollar for each token, two for one that is written into a cache; none for other models."""
    if call.model != MODEL:
        return None
    written = usage.get("cache_write_tokens")
    return NANO * (usage.get("input_tokens") + written + usage.get("output_tokens"))


def spent(
    nano: int, *, key: str = "", at_ns: int = 1, status: Status = Status.PRICED, output: int = 1, **labels: str
) -> CostRecord:
    """The record of a call that cost ``nano``."""
    trace_id, _, span_id = (key or f"{next(_numbers):032x}-{1:016x}").partition("-")
    reason = Reason.NO_USAGE if status is Status.UNPRICED else None
    return CostRecord(
        record_key(trace_id, span_id), trace_id, span_id, "", at_ns, at_ns, "chat", "p", MODEL, MODEL,
        Charge(status, reason, amount_nano=nano, list_nano=nano), usage=Usage.of({"output_tokens": output}),
        labels=labels,
    )  # fmt: skip


@dataclass
class Shop:
    """One process's budgets, what they told, and a clock that is moved by hand."""

    budgets: Budgets
    told: list[BudgetEvent] = field(default_factory=list[BudgetEvent])
    now_ns: int = NANO

    def ask(self, **call: object) -> Hold:
        return self.budgets.admit(planned(**call), "")  # type: ignore[arg-type]

    def call(self, nano: int, **labels: str) -> None:
        """Ask, make the call, settle it."""
        hold = self.ask(**labels)
        record = spent(nano, at_ns=self.now_ns, **labels)
        hold.bind(record.key)
        self.budgets.take(record)
        hold.release()

    def names(self) -> list[str]:
        return [event.name.rpartition(".")[2] for event in self.told]

    def row(self, name: str = "b") -> tuple[int, int]:
        """Spent and reserved, in whole USD, over all rows of a budget."""
        states = self.budgets.store.rows(name)
        return sum(s.spent_nano for s in states) // NANO, sum(s.reserved_nano for s in states) // NANO


def shop(*budgets: Budget, store: Store | None = None, cache_s: float = 0.0, learns: bool = True) -> Shop:
    made: Shop

    def tell(event: BudgetEvent) -> None:
        made.told.append(event)

    made = Shop(
        Budgets(
            budgets,
            on_event=tell,
            reserving=Reserving(cost_nano, lambda _call: WINDOW) if learns else None,
            has_price=lambda call: call.model == MODEL,
            store=store,
            cache_s=cache_s,
            hold_ttl_s=60,
            clock_ns=lambda: made.now_ns,
        )
    )
    return made


@contextmanager
def closing(shop: Shop) -> Iterator[Shop]:
    try:
        yield shop
    finally:
        shop.budgets.close()
