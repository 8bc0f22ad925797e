"""Times of the week at which a price applies: ``weekdays``, ``hours`` and ``timezone`` of an entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from otel_cost.pricing import reading
from otel_cost.pricing.instants import moment
from otel_cost.pricing.reading import Place
from otel_cost.settings_values import parse_timezone

KEYS: Final = ("weekdays", "hours", "timezone")
_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAYS: Final = tuple(name[:3] for name in _NAMES)
_HOURS: Final = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)")
_DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Weekdays (0 is Monday) and minutes of the day, in ``zone``. ``start`` is inclusive, ``end`` exclusive.

    A window whose end is not after its start runs past midnight, and belongs to the day on which it starts. Clocks are
    followed as they stand in the zone: an hour that a change to summer time leaves out is simply not there.
    """

    weekdays: frozenset[int]
    start: int
    end: int
    zone: tzinfo
    written: str

    def active(self, at_ns: int) -> bool:
        """Whether the window is open at ``at_ns`` (UTC ns)."""
        local = moment(at_ns).astimezone(self.zone)
        minute = local.hour * 60 + local.minute
        today, yesterday = local.weekday(), (local.weekday() - 1) % 7
        if self.start < self.end:
            return today in self.weekdays and self.start <= minute < self.end
        return (today in self.weekdays and minute >= self.start) or (yesterday in self.weekdays and minute < self.end)


def read(data: Mapping[str, object], place: Place) -> Window | None:
    """The window of an entry; None where it has none of the keys.

    Raises:
        ConfigError: a day, the hours or the time zone is wrong; or there is only a time zone.
    """
    if not any(key in data for key in KEYS):
        return None
    if "weekdays" not in data and "hours" not in data:
        raise place.error("timezone: says nothing without weekdays or hours")
    days = reading.texts(data, "weekdays", place, f"days ({', '.join(_DAYS)})") or _DAYS
    if "weekdays" in data and not data["weekdays"]:
        raise place.error("weekdays: the list is empty; leave it out for all days")
    for day in days:
        if len(day) < 3 or not any(name.startswith(day.lower()) for name in _NAMES):
            raise place.error(f"weekdays: {day!r} is no day; allowed: {', '.join(_DAYS)}")
    start, end = _hours(data, place)
    name = reading.text(data, "timezone", place, "UTC")
    try:
        zone = parse_timezone(name)
    except ValueError as error:
        raise place.error(f"timezone: {error}") from error
    numbers = frozenset(_DAYS.index(day.lower()[:3]) for day in days)
    return Window(numbers, start, end, zone, _written(numbers, start, end, name))


def _hours(data: Mapping[str, object], place: Place) -> tuple[int, int]:
    if "hours" not in data:
        return 0, _DAY_MINUTES
    match = _HOURS.fullmatch(reading.text(data, "hours", place))
    if match is None:
        raise place.error(f'hours: expected for instance "22:00-06:00", not {data["hours"]!r:.40}')
    start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
    if start >= _DAY_MINUTES or end > _DAY_MINUTES or start == end:
        raise place.error("hours: starts before 24:00, ends at 24:00 at the latest, and not when it starts")
    return start, end


def _written(days: frozenset[int], start: int, end: int, zone: str) -> str:
    named = "" if len(days) == len(_DAYS) else ",".join(_DAYS[day] for day in sorted(days)) + " "
    return f"{named}{start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {zone}"
