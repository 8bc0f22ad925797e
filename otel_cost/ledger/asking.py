"""The words in which people ask the book, in a URL or on a command line: which period, by which name."""

from __future__ import annotations

from collections.abc import Set
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.questions import LABEL_COLUMNS, RECORD_FIELDS, VERDICT_FIELDS, check_dimension
from otel_cost.settings_values import parse_duration, parse_instant

DAY_NS: Final = 86_400 * 10**9
LABEL_PREFIX: Final = "label."
"""Before the name of a label that no setting mentions: without it, a mistyped name would find nothing and say so."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def instant_ns(text: str, zone: tzinfo = UTC) -> int:
    """An ISO 8601 date (its first moment) or date-time, in ``zone`` unless it carries an offset; as UTC ns.

    Raises:
        ValueError: neither, or outside 1970 to 2116.
    """
    microseconds = (parse_instant(text, zone) - _EPOCH) // timedelta(microseconds=1)
    return _in_range(text, microseconds * 1000)


def since_ns(text: str, now_ns: int) -> int:
    """``7d``, ``24h``, ``90m`` before ``now_ns``; or what :func:`instant_ns` takes.

    Raises:
        ValueError: none of them; the text says what is allowed.
    """
    try:
        return max(0, now_ns - round(parse_duration(text) * 10**9))
    except ValueError:
        pass
    try:
        return instant_ns(text)
    except ValueError as error:
        raise ValueError(f"{error}; or how long ago, for instance 7d or 24h") from None


def iso(at_ns: int) -> str:
    """``2026-01-31T12:00:00Z``; fractions of a second only where there are any, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=at_ns // 1000)).isoformat().replace("+00:00", "Z")


def known_names(config: Config) -> frozenset[str]:
    """Everything that the book can be asked by under its plain name: fields, usual labels, labels in the settings."""
    names = {*RECORD_FIELDS, *VERDICT_FIELDS, *LABEL_COLUMNS, *semconv.LABEL_ATTRIBUTES, *semconv.OWN_LABELS}
    names.update(config.labels.metrics, config.labels.static, config.labels.baggage)
    for budget in config.budgets:
        names.update(budget.per, budget.match)
    return frozenset(names)


def dimension(text: str, known: Set[str]) -> str:
    """The name that ``text`` means: one of ``known``, or any label written as ``label.<name>``.

    Raises:
        ValueError: neither; the text lists the known ones.
    """
    if text in known:
        return text
    if text.startswith(LABEL_PREFIX):
        return check_dimension(text.removeprefix(LABEL_PREFIX))
    raise ValueError(
        f"{text!r:.80} is not known; allowed: {', '.join(sorted(known))}, or {LABEL_PREFIX}<name> for any other label"
    )


def _in_range(text: str, at_ns: int) -> int:
    if not 0 <= at_ns <= MAX_STORED:
        raise ValueError(f"{text!r} is outside 1970 to 2116")
    return at_ns
