"""What LLM calls cost: on the span that made them, in Prometheus, against a budget.

``opentelemetry-instrument`` installs otel-cost by itself. Elsewhere call :func:`install` with your ``TracerProvider``
before the first tracer is used. :class:`labels` says who spends; :class:`BudgetExceeded` is the one error that a call
can raise because of otel-cost, and only where a blocking budget was configured. :class:`guard` asks the budgets before
a block of code, :func:`can_spend` only asks, :func:`on_budget_event` tells what happens to budgets.
"""

from __future__ import annotations

from otel_cost.errors import BudgetExceeded, ConfigError, InvalidUsage, LedgerError, OtelCostError
from otel_cost.guarding import BudgetNotice, Decision, can_spend, can_spend_async, guard, on_budget_event
from otel_cost.labelling import labels
from otel_cost.model import Charge
from otel_cost.processor import CostSpanProcessor, charge_of
from otel_cost.record import compute, record_infrastructure, record_llm, record_tool, tool
from otel_cost.runtime import Runtime, current, install
from otel_cost.switching import disabled
from otel_cost.version import VERSION as __version__

__all__ = [
    "BudgetExceeded",
    "BudgetNotice",
    "Charge",
    "ConfigError",
    "CostSpanProcessor",
    "Decision",
    "InvalidUsage",
    "LedgerError",
    "OtelCostError",
    "Runtime",
    "__version__",
    "can_spend",
    "can_spend_async",
    "charge_of",
    "compute",
    "current",
    "disabled",
    "guard",
    "install",
    "labels",
    "on_budget_event",
    "record_infrastructure",
    "record_llm",
    "record_tool",
    "tool",
]
