"""Values in price files: each reader takes one key of one entry, and its errors name file, entry, key and what is
allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from otel_cost.errors import ConfigError
from otel_cost.pricing.documents import as_mapping, as_sequence

MAX_USD: Final = 10**9
_MAX_DECIMALS: Final = 24
_MAX_PERCENT: Final = 1000
_PERCENT: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*%\s*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands, for error texts: a file (or "code"), and the way into it."""

    source: str
    path: str = ""

    def error(self, text: str) -> ConfigError:
        return ConfigError(f"{self}{': ' if self.path else ' '}{text}")

    def within(self, step: str) -> Place:
        return Place(self.source, f"{self.path}{'.' if self.path else ''}{step}")

    def __str__(self) -> str:
        return f"{self.source}: {self.path}" if self.path else f"{self.source}:"


def refuse_unknown(data: Mapping[str, object], allowed: Sequence[str], place: Place) -> None:
    unknown = next((key for key in data if key not in allowed), None)
    if unknown is not None:
        raise place.error(f"unknown key {unknown!r}; allowed: {', '.join(allowed)}")


def mapping(value: object, place: Place, expected: str) -> Mapping[str, object]:
    found = as_mapping(value)
    if found is None:
        raise place.error(f"expected {expected}, not {value!r:.40}")
    return found


def text(data: Mapping[str, object], key: str, place: Place, default: str | None = None) -> str:
    """The text under ``key``, without blanks around it; ``default`` where the key is absent, if there is one."""
    if key not in data and default is not None:
        return default
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise place.error(f"{key}: expected a text, not {value!r:.40}")
    return value.strip()


def texts(data: Mapping[str, object], key: str, place: Place, what: str = "names") -> tuple[str, ...]:
    """The list of texts under ``key``; none where it is absent."""
    items = as_sequence(data.get(key, ()))
    found = [item.strip() for item in items or () if isinstance(item, str) and item.strip()]
    if items is None or len(found) != len(items):
        raise place.error(f"{key}: expected a list of {what}")
    return tuple(found)


def text_or_texts(data: Mapping[str, object], key: str, place: Place, default: str) -> tuple[str, ...]:
    """One text or a list of them."""
    if isinstance(data.get(key), list | tuple):
        found = texts(data, key, place, "texts")
        if not found:
            raise place.error(f"{key}: the list is empty")
        return found
    return (text(data, key, place, default),)


def usd(value: object, key: str, place: Place) -> Fraction:
    """Exact USD. Numbers in text count too: YAML reads ``1e-6`` as text."""
    number = _number(value)
    if number is None or not 0 <= number <= MAX_USD:
        raise place.error(f"{key}: expected USD from 0 to {MAX_USD}, not {value!r:.40}")
    return _exact(number, value, key, place)


def amount(value: object, key: str, place: Place, *, maximum: int = 10**15) -> Fraction:
    """An exact number that is no money, from 0 to ``maximum``."""
    number = _number(value)
    if number is None or not 0 <= number <= maximum:
        raise place.error(f"{key}: expected a number from 0 to {maximum}, not {value!r:.40}")
    return _exact(number, value, key, place)


def share(value: object, key: str, place: Place, *, maximum: int = _MAX_PERCENT) -> Fraction:
    """A percentage such as ``15%`` as an exact share; the sign is needed, since 0.15 and 15 both look like one."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    found = Fraction(match[1]) / 100 if match is not None else None
    if found is None or found > Fraction(maximum, 100):
        raise place.error(f"{key}: expected a percentage from 0% to {maximum}%, not {value!r:.40}")
    return found


def whole(data: Mapping[str, object], key: str, place: Place) -> int | None:
    """A whole number above 0; None where ``key`` is absent."""
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise place.error(f"{key}: expected a whole number above 0, not {value!r:.40}")
    return value


def instant(data: Mapping[str, object], key: str, place: Place) -> int | None:
    """A date or a time in ns since the epoch, UTC unless it says otherwise; None where ``key`` is absent."""
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise place.error(f"{key}: expected a date or a time such as 2026-01-31, not {value!r:.40}") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise place.error(f"{key}: expected a date or a time such as 2026-01-31, not {value!r:.40}")
    try:
        at = value.astimezone(UTC) if value.tzinfo is not None else value.replace(tzinfo=UTC)
    except OverflowError as error:
        raise place.error(f"{key}: expected a date or a time in the years 1 to 9999 UTC, not {value}") from error
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000


def period(data: Mapping[str, object], place: Place) -> tuple[int | None, int | None]:
    """``from`` (inclusive) and ``until`` (exclusive) in UTC ns; None is unbounded."""
    start, end = instant(data, "from", place), instant(data, "until", place)
    if start is not None and end is not None and end <= start:
        raise place.error("until: must be after from (until is exclusive)")
    return start, end


def _number(value: object) -> Decimal | None:
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _exact(number: Decimal, value: object, key: str, place: Place) -> Fraction:
    if not number:
        return Fraction(0)
    # The exponent as written: decimal's own normalisation rounds to 28 digits, and a tiny price to 0, which is "free".
    if -int(number.as_tuple().exponent) > _MAX_DECIMALS:
        raise place.error(f"{key}: {value!r:.60} has more than {_MAX_DECIMALS} decimal places")
    return Fraction(number)
