"""What LLM calls cost: on the span that made them, in Prometheus, against a budget.

``opentelemetry-instrument`` installs otel-cost by itself. Elsewhere call :func:`install` with your ``TracerProvider``
before the first tracer is used. :class:`labels` says who spends; :class:`BudgetExceeded` is the one error that a call
can raise because of otel-cost, and only where a blocking budget was configured.
"""

from __future__ import annotations

from otel_cost.errors import BudgetExceeded, ConfigError, InvalidUsage, LedgerError, OtelCostError
from otel_cost.labelling import labels
from otel_cost.processor import CostSpanProcessor
from otel_cost.runtime import Runtime, current, install
from otel_cost.version import VERSION as __version__

__all__ = [
    "BudgetExceeded",
    "ConfigError",
    "CostSpanProcessor",
    "InvalidUsage",
    "LedgerError",
    "OtelCostError",
    "Runtime",
    "__version__",
    "current",
    "install",
    "labels",
]
