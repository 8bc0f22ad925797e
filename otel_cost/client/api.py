"""The client itself: one method for each question, one for each cost by hand."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Self

from otel_cost.client.budget_calls import BudgetCalls
from otel_cost.client.by_hand import ByHand
from otel_cost.client.transport import Query, Transport, segment
from otel_cost.client.values import (
    Breakdown,
    CostSummary,
    Entry,
    EntryPage,
    StatisticsReport,
    TimeSeries,
    TraceCosts,
    Whole,
    WorkspaceCosts,
)
from otel_cost.client.values_budgets import Alert, AlertList, Dashboard
from otel_cost.client.values_prices import PriceList, PriceShown
from otel_cost.client.words import COSTS, NONE, Filters, When, asked, names, when


class Client(ByHand):
    """Asks one server. Thread-safe, keeps its connections; a context manager.

    Reads, and costs by hand, are repeated while the server is away or asks for patience, as long as ``timeout_s``
    allows; changes of budgets are sent once. Every method raises :class:`otel_cost.errors.ApiError`, or of its kinds
    ``ApiUnavailable``, ``ApiDenied``, ``ApiNotFound``, ``ApiInvalid``.

    A period is ``start`` (inclusive) to ``end`` (exclusive, now if absent), or the last ``days``; without either the
    last 7 days. ``where`` are filters.

    Args:
        url: Of the server, for instance ``http://127.0.0.1:4319``.
        key: An access key; not needed where the server has none.
        timeout_s: How long a call may take, its repetitions included.

    Raises:
        ConfigError: the URL is not one, or the key cannot be sent.
    """

    def __init__(self, url: str, *, key: str = "", timeout_s: float = 10.0) -> None:
        super().__init__(Transport(url, key, timeout_s))
        self.budgets: Final = BudgetCalls(self._transport)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- sums ---------------------------------------------------------------------------------------------------------

    def summary(
        self,
        *,
        start: When = None,
        end: When = None,
        days: int | None = None,
        group_by: Sequence[str] = (),
        where: Filters = NONE,
        as_of: When = None,
        limit: int | None = None,
    ) -> CostSummary:
        """Sums of a period, in all and by group; ``as_of``: what the book said then."""
        query = {"group_by": names(group_by), "as_of": when(as_of), "limit": limit}
        return self._transport.get(CostSummary, f"{COSTS}/summary", asked(start, end, days, where, query))

    def timeseries(
        self,
        *,
        interval: Literal["hour", "day", "week", "month"] = "day",
        timezone: str = "UTC",
        start: When = None,
        end: When = None,
        days: int | None = None,
        group_by: Sequence[str] = (),
        where: Filters = NONE,
        limit: int | None = None,
    ) -> TimeSeries:
        """Sums by hour, day, week or month of a time zone."""
        query = {"interval": interval, "timezone": timezone, "group_by": names(group_by), "limit": limit}
        return self._transport.get(TimeSeries, f"{COSTS}/timeseries", asked(start, end, days, where, query))

    def breakdown(
        self,
        by: str,
        *,
        start: When = None,
        end: When = None,
        days: int | None = None,
        where: Filters = NONE,
        limit: int | None = None,
    ) -> Breakdown:
        """Sums by one field or label, with the share of each value."""
        path = f"{COSTS}/breakdown/{segment(by)}"
        return self._transport.get(Breakdown, path, asked(start, end, days, where, {"limit": limit}))

    def top(
        self,
        kind: str,
        *,
        start: When = None,
        end: When = None,
        days: int | None = None,
        where: Filters = NONE,
        limit: int | None = None,
    ) -> Breakdown:
        """The sessions, executions, users, models, ... of most cost."""
        path = f"{COSTS}/top/{segment(kind)}"
        return self._transport.get(Breakdown, path, asked(start, end, days, where, {"limit": limit}))

    def stats(
        self,
        *,
        start: When = None,
        end: When = None,
        days: int | None = None,
        group_by: Sequence[str] = ("provider", "model"),
        where: Filters = NONE,
    ) -> StatisticsReport:
        """Calls, errors, and percentiles of cost and duration."""
        query: Query = {"group_by": names(group_by)}
        return self._transport.get(StatisticsReport, f"{COSTS}/stats", asked(start, end, days, where, query))

    def dashboard(self, *, timezone: str = "UTC", where: Filters = NONE, limit: int | None = None) -> Dashboard:
        """Today, this month, the last one, and who spends most."""
        return self._transport.get(Dashboard, "/api/v1/dashboard", {"timezone": timezone, "limit": limit, **where})

    # --- calls --------------------------------------------------------------------------------------------------------

    def entries(
        self,
        *,
        start: When = None,
        end: When = None,
        days: int | None = None,
        where: Filters = NONE,
        page_size: int = 1000,
    ) -> Iterator[Entry]:
        """Every call of a period, newest first, wrappers and duplicates too; fetched by the page as they are used."""
        cursor: str | None = None
        while True:
            query = asked(start, end, days, where, {"limit": page_size, "cursor": cursor})
            page = self._transport.get(EntryPage, f"{COSTS}/entries", query)
            yield from page.entries
            cursor = page.next_cursor
            if cursor is None:
                return

    def execution(self, execution: str) -> Whole:
        """All that one execution cost, of all time."""
        return self._transport.get(Whole, f"/api/v1/executions/{segment(execution)}/costs", {})

    def session(self, session: str) -> Whole:
        """All that one session cost, of all time."""
        return self._transport.get(Whole, f"/api/v1/sessions/{segment(session)}/costs", {})

    def trace(self, trace_id: str) -> TraceCosts:
        """All that one trace cost, and its calls."""
        return self._transport.get(TraceCosts, f"/api/v1/traces/{segment(trace_id)}/costs", {})

    def workspace(
        self,
        workspace: str,
        *,
        period: Literal["day", "week", "month"] = "month",
        at: When = None,
        timezone: str = "UTC",
    ) -> WorkspaceCosts:
        """What one workspace cost in a calendar period: the present one, or the one around ``at``."""
        query: Query = {"period": period, "at": when(at), "timezone": timezone}
        return self._transport.get(WorkspaceCosts, f"/api/v1/workspaces/{segment(workspace)}/costs", query)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        style: Literal["csv", "json", "jsonl"] = "csv",
        start: When = None,
        end: When = None,
        days: int | None = None,
        where: Filters = NONE,
        timeout_s: float = 600.0,
    ) -> None:
        """Every call of a period into a file, which is there once it is whole. Takes no memory.

        Raises:
            OSError: the file cannot be written.
        """
        target = Path(path)
        query = asked(start, end, days, where, {"format": style})
        descriptor, beside = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                self._transport.into(f"{COSTS}/export", query, _sink(file), timeout_s)
            os.replace(beside, target)
        except BaseException:
            os.unlink(beside)
            raise

    # --- prices, alerts -----------------------------------------------------------------------------------------------

    def prices(
        self, *, provider: str | None = None, model: str | None = None, at: When = None, limit: int | None = None
    ) -> PriceList:
        """What models cost; ``model`` is a pattern (``gpt-4o*``)."""
        query: Query = {"provider": provider, "model": model, "at": when(at), "limit": limit}
        return self._transport.get(PriceList, "/api/v1/prices", query)

    def price(self, provider: str, model: str, *, tier: str | None = None, at: When = None) -> PriceShown:
        """One model's price, and what it was before."""
        path = f"/api/v1/prices/{segment(provider)}/{segment(model)}"
        return self._transport.get(PriceShown, path, {"tier": tier, "at": when(at)})

    def alerts(
        self,
        *,
        state: Literal["active", "acknowledged", "resolved", "all"] = "active",
        budget: str | None = None,
        limit: int | None = None,
    ) -> tuple[Alert, ...]:
        """Thresholds that budgets reached, the newest first."""
        query: Query = {"state": state, "budget": budget, "limit": limit}
        return self._transport.get(AlertList, "/api/v1/alerts", query).alerts

    def acknowledge(self, alert: int) -> Alert:
        """Say that somebody looks after an alert."""
        return self._alert(alert, "acknowledge")

    def resolve(self, alert: int) -> Alert:
        """Say that an alert is settled."""
        return self._alert(alert, "resolve")

    def _alert(self, alert: int, done: str) -> Alert:
        return self._transport.send(Alert, "POST", f"/api/v1/alerts/{alert}/{done}", {}, None, repeatable=False)


def _sink(file: IO[bytes]) -> Callable[[bytes], None]:
    def write(some: bytes) -> None:
        file.write(some)

    return write
