"""What an ``otel-cost serve`` knows, from Python: costs, calls, prices, budgets; and costs booked by hand.

::

    from otel_cost.client import Client

    with Client("http://127.0.0.1:4319") as costs:
        for group in costs.summary(days=7, group_by=["team"]).groups:
            print(group.key["team"], group.cost.usd)

It needs nothing but this package. Amounts are exact (:class:`Money`), times are aware, results are frozen.
"""

from __future__ import annotations

from otel_cost.client.api import Client
from otel_cost.client.budget_calls import BudgetCalls
from otel_cost.client.values import (
    BookedCost,
    Breakdown,
    CostSummary,
    Entry,
    Group,
    Money,
    Point,
    Series,
    Slice,
    Statistics,
    StatisticsReport,
    Sums,
    TimeSeries,
    TraceCosts,
    Unpriced,
    Whole,
    WorkspaceCosts,
)
from otel_cost.client.values_budgets import Alert, Budget, BudgetInBrief, BudgetStatus, BudgetStatuses, Check, Dashboard
from otel_cost.client.values_prices import ModelPrice, PriceList, PriceShown, Rate
from otel_cost.errors import ApiDenied, ApiError, ApiInvalid, ApiNotFound, ApiUnavailable

__all__ = [
    "Alert",
    "ApiDenied",
    "ApiError",
    "ApiInvalid",
    "ApiNotFound",
    "ApiUnavailable",
    "BookedCost",
    "Breakdown",
    "Budget",
    "BudgetCalls",
    "BudgetInBrief",
    "BudgetStatus",
    "BudgetStatuses",
    "Check",
    "Client",
    "CostSummary",
    "Dashboard",
    "Entry",
    "Group",
    "ModelPrice",
    "Money",
    "Point",
    "PriceList",
    "PriceShown",
    "Rate",
    "Series",
    "Slice",
    "Statistics",
    "StatisticsReport",
    "Sums",
    "TimeSeries",
    "TraceCosts",
    "Unpriced",
    "Whole",
    "WorkspaceCosts",
]
