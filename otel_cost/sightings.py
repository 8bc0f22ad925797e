"""What matching knows of a span, and the memory of calls that were counted lately. Pure; not thread-safe."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import add
from typing import Final, NamedTuple, TypeVar

from otel_cost import semconv
from otel_cost.model import Layer

SLACK_NS: Final = 5_000_000
"""Clock and scheduling slack on interval containment: 5 ms."""
NO_TOTALS: Final = (-1, -1)
_K = TypeVar("_K")


class Inside(NamedTuple):
    """The calls that were counted inside a span, as its own process knows them."""

    calls: int = 0
    own_calls: int = 0
    """Those among them that our instrumentors wrote."""
    input_tokens: int = 0
    output_tokens: int = 0
    """Sums over them."""
    failed: int = 0
    """Those that failed without usage: nothing that an agent can have spent."""

    def plus(self, other: Inside) -> Inside:
        return Inside(*map(add, self, other))


NOTHING_INSIDE: Final = Inside()


class Sighting(NamedTuple):
    """One ended span that stands for GenAI work. ``totals`` are (input, output), ``NO_TOTALS`` when not reported;
    ``process`` is the process's instance id, the trace id where that is not known."""

    key: str
    trace_id: str
    span_id: str
    parent_span_id: str
    process: str
    tenant: str
    scope: str
    layer: Layer
    kind: str
    response_id: str
    totals: tuple[int, int]
    models: tuple[str, ...]
    start_ns: int
    end_ns: int
    inside: Inside = NOTHING_INSIDE
    of_model: bool = True
    """False for a tool's call and a used resource: calls inside it are something else, and it is none of a model's."""
    priced: bool = True
    """False where it is known that no price was found: another span of the call that has one takes its place."""
    doubted: bool = False
    """True where its emitter is known to miscount: a span of the same call may have other totals."""
    adopted: bool = False
    """True where its own process judged it, beside all other spans that it saw."""
    failed: bool = False
    """True where it ended with an error and without counts."""


def is_ours(scope: str) -> bool:
    """Whether one of our instrumentors writes spans of this scope."""
    return scope.startswith(semconv.INSTRUMENTATION_SCOPE_PREFIX)


@dataclass(slots=True, eq=False)
class Call:
    """A counted call and the spans of other scopes that turned out to be the same one."""

    sighting: Sighting
    twins: dict[str, Sighting] = field(default_factory=dict[str, Sighting])


class Calls:
    """Counted calls, found by what another span of the same call shares with them."""

    def __init__(self) -> None:
        self._by_key: dict[str, Call] = {}
        self._by_response: dict[tuple[str, str], list[Call]] = {}
        # Within these two by scope: one emitter never writes two spans of one call, so that its own spans, which may
        # be all there are, need not be looked at.
        self._by_totals: dict[tuple[str, tuple[int, int]], dict[str, list[Call]]] = {}
        self._by_trace: dict[str, dict[str, list[Call]]] = {}

    def put(self, call: Call) -> None:
        sighting = call.sighting
        self._by_key[sighting.key] = call
        if sighting.response_id:
            self._by_response.setdefault((sighting.tenant, sighting.response_id), []).append(call)
        for index in self._scoped(sighting):
            _insert(index.setdefault(sighting.scope, []), call)

    def get(self, key: str) -> Call | None:
        return self._by_key.get(key)

    def pop(self, key: str) -> Call | None:
        """Forget a call; None when there is none of that key."""
        call = self._by_key.pop(key, None)
        if call is None:
            return None
        sighting = call.sighting
        _remove(self._by_response, (sighting.tenant, sighting.response_id), call)
        for index in self._scoped(sighting):
            _remove(index, sighting.scope, call)
        if not self._by_totals[sighting.process, sighting.totals]:
            del self._by_totals[sighting.process, sighting.totals]
        if not self._by_trace[sighting.trace_id]:
            del self._by_trace[sighting.trace_id]
        return call

    def of_response(self, sighting: Sighting) -> list[Call]:
        """Calls with the same response id, of the same tenant."""
        if not sighting.response_id:
            return []
        return self._by_response.get((sighting.tenant, sighting.response_id), [])

    def near(self, sighting: Sighting) -> Iterator[Call]:
        """Calls that other scopes wrote and that may have overlapped: in the same process with the same totals; where a
        span has none, in the same trace, and those that failed as well anywhere in the process."""
        if sighting.totals != NO_TOTALS:
            yield from _overlapping(sighting, self._by_totals.get((sighting.process, sighting.totals)))
            return
        yield from _overlapping(sighting, self._by_trace.get(sighting.trace_id))
        if sighting.failed:
            for call in _overlapping(sighting, self._by_totals.get((sighting.process, NO_TOTALS))):
                if call.sighting.failed and call.sighting.trace_id != sighting.trace_id:
                    yield call

    def _scoped(self, sighting: Sighting) -> tuple[dict[str, list[Call]], dict[str, list[Call]]]:
        return (
            self._by_totals.setdefault((sighting.process, sighting.totals), {}),
            self._by_trace.setdefault(sighting.trace_id, {}),
        )


def _overlapping(sighting: Sighting, by_scope: dict[str, list[Call]] | None) -> Iterator[Call]:
    # Sorted by end: what ended before this one began cannot be the same call, however many of them there are.
    since = sighting.start_ns - SLACK_NS
    for scope, calls in (by_scope or {}).items():
        if scope != sighting.scope and _end_of(calls[-1]) >= since:
            yield from calls[bisect_left(calls, since, key=_end_of) :]


def _end_of(call: Call) -> int:
    return call.sighting.end_ns


def _insert(calls: list[Call], call: Call) -> None:
    """Keep ``calls`` sorted by end; nearly always the new one is the last."""
    if not calls or _end_of(calls[-1]) <= _end_of(call):
        calls.append(call)
    else:
        insort(calls, call, key=_end_of)


def _remove(index: dict[_K, list[Call]], at: _K, call: Call) -> None:
    calls = index.get(at)
    if calls is not None and call in calls:
        calls.remove(call)
        if not calls:
            del index[at]
