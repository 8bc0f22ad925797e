"""OTLP bodies to booked records: decode, settle, write, answer. Blocking: call it from a worker thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from enum import Enum
from typing import Final, TypeVar

from otel_cost import shield, wire
from otel_cost.ended import EndedSpan
from otel_cost.errors import InvalidUsage, LedgerError
from otel_cost.ledger.base import bookable
from otel_cost.model import EMPTY, CostRecord, record_key
from otel_cost.pipeline import Pipeline
from otel_cost.server import otlp
from otel_cost.server.book import Book
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.closed_days import ClosedDays
from otel_cost.server.fence import Fence
from otel_cost.server.otlp import Encoding, Rejected
from otel_cost.server.told import ToldEvents


class _Outcome(Enum):
    FAULT = "fault"


_AHEAD_NS: Final = 3600 * 10**9
_TimedT = TypeVar("_TimedT", EndedSpan, CostRecord)
_UNBOOKABLE: Final = "an operation's key or times are beyond what can be booked"


_NO_ROOM: Final = "a call cannot be booked: with it, sums of the book would be beyond 64 bits"


class Ingest:
    """One for an app. Bodies are decoded in parallel; settling takes turns, because what counts as a duplicate depends
    on what came before. What one batch left to be written is written while the next one is settled.

    Args:
        pipeline: Settles; hands its records to ``book`` and to ``budgets``.
        book: Writes them.
        budgets: Count them against limits.
        fence: What keys with a scope may send.
        told: Keeps what apps tell of their own budgets.
        closed: Days that nothing is booked on any more.
        max_bytes: Largest decompressed body.
        clock: UTC nanoseconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        book: Book,
        budgets: BudgetKeeping,
        fence: Fence,
        told: ToldEvents,
        closed: ClosedDays,
        max_bytes: int,
        clock: Callable[[], int],
    ) -> None:
        self._pipeline = pipeline
        self._book = book
        self._budgets = budgets
        self._fence = fence
        self._told = told
        self._closed = closed
        self._max_bytes = max_bytes
        self._clock = clock
        self._turn = threading.Lock()

    def traces(self, body: bytes, encoding: Encoding, content_encoding: str, scope: Mapping[str, str] = EMPTY) -> bytes:
        """Book the spans of an export request, sent with a key of ``scope``; the encoded response.

        Raises:
            Malformed, TooLarge: see ``otel_cost.server.otlp``.
            LedgerError: nothing was booked; the sender may repeat it.
        """
        request = otlp.parse_traces(otlp.decompress(body, content_encoding, self._max_bytes), encoding)
        rejected = Rejected()
        on_time = [self._on_time(span, rejected) for span in otlp.spans_of(request, rejected)]
        spans = self._fence.spans(self._closed.without(on_time, rejected), scope, rejected)
        self._book.make_room()
        with self._turn, self._fence.within(scope):
            for span in spans:
                self._settle(span, rejected)
        self._commit([record_key(span.trace_id, span.span_id) for span in spans], rejected)
        return otlp.encode(otlp.traces_response(rejected), encoding)

    def logs(self, body: bytes, encoding: Encoding, content_encoding: str, scope: Mapping[str, str] = EMPTY) -> bytes:
        """Book the charge events of an export request, and keep those of budgets. Raises as :meth:`traces`."""
        request = otlp.parse_logs(otlp.decompress(body, content_encoding, self._max_bytes), encoding)
        rejected = Rejected()
        said = [
            self._on_time(record, rejected)
            for charge in otlp.charges_of(request)
            if (record := _record(charge, rejected))
        ]
        records = self._fence.records(self._closed.without(said, rejected), scope, rejected)
        self._book.make_room()
        with self._turn, self._fence.within(scope):
            for record in records:
                shield.run("server.take", None, self._pipeline.take, record)
        self._commit([record.key for record in records], rejected)
        self._told.note(otlp.budget_events_of(request), scope, rejected)
        return otlp.encode(otlp.logs_response(rejected), encoding)

    def _on_time(self, said: _TimedT, rejected: Rejected) -> _TimedT:
        """A call cannot have begun after it was told of. One that says so, beyond what clocks differ by, would be in no
        report until then, and under the prices and limits of then: it is taken for one of now."""
        now_ns = self._clock()
        if said.start_ns <= now_ns + _AHEAD_NS:
            return said
        rejected.warn("a call begins in the future, by its host's clock: it is booked at the time of its arrival")
        end_ns = now_ns + said.end_ns - said.start_ns
        if isinstance(said, EndedSpan):
            return said._replace(start_ns=now_ns, end_ns=end_ns)
        return replace(said, start_ns=now_ns, end_ns=end_ns)

    def book(
        self, spans: Sequence[EndedSpan], scope: Mapping[str, str] = EMPTY
    ) -> tuple[Sequence[CostRecord | None], Rejected]:
        """Book spans that were made here, for a key of ``scope``: the record of each, None where it cannot cost; and
        what the key may not book, in which case nothing is.

        Raises:
            LedgerError: nothing was booked; it may be repeated.
        """
        rejected = Rejected()
        allowed = self._fence.spans(self._closed.without(spans, rejected), scope, rejected)
        if rejected.count:
            return (), rejected
        self._book.make_room()
        with self._turn, self._fence.within(scope):
            settled = [self._process(span) for span in allowed]
        for record in settled:
            if isinstance(record, LedgerError):
                raise record
        self._commit([record_key(span.trace_id, span.span_id) for span in allowed], rejected)
        return [record for record in settled if not isinstance(record, LedgerError)], rejected

    def _commit(self, keys: Collection[str], rejected: Rejected) -> None:
        self._book.commit()
        for _ in self._book.refused(keys):
            rejected.add(_NO_ROOM)
        # Before the sender is told that it need not come again: it is not asked again for what is lost after that.
        self._budgets.wait()

    def _settle(self, span: EndedSpan, rejected: Rejected) -> None:
        # One span that breaks something must not cost the sender the rest of its batch.
        record = shield.run("server.settle", _Outcome.FAULT, self._process, span)
        if isinstance(record, LedgerError):
            raise record
        if isinstance(record, _Outcome):
            rejected.add("otel-cost failed on a span; see its log")
        elif record is not None and bookable(record) is None:
            rejected.add(_UNBOOKABLE)

    def _process(self, span: EndedSpan) -> CostRecord | LedgerError | None:
        try:
            return self._pipeline.process(span)
        except LedgerError as error:
            return error  # no fault of ours or of the span: the sender is to come back with all of it


def _record(attributes: Mapping[str, object], rejected: Rejected) -> CostRecord | None:
    try:
        record = wire.record_from_attributes(attributes)
    except InvalidUsage as error:
        rejected.add(str(error))
        return None
    if bookable(record) is None:
        rejected.add(_UNBOOKABLE)
        return None
    return record
