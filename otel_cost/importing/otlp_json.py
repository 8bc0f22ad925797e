"""OTLP as JSON, in files: what the collector's file exporter writes, a request of traces or logs a line. Pure.

Decoded by what the server decodes requests with, so that a file and a request are the same thing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from otel_cost import wire
from otel_cost.errors import InvalidUsage
from otel_cost.importing.calls import Call
from otel_cost.importing.values import BadRow
from otel_cost.server import otlp
from otel_cost.server.otlp import Encoding, Malformed, Rejected

_TRACES: Final = ("resourceSpans", "resource_spans")
_LOGS: Final = ("resourceLogs", "resource_logs")
_OTHERS: Final = ("resourceMetrics", "resource_metrics")


def fits(row: Mapping[str, object]) -> bool:
    return any(name in row for name in (*_TRACES, *_LOGS, *_OTHERS))


def calls(row: Mapping[str, object], raw: bytes) -> Iterator[Call]:
    """Every span, and every ``otel_cost.charge`` event, of one request; of metrics nothing.

    Raises:
        BadRow: it is no request, or some of it cannot be read; what can be was given before.
    """
    body = raw or json.dumps(row, default=str).encode()
    rejected = Rejected()
    try:
        if any(name in row for name in _TRACES):
            yield from otlp.spans_of(otlp.parse_traces(body, Encoding.JSON), rejected)
        elif any(name in row for name in _LOGS):
            yield from _charges(body, rejected)
        elif not any(name in row for name in _OTHERS):
            raise BadRow("it has neither resourceSpans nor resourceLogs")
    except Malformed as error:
        raise BadRow(str(error)) from error
    if rejected.count:
        raise BadRow(f"{rejected.count} of its spans or records cannot be read: {'; '.join(rejected.reasons)}")


def _charges(body: bytes, rejected: Rejected) -> Iterator[Call]:
    for attributes in otlp.charges_of(otlp.parse_logs(body, Encoding.JSON)):
        try:
            yield wire.record_from_attributes(attributes)
        except InvalidUsage as error:
            rejected.add(str(error))
