"""The bodies of the REST API, one module a resource. What the commands share with it can be had here."""

from __future__ import annotations

from otel_cost.server.schemas.money import Money, usd_text
from otel_cost.server.schemas.problem import Health, Problem
from otel_cost.server.schemas.summary import CostSummary, Group, Sums, UnpricedCalls, advice

__all__ = ["CostSummary", "Group", "Health", "Money", "Problem", "Sums", "UnpricedCalls", "advice", "usd_text"]
