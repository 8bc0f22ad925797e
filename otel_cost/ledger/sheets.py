"""Calls as rows of a spreadsheet: one column a field, and cells that no spreadsheet takes for a formula."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Final

from otel_cost.ledger.asking import iso
from otel_cost.ledger.questions import BookedCall
from otel_cost.model import COST_PARTS, NANO, Status

COLUMNS: Final = (
    "at", "duration_s", "kind", "operation", "provider", "model", "model_requested", "status", "reason", "usd",
    "list_usd", *(f"{part}_usd" for part in COST_PARTS), "input_tokens", "output_tokens", "usage", "labels", "error",
    "finish_reason", "streaming", "response_id", "trace_id", "span_id", "key", "counted_as", "pricing_model",
    "price_id", "catalog", "source", "route", "booked_at", "corrected", "detail",
)  # fmt: skip
"""Of :func:`row_of`. Amounts are exact decimal USD; ``usage`` and ``labels`` are JSON objects."""
_ELSEWHERE: Final = (Status.WRAPPER, Status.DUPLICATE)


def safe_cell(text: str) -> str:
    """A text for a spreadsheet: it came over the network, and must be neither a formula nor a row of its own."""
    plain = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
    return f"'{plain}" if plain[:1] in ("=", "+", "-", "@") else plain


def row_of(call: BookedCall) -> tuple[str, ...]:
    """The cells of one call, safe, in the order of ``COLUMNS``. Tokens of a wrapper or duplicate are another call's."""
    record, charge = call.record, call.record.charge
    counts = record.usage.counts if record.usage is not None and charge.status not in _ELSEWHERE else {}
    parts = [_usd(nano) for nano in charge.parts]
    cells = (
        iso(record.start_ns), f"{record.duration_s:.6f}", record.kind, record.operation, record.provider, record.model,
        record.model_requested, charge.status, charge.reason or "", _usd(charge.amount_nano), _usd(charge.list_nano),
        *parts, str(counts.get("input_tokens", 0)), str(counts.get("output_tokens", 0)),
        _json(dict(counts)), _json(dict(record.labels)), record.error, record.finish_reason,
        "yes" if record.streaming else "no", record.response_id, record.trace_id, record.span_id, record.key,
        record.counted_as, charge.pricing_model, charge.price_id, charge.catalog, charge.source, record.caller.route,
        iso(call.booked_ns), "yes" if call.corrected else "no", charge.detail,
    )  # fmt: skip
    return tuple(map(safe_cell, cells))


def _usd(nano: int) -> str:
    return f"{Decimal(nano) / NANO:.9f}"


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
