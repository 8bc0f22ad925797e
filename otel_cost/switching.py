"""The switch that turns recording off for a request, where the settings allow it.

What runs inside is not priced, counted, held against budgets or booked; its spans say so (``otel_cost.disabled``), so
that a server which gets them leaves them alone as well. Blocking budgets are asked all the same: an exhausted one still
says no.
"""

from __future__ import annotations

from typing import Final, Literal

from opentelemetry import baggage, context
from opentelemetry.context import Context

from otel_cost import semconv
from otel_cost.context_blocks import ContextBlock

Switch = Literal["off", "code", "baggage"]
"""Who may switch recording off: nobody, the app's code, or inbound baggage too."""

_KEY: Final = context.create_key("otel-cost-disabled")
_TRUE: Final = frozenset({"true", "1"})


class disabled(ContextBlock):
    """Record nothing inside: ``with otel_cost.disabled(): ...``. Also a decorator, of coroutine functions too.

    It follows the OpenTelemetry context, as :class:`otel_cost.labels` do. The setting ``recording_switch: off`` takes
    the effect away, ``baggage`` also listens to the baggage entry ``otel_cost.disabled=true`` of an inbound request.
    """

    def changed(self) -> Context:
        return context.set_value(_KEY, True)

    def fresh(self) -> disabled:
        return disabled()


def is_disabled(switch: Switch, where: Context | None) -> bool:
    """Whether recording is switched off in the context ``where`` (None: the current one)."""
    if switch == "off":
        return False
    if context.get_value(_KEY, where) is True:
        return True
    return switch == "baggage" and str(baggage.get_baggage(semconv.DISABLED, where)).lower() in _TRUE
