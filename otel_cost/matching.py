"""Which spans are the same call. Every provider call is counted once, whoever else wrote a span about it.

The state is bounded (least recently seen out first) and process-wide; nothing here reads a clock, the environment or a
span: a :class:`Sighting` goes in, a :class:`Verdict` comes out. Rules, in the order in which they are tried:

1. The same span again gets the verdict that it had.
2. Agents never carry the money of calls that were counted inside them, nor of calls that this process makes itself.
3. A framework's span, or one of ours around others of ours, is a wrapper when its tokens are those of counted calls
   inside it.
4. The same response id with the same totals and model is the same call, wherever and whenever it was seen; different
   ids are different calls. (Some servers number their answers with small random numbers, hence the totals.)
5. Otherwise spans of different scopes of one process are one call when their totals or their response ids are equal,
   their models agree, and one interval contains the other. (Emitters were seen to miscount a stream by a token, so
   side by side the id is enough.) Spans match one to one for each scope, so two equal calls stay two.

Whichever span ends first is counted. ``wire_wins`` (the book, which can take money back) lets a request's own span
replace a framework's that came first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from itertools import chain
from typing import Final, NamedTuple

from otel_cost.forking import after_fork_in_child
from otel_cost.model import Layer, Reason, Status
from otel_cost.model_names import models_agree
from otel_cost.sightings import SLACK_NS, Call, Calls, Inside, Sighting, is_ours

CAPACITY: Final = 100_000
"""Spans remembered, unless said otherwise."""
WINDOW_NS: Final = 600 * 10**9
"""How long a span is remembered, unless said otherwise: ten minutes."""
_SEARCHED_AT_MOST: Final = 1000
"""Calls looked at to find a place for one span: bounds the time that a burst of equal calls can take."""


class Verdict(NamedTuple):
    """``status`` None: count it. Otherwise wrapper or duplicate, of ``counted_as`` where that is known. ``voids`` is
    the key of a record whose money this one replaces. ``again``: this key was judged before."""

    status: Status | None
    reason: Reason | None = None
    counted_as: str = ""
    voids: str = ""
    again: bool = False


COUNT: Final = Verdict(None)


class Matcher:
    """Holds what was counted lately and judges what comes. Thread-safe; one for a process.

    Args:
        capacity: Spans remembered at most.
        window_ns: How long a call can be matched after it was seen.
        wire_wins: A wire span may replace a framework span that was counted before it (only where money can be taken
            back).
    """

    def __init__(self, *, capacity: int = CAPACITY, window_ns: int = WINDOW_NS, wire_wins: bool = False) -> None:
        self._capacity = capacity
        self._window_ns = window_ns
        self._wire_wins = wire_wins
        self._renew_lock()
        after_fork_in_child(self._renew_lock)
        self._verdicts: OrderedDict[str, tuple[Verdict, int]] = OrderedDict()
        self._calls = Calls()

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def judge(self, sighting: Sighting, now_ns: int) -> Verdict:
        """The verdict on ``sighting``, seen at ``now_ns``. The same key always gets the same one."""
        with self._lock:
            known = self._verdicts.get(sighting.key)
            if known is not None:
                return known[0]._replace(again=True)
            verdict = self._decide(sighting)
            self._remember(sighting, verdict, now_ns)
            return verdict

    def note(self, sighting: Sighting, verdict: Verdict, now_ns: int) -> None:
        """Take over a verdict made elsewhere, so that later spans are judged against it."""
        with self._lock:
            if sighting.key not in self._verdicts:
                self._remember(sighting, verdict, now_ns)

    @property
    def size(self) -> int:
        """How many spans are remembered."""
        with self._lock:
            return len(self._verdicts)

    def adopt(self, sighting: Sighting, verdict: Verdict, now_ns: int) -> Verdict:
        """Take over a verdict that another process made of its own spans, unless it is a call that a third one told of
        already: a client and a proxy both price one response. Within one process its own verdicts are believed."""
        with self._lock:
            known = self._verdicts.get(sighting.key)
            if known is not None:
                return known[0]._replace(again=True)
            same = self._same_response(sighting) if verdict.status is None else None
            if same is not None and same.sighting.process != sighting.process:
                verdict = self._twin(sighting, same, Reason.SAME_RESPONSE)
            self._remember(sighting, verdict, now_ns)
            return verdict

    # --- rules --------------------------------------------------------------------------------------------------------

    def _decide(self, sighting: Sighting) -> Verdict:
        inside = sighting.inside if sighting.inside.calls else self._calls.inside(sighting)
        if sighting.layer is Layer.AGENT:
            return _judge_agent(sighting, inside)
        if inside.calls and _is_around(sighting, inside):
            return Verdict(Status.WRAPPER, Reason.HAS_COUNTED_CHILD)
        same = self._same_response(sighting)
        if same is not None:
            return self._twin(sighting, same, Reason.SAME_RESPONSE)
        return self._same_call(sighting)

    def _same_response(self, sighting: Sighting) -> Call | None:
        same = (call for call in self._calls.of_response(sighting) if _is_same_response(sighting, call.sighting))
        return next(same, None)

    def _same_call(self, sighting: Sighting) -> Verdict:
        candidates = self._candidates(sighting)
        if not candidates:
            return COUNT
        candidates.sort(key=lambda call: _closeness(sighting, call.sighting))
        call = self._place(sighting, candidates)
        return COUNT if call is None else self._twin(sighting, call, Reason.SAME_CALL)

    def _candidates(self, sighting: Sighting) -> list[Call]:
        near = chain(self._calls.near(sighting), self._calls.of_response(sighting))
        return [call for call in near if _may_be_same(sighting, call.sighting)]

    def _place(self, sighting: Sighting, candidates: list[Call]) -> Call | None:
        """Give ``sighting`` its scope's place at one of the ``candidates``, moving earlier twins on if it has to.

        A maximum matching (augmenting paths, nearest first): equal calls in parallel overlap in many ways, and a greedy
        choice could leave the last one without a partner, which would count it twice.
        """
        scope = sighting.scope
        came_from: dict[str, Call | None] = dict.fromkeys(call.sighting.key for call in candidates)
        free = next((call for call in candidates if scope not in call.twins), None)
        queue = deque(candidates)
        while free is None and queue and len(came_from) < _SEARCHED_AT_MOST:
            call = queue.popleft()
            for other in self._candidates(call.twins[scope]):
                if other.sighting.key not in came_from:
                    came_from[other.sighting.key] = call
                    queue.append(other)
                    if scope not in other.twins:
                        free = other
                        break
        if free is None:
            return None
        while (before := came_from[free.sighting.key]) is not None:
            free.twins[scope] = before.twins[scope]
            free = before
        free.twins[scope] = sighting
        return free

    def _twin(self, sighting: Sighting, call: Call, reason: Reason) -> Verdict:
        first = call.sighting
        better = sighting.layer is Layer.WIRE and first.layer is not Layer.WIRE
        if self._wire_wins and (better or (sighting.priced and not first.priced)):
            return Verdict(None, reason, voids=first.key)
        return Verdict(Status.DUPLICATE, reason, counted_as=first.key)

    # --- memory -------------------------------------------------------------------------------------------------------

    def _remember(self, sighting: Sighting, verdict: Verdict, now_ns: int) -> None:
        self._verdicts[sighting.key] = (verdict, now_ns)
        replaced = self._calls.pop(verdict.voids) if verdict.voids else None
        if verdict.status is None:
            call = Call(sighting)
            if replaced is not None:
                # What was the same call as the replaced span is the same as this one, and so is that span.
                call.twins = {**replaced.twins, replaced.sighting.scope: replaced.sighting}
            self._calls.put(call)
        while len(self._verdicts) > self._capacity or self._oldest_ns() < now_ns - self._window_ns:
            key, _ = self._verdicts.popitem(last=False)
            self._calls.pop(key)

    def _oldest_ns(self) -> int:
        """When the span seen first was seen. There is one: the newest was just put in."""
        return next(iter(self._verdicts.values()))[1]


def _judge_agent(sighting: Sighting, inside: Inside) -> Verdict:
    if inside.calls:
        return Verdict(Status.WRAPPER, Reason.HAS_COUNTED_CHILD)
    if sighting.kind != "CLIENT":
        return Verdict(Status.WRAPPER, Reason.INTERNAL_AGENT)
    return COUNT


def _is_around(sighting: Sighting, inside: Inside) -> bool:
    """Whether counted calls inside make this span a wrapper: a framework's span, or ours around ours, whose tokens are
    those of the calls inside (with some slack for miscounts), or that has none.

    One that has tokens beyond them made a call of its own. A wire span of others around counted calls may still be a
    call of its own (a tool that calls a model while the answer streams), so it is left to the totals.
    """
    if sighting.layer is not Layer.FRAMEWORK and not (is_ours(sighting.scope) and inside.own_calls):
        return False
    into, out = sighting.totals
    return into <= _with_slack(inside.input_tokens) and out <= _with_slack(inside.output_tokens)


def _with_slack(tokens: int) -> int:
    return tokens + max(16, tokens // 50)


def _closeness(a: Sighting, b: Sighting) -> tuple[bool, int]:
    """Smaller is closer: spans of one trace first, then those whose ends lie nearest."""
    return (a.trace_id != b.trace_id, abs(a.start_ns - b.start_ns) + abs(a.end_ns - b.end_ns))


def _is_same_response(a: Sighting, b: Sighting) -> bool:
    if a.process == b.process and is_ours(a.scope) and is_ours(b.scope):
        return False  # a server that gives all its answers one id
    return a.totals == b.totals and models_agree(a.models, b.models)


def _may_be_same(a: Sighting, b: Sighting) -> bool:
    if a.scope == b.scope or a.process != b.process or a.tenant != b.tenant:
        return False
    if is_ours(a.scope) and is_ours(b.scope):
        return False  # ours see every request once: side by side they are two calls, nested ones were wrappers above
    if a.response_id and b.response_id and a.response_id != b.response_id:
        return False
    return (_contains(a, b) or _contains(b, a)) and models_agree(a.models, b.models)


def _contains(outer: Sighting, inner: Sighting) -> bool:
    return outer.start_ns - SLACK_NS <= inner.start_ns and inner.end_ns <= outer.end_ns + SLACK_NS
