"""Which span is inside which, for traces seen lately. Pure; not thread-safe.

Spans may come in any order, and those between a call and the agent that made it (an HTTP request, a step of a chain)
need not be calls: so every span's parent is remembered, not only those of calls.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

_VISITED_AT_MOST: Final = 10_000
"""Spans looked at for one question: bounds what a hostile trace can cost."""


class _Trace:
    __slots__ = ("children", "parents")

    def __init__(self) -> None:
        self.parents: dict[str, str] = {}
        self.children: dict[str, list[str]] = {}


class Lineage:
    """Parents and children by trace.

    Args:
        capacity: Spans remembered at most; the trace that was added to longest ago goes first.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._traces: OrderedDict[str, _Trace] = OrderedDict()
        self._size = 0

    def add(self, trace_id: str, span_id: str, parent_span_id: str) -> None:
        """Remember one span. Idempotent; the first parent that was told stays."""
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = _Trace()
        elif span_id in trace.parents:
            return
        else:
            self._traces.move_to_end(trace_id)
        trace.parents[span_id] = parent_span_id
        if parent_span_id:
            trace.children.setdefault(parent_span_id, []).append(span_id)
        self._size += 1
        while self._size > self._capacity:
            _, oldest = self._traces.popitem(last=False)
            self._size -= len(oldest.parents)

    def has_children(self, trace_id: str, span_id: str) -> bool:
        trace = self._traces.get(trace_id)
        return trace is not None and span_id in trace.children

    def above(self, trace_id: str, span_id: str) -> Iterator[str]:
        """The spans around a span, nearest first, as far as they were seen. A loop of parents is gone round once."""
        trace = self._traces.get(trace_id)
        if trace is None:
            return
        seen = {span_id}
        parent = trace.parents.get(span_id, "")
        while parent and parent not in seen and len(seen) < _VISITED_AT_MOST:
            yield parent
            seen.add(parent)
            parent = trace.parents.get(parent, "")

    def below(self, trace_id: str, span_id: str) -> Iterator[str]:
        """The spans inside a span, at any depth, in no particular order; at most 10,000 of them."""
        trace = self._traces.get(trace_id)
        if trace is None:
            return
        seen = {span_id}
        waiting = [span_id]
        while waiting and len(seen) < _VISITED_AT_MOST:
            for child in trace.children.get(waiting.pop(), ()):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
                    yield child
