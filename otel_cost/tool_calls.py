"""Calls of tools (``execute_tool`` spans, MCP's too): they cost what a price file says, and nothing without one."""

from __future__ import annotations

from collections.abc import Mapping

from otel_cost import semconv
from otel_cost.dialects import Reading
from otel_cost.model import Charge, Reason, Status
from otel_cost.pricing import Catalog


def reading_of(reading: Reading, attributes: Mapping[str, object]) -> Reading:
    """The reading of a tool's span: the tool is the model, the call's id the response's."""
    name, call = attributes.get(semconv.TOOL_NAME), attributes.get(semconv.TOOL_CALL_ID)
    return reading._replace(
        model_requested=name if isinstance(name, str) else "",
        model_answered="",
        usage=None,
        response_id=call if isinstance(call, str) else "",
    )


def charge_of(catalog: Catalog, name: str, at_ns: int, error: str) -> Charge | None:
    """What a call of the tool ``name`` cost; 0 where it failed, None where no price file names the tool."""
    charge = catalog.tool(name, at_ns)
    if charge is not None and error:
        return Charge(Status.PRICED, Reason.FAILED, error, source="rule")
    return charge
