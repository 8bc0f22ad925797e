"""What the book would say had its calls been priced by today's prices, and the corrections that make it say so.

A call is priced anew by the prices of *its* time, as the catalog has them now. What stands is left alone where there is
nothing better to say: where a call has no price today, reported no usage, or was priced by other means. An estimate
stays an estimate. Price schedules apply in order of time, after what the book says was used before the window.

Nothing is edited: a correction takes the old charge back and posts the new one, each with its price id and catalog.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Final

from otel_cost.ledger.base import MAX_AMOUNT, Correction, Ledger, Standing, Written
from otel_cost.model import Charge, Kind, Reason, Status, Usage
from otel_cost.pricing import Catalog
from otel_cost.pricing.catalog import deployment_tier_in
from otel_cost.pricing.schedules import SoFar
from otel_cost.used_before import Accounts, Place, query_of

PAGE: Final = 500
"""Calls that are read, priced and corrected at a time: one transaction each."""
MAX_LINES: Final = 1000
"""Models that are told apart; what comes after them is summed under one empty name: names come from outside."""
FOLDED: Final = ("", "")

OLDER_RELEASE: Final = "booked without what its price went by (service tier, host), as earlier releases did"
NOT_FROM_PRICES: Final = "its amount does not come from a price list"
BEYOND: Final = "today's price makes it more than one call can cost"
NOT_A_CALL: Final = "infrastructure: a fee, or a quantity that the book does not keep"


@dataclass(frozen=True, slots=True)
class Window:
    """Which calls: by their start, ``from_ns`` inclusive, ``to_ns`` exclusive (UTC ns); ``model`` is a glob, and like
    ``provider`` compared without case; "" means any."""

    from_ns: int
    to_ns: int
    model: str = ""
    provider: str = ""

    def includes(self, call: Standing) -> bool:
        if self.provider and call.called.provider.lower() != self.provider.lower():
            return False
        names = (call.called.model_answered, call.called.model_requested)
        return not self.model or any(fnmatchcase(name.lower(), self.model.lower()) for name in names if name)


@dataclass(slots=True)
class Line:
    """Calls of one model whose charge changes. Nano-USD."""

    calls: int = 0
    booked_nano: int = 0
    new_nano: int = 0

    @property
    def difference_nano(self) -> int:
        return self.new_nano - self.booked_nano


@dataclass(slots=True)
class Outcome:
    """What was found. ``left`` counts by reason the calls that cannot be priced anew; ``overtaken`` those that got
    another verdict while they were looked at: they were left, and are looked at by the next run."""

    lines: dict[tuple[str, str], Line] = field(default_factory=dict[tuple[str, str], Line])
    seen: int = 0
    newly_priced: int = 0
    unchanged: int = 0
    overtaken: int = 0
    left: Counter[str] = field(default_factory=Counter[str])

    @property
    def total(self) -> Line:
        total = Line()
        for line in self.lines.values():
            total.calls += line.calls
            total.booked_nano += line.booked_nano
            total.new_nano += line.new_nano
        return total

    def corrected(self, call: Standing, charge: Charge) -> None:
        names = (call.dimensions.get("provider", ""), call.dimensions.get("model", ""))
        known = names in self.lines or len(self.lines) < MAX_LINES
        line = self.lines.setdefault(names if known else FOLDED, Line())
        line.calls += 1
        line.booked_nano += call.charge.amount_nano
        line.new_nano += charge.amount_nano
        self.newly_priced += call.charge.status is Status.UNPRICED


def reprice(
    ledger: Ledger,
    catalog: Catalog,
    window: Window,
    *,
    book: Callable[[Sequence[Correction]], Written] | None = None,
    progress: Callable[[int], None] = lambda _calls: None,
    page: int = PAGE,
) -> Outcome:
    """Go over the window in order of time.

    Args:
        ledger: The book.
        catalog: Today's prices.
        window: Which calls.
        book: Books the corrections of a page, all or none; None books nothing. A run that breaks off leaves whole
            pages, and the next run finds what is still to do.
        progress: Told after each page how many calls it had.
        page: How many calls are in memory at a time.

    Raises:
        LedgerError: the book cannot be read or written.
    """
    outcome = Outcome()
    today = _Today(ledger, catalog, window.from_ns)
    for calls in _pages(ledger, window, page):
        corrections = [made for call in calls if (made := _correction(call, today, window, outcome)) is not None]
        if book is not None and corrections:
            outcome.overtaken += book(corrections).unchanged
        progress(len(calls))
    return outcome


def _pages(ledger: Ledger, window: Window, page: int) -> Iterator[Sequence[Standing]]:
    after: tuple[int, str] | None = None
    while calls := ledger.standing(window.from_ns, window.to_ns, after=after, limit=page):
        yield calls
        after = (calls[-1].occurred_ns, calls[-1].key)


def _correction(call: Standing, today: _Today, window: Window, outcome: Outcome) -> Correction | None:
    if not window.includes(call):
        today.count(call, call.charge)
        return None
    outcome.seen += 1
    found = today.charge(call)
    if isinstance(found, str):
        outcome.left[found] += 1
    elif _same_money(call.charge, found):
        outcome.unchanged += 1
    else:
        outcome.corrected(call, found)
        today.count(call, found)
        return Correction(call.key, call.sequence, found)
    today.count(call, call.charge)
    return None


class _Today:
    """Today's prices, and what was used before each call. Calls come in order of time."""

    def __init__(self, ledger: Ledger, catalog: Catalog, from_ns: int) -> None:
        self._catalog = catalog
        self._accounts = Accounts(ledger.used, until_ns=from_ns)

    def charge(self, call: Standing) -> Charge | str:
        """The charge by today's prices; or why there is none."""
        if call.charge.reason is Reason.FAILED:
            return call.charge  # it cost nothing, by any price
        kind = call.dimensions.get("kind", "")
        if kind not in (Kind.LLM, Kind.TOOL):
            return NOT_A_CALL
        if kind == Kind.TOOL and call.charge.reason is Reason.INVALID_USAGE:
            return NOT_FROM_PRICES  # the app said an amount, which could not be one
        if reason := _not_to_be_priced(call, self._catalog, kind == Kind.LLM):
            return reason
        charge = self._of_call(call) if kind == Kind.LLM else self._of_tool(call)
        if max(charge.amount_nano, charge.list_nano) > MAX_AMOUNT:
            return BEYOND
        return charge if charge.status.counted else f"no price today: {charge.reason}"

    def count(self, call: Standing, charge: Charge) -> None:
        """Later calls come after this one."""
        place = self._place(call)
        if place is not None and charge.status.counted:
            self._accounts.account(self._catalog, place).add(call.counts, charge.towards_schedule_nano)

    def _place(self, call: Standing) -> Place | None:
        if call.dimensions.get("kind") != Kind.LLM:
            return None
        return self._accounts.place(self._catalog, query_of(call.called, call.occurred_ns))

    def _of_tool(self, call: Standing) -> Charge:
        charge = self._catalog.tool(call.called.model_requested, call.occurred_ns)
        if charge is None:
            return Charge(Status.UNPRICED, Reason.NO_RATE)
        return Charge(Status.PRICED, Reason.FAILED, call.error, source="rule") if call.error else charge

    def _of_call(self, call: Standing) -> Charge:
        so_far: SoFar | None = None
        if (place := self._place(call)) is not None:
            account = self._accounts.account(self._catalog, place)
            so_far = SoFar(account.counts, account.list_nano)
        charge = self._catalog.price(Usage(call.counts), query_of(call.called, call.occurred_ns), so_far)
        return _as_estimate(call, charge) if charge.status.counted else charge


def _as_estimate(call: Standing, charge: Charge) -> Charge:
    """``charge`` as what it is where the counts were estimated; how that was done is known where it was said before."""
    booked, terms = call.charge, call.called.terms
    if booked.status is Status.ESTIMATED:
        return replace(charge, status=Status.ESTIMATED, reason=booked.reason, detail=booked.detail)
    if terms is not None and terms.usage_estimated:
        return replace(charge, status=Status.ESTIMATED, reason=Reason.USAGE_ESTIMATED)
    return charge


def _not_to_be_priced(call: Standing, catalog: Catalog, has_usage: bool) -> str:
    """Why a call is left as it stands, "" where it is not."""
    booked = call.charge
    if has_usage and not call.counts:
        return f"no usage in the book: {booked.reason or 'none reported'}"
    if booked.status.counted and not booked.catalog:
        return NOT_FROM_PRICES
    if call.called.terms is None:
        return OLDER_RELEASE
    tier = deployment_tier_in(booked.catalog)
    if booked.catalog and tier != catalog.tier:
        wanted = f"OTEL_COST_TIER={tier}" if tier else "OTEL_COST_TIER unset"
        return f"priced for another deployment tier: run this with {wanted} for them"
    return ""


def _same_money(booked: Charge, found: Charge) -> bool:
    """Whether a correction would change a sum. A price that has another name, or a newer catalog, does not."""
    mine, other = (
        (each.status, each.amount_nano, each.list_nano, each.parts, each.pricing_model, each.towards_schedule_nano)
        for each in (booked, found)
    )
    return mine == other
