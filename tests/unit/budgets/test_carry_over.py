"""What a period leaves over, and a store that forgets and fails."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from otel_cost.budgets.stores import Store, open_store
from otel_cost.errors import BudgetStoreUnavailable
from otel_cost.model import NANO
from tests.unit.budgets.elsewhere import Elsewhere
from tests.unit.budgets.shop import Shop, budget, closing, shop, spent


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


class Reads:
    """A store whose reads can fail."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.failing = 0

    def __getattr__(self, name: str) -> Any:
        if name == "read" and self.failing:
            self.failing -= 1
            raise BudgetStoreUnavailable("it hiccups")
        return getattr(self._store, name)


@pytest.mark.parametrize("action", ["pause", "alert"])
def test_a_read_that_fails_tells_no_limit_that_is_not_reached(action: str) -> None:
    """Nothing was spent in January: the limit is 20. Without that it would be 10, and reached."""
    store = Reads(Elsewhere())
    with closing(shop(budget(**carrying(action=action)), store=cast(Store, store))) as at:  # type: ignore[arg-type]
        at.now_ns = at_ns("2026-02-05")
        store.failing = 1
        at.budgets.take(spent(11 * NANO, at_ns=at.now_ns))
        assert at.budgets.flush(5)
        assert at.names() == []
        at.budgets.take(spent(9 * NANO, at_ns=at.now_ns))
        assert at.budgets.flush(5)
        assert ("paused" in at.names()) == (action == "pause")
        assert "breach" in at.names()


def test_a_limit_that_is_set_holds_at_once_for_what_was_left_too() -> None:
    with closing(shop(budget(**carrying()), store=Elsewhere())) as at:  # type: ignore[arg-type]
        at.now_ns = at_ns("2026-02-05")
        assert limit_usd(at) == 20
        at.budgets.set_limit("b", amount_nano=4 * NANO, actor="ada", reason="less")
        assert limit_usd(at) == 8
