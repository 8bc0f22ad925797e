"""What the provider said against what otel-cost made of it: exact, wrong, missing, or not covered yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from otel_cost.model import NANO, Status
from tests.recorded import bill, replay
from tests.recorded.answers import Answer, answer_of
from tests.recorded.exchanges import Exchange
from tests.recorded.seen import Seen, priced_without_span

NOT_YET: Final[frozenset[str]] = frozenset()
"""Endpoints of instrumented SDKs that no instrumentor reads yet."""


class Verdict(StrEnum):
    EXACT = "exact"  # the provider's counts, and their price to the nano-dollar
    WRONG = "wrong"
    MISSING = "missing"  # no cost, and a reason that says why
    NOT_YET = "not covered yet"


@dataclass(frozen=True)
class Outcome:
    """``way``: the SDK that it went through, or "body" for counts priced without a span. ``bill_nano`` is what the
    provider's numbers come to, None where the price list does not know."""

    exchange: Exchange
    answer: Answer
    way: str
    seen: Seen | None
    bill_nano: int | None

    @property
    def verdict(self) -> Verdict:
        seen = self.seen
        if seen is None:
            return Verdict.NOT_YET if self.exchange.endpoint in NOT_YET else Verdict.MISSING
        if _told(seen.counts) != _told(self.answer.counts):
            return Verdict.WRONG
        if seen.status == Status.UNPRICED:
            return Verdict.MISSING
        right = seen.status == Status.PRICED and seen.nano_usd == self.bill_nano
        return Verdict.EXACT if right else Verdict.WRONG

    @property
    def reason(self) -> str:
        return self.seen.reason if self.seen is not None else "no span"

    def __str__(self) -> str:
        return (
            f"{self.exchange.id}\n    {self.verdict} ({self.way}, {self.exchange.provider}, {self.answer.model})"
            f"\n    provider: {dict(self.answer.counts)} = {self.bill_nano} nano-USD\n    otel-cost: {self.seen}"
        )


def _told(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts as they are compared: totals as they are, a part that is 0 like an absent one."""
    return {unit: count for unit, count in counts.items() if count or unit in ("input_tokens", "output_tokens")}


def judge(exchange: Exchange) -> Outcome:
    """Replay one exchange; :func:`replay.instrumented` must be around it."""
    answer = answer_of(exchange)
    sdk = replay.sdk_of(exchange)
    seen = replay.replayed(exchange, answer.at) if sdk else priced_without_span(exchange, answer)
    return Outcome(exchange, answer, sdk or "body", seen, bill.nano_usd(exchange, answer))


_COLUMNS: Final = ("provider", "endpoint", "streaming", "way", *Verdict, "billed USD", "otel-cost USD")


def table(outcomes: Iterable[Outcome]) -> str:
    """By provider, endpoint and streaming, with the money of the calls whose price is known."""
    rows: dict[tuple[str, str, str, str], Counter[str]] = {}
    for outcome in outcomes:
        exchange = outcome.exchange
        streaming = "stream" if exchange.streamed else "-"
        for kind in ((exchange.provider, exchange.endpoint, streaming, outcome.way), ("total", "", "", "")):
            row = rows.setdefault(kind, Counter())
            row[outcome.verdict] += 1
            if outcome.bill_nano is not None and outcome.verdict is not Verdict.NOT_YET:
                row["billed"] += outcome.bill_nano
                row["ours"] += (outcome.seen.nano_usd or 0) if outcome.seen is not None else 0
    lines: list[tuple[str, ...]] = [_COLUMNS]
    for kind, row in sorted(rows.items(), key=lambda item: (item[0][0] == "total", item[0])):
        numbers = (str(row[verdict]) for verdict in Verdict)
        lines.append((*kind, *numbers, f"{row['billed'] / NANO:.9f}", f"{row['ours'] / NANO:.9f}"))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
