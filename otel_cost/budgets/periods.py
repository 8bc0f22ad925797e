"""Calendar periods: hours, days, weeks and months as the clocks and calendars of a time zone have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

from otel_cost.model import NANO


class PeriodSpan(NamedTuple):
    """A calendar period: its name (its start, ISO 8601), its start (inclusive) and its end (exclusive)."""

    name: str
    start_ns: int
    end_ns: int


def period_start(period: str, timezone: tzinfo, at_ns: int) -> datetime:
    """Start of the calendar period that ``at_ns`` lies in, as aware local time. Weeks start on Monday (ISO 8601)."""
    # Hostile times must not break what comes after them: they count in the last period that there is.
    local = datetime.fromtimestamp(min(max(at_ns, 0) // NANO, _LAST_S), UTC).astimezone(timezone)
    if period == "hour":
        # replace() keeps the fold: the hour that clocks repeat in autumn is two periods.
        return local.replace(minute=0, second=0, microsecond=0)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if period == "week":
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if period == "month" else midnight


def period_span(period: str, timezone: tzinfo, at_ns: int) -> PeriodSpan:
    """The calendar period that ``at_ns`` lies in."""
    start = period_start(period, timezone, at_ns)
    end = _period_after(period, start)
    return PeriodSpan(start.isoformat(), round(start.timestamp()) * NANO, round(end.timestamp()) * NANO)


def _period_after(period: str, start: datetime) -> datetime:
    if period == "hour":
        return (start.astimezone(UTC) + timedelta(hours=1)).astimezone(start.tzinfo)
    if period == "month":
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    # Adding days to an aware time moves the wall clock, which is what a calendar day is.
    return start + timedelta(days=7 if period == "week" else 1)


_LAST_S: Final = 250_000_000_000
"""A second in the year 9892: calendar arithmetic ends in 9999."""
