"""What a period leaves over, and a store that forgets and fails."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from otel_cost.budgets.stores import open_store
from otel_cost.model import NANO
from tests.unit.budgets.shop import Shop, budget, closing, shop


def at_ns(text: str) -> int:
    return round(datetime.fromisoformat(f"{text}+00:00").timestamp()) * NANO


def carrying(**settings: object) -> dict[str, object]:
    return {"amount_usd": 10, "period": "month", "carry_over": True, "starts": "2026-01-01", **settings}


def limit_usd(at: Shop) -> int:
    found = at.budgets.state("b", {})
    assert found is not None
    return found.limit_nano // NANO


def test_what_the_month_before_spent_is_known_until_this_month_is_over(tmp_path: Path) -> None:
    """A store forgets periods a week after their end; what is left of them counts for longer."""
    limits = []
    for day in ("2026-01-20", "2026-02-05", "2026-02-15", "2026-02-28"):
        store = open_store(f"sqlite:///{tmp_path / 'budgets.db'}")  # another process: it prunes, and remembers nothing
        with closing(shop(budget(**carrying(action="block")), store=store)) as at:  # type: ignore[arg-type]
            at.now_ns = at_ns(day)
            at.budgets.sweep()
            if day == "2026-01-20":
                at.call(9 * NANO)
                assert at.budgets.flush(5)
            limits.append(limit_usd(at))
    assert limits == [10, 11, 11, 11]
