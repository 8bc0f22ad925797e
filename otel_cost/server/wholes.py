"""What one thing cost in all, by kind, by model and by resource: from the rows of one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from otel_cost.ledger.questions import SummaryRow
from otel_cost.model import Kind
from otel_cost.server.reading import added, by_one
from otel_cost.server.schemas.summary import Group, Sums

NAMES: Final = ("kind", "provider", "model")
"""What to group by for :func:`parts_of`; more names may follow."""


def parts_of(rows: Sequence[SummaryRow]) -> Mapping[str, object]:
    """``total``, ``by_kind``, ``by_model`` and ``by_resource``, each by cost, of rows whose groups begin with
    ``NAMES``."""
    models = [row for row in rows if row.group[0] == Kind.LLM.value]
    others = [row for row in rows if row.group[0] != Kind.LLM.value]
    return {
        "total": Sums.of(added(rows)),
        "by_kind": [Group.named(NAMES[:1], row) for row in by_one(rows, 0)],
        "by_model": [Group.named(NAMES[1:], row) for row in _by(models, 1, 2)],
        "by_resource": [Group.named(("kind", "resource"), row) for row in _by(others, 0, 2)],
    }


def _by(rows: Sequence[SummaryRow], first: int, second: int) -> list[SummaryRow]:
    found: dict[tuple[str, ...], list[SummaryRow]] = {}
    for row in rows:
        found.setdefault((row.group[first], row.group[second]), []).append(row)
    summed = [added(some, group) for group, some in found.items()]
    return sorted(summed, key=lambda row: (-row.amount_nano, -row.calls, row.group))
