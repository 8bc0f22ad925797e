"""Costs by hand: what no instrumentation sees."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from otel_cost.client.transport import Transport
from otel_cost.client.values import BookedBatch, BookedCost
from otel_cost.client.words import COSTS, NONE, When, when

_NO_USAGE: Final[Mapping[str, int]] = {}


class ByHand:
    """Books costs. Each has an id, so that the server knows it when it is sent again."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def record_llm(
        self,
        provider: str,
        model: str,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        *,
        usage: Mapping[str, int] = _NO_USAGE,
        labels: Mapping[str, str] = NONE,
        at: When = None,
        id: str | None = None,
        **more: str | float,
    ) -> BookedCost:
        """Book one model's call, priced by the server.

        Args:
            provider, model, input_tokens, output_tokens: As for ``otel_cost.record_llm``.
            usage: Further counts by unit.
            labels: Who it is for.
            at: When it began; now if absent.
            id: What is booked again under it is booked once; made here if absent.
            **more: ``operation``, ``service_tier``, ``response_id``, ``duration_s``, ``error``, ``trace_id``.
        """
        said = {"provider": provider, "model": model, "input_tokens": input_tokens, "output_tokens": output_tokens}
        return self._record("llm", {**said, "usage": dict(usage), **more}, labels, at, id)

    def record_tool(
        self,
        name: str,
        usd: Decimal | str | None = None,
        *,
        labels: Mapping[str, str] = NONE,
        at: When = None,
        id: str | None = None,
        **more: str | float,
    ) -> BookedCost:
        """Book one call of a paid tool: what it cost in USD, or by the price under ``tools:``.

        ``**more``: ``operation``, ``request_id``, ``duration_s``, ``error``, ``trace_id``; the rest as above.
        """
        return self._record("tool", {"name": name, "usd": _exact(usd), **more}, labels, at, id)

    def record_infrastructure(
        self,
        resource: str,
        usd: Decimal | str | None = None,
        *,
        quantity: Decimal | str | int = 1,
        unit: str = "",
        labels: Mapping[str, str] = NONE,
        at: When = None,
        id: str | None = None,
        **more: str | float,
    ) -> BookedCost:
        """Book the use of a resource: what it cost in USD, or a quantity priced under ``resources:``."""
        said = {"resource": resource, "usd": _exact(usd), "quantity": str(quantity), "unit": unit}
        return self._record("infrastructure", {**said, **more}, labels, at, id)

    def record(self, entries: Sequence[Mapping[str, object]]) -> tuple[BookedCost, ...]:
        """Book up to 1000 costs, or none where one is wrong: each with the fields of the API, and its ``kind``."""
        body = {"entries": [{"id": uuid.uuid4().hex, **entry} for entry in entries]}
        path = f"{COSTS}/entries/batch"
        return self._transport.send(BookedBatch, "POST", path, {}, body, repeatable=True).entries

    def _record(
        self, kind: str, said: Mapping[str, object], labels: Mapping[str, str], at: When, given_id: str | None
    ) -> BookedCost:
        body = {"kind": kind, "id": given_id or uuid.uuid4().hex, "at": when(at), "labels": dict(labels), **said}
        known = {name: value for name, value in body.items() if value is not None}
        return self._transport.send(BookedCost, "POST", f"{COSTS}/entries", {}, known, repeatable=True)


def _exact(usd: Decimal | str | None) -> str | None:
    return None if usd is None else str(usd)
