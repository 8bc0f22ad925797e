"""Which spans are the same call. Every provider call is counted once, whoever else wrote a span about it.

The state is bounded (least recently seen out first) and process-wide; nothing here reads a clock, the environment or a
span: a :class:`Sighting` goes in, a :class:`Verdict` comes out. Rules, in the order in which they are tried:

1. The same span again gets the verdict that it had.
2. Agents never carry the money of calls that were counted inside them, nor of calls that this process makes itself.
3. A framework's span, or one of ours around others of ours, is a wrapper when its tokens are those of counted calls
   inside it, at any depth.
4. The same response id with the same totals and model is the same call, wherever and whenever it was seen; different
   ids are different calls. (Some servers number their answers with small random numbers, hence the totals.)
5. Otherwise spans of different scopes of one process are one call when their totals or their response ids are equal,
   their models agree, and one interval contains the other or they nearly coincide. (Emitters were seen to miscount a
   stream by a token, so side by side the id is enough.) Spans match one to one for each scope, so two equal calls stay
   two. Where one of two emitters is known to miscount, totals say nothing: a span inside another one is the same call
   then. Calls that failed have none: those of one trace are compared, and those that failed alike.

Whichever span ends first is counted. The book can take money back (``can_void``): there a request's own span replaces a
framework's that came first, and what was counted before the calls inside it were seen is judged again when they are, so
that the order in which batches arrive does not matter.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import chain
from typing import Final, NamedTuple

from otel_cost.forking import after_fork_in_child
from otel_cost.lineage import Lineage
from otel_cost.model import Layer, Reason, Status, Void, record_key
from otel_cost.same_call import closeness, is_aftermath, is_doubtful, is_same_response, may_be_same
from otel_cost.sightings import NO_TOTALS, NOTHING_INSIDE, Call, Calls, Inside, Sighting, is_ours

CAPACITY: Final = 100_000
"""Spans remembered, unless said otherwise."""
WINDOW_NS: Final = 600 * 10**9
"""How long a span is remembered, unless said otherwise: ten minutes."""
_SEARCHED_AT_MOST: Final = 1000
"""Calls looked at to find a place for one span: bounds the time that a burst of equal calls can take."""


class Verdict(NamedTuple):
    """``status`` None: count it. Otherwise wrapper or duplicate, of ``counted_as`` where that is known. ``voids``: the
    records whose money this one replaces. ``again``: this key was judged before."""

    status: Status | None
    reason: Reason | None = None
    counted_as: str = ""
    voids: tuple[Void, ...] = ()
    again: bool = False


COUNT: Final = Verdict(None)
_WRAPPER: Final = Verdict(Status.WRAPPER, Reason.HAS_COUNTED_CHILD)


class Matcher:
    """Holds what was counted lately and judges what comes. Thread-safe; one for a process.

    Args:
        capacity: Spans remembered at most.
        window_ns: How long a call can be matched after it was seen.
        can_void: Money can be taken back: what was counted may turn out to be part of what comes later.
    """

    def __init__(self, *, capacity: int = CAPACITY, window_ns: int = WINDOW_NS, can_void: bool = False) -> None:
        self._capacity = capacity
        self._window_ns = window_ns
        self._can_void = can_void
        self._renew_lock()
        after_fork_in_child(self._renew_lock)
        self._verdicts: OrderedDict[str, tuple[Verdict, int]] = OrderedDict()
        self._calls = Calls()
        self._lineage = Lineage(capacity)
        self._early: OrderedDict[str, dict[str, Sighting]] = OrderedDict()
        self._counted_a_doubted_one = False

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def judge(self, sighting: Sighting, now_ns: int) -> Verdict:
        """The verdict on ``sighting``, seen at ``now_ns``. The same key always gets the same one."""
        with self._lock:
            known = self._verdicts.get(sighting.key)
            if known is not None:
                return known[0]._replace(again=True)
            self._lineage.add(sighting.trace_id, sighting.span_id, sighting.parent_span_id)
            return self._remember(sighting, self._decide(sighting), now_ns)

    def pass_by(self, trace_id: str, span_id: str, parent_span_id: str) -> tuple[Void, ...]:
        """Learn where any span of a trace hangs, a call or not; the money to take back because of it: a link between a
        call and an agent may be the last to arrive."""
        with self._lock:
            self._lineage.add(trace_id, span_id, parent_span_id)
            if not self._lineage.has_children(trace_id, span_id):
                return ()
            return self._around(trace_id, span_id)

    def note(self, sighting: Sighting, verdict: Verdict, now_ns: int) -> None:
        """Take over a verdict made elsewhere, so that later spans are judged against it; also that a call which is
        counted here is none any more."""
        with self._lock:
            self._note(sighting, verdict, now_ns)

    def meet(self, sighting: Sighting, booked: Verdict, now_ns: int) -> tuple[Void, ...]:
        """Judge anew what another matcher judged, which may not have known all that is known here; what is to be taken
        back because of it. Its verdicts on what it did not count stand."""
        with self._lock:
            if booked.status is not None or sighting.key in self._verdicts:
                self._note(sighting, booked, now_ns)
                return self._around(sighting.trace_id, sighting.span_id)
            self._lineage.add(sighting.trace_id, sighting.span_id, sighting.parent_span_id)
            verdict = self._remember(sighting, self._decide(sighting), now_ns)
            if verdict.status is None or verdict.reason is None:
                return verdict.voids
            counted_as = verdict.counted_as or next((inner.key for inner in self._counted_below(sighting)), "")
            return (Void(sighting.key, verdict.reason, counted_as),)

    def knows(self, key: str) -> bool:
        """Whether a verdict on ``key`` is remembered."""
        with self._lock:
            return key in self._verdicts

    def forget(self, key: str) -> None:
        """Let ``key`` be judged anew when it comes again."""
        with self._lock:
            self._verdicts.pop(key, None)
            self._calls.pop(key)

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
            self._lineage.add(sighting.trace_id, sighting.span_id, sighting.parent_span_id)
            if verdict.status is None:
                verdict = self._decide_adopted(sighting)
            return self._remember(sighting, verdict, now_ns)

    # --- rules --------------------------------------------------------------------------------------------------------

    def _decide(self, sighting: Sighting) -> Verdict:
        if sighting.layer is Layer.AGENT:
            return _judge_agent(sighting, self._inside(sighting))
        if self._is_wrapper(sighting):
            return _WRAPPER
        same = self._same_response(sighting)
        if same is not None:
            return self._twin(sighting, same, Reason.SAME_RESPONSE)
        return self._same_call(sighting)

    def _decide_adopted(self, sighting: Sighting) -> Verdict:
        """What another process counts stands, unless a span that it did not judge was counted for the same call, or
        calls inside it that it could not see."""
        if self._is_wrapper(sighting):
            return _WRAPPER
        # Of two answers with one id it would not have counted both: the other one is a third process's.
        same = self._same_response(sighting)
        if same is not None:
            return self._twin(sighting, same, Reason.SAME_RESPONSE)
        unseen = [
            call
            for call in self._candidates(sighting)
            if not call.sighting.adopted and sighting.scope not in call.twins
        ]
        if not unseen:
            return COUNT
        nearest = min(unseen, key=lambda call: closeness(sighting, call.sighting))
        nearest.twins[sighting.scope] = sighting
        return self._twin(sighting, nearest, Reason.SAME_CALL)

    def _is_wrapper(self, sighting: Sighting) -> bool:
        if not sighting.of_model:
            return False
        inside = self._inside(sighting)
        if sighting.layer is Layer.AGENT:
            return inside.calls > inside.failed
        return bool(inside.calls) and _is_around(sighting, inside)

    def _inside(self, sighting: Sighting) -> Inside:
        """What was counted inside a span: as its own process knows it, else as its trace says."""
        if sighting.inside.calls or not self._lineage.has_children(sighting.trace_id, sighting.span_id):
            return sighting.inside
        return _sum(self._counted_below(sighting))

    def _counted_below(self, sighting: Sighting) -> Iterator[Sighting]:
        for span_id in self._lineage.below(sighting.trace_id, sighting.span_id):
            call = self._calls.get(record_key(sighting.trace_id, span_id))
            # Whoever knows a trace's id can send a span that says it is inside: of another tenant it is not.
            if call is None or call.sighting.tenant != sighting.tenant:
                continue
            if call.sighting.of_model and not is_aftermath(call.sighting, sighting):
                yield call.sighting

    def _around(self, trace_id: str, span_id: str) -> tuple[Void, ...]:
        """Take back what was counted around a span and is now seen to be a wrapper."""
        if not self._can_void:
            return ()
        return tuple(
            self._now_a_wrapper(call.sighting)
            for around in self._lineage.above(trace_id, span_id)
            if (call := self._calls.get(record_key(trace_id, around))) and self._is_wrapper(call.sighting)
        )

    def _now_a_wrapper(self, sighting: Sighting) -> Void:
        inner = next(self._counted_below(sighting), None)
        self._calls.pop(sighting.key)
        known = self._verdicts.get(sighting.key)
        if known is not None:
            self._verdicts[sighting.key] = (_WRAPPER, known[1])
        return Void(sighting.key, Reason.HAS_COUNTED_CHILD, inner.key if inner is not None else "")

    def _same_response(self, sighting: Sighting) -> Call | None:
        same = (call for call in self._calls.of_response(sighting) if is_same_response(sighting, call.sighting))
        return next(same, None)

    def _same_call(self, sighting: Sighting) -> Verdict:
        candidates = self._candidates(sighting)
        if not candidates:
            return COUNT
        candidates.sort(key=lambda call: closeness(sighting, call.sighting))
        call = self._place(sighting, candidates)
        return COUNT if call is None else self._twin(sighting, call, Reason.SAME_CALL)

    def _candidates(self, sighting: Sighting) -> list[Call]:
        near = chain(self._calls.near(sighting), self._calls.of_response(sighting))
        found = [call for call in near if may_be_same(sighting, call.sighting)]
        if found or not (sighting.doubted or self._counted_a_doubted_one):
            return found
        return [
            call
            for call in self._family(sighting)
            if is_doubtful(sighting, call.sighting) and may_be_same(sighting, call.sighting)
        ]

    def _family(self, sighting: Sighting) -> Iterator[Call]:
        """Calls inside a span and around it, as far as its process or the book saw how they hang together."""
        lineage, trace_id, span_id = self._lineage, sighting.trace_id, sighting.span_id
        for related in chain(lineage.below(trace_id, span_id), lineage.above(trace_id, span_id)):
            call = self._calls.get(record_key(trace_id, related))
            if call is not None:
                yield call

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
        if self._can_void and (better or (sighting.priced and not first.priced)):
            return Verdict(None, reason, voids=(Void(first.key, reason, sighting.key),))
        return Verdict(Status.DUPLICATE, reason, counted_as=first.key)

    # --- memory -------------------------------------------------------------------------------------------------------

    def _remember(self, sighting: Sighting, verdict: Verdict, now_ns: int, *, judge_around: bool = True) -> Verdict:
        """Keep the verdict, and the call if it is counted; the verdict with all that is taken back because of it."""
        self._verdicts[sighting.key] = (verdict, now_ns)
        if verdict.status is None:
            call = Call(sighting, self._early.pop(sighting.key, {}))
            self._counted_a_doubted_one |= sighting.doubted
            for void in verdict.voids:
                self._take_over(call, void)
            self._calls.put(call)
            if judge_around:
                verdict = verdict._replace(voids=verdict.voids + self._around(sighting.trace_id, sighting.span_id))
        while len(self._verdicts) > self._capacity or self._oldest_ns() < now_ns - self._window_ns:
            key, _ = self._verdicts.popitem(last=False)
            self._calls.pop(key)
        return verdict

    def _note(self, sighting: Sighting, verdict: Verdict, now_ns: int) -> None:
        known = self._verdicts.get(sighting.key)
        if known is None:
            self._lineage.add(sighting.trace_id, sighting.span_id, sighting.parent_span_id)
            self._pair(verdict.counted_as, {sighting.scope: sighting})
            # What is around it stands where this is known from: nobody would be told to take it back.
            self._remember(sighting, verdict, now_ns, judge_around=False)
        elif verdict.status is not None and known[0].status is None:
            self._verdicts[sighting.key] = (verdict, known[1])
            call = self._calls.pop(sighting.key)
            self._pair(verdict.counted_as, {**(call.twins if call else {}), sighting.scope: sighting})

    def _pair(self, key: str, twins: dict[str, Sighting]) -> None:
        """Spans elsewhere found to be the call ``key`` have their scopes' places there; it may come after them."""
        call = self._calls.get(key)
        if call is not None:
            call.twins = {**twins, **call.twins}
        elif key and key not in self._verdicts:
            self._early[key] = {**self._early.pop(key, {}), **twins}
            if len(self._early) > self._capacity:
                self._early.popitem(last=False)

    def _take_over(self, call: Call, void: Void) -> None:
        """What was the same call as the replaced span is the same as this one, and so is that span."""
        replaced = self._calls.pop(void.key)
        if replaced is not None:
            call.twins = {**call.twins, **replaced.twins, replaced.sighting.scope: replaced.sighting}

    def _oldest_ns(self) -> int:
        """When the span seen first was seen. There is one: the newest was just put in."""
        return next(iter(self._verdicts.values()))[1]


def _sum(counted: Iterator[Sighting]) -> Inside:
    total = NOTHING_INSIDE
    for sighting in counted:
        into, out = (0, 0) if sighting.totals == NO_TOTALS else sighting.totals
        total = total.plus(Inside(1, int(is_ours(sighting.scope)), into, out, int(sighting.failed)))
    return total


def _judge_agent(sighting: Sighting, inside: Inside) -> Verdict:
    if inside.calls > inside.failed:
        return _WRAPPER
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
    return tokens + max(16, tokens // 50) if tokens else 0
