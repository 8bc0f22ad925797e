"""Small values inside settings: percentages, durations, time zones. Each parser says what it would have accepted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
STORE_KINDS: Final = ("sqlite", "postgresql", "postgresql+psycopg", "postgres", "http", "https")
"""Schemes of the URLs of stores of budgets."""
_STORE_URL: Final = re.compile(rf"(?:sqlite:///|(?:{'|'.join(map(re.escape, STORE_KINDS[1:]))})://).*\S")
_LEAST_USD: Final = Decimal("1e-9")
"""What is less would be kept as 0, which lets nothing be spent."""
_LEDGER_URL: Final = re.compile(r"jsonl:.*|sqlite://.*|postgres(ql(\+psycopg)?)?://.*\S")
_SECONDS: Final = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}


def parse_percent(text: str) -> Decimal:
    """``"80%"`` or ``"0.8"`` to ``Decimal("0.8")``. More than 100 % is allowed (grace beyond a limit).

    Raises:
        ValueError: not a percentage in (0 %, 1000 %].
    """
    stripped = text.strip()
    try:
        share = Decimal(stripped[:-1]) / 100 if stripped.endswith("%") else Decimal(stripped)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a percentage: write for instance 80% or 0.8") from None
    if not (share.is_finite() and 0 < share <= 10):
        raise ValueError(f"{text!r} is outside 0% (exclusive) to 1000%")
    return share


def check_store_url(url: str) -> None:
    """A URL of a store of budgets has to be of a known kind, and name something.

    Raises:
        ValueError: it is not; the text never shows the URL beyond its kind, since it may have a password.
    """
    if url in ("", "memory:") or _STORE_URL.match(url):
        return
    kind, colon, _ = url.partition(":")
    wrong = f"kind {kind!r} is not known" if colon and kind not in STORE_KINDS else "this is no URL of one"
    raise ValueError(
        f"a store of budgets: {wrong}: write sqlite:///budgets.db, postgresql://user:password@host/database, the URL "
        "of an otel-cost serve (https://costs.example.com), or memory:"
    )


def parse_duration(text: str) -> float:
    """``"250ms"``, ``"90s"``, ``"5m"``, ``"1h"`` or ``"7d"`` to seconds.

    Raises:
        ValueError: not a positive duration with one of those units.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and one of ms, s, m, h, d, for instance 90s")
    seconds = float(Decimal(match[1]) * _SECONDS[match[2]])
    if seconds <= 0:
        raise ValueError(f"{text!r} must be longer than nothing")
    return seconds


def parse_timezone(name: str) -> tzinfo:
    """An IANA time zone name to a time zone.

    Raises:
        ValueError: no such zone on this machine.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is not a time zone: write an IANA name, for instance Europe/Berlin") from None


def parse_instant(text: str, zone: tzinfo = UTC) -> datetime:
    """An ISO 8601 date or date-time to an aware time; without an offset it is in ``zone``.

    Raises:
        ValueError: not ISO 8601.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a date: write for instance 2026-01-31 or 2026-01-31T12:00:00+01:00"
        ) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=zone)


def check_ledger_url(url: str) -> None:
    """A URL of a ledger has to be of a known kind.

    Raises:
        ValueError: it is not; the text never shows the URL beyond its kind, since it may have a password.
    """
    if url and not _LEDGER_URL.fullmatch(url):
        kind = url.partition(":")[0]
        raise ValueError(f"{kind!r:.40} is no kind of ledger; write jsonl:<file>, sqlite:///<file> or postgresql://...")


def check_amount(key: str, amount: Decimal | None) -> None:
    """An amount of a setting has to be 0 to 1,000,000,000 USD; None is no amount.

    Raises:
        ValueError: it is not; the text names ``key``.
    """
    if amount is not None and not (amount.is_finite() and Decimal(0) <= amount <= Decimal(10) ** 9):
        raise ValueError(f"{key} is {amount}; it must be from 0 to 1,000,000,000 USD")
    if amount and amount < _LEAST_USD:
        raise ValueError(f"{key} is {amount}; it must be 0, or a billionth of a USD or more")
