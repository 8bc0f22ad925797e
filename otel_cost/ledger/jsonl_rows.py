"""A row of the book as a line of JSON, and back: what a JSONL book consists of, and what a spool holds.

The fields at the top of a line are those that request logs of LLM proxies have (``timestamp``, ``request_id``,
``total_cost`` and so on), so that whatever reads such logs reads these. ``book`` holds what makes the row: a record in
full, a void or a correction. A row that takes an earlier one back has negative costs and tokens, so that plain sums
over all lines are right.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from otel_cost.ledger.base import Correction, Entry, EntryKind
from otel_cost.model import (
    NO_CALLER,
    Caller,
    Charge,
    CostRecord,
    Kind,
    Layer,
    Opinion,
    OpinionSource,
    PricingModel,
    Reason,
    Status,
    Terms,
    Usage,
    Void,
    nano_to_usd,
)

FORMAT: Final = 1
"""What :data:`book` of a line says of its own form; lines of a later form are not read."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REASONS: Final = {reason.value: reason for reason in Reason}
_encode: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False).encode
Json = dict[str, object]
Step = CostRecord | Void | Correction
"""What a line does to the book."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says. ``step`` is None where it only takes back what another line posts anew."""

    booked_ns: int
    step: Step | None


# --- values -----------------------------------------------------------------------------------------------------------


def _defaults(of: type) -> Mapping[str, object]:
    """The plain fields that are left out where they have their default."""
    return {field.name: field.default for field in fields(of) if isinstance(field.default, str | bool | int | float)}


_RECORD_DEFAULTS: Final = _defaults(CostRecord)
_CHARGE_DEFAULTS: Final = _defaults(Charge)
_RECORD_TEXTS: Final = (
    *("key", "trace_id", "span_id", "parent_span_id", "operation", "provider", "model_requested", "model_answered"),
    *("response_id", "process", "scope", "finish_reason", "error", "counted_as"),
)


def record_to_json(record: CostRecord) -> Json:
    """All of a record. What has its default is left out."""
    found: Json = {name: value for name in _RECORD_TEXTS if (value := getattr(record, name))}
    found.update({name: value for name, usual in _RECORD_DEFAULTS.items() if (value := getattr(record, name)) != usual})
    found.update(start_ns=record.start_ns, end_ns=record.end_ns, charge=charge_to_json(record.charge))
    if record.usage is not None:
        found["usage"] = dict(record.usage.counts)
    if record.labels:
        found["labels"] = dict(record.labels)
    if record.caller != NO_CALLER:
        found["caller"] = [record.caller.route, record.caller.address, record.caller.token_hash]
    if record.terms is not None:
        found["terms"] = [record.terms.service_tier, record.terms.server_address, record.terms.usage_estimated]
    if record.opinions:
        found["opinions"] = [
            [opinion.source, opinion.amount_nano, opinion.against_nano, opinion.disagrees]
            for opinion in record.opinions
        ]
    if record.time_to_first_chunk_s is not None and math.isfinite(record.time_to_first_chunk_s):
        found["time_to_first_chunk_s"] = record.time_to_first_chunk_s
    return found


def record_from_json(found: Mapping[str, Any]) -> CostRecord:
    """The record that :func:`record_to_json` wrote.

    Raises:
        ValueError: something is missing or is no value of its field. (InvalidUsage, where counts contradict themselves,
            is another OtelCostError.)
    """
    try:
        usage, caller, terms = found.get("usage"), found.get("caller"), found.get("terms")
        return CostRecord(
            **{name: _text(found.get(name, "")) for name in _RECORD_TEXTS},
            start_ns=_whole(found["start_ns"]),
            end_ns=_whole(found["end_ns"]),
            charge=charge_from_json(found["charge"]),
            usage=None if usage is None else Usage.of(usage),
            kind=Kind(found.get("kind", Kind.LLM)),
            layer=Layer(found.get("layer", Layer.WIRE)),
            streaming=found.get("streaming", False) is True,
            sampled=found.get("sampled", True) is True,
            labels={_text(label): _text(value) for label, value in found.get("labels", {}).items()},
            caller=NO_CALLER if caller is None else Caller(*map(_text, caller)),
            terms=None if terms is None else Terms(_text(terms[0]), _text(terms[1]), terms[2] is True),
            opinions=tuple(map(_opinion, found.get("opinions", ()))),
            time_to_first_chunk_s=_seconds(found.get("time_to_first_chunk_s")),
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"no record: {error!r:.100}") from None


def charge_to_json(charge: Charge) -> Json:
    found: Json = {"status": charge.status}
    found.update({name: value for name, usual in _CHARGE_DEFAULTS.items() if (value := getattr(charge, name)) != usual})
    if charge.reason is not None:
        found["reason"] = charge.reason
    if any(charge.parts):
        found["parts"] = list(charge.parts)
    if charge.paying_list_nano is not None:
        found["paying_list_nano"] = charge.paying_list_nano
    return found


def charge_from_json(found: Mapping[str, Any]) -> Charge:
    """The charge that :func:`charge_to_json` wrote; a reason that a later release knows is left out.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    first, second, third, fourth, fifth = map(_whole, found.get("parts", (0, 0, 0, 0, 0)))
    paying = found.get("paying_list_nano")
    return Charge(
        status=Status(found["status"]),
        reason=_REASONS.get(found.get("reason", "")),
        amount_nano=_whole(found.get("amount_nano", 0)),
        list_nano=_whole(found.get("list_nano", 0)),
        parts=(first, second, third, fourth, fifth),
        pricing_model=PricingModel(found.get("pricing_model", PricingModel.ON_DEMAND)),
        paying_list_nano=None if paying is None else _whole(paying),
        **{name: _text(found.get(name, "")) for name in ("detail", "price_id", "catalog", "source")},
    )


def void_to_json(void: Void) -> Json:
    return {"key": void.key, "reason": void.reason, "counted_as": void.counted_as}


def void_from_json(found: Mapping[str, Any]) -> Void:
    """Raises ValueError, KeyError or TypeError where it is none."""
    return Void(_text(found["key"]), Reason(found["reason"]), _text(found["counted_as"]))


def _opinion(found: Sequence[Any]) -> Opinion:
    amount, against = (None if value is None else _whole(value) for value in found[1:3])
    return Opinion(OpinionSource(found[0]), amount, against, found[3] is True)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.40} is no whole number")
    return value


def _seconds(value: object) -> float | None:
    return value if isinstance(value, float) else None


# --- lines ------------------------------------------------------------------------------------------------------------


def line_of(entry: Entry, booked_ns: int, step: Step | None, record: CostRecord | None = None) -> bytes:
    """One row as a line, with its line feed. ``record`` is what the row is about, where that is known."""
    book: Json = {"format": FORMAT, "booked_ns": booked_ns, **_step_to_json(step)}
    found = {**_shown(entry, record), "book": book}
    return _encode(found).encode() + b"\n"


def void_line(void: Void, booked_ns: int) -> bytes:
    """A void as a line, by someone who does not know what it takes back: readers of the book do."""
    found = {"request_id": void.key, "entry": EntryKind.VOID, "operations": 0}
    book: Json = {"format": FORMAT, "booked_ns": booked_ns, **_step_to_json(void)}
    return _encode({**found, "book": book}).encode() + b"\n"


def _shown(entry: Entry, record: CostRecord | None) -> Json:
    """What readers of request logs look for. None where the row does not know; no cost where there is no price."""
    labels = record.labels if record is not None else entry.dimensions
    caller = record.caller if record is not None else NO_CALLER
    into, out, total = _tokens(entry)
    return {
        "timestamp": (_EPOCH + timedelta(microseconds=entry.occurred_ns // 1000)).isoformat(timespec="microseconds"),
        "request_id": entry.record_key,
        "user_id": labels.get("user"),
        "ip_address": caller.address or None,
        "provider": entry.dimensions.get("provider", ""),
        "model": entry.dimensions.get("model", ""),
        "endpoint": caller.route or None,
        "is_streaming": record.streaming if record is not None else None,
        "input_tokens": into,
        "output_tokens": out,
        "total_tokens": total,
        **_costs(entry),
        "finish_reason": (record.finish_reason or None) if record is not None else None,
        "status": entry.charge.status,
        "entry": entry.kind,
        "operations": entry.operations,
    }


def _tokens(entry: Entry) -> tuple[int | None, int | None, int | None]:
    counts = [entry.usage.get("input_tokens"), entry.usage.get("output_tokens")]
    known = [entry.operations * count for count in counts if count is not None]
    into, out = (None if count is None else entry.operations * count for count in counts)
    return into, out, sum(known) if known else None


def _costs(entry: Entry) -> Json:
    if entry.charge.status is Status.UNPRICED:
        return {"input_cost": None, "output_cost": None, "total_cost": None}
    into, out, cache_read, cache_write, _ = entry.charge.parts
    return {
        "input_cost": nano_to_usd(entry.operations * (into + cache_read + cache_write)),
        "output_cost": nano_to_usd(entry.operations * out),
        "total_cost": nano_to_usd(entry.amount_nano),
    }


def _step_to_json(step: Step | None) -> Json:
    if step is None:
        return {}
    if isinstance(step, CostRecord):
        return {"record": record_to_json(step)}
    if isinstance(step, Void):
        return {"void": void_to_json(step)}
    return {"correct": {"key": step.key, "sequence": step.sequence, "charge": charge_to_json(step.charge)}}


def read_line(line: bytes) -> Line:
    """What :func:`line_of` wrote.

    Raises:
        ValueError: it is no such line (torn, of a later release, another program's). InvalidUsage likewise.
    """
    try:
        book = json.loads(line)["book"]
        if book["format"] != FORMAT:
            raise ValueError(f"format {book['format']!r:.20} is not known to this release")
        return Line(_whole(book["booked_ns"]), _step_of(cast("Mapping[str, Any]", book)))
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"no row of a book: {error!r:.100}") from None


def _step_of(book: Mapping[str, Any]) -> Step | None:
    if "record" in book:
        return record_from_json(book["record"])
    if "void" in book:
        return void_from_json(book["void"])
    if "correct" in book:
        said = book["correct"]
        return Correction(_text(said["key"]), _whole(said["sequence"]), charge_from_json(said["charge"]))
    return None
