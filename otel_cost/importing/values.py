"""Cells and JSON values of other people's rows to values of ours. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, cast

from otel_cost.dialects.opinions import sum_nano
from otel_cost.importing.files import parse
from otel_cost.ledger.base import MAX_STORED
from otel_cost.settings_values import parse_instant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST: Final = 40
"""Characters of a time or a number."""
_SCALES: Final = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
"""A number below this is a time in units of so many nanoseconds: seconds until the year 5138, then milliseconds, ..."""


class BadRow(ValueError):
    """A row that cannot be booked; the text says what is wrong with it."""


def text(row: Mapping[str, object], *names: str) -> str:
    """The first of ``names`` that has a text; a number as it was written. "" where none has."""
    for name in names:
        value = row.get(name)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return str(value)
    return ""


def flag(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def mapping(value: object) -> Mapping[str, object]:
    """An object, or one that stands in a cell as JSON; empty where it is neither."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = parse(value)
        except ValueError:
            return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list, or of one that stands in a cell as JSON."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = parse(value)
        except ValueError:
            return ()
    items = cast("list[object]", value) if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str) and item)


def count(value: object) -> object:
    """A count as a whole number; None where there is none. What is none is left: whoever counts says what is wrong."""
    if value is None or value == "":
        return None
    if isinstance(value, str | Decimal) and len(str(value)) <= _LONGEST:
        try:
            number = Decimal(value)
        except InvalidOperation:
            return value
        if number.is_finite() and number == number.to_integral_value() and number.adjusted() < _LONGEST:
            return int(number)
        return str(value)
    return value


def instant(row: Mapping[str, object], *names: str) -> int:
    """UTC nanoseconds of the first of ``names`` that is there: ISO 8601 (UTC unless it has an offset), or a number of
    seconds, milliseconds, microseconds or nanoseconds since 1970, by its size.

    Raises:
        BadRow: none is there, or it is no time between 1970 and 2116.
    """
    found = optional_instant(row, *names)
    if found is None:
        raise BadRow(f"it has no {' or '.join(names)}")
    return found


def optional_instant(row: Mapping[str, object], *names: str) -> int | None:
    """As :func:`instant`; None where none is there."""
    for name in names:
        value = row.get(name)
        if value is not None and value != "":
            return _instant(name, value)
    return None


def _instant(name: str, value: object) -> int:
    wrong = BadRow(f"{name} is {value!r:.60}: no time between 1970 and 2116")
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal) or len(str(value)) > _LONGEST:
        raise wrong
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = None
    try:
        nanoseconds = _of_text(str(value)) if number is None else _of_number(number)
    except (ValueError, ArithmeticError) as error:
        raise wrong from error
    if not 0 < nanoseconds <= MAX_STORED:
        raise wrong
    return nanoseconds


def _of_text(said: str) -> int:
    return (parse_instant(said.removesuffix(" UTC")) - _EPOCH) // timedelta(microseconds=1) * 1000


def _of_number(number: Decimal) -> int:
    if not number.is_finite():
        raise ValueError
    scale = next((scale for below, scale in _SCALES if number < below), 1)
    return int(number * scale)


def usd_nano(row: Mapping[str, object], *names: str) -> int | None:
    """What the named costs (USD) come to, exactly, rounded once, in nano-USD; None where none is there.

    Raises:
        BadRow: one of them is no amount of money.
    """
    found = {name: value for name in names if (value := row.get(name)) is not None and value != ""}
    if not found:
        return None
    nano = sum_nano(found.values())
    if nano is None:
        raise BadRow(", ".join(f"{name} is {value!r:.40}" for name, value in found.items()) + ": no amount in USD")
    return nano


def decimal(value: object) -> Decimal:
    """A number as it was written; 0 where there is none."""
    return Decimal(str(value)) if value is not None and value != "" else Decimal(0)


def ids(*parts: str) -> tuple[str, str]:
    """A trace id and a span id that stand for ``parts``, the same ones each time."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return digest[:32], digest[32:48]


def canonical(row: Mapping[str, object]) -> str:
    """A row as text, the same one however its fields are ordered; those that have nothing are left out."""
    said = {name: value for name, value in row.items() if value is not None and value != ""}
    return json.dumps(said, sort_keys=True, default=str)
