"""Which format a file has, and what its rows say. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, cast

from otel_cost.importing import jsonl, langfuse, litellm, otlp_json
from otel_cost.importing.calls import Call, Costs
from otel_cost.importing.files import Row, parse
from otel_cost.importing.values import BadRow


class Format(StrEnum):
    JSONL = "jsonl"
    OTLP_JSON = "otlp-json"
    LITELLM = "litellm"
    LANGFUSE = "langfuse"


USUAL: Final[Mapping[Format, Costs]] = {
    Format.JSONL: Costs.THEIRS,
    Format.OTLP_JSON: Costs.OURS,
    Format.LITELLM: Costs.OURS,
    Format.LANGFUSE: Costs.OURS,
}
"""Whose figures are booked, unless said otherwise: a log with a cost on each line is a book, and keeps its figures."""
_SIGNS: Final = (
    (Format.OTLP_JSON, otlp_json.fits),
    (Format.LITELLM, litellm.fits),
    (Format.LANGFUSE, langfuse.fits),
    (Format.JSONL, jsonl.fits),
)


def format_of(row: Row) -> Format | None:
    """The format whose rows look like this one; None where it is no row, or looks like none of them."""
    try:
        first = next(_objects(row), None)
    except BadRow:
        return None
    return next((form for form, fits in _SIGNS if first is not None and fits(first)), None)


def calls_of(row: Row, form: Format, costs: Costs) -> Iterator[Call]:
    """What a row says, perhaps nothing.

    Raises:
        BadRow: it, or some of it, cannot be read; what can be was given before.
    """
    raw = row.value if isinstance(row.value, bytes) else b""
    for found in _objects(row):
        match form:
            case Format.OTLP_JSON:
                yield from otlp_json.calls(found, raw)
            case Format.LITELLM:
                yield from litellm.calls(found, costs)
            case Format.LANGFUSE:
                yield from langfuse.calls(found, costs)
            case Format.JSONL if jsonl.OURS in found:
                yield from jsonl.ours(found, raw)
            case Format.JSONL:
                yield from jsonl.foreign(found, costs)


def _objects(row: Row) -> Iterator[Mapping[str, object]]:
    """The object of a row; those of a list in its ``data``, which is how APIs answer."""
    if row.value is None:
        raise BadRow(row.problem)
    if not isinstance(row.value, bytes):
        yield row.value
        return
    try:
        found = parse(row.value)
    except ValueError as error:
        raise BadRow(f"it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise BadRow("it is no JSON object")
    whole = cast("dict[str, object]", found)
    data = whole.get("data")
    yield from cast("list[dict[str, object]]", data) if _is_answer(data) else (whole,)


def _is_answer(data: object) -> bool:
    return isinstance(data, list) and all(isinstance(item, dict) for item in cast("list[object]", data))
