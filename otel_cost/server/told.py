"""Events of apps' own budgets, on their way into the book."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.ledger.base import MAX_STORED
from otel_cost.ledger.events import Events, Reported
from otel_cost.server.otlp import Rejected, ToldEvent

_UNTIMED: Final = "an event of a budget has no time, or one past the year 2116"
_ELSEWHERE: Final = "an event of a budget is about other labels than this key's"
_LEFT_OUT: Final = frozenset({semconv.BUDGET_NAME, semconv.BUDGET_SEVERITY, "event.name"})


class ToldEvents:
    """Args:
    events: Keeps them; None: this book has no place for them, and they are let go.
    clock: UTC nanoseconds.
    """

    def __init__(self, events: Events | None, clock: Callable[[], int]) -> None:
        self._events = events
        self._clock = clock

    def note(self, told: Iterable[ToldEvent], scope: Mapping[str, str], rejected: Rejected) -> None:
        """Keep those that a key of ``scope`` may tell; others are counted in ``rejected``.

        Raises:
            LedgerError: none of them was kept.
        """
        if self._events is None:
            return
        reported: list[Reported] = []
        for event in told:
            labels = _labels(event)
            if not 0 < event.at_ns <= MAX_STORED:
                rejected.add(_UNTIMED)
            elif any(labels.get(name, value) != value for name, value in scope.items()):
                rejected.add(_ELSEWHERE)
            else:
                reported.append(_reported(event, {**labels, **scope}))
        self._events.note(reported, booked_at_ns=self._clock())


def _reported(event: ToldEvent, labels: Mapping[str, str]) -> Reported:
    plain = {
        name: value
        for name, value in event.attributes.items()
        if name not in _LEFT_OUT and isinstance(value, str | int | float)
    }
    return Reported(
        at_ns=event.at_ns,
        name=event.name,
        budget=_text(event.attributes, semconv.BUDGET_NAME),
        severity=_text(event.attributes, semconv.BUDGET_SEVERITY),
        message=event.body,
        labels=labels,
        attributes=plain,
    )


def _labels(event: ToldEvent) -> dict[str, str]:
    """Whose budget it is: ``team=search,project=x``, and the service that tells of it."""
    pairs = (pair.partition("=") for pair in _text(event.attributes, semconv.BUDGET_SCOPE).split(","))
    service = _text(event.resource, semconv.SERVICE_NAME)
    found = {"service": service} if service else {}
    return found | {name: value for name, _, value in pairs if name and value}


def _text(attributes: Mapping[str, object], name: str) -> str:
    value = attributes.get(name)
    return value if isinstance(value, str) else ""
