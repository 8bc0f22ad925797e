"""What the demo concludes from spans, metrics, events and the book, on values small enough to add up by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from otel_cost import semconv
from otel_cost.demo import facts
from otel_cost.demo.facts import Seen
from otel_cost.demo.sink import Event, Point
from otel_cost.ended import EndedSpan
from otel_cost.ledger.questions import Summary, SummaryQuery, SummaryRow, Unpriced
from otel_cost.model import Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from otel_cost.server.schemas import CostSummary

OURS = semconv.INSTRUMENTATION_SCOPE_PREFIX + "openai"


def span(name: str, parent: str = "", *, usd: float | None = None, start: int = 1, scope: str = "app") -> EndedSpan:
    cost: dict[str, object] = {} if usd is None else {semconv.STATUS: "priced", semconv.COST_AMOUNT: usd}
    return EndedSpan(
        trace_id="t",
        span_id=name,
        parent_span_id=parent,
        name=name,
        kind="CLIENT",
        scope=scope,
        scope_version="",
        start_ns=start,
        end_ns=start + 1,
        attributes=cost,
        resource={},
    )


def row(team: str, model: str, status: Status, reason: str, nano: int, calls: int) -> SummaryRow:
    return SummaryRow((team, model, status.value, reason), nano, nano, (0,) * 5, {status: calls}, 10 * calls, calls)


def book(*rows: SummaryRow, unpriced: tuple[Unpriced, ...] = ()) -> CostSummary:
    operations = {
        status: sum(line.operations.get(status, 0) for line in rows)
        for status in {status for line in rows for status in line.operations}
    }
    total = SummaryRow((), sum(line.amount_nano for line in rows), 0, (0,) * 5, operations)
    return CostSummary.of(Summary(SummaryQuery(0, 1, facts.GROUPED_BY), total, rows), unpriced)


ACME = Unpriced("openai", "acme-7b", "unknown_model", "", 1, 10, 1)
GOOD = Seen(
    spans=(
        span("root"),
        span("ours", "root", usd=0.25, scope=OURS),
        span("theirs", "root", usd=0.5, scope="com.anthropic.sdk.python"),
    ),
    events=(
        Event(
            semconv.EVENT_BUDGET_BLOCKED,
            {
                semconv.BUDGET_NAME: "session-limit",
                semconv.BUDGET_SCOPE: "session=s",
                semconv.BUDGET_SPENT: 0.5,
                semconv.BUDGET_LIMIT: 0.4,
            },
        ),
        *(
            Event(
                semconv.EVENT_BUDGET_THRESHOLD,
                {
                    semconv.BUDGET_NAME: "team-month",
                    semconv.BUDGET_SCOPE: "team=support",
                    semconv.BUDGET_THRESHOLD: share,
                    semconv.BUDGET_SPENT: 0.2,
                    semconv.BUDGET_LIMIT: 1.0,
                },
            )
            for share in (0.5, 0.8)
        ),
    ),
    points=(
        Point(semconv.METRIC_SPEND, {"team": "a"}, 0.25),
        Point(semconv.METRIC_SPEND, {"team": "b"}, 0.5),
        Point(
            semconv.METRIC_BUDGET_SPENT,
            {semconv.BUDGET_NAME: "team-month", semconv.label_attribute("team"): "support"},
            0.9,
        ),
        Point(
            semconv.METRIC_BUDGET_LIMIT,
            {semconv.BUDGET_NAME: "team-month", semconv.label_attribute("team"): "support"},
            1.0,
        ),
    ),
    book=book(
        row("newsroom", "big", Status.PRICED, "", 500_000_000, 1),
        row("support", "small", Status.PRICED, "", 250_000_000, 1),
        row("support", "small", Status.PRICED, "failed", 0, 1),
        row("support", "acme-7b", Status.UNPRICED, "unknown_model", 0, 1),
        unpriced=(ACME,),
    ),
    app_output="one: done\ns: stopped. budget 'session-limit' says no",
    statuses=(200, 429, 200, 503, 200),
)


class TestTree:
    def test_sums_and_branches(self) -> None:
        rows = facts.tree(
            [
                span("root", start=1),
                span("agent", "root", start=2),
                span("call", "agent", usd=0.25, start=3),
                span("again", "agent", usd=0.5, start=4),
                span("last", "root", usd=1, start=5),
            ]
        )
        assert [line.branch + line.name for line in rows] == [
            "root",
            "├─ agent",
            "│  ├─ call",
            "│  └─ again",
            "└─ last",
        ]
        assert [line.subtree_nano for line in rows] == [1_750_000_000, 750_000_000, 250_000_000, 500_000_000, 10**9]
        assert [line.own_nano for line in rows][:3] == [None, None, 250_000_000]

    def test_only_the_first_trace_and_its_orphans(self) -> None:
        other = span("elsewhere", start=9)._replace(trace_id="u")
        rows = facts.tree([other, span("child", "not-received", start=2)])
        assert [line.name for line in rows] == ["child"]

    def test_nothing(self) -> None:
        assert facts.tree([]) == []


def test_spend_merges_a_models_statuses_and_leaves_second_spans_out() -> None:
    rows = facts.spend(book(*GOOD_ROWS, row("support", "small", Status.DUPLICATE, "same_call", 0, 7)))
    assert [(line.team, line.model, line.calls, line.failed, line.unpriced, line.nano) for line in rows] == [
        ("newsroom", "big", 1, 0, 0, 500_000_000),
        ("support", "small", 2, 1, 0, 250_000_000),
        ("support", "acme-7b", 1, 0, 1, 0),
    ]


GOOD_ROWS = (
    row("support", "acme-7b", Status.UNPRICED, "unknown_model", 0, 1),
    row("support", "small", Status.PRICED, "failed", 0, 1),
    row("support", "small", Status.PRICED, "", 250_000_000, 1),
    row("newsroom", "big", Status.PRICED, "", 500_000_000, 1),
)


def test_budgets_take_gauges_and_where_there_are_none_events() -> None:
    session, team = facts.budgets(GOOD)
    assert (session.name, session.scope) == ("session-limit", "session=s")
    assert (session.spent_nano, session.limit_nano, session.notes) == (500_000_000, 400_000_000, ("call blocked",))
    assert (team.name, team.scope) == ("team-month", "team=support")
    assert (team.spent_nano, team.limit_nano, team.notes) == (900_000_000, 10**9, ("alerts at 50%, 80%",))


def test_the_yaml_for_an_unpriced_model_prices_it(tmp_path: Path) -> None:
    overlay = tmp_path / "prices.yaml"
    overlay.write_text(facts.price_yaml(GOOD.book.unpriced))
    query = PriceQuery(provider="openai", model="acme-7b", at_ns=1)
    usage = Usage.of({"input_tokens": 1_000_000, "output_tokens": 1_000_000})
    assert Catalog.load().price(usage, query).status is Status.UNPRICED
    assert Catalog.load([overlay]).price(usage, query).amount_nano == 800_000_000


def test_a_call_that_no_price_would_help_gets_no_yaml() -> None:
    seen = book(unpriced=(Unpriced("openai", "gpt-4.1", "no_usage", "", 1, 0, 0),))
    assert facts.price_yaml(seen.unpriced) == ""


class TestFailures:
    def test_none(self) -> None:
        assert facts.failures(GOOD) == []

    @pytest.mark.parametrize(
        ("broken", "told"),
        [
            (replace(GOOD, spans=GOOD.spans[:2]), "totals differ"),
            (replace(GOOD, points=GOOD.points[1:]), "totals differ"),
            (replace(GOOD, book=book(*GOOD_ROWS[:2])), "nothing was priced"),
            (replace(GOOD, book=book(*GOOD_ROWS[2:], unpriced=(ACME,))), "a failed call"),
            (replace(GOOD, statuses=(200, 200)), "2 calls were answered, but 3 are in the book"),
            (replace(GOOD, book=book(*GOOD_ROWS[:3])), "both teams"),
            (replace(GOOD, book=book(*GOOD_ROWS)), "without a price"),
            (replace(GOOD, app_output="s: done"), "stopped at its limit"),
            (replace(GOOD, events=GOOD.events[1:]), "event of the blocked call"),
            (replace(GOOD, events=GOOD.events[:1]), "alert of a team"),
            (replace(GOOD, spans=(*GOOD.spans[:2], GOOD.spans[2]._replace(scope=OURS))), "own tracing"),
        ],
    )
    def test_each_is_told(self, broken: Seen, told: str) -> None:
        assert any(told in failure for failure in facts.failures(broken))

    def test_real_providers_owe_nothing_but_prices_and_sums(self) -> None:
        assert facts.failures(replace(GOOD, statuses=None, events=(), app_output="")) == []
