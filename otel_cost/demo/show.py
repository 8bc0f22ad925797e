"""What the demo prints, with ``rich``. Only layout: every figure comes from ``facts``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from otel_cost import semconv
from otel_cost.demo import facts
from otel_cost.demo.facts import SECOND_SPANS, BudgetRow, Seen, TreeRow, usd
from otel_cost.model import Reason, Status

_BAR_WIDTH: Final = 20
_STATUS_WORDS: Final = {
    Status.ESTIMATED: "estimated",
    Status.UNPRICED: "no price",
    Status.WRAPPER: "counted in the span below",
    Status.DUPLICATE: "second span, counted once",
}


def report(console: Console, seen: Seen) -> None:
    """Print everything, in the order of the questions that people ask."""
    for title, part in (
        ("One session's trace", _tree(facts.tree(seen.spans))),
        ("Spend by team and model, from the server's book", _spend(seen)),
        ("Budgets", _budgets(facts.budgets(seen))),
        ("The call that was not made", _blocked(seen)),
        ("No price", _unpriced(seen)),
        ("Counted once", _totals(seen)),
    ):
        if part is not None:
            console.print()
            console.rule(f"[bold]{title}", align="left", style="dim")
            console.print(part)


def _tree(rows: list[TreeRow]) -> RenderableType:
    table = _table("span", tokens="in → out", cost="cost")
    for row in rows:
        name = Text(row.branch, style="dim", no_wrap=True, overflow="ellipsis")
        name.append(row.name, style="" if row.status else "not dim bold")
        table.add_row(name, _tokens(row), _cost(row), _words(row), style="dim" if row.status in SECOND_SPANS else "")
    return table


def _table(*left: str, **right: str) -> Table:
    """Columns of text, then of figures (never cut, whatever the width), then one for notes, which may wrap."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in left:
        table.add_column(heading)
    for heading in right.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", style="dim")
    return table


def _cost(row: TreeRow) -> Text:
    """A call's own cost; for what is no call, the sum of all that lies below it."""
    if row.status is None:
        return Text(usd(row.subtree_nano), style="bold")
    if row.status.counted:
        return Text(usd(row.own_nano or 0))
    return Text("unknown", style="yellow") if row.status is Status.UNPRICED else Text("")


def _tokens(row: TreeRow) -> str:
    counts = [row.attributes.get(name) for name in (semconv.USAGE_INPUT_TOKENS, semconv.USAGE_OUTPUT_TOKENS)]
    if row.status is None or counts[0] is None:
        return ""
    return " → ".join(f"{count:,}" for count in counts if isinstance(count, int))


_PARTS: Final = (
    (semconv.USAGE_CACHE_READ, "cached"),
    (semconv.USAGE_CACHE_WRITE, "to cache"),
    (semconv.USAGE_REASONING, "reasoning"),
    (semconv.UNIT_PREFIX + "web_searches", "web searches"),
)


def _words(row: TreeRow) -> str:
    if row.status is None:
        return ""
    if row.status is not Status.PRICED:
        return _STATUS_WORDS[row.status]
    if row.reason is Reason.FAILED:
        return "failed, free"
    model = row.attributes.get(semconv.RESPONSE_MODEL)
    words = [model] if isinstance(model, str) and model not in row.name else []
    words += [f"{row.attributes[name]:,} {word}" for name, word in _PARTS if row.attributes.get(name)]
    return ", ".join(words)


def _spend(seen: Seen) -> RenderableType:
    table = _table("team", "model", calls="calls", tokens="in → out", cost="cost")
    previous = ""
    for row in facts.spend(seen.book):
        notes = [f"{row.failed} failed"] if row.failed else []
        notes += [f"{row.unpriced} without a price"] if row.unpriced else []
        table.add_row(
            row.team if row.team != previous else "",
            row.model,
            str(row.calls),
            f"{row.input_tokens:,} → {row.output_tokens:,}",
            usd(row.nano) if row.calls > row.unpriced else "[yellow]unknown",
            ", ".join(notes),
        )
        previous = row.team
    return table


def _budgets(rows: list[BudgetRow]) -> RenderableType | None:
    if not rows:
        return None
    table = _table("budget", "for", spent="spent", limit="limit")
    for row in rows:
        share = row.spent_nano / row.limit_nano if row.limit_nano else 1.0
        colour = "red" if share >= 1 else "yellow" if share >= 0.75 else "green"
        filled = min(_BAR_WIDTH, round(share * _BAR_WIDTH))
        bar = Text("█" * filled, style=f"not dim {colour}") + Text("░" * (_BAR_WIDTH - filled))
        state = bar + Text(f" {share:.0%}\n", style=f"not dim {colour}") + Text(", ".join(row.notes))
        table.add_row(row.name, row.scope.partition("=")[2] or "all", usd(row.spent_nano), usd(row.limit_nano), state)
    return table


def _blocked(seen: Seen) -> RenderableType | None:
    message = facts.blocked_message(seen)
    return Text(message, style="red") if message else None


def _unpriced(seen: Seen) -> RenderableType | None:
    calls = [call for call in seen.book.unpriced if call.advice]
    if not calls:
        return None
    lines = [
        f"{call.calls} calls of {call.provider}/{call.model} ({call.input_tokens:,} → {call.output_tokens:,} tokens)"
        f" are in the book, without an amount: {call.reason}."
        for call in calls
    ]
    how = "A file named in OTEL_COST_PRICES prices them, in USD per million tokens (with your rates):"
    return Group(*lines, how, Panel(Syntax(facts.price_yaml(calls).rstrip(), "yaml"), expand=False))


def _totals(seen: Seen) -> RenderableType:
    sums = facts.totals(seen)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right", style="bold")
    table.add_row("sum over all spans, as a tracing backend would have it", usd(sums.spans_nano))
    table.add_row(f"{semconv.METRIC_SPEND}, as Prometheus would have it", usd(sums.metrics_nano))
    table.add_row("the server's book", usd(sums.book_nano))
    return Group(table, *_counting(seen))


def _counting(seen: Seen) -> Iterator[str]:
    calls, enriched = seen.book.total.calls, facts.enriched(seen)
    if seen.statuses is not None:
        answered = seen.statuses.count(200)
        yield (
            f"{len(seen.statuses)} requests were made and {answered} of them answered. The book has {calls} calls: the"
            " answered ones, and one that failed, which is known to be free; a repeated attempt is no call of its own."
        )
    if enriched:
        yield (
            f"{enriched} of the calls' spans were opened by the anthropic SDK, which traces itself: otel-cost wrote the"
            " cost on them and opened none beside them."
        )
    if second := facts.second_spans(seen.book):
        yield f"{second} more spans told of calls that were counted already; they carry no amount."
