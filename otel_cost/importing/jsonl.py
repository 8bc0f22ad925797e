"""JSON Lines: lines of a book of ours, and request logs with the same fields at their top (those of LLM proxies).

A line of ours says what became of a call, and is booked as it stands. Of a foreign log nothing else is known than
``timestamp, request_id, user_id, ip_address, provider, model, endpoint, is_streaming, input_tokens, output_tokens,
input_cost, output_cost, total_cost, finish_reason``; of these only ``timestamp`` has to be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from otel_cost import semconv
from otel_cost.errors import InvalidUsage
from otel_cost.importing import values
from otel_cost.importing.calls import Call, Costs, Kept, call, stated
from otel_cost.importing.values import BadRow
from otel_cost.ledger.base import EntryKind
from otel_cost.ledger.jsonl_rows import read_line
from otel_cost.model import CostRecord

OURS: Final = "book"
"""The field that only lines of ours have."""
_SIGNS: Final = frozenset({"input_tokens", "output_tokens", "total_tokens", "total_cost", "input_cost", "endpoint"})
_COSTS: Final = ("input_cost", "output_cost")


def fits(row: Mapping[str, object]) -> bool:
    return OURS in row or ("timestamp" in row and not _SIGNS.isdisjoint(row))


def ours(row: Mapping[str, object], line: bytes) -> Sequence[Call]:
    """The step that a line of a book takes; none where another line says it.

    Raises:
        BadRow: it cannot be read.
    """
    try:
        step = read_line(line).step
    except (ValueError, InvalidUsage) as error:
        raise BadRow(str(error)) from error
    if isinstance(step, CostRecord):
        return (Kept(step, first=row.get("entry") == EntryKind.CHARGE.value),)
    return () if step is None else (step,)


def foreign(row: Mapping[str, object], costs: Costs) -> Sequence[Call]:
    """The call of one line of a request log.

    Its key is made of request id and time, else of all of it: the same line twice is one call, and two lines of one
    request are two.

    Raises:
        BadRow: it has no time, or a cost that is none.
    """
    start_ns = values.instant(row, "timestamp")
    request_id = values.text(row, "request_id")
    said = (request_id, str(start_ns)) if request_id else (values.canonical(row),)
    total = _total(row)
    attributes: dict[str, object] = {
        semconv.OPERATION_NAME: _operation(values.text(row, "endpoint")),
        semconv.PROVIDER_NAME: values.text(row, "provider"),
        semconv.REQUEST_MODEL: values.text(row, "model"),
        semconv.USAGE_INPUT_TOKENS: values.count(row.get("input_tokens")),
        semconv.USAGE_OUTPUT_TOKENS: values.count(row.get("output_tokens")),
        semconv.REQUEST_STREAM: values.flag(row.get("is_streaming")) or None,
        semconv.RESPONSE_ID: request_id,
        semconv.RESPONSE_FINISH_REASONS: values.text(row, "finish_reason"),
        semconv.CALLER_ROUTE: values.text(row, "endpoint"),
        semconv.CALLER_ADDRESS: values.text(row, "ip_address"),
    }
    if costs is Costs.THEIRS:
        parts = {name.removesuffix("_cost"): values.usd_nano(row, name) for name in _COSTS}
        attributes.update(stated(total, "import", parts))
    elif total:
        attributes[semconv.COST_AMOUNT] = _usd(row)
    labels = {"user": values.text(row, "user_id")}
    ids = values.ids("jsonl", *said)
    return (call(ids, (start_ns, start_ns), semconv.IMPORT_SCOPE, attributes, labels=labels),)


def _total(row: Mapping[str, object]) -> int | None:
    total = values.usd_nano(row, "total_cost")
    return values.usd_nano(row, *_COSTS) if total is None else total


def _usd(row: Mapping[str, object]) -> object:
    total = row.get("total_cost")
    if total is not None and total != "":
        return total
    return sum(values.decimal(row.get(name)) for name in _COSTS)


def _operation(endpoint: str) -> str:
    if "embedding" in endpoint:
        return semconv.OP_EMBEDDINGS
    if endpoint.rstrip("/").endswith("/completions") and "chat" not in endpoint:
        return semconv.OP_TEXT_COMPLETION
    return semconv.OP_CHAT
