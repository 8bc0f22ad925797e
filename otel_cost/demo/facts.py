"""What the demo saw, turned into what it shows. Pure functions; money in nano-USD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from otel_cost import semconv, wire
from otel_cost.demo.sink import Attributes, Event, Point
from otel_cost.ended import EndedSpan
from otel_cost.model import NANO, Reason, Status
from otel_cost.server.schemas import CostSummary, Group, UnpricedCalls

GROUPED_BY: Final = ("team", "model", "status", "reason")
"""The names by which the book is asked: every fact below follows from one answer."""
SECOND_SPANS: Final = (Status.WRAPPER, Status.DUPLICATE)
_ABOVE: Final = "│  "
Place = tuple[str, str]
"""A budget's name and the scope of one of its rows, spelled as in budget events."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that came out of one run of the sample app.

    ``statuses`` are those of the stand-in's answers; None when the real providers were called.
    """

    spans: tuple[EndedSpan, ...]
    events: tuple[Event, ...]
    points: tuple[Point, ...]
    book: CostSummary
    app_output: str
    statuses: tuple[int, ...] | None


# --- one session's tree ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One span. ``branch`` is what is drawn before its name; ``own_nano`` is None for a span that is no call."""

    branch: str
    name: str
    scope: str
    status: Status | None
    reason: Reason | None
    own_nano: int | None
    subtree_nano: int
    attributes: Attributes


def tree(spans: Sequence[EndedSpan]) -> list[TreeRow]:
    """The trace that began first, depth first, each span with the cost of all that lies below it and its own."""
    if not spans:
        return []
    first = min(spans, key=lambda span: span.start_ns)
    trace = sorted((span for span in spans if span.trace_id == first.trace_id), key=lambda span: span.start_ns)
    known = {span.span_id for span in trace}
    children: dict[str, list[EndedSpan]] = {}
    for span in trace:
        parent = span.parent_span_id if span.parent_span_id in known else ""
        children.setdefault(parent, []).append(span)
    return [row for root in children[""] for row in _rows(root, children, "", "")]


def _rows(span: EndedSpan, children: Mapping[str, list[EndedSpan]], branch: str, above: str) -> Iterator[TreeRow]:
    below: list[TreeRow] = []
    subtree = own = cost_on(span)
    inner = children.get(span.span_id, [])
    for number, child in enumerate(inner, 1):
        last = number == len(inner)
        rows = list(_rows(child, children, above + ("└─ " if last else "├─ "), above + ("   " if last else _ABOVE)))
        subtree += rows[0].subtree_nano
        below += rows
    verdict = wire.verdict_on(span.attributes)
    yield TreeRow(
        branch=branch,
        name=span.name,
        scope=span.scope,
        status=None if verdict is None else verdict.charge.status,
        reason=None if verdict is None else verdict.charge.reason,
        own_nano=None if verdict is None else own,
        subtree_nano=subtree,
        attributes=span.attributes,
    )
    yield from below


def cost_on(span: EndedSpan) -> int:
    """The cost that stands on a span; 0 where none does."""
    verdict = wire.verdict_on(span.attributes)
    return 0 if verdict is None else verdict.charge.amount_nano


# --- the book --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SpendRow:
    team: str
    model: str
    calls: int
    failed: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    nano: int


def spend(book: CostSummary) -> list[SpendRow]:
    """Spend by team and model, teams by name and the most expensive model first."""
    merged: dict[tuple[str, str], SpendRow] = {}
    for group in book.groups:
        if group.key["status"] in SECOND_SPANS:
            continue
        place = (group.key["team"], group.key["model"])
        merged[place] = _added(merged.get(place, SpendRow(*place, 0, 0, 0, 0, 0, 0)), group)
    return sorted(merged.values(), key=lambda row: (row.team, -row.nano, row.model))


def _added(row: SpendRow, group: Group) -> SpendRow:
    return SpendRow(
        team=row.team,
        model=row.model,
        calls=row.calls + group.calls,
        failed=row.failed + (group.calls if group.key["reason"] == Reason.FAILED else 0),
        unpriced=row.unpriced + (group.calls if group.key["status"] == Status.UNPRICED else 0),
        input_tokens=row.input_tokens + group.input_tokens,
        output_tokens=row.output_tokens + group.output_tokens,
        nano=row.nano + group.cost.nano_usd,
    )


def second_spans(book: CostSummary) -> int:
    """Spans that told of a call which another span already stood for."""
    return sum(book.total.operations.get(status, 0) for status in SECOND_SPANS)


def enriched(seen: Seen) -> int:
    """Spans that somebody else opened (an SDK that traces itself) and that carry the verdict."""
    return sum(
        wire.verdict_on(span.attributes) is not None and not span.scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX)
        for span in seen.spans
    )


def operations(book: CostSummary) -> int:
    return sum(book.total.operations.values())


def price_yaml(calls: Sequence[UnpricedCalls]) -> str:
    """An overlay file that prices these calls, once the rates are filled in; the ones that stand there are made up."""
    entries = "".join(
        f"  - provider: {call.provider}\n    model: {call.model}\n    per_1m: {{input: 0.20, output: 0.60}}\n"
        for call in calls
        if call.advice
    )
    return f"prices:\n{entries}" if entries else ""


# --- budgets ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BudgetRow:
    """Where one budget stands. ``scope`` is what it is for; ``notes`` are its events, in order."""

    name: str
    scope: str
    spent_nano: int
    limit_nano: int
    notes: tuple[str, ...]


_NOTES: Final = {
    semconv.EVENT_BUDGET_BREACH: "breached",
    semconv.EVENT_BUDGET_BLOCKED: "call blocked",
}


def budgets(seen: Seen) -> list[BudgetRow]:
    """Budgets as the app exported them: gauges where there are any, else (sessions) what their events say."""
    figures = _gauges(seen.points)
    told: dict[Place, list[Event]] = {}
    for event in seen.events:
        if semconv.BUDGET_SCOPE in event.attributes:
            place = (str(event.attributes[semconv.BUDGET_NAME]), str(event.attributes[semconv.BUDGET_SCOPE]))
            told.setdefault(place, []).append(event)
            spent, limit = (_usd_nano(event, name) for name in (semconv.BUDGET_SPENT, semconv.BUDGET_LIMIT))
            figures[place] = max(figures.get(place, (0, 0)), (spent, limit))
    return [BudgetRow(*place, *figures[place], _notes(told.get(place, []))) for place in sorted(figures)]


def _gauges(points: Sequence[Point]) -> dict[Place, tuple[int, int]]:
    limits = {_place(point): _nano(point.value) for point in points if point.metric == semconv.METRIC_BUDGET_LIMIT}
    return {
        _place(point): (_nano(point.value), limits.get(_place(point), 0))
        for point in points
        if point.metric == semconv.METRIC_BUDGET_SPENT
    }


def _notes(events: Sequence[Event]) -> tuple[str, ...]:
    shares = [
        f"{_number(event.attributes.get(semconv.BUDGET_THRESHOLD)):.0%}"
        for event in events
        if event.name == semconv.EVENT_BUDGET_THRESHOLD
    ]
    alerts = (f"alerts at {', '.join(shares)}",) if shares else ()
    return (*alerts, *(_NOTES[event.name] for event in events if event.name in _NOTES))


_SCOPE_NAMES: Final = {semconv.label_attribute(label): label for label in ("team",)}


def _place(point: Point) -> Place:
    scope = ",".join(
        f"{_SCOPE_NAMES[name]}={value}" for name, value in point.attributes.items() if name in _SCOPE_NAMES
    )
    return str(point.attributes[semconv.BUDGET_NAME]), scope


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0.0


def _usd_nano(event: Event, name: str) -> int:
    return _nano(_number(event.attributes.get(name)))


def _nano(usd: float) -> int:
    return round(usd * NANO)


# --- is it true ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Totals:
    """The same money in three places, each summed by itself."""

    spans_nano: int
    metrics_nano: int
    book_nano: int

    @property
    def agree(self) -> bool:
        return self.spans_nano == self.metrics_nano == self.book_nano


def totals(seen: Seen) -> Totals:
    return Totals(
        spans_nano=sum(cost_on(span) for span in seen.spans),
        metrics_nano=sum(_nano(point.value) for point in seen.points if point.metric == semconv.METRIC_SPEND),
        book_nano=seen.book.total.cost.nano_usd,
    )


def blocked_message(seen: Seen) -> str:
    """What the app printed about the session that was stopped; empty when none was."""
    return next((line for line in seen.app_output.splitlines() if ": stopped. " in line), "")


def failures(seen: Seen) -> list[str]:
    """What should hold after any run and does not; empty when all is well."""
    sums = totals(seen)
    found = []
    if not sums.book_nano:
        found.append("nothing was priced")
    if not sums.agree:
        places = zip(("the spans", "the metrics", "the book"), map(usd, _amounts(sums)), strict=True)
        found.append("the totals differ: " + ", ".join(f"{place} {amount}" for place, amount in places))
    if seen.statuses is not None:
        found += _stand_in_failures(seen, seen.statuses.count(200))
    return found


def _amounts(sums: Totals) -> tuple[int, int, int]:
    return sums.spans_nano, sums.metrics_nano, sums.book_nano


def _stand_in_failures(seen: Seen, answered: int) -> list[str]:
    rows = spend(seen.book)
    succeeded = sum(row.calls - row.failed for row in rows)
    expectations = {
        f"{answered} calls were answered, but {succeeded} are in the book": succeeded == answered,
        "spend of both teams": {"newsroom", "support"} == {row.team for row in rows},
        "a failed call in the book": any(row.failed for row in rows),
        "a call without a price in the book": any(call.advice for call in seen.book.unpriced),
        "a span of the anthropic SDK's own tracing that was enriched": enriched(seen) > 0,
        "a session stopped at its limit": bool(blocked_message(seen)),
        "an event of the blocked call": any(event.name == semconv.EVENT_BUDGET_BLOCKED for event in seen.events),
        "an alert of a team's budget": any(event.name == semconv.EVENT_BUDGET_THRESHOLD for event in seen.events),
    }
    return [
        expected if expected[0].isdigit() else f"missing: {expected}"
        for expected, held in expectations.items()
        if not held
    ]


def usd(nano: int) -> str:
    """For the screen: six decimals, as calls cost fractions of a cent."""
    return f"${Decimal(nano) / NANO:,.6f}"
