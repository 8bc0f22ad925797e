"""What a key with a scope may add to the book: records within its scope, and nothing that changes another's.

A label of the scope that a sender does not say is filled in, and one that it says otherwise is refused: it is never
booked elsewhere. What the book has under other labels is not corrected, and not taken back, because of what comes with
such a key; else whoever knows the ids of a trace could change what others spent in it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from otel_cost import shield
from otel_cost.config import Config
from otel_cost.ended import EndedSpan
from otel_cost.errors import LedgerError
from otel_cost.labelling import Resolver
from otel_cost.ledger.base import SETTLED_ELSEWHERE
from otel_cost.model import Charge, CostRecord, Reason, Status, Void, record_key
from otel_cost.pipeline import Taker
from otel_cost.server.otlp import Rejected

OWNED_BY_OTHERS: Final = "a call of this id is booked under other labels than this key's"
_ON_THEIR_WAY: Final = 20_000
"""Records handed on lately that are known: the book may not have them yet."""
_MOVES: Final = (Reason.SAME_CALL, Reason.SAME_RESPONSE)
"""Why the money of one record is another's: it is one call. A wrapper's is not moved to any single one."""
_T = TypeVar("_T")
Outside = Callable[[Collection[str], Mapping[str, str]], Set[str]]
"""Those of the record keys that the book has under other labels than the scope's. Raises LedgerError."""


@dataclass(slots=True)
class _Bounds:
    """The scope of what a thread settles, and voids that were not let through, by the record that they were for."""

    scope: Mapping[str, str]
    refused: dict[str, Void] = field(default_factory=dict[str, Void])


class Fence:
    """The taker in front of the others. Thread-safe.

    Args:
        takers: Who gets what is let through, in this order.
        config: Which attributes are labels. Labels of the settings are not the sender's word.
        outside: Asks the book whose records are.
    """

    def __init__(self, takers: Sequence[Taker], config: Config, outside: Outside) -> None:
        self._takers = tuple(takers)
        self._said = Resolver(replace(config, labels=replace(config.labels, static={})))
        self._outside = outside
        self._here = threading.local()
        self._recent: OrderedDict[str, Mapping[str, str]] = OrderedDict()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def spans(self, spans: Iterable[EndedSpan], scope: Mapping[str, str], rejected: Rejected) -> list[EndedSpan]:
        """Those that a key of ``scope`` may send, with the labels of the scope; others are counted in ``rejected``.

        Raises:
            LedgerError: the book cannot be asked.
        """
        if not scope:
            return list(spans)
        bound: list[EndedSpan] = []
        for span in spans:
            fault = _fault(self._said.resolve(span.resource, span.attributes, span.labels), scope)
            if fault:
                rejected.add(fault)
            else:
                bound.append(span._replace(labels={**span.labels, **scope}))
        return self._own([(record_key(span.trace_id, span.span_id), span) for span in bound], scope, rejected)

    def records(self, records: Iterable[CostRecord], scope: Mapping[str, str], rejected: Rejected) -> list[CostRecord]:
        """As :meth:`spans`, for records that arrive complete."""
        if not scope:
            return list(records)
        bound: list[CostRecord] = []
        for record in records:
            fault = _fault(record.labels, scope)
            if fault:
                rejected.add(fault)
            else:
                bound.append(replace(record, labels={**record.labels, **scope}))
        return self._own([(record.key, record) for record in bound], scope, rejected)

    def _own(self, said: Sequence[tuple[str, _T]], scope: Mapping[str, str], rejected: Rejected) -> list[_T]:
        others = self._others({key for key, _ in said}, scope)
        for key, _ in said:
            if key in others:
                rejected.add(OWNED_BY_OTHERS)
        return [one for key, one in said if key not in others]

    @contextmanager
    def within(self, scope: Mapping[str, str]) -> Iterator[None]:
        """What this thread hands on meanwhile comes from a key of ``scope``."""
        self._here.bounds = _Bounds(scope) if scope else None
        try:
            yield
        finally:
            self._here.bounds = None

    # --- as a taker ---------------------------------------------------------------------------------------------------

    def take(self, record: CostRecord) -> None:
        bounds = self._bounds()
        if bounds is not None:
            record = self._confined(record, bounds)
        if record.key in self._kept and record.charge.status in SETTLED_ELSEWHERE:
            return  # sent again: it would be taken back now because of what it was not taken back for then
        self._remember(record)
        for taker in self._takers:
            # One that fails must not keep the record from the next.
            shield.run(f"taker {type(taker).__name__}", None, taker.take, record)

    def void(self, void: Void) -> None:
        bounds = self._bounds()
        if bounds is not None and self._is_others(void.key, bounds):
            bounds.refused[void.counted_as] = void
            self._keep(void.key)
            return
        for taker in self._takers:
            shield.run(f"taker {type(taker).__name__}", None, taker.void, void)

    def flush(self, timeout_s: float) -> bool:
        return all(taker.flush(timeout_s) for taker in self._takers)

    def _confined(self, record: CostRecord, bounds: _Bounds) -> CostRecord:
        """The record as its sender may see it booked: where its money would have been another's, it is a duplicate of
        that one, and the id of what is not the sender's is not said."""
        refused = bounds.refused.get(record.key)
        if refused is not None and refused.reason in _MOVES and record.charge.status.counted:
            return replace(record, charge=Charge(Status.DUPLICATE, refused.reason), counted_as="")
        if record.counted_as and self._is_others(record.counted_as, bounds):
            return replace(record, counted_as="")
        return record

    def _is_others(self, key: str, bounds: _Bounds) -> bool:
        try:
            return bool(self._others({key}, bounds.scope))
        except LedgerError:
            return True  # not known to be the sender's; and a taker that raises would lose the record

    def _others(self, keys: Set[str], scope: Mapping[str, str]) -> Set[str]:
        """Those of the keys whose records are not within ``scope``: booked, or on their way. Raises LedgerError."""
        with self._lock:
            on_their_way = {key for key in keys if _fault(self._recent.get(key, scope), scope, filled=False)}
        return on_their_way | self._outside(keys, scope)

    def _remember(self, record: CostRecord) -> None:
        with self._lock:
            self._recent[record.key] = record.labels
            if len(self._recent) > _ON_THEIR_WAY:
                self._recent.popitem(last=False)

    def _keep(self, key: str) -> None:
        with self._lock:
            self._kept[key] = None
            if len(self._kept) > _ON_THEIR_WAY:
                self._kept.popitem(last=False)

    def _bounds(self) -> _Bounds | None:
        found: _Bounds | None = getattr(self._here, "bounds", None)
        return found


def _fault(said: Mapping[str, str], scope: Mapping[str, str], *, filled: bool = True) -> str:
    """What is wrong with these labels; "" where nothing is. ``filled``: one that is missing will be filled in."""
    for label, value in scope.items():
        if (not filled or said.get(label)) and said.get(label) != value:
            return f"{label} is {said.get(label, '')!r:.80}, and this key is for {label}={value}"
    return ""
