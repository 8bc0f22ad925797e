"""Tools that OpenAI runs itself during a response, each with a fee beside the tokens.

Sources: ``ToolUsage`` and the output items of ``openai`` 3.54; OpenAI's price list (a fee for each web or file search
call, one for each code container). A count without a price makes the call unpriced, which says that it is not all of
the bill.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost_instrumentation._read import Attributes, count, field, items, text

_Items = list[object]


def hosted_tools(answer: object) -> Attributes:
    """Counts of what a complete response used, by unit; those that are 0 are left out."""
    output = items(answer, "output")
    usage = field(answer, "tool_usage")
    found: Attributes = {}
    for unit, counted in _COUNTS.items():
        number = counted(output, usage)
        if number:
            found[semconv.UNIT_PREFIX + unit] = number
    return found


def _web_searches(output: _Items, usage: object) -> int:
    """Some are not billed, which only the provider knows; by their items, opening a page is not a search."""
    told = count(usage, "web_search", "num_requests")
    if told is not None:
        return told
    return sum(text(item, "action", "type") in ("", "search") for item in _of(output, "web_search_call"))


def _file_searches(output: _Items, usage: object) -> int:
    return len(_of(output, "file_search_call"))


def _containers(output: _Items, usage: object) -> int:
    """Containers that ran code: several calls in one of them are one fee. A local shell is the app's own."""
    places = [field(item, "environment") for item in _of(output, "shell_call")]
    hosted = [place for place in places if text(place, "type") == "container_reference"]
    ids = [text(place, "container_id") for place in (*_of(output, "code_interpreter_call"), *hosted)]
    return len(set(filter(None, ids))) + ids.count("")


def _images(output: _Items, usage: object) -> int:
    """Images made by another model, whose tokens are no part of the answering model's and cost several times more: as
    image tokens they would be priced like its text. Counted as requests, for which a text model has no price."""
    tokens = (count(usage, "image_gen", "input_tokens") or 0) + (count(usage, "image_gen", "output_tokens") or 0)
    return len(_of(output, "image_generation_call")) or int(tokens > 0)


def _of(output: _Items, kind: str) -> _Items:
    return [item for item in output if text(item, "type") == kind]


_COUNTS: Final[Mapping[str, Callable[[_Items, object], int]]] = {
    "web_searches": _web_searches,
    "storage_searches": _file_searches,
    "code_executions": _containers,
    "requests": _images,
}
