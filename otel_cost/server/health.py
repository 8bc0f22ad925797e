"""How a server is, with what the last day cost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

from otel_cost.ledger.asking import DAY_NS, iso
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.questions import SummaryQuery, SummaryRow
from otel_cost.model import NANO, Status
from otel_cost.server.jobs import Scheduler
from otel_cost.server.readiness import Readiness
from otel_cost.server.schemas import Money
from otel_cost.server.schemas.health import HealthDetails, JobState, LastDay, ModelCost
from otel_cost.version import VERSION

KEPT_NS: Final = 10 * NANO
"""How long figures are kept: probes come often, and a probe must not cost more than what it watches."""
_TOP: Final = 5


class HealthReport:
    """Any thread.

    Args:
        ledger: The book.
        failed: How many calls failed from (inclusive) one UTC ns to (exclusive) another.
        readiness: Whether the server is stopping.
        schedulers: Whose jobs are told of.
        pending: How many records wait to be written.
        clock: UTC nanoseconds.
    """

    def __init__(
        self,
        ledger: Ledger,
        failed: Callable[[int, int], int],
        readiness: Readiness,
        schedulers: Sequence[Scheduler],
        pending: Callable[[], int],
        clock: Callable[[], int],
    ) -> None:
        self._ledger = ledger
        self._failed = failed
        self._readiness = readiness
        self._schedulers = tuple(schedulers)
        self._pending = pending
        self._clock = clock
        self._started_ns = clock()
        self._turn = threading.Lock()
        self._last_day: tuple[int, LastDay] | None = None

    def read(self) -> HealthDetails:
        """All of it. Raises LedgerError."""
        now_ns = self._clock()
        read_ns, last_day = self._read_last_day(now_ns)
        jobs = [job for scheduler in self._schedulers for job in _states(scheduler)]
        status = "degraded" if any(job.failures for job in jobs) else "ok"
        return HealthDetails(
            status="stopping" if self._readiness.stopping else status,
            version=VERSION,
            started=iso(self._started_ns),
            uptime_seconds=max(0, now_ns - self._started_ns) // NANO,
            pending=self._pending(),
            as_of=iso(read_ns),
            last_24h=last_day,
            jobs=jobs,
        )

    def _read_last_day(self, now_ns: int) -> tuple[int, LastDay]:
        with self._turn:  # one asks the book, the others wait for its answer
            if self._last_day is None or not 0 <= now_ns - self._last_day[0] < KEPT_NS:
                self._last_day = (now_ns, self._ask(max(0, now_ns - DAY_NS), now_ns + 1))
            return self._last_day

    def _ask(self, from_ns: int, to_ns: int) -> LastDay:
        summary = self._ledger.summary(SummaryQuery(from_ns, to_ns, group_by=("provider", "model")))
        total = summary.total
        return LastDay(
            cost=Money.of(total.amount_nano),
            calls=total.calls,
            unpriced=total.operations.get(Status.UNPRICED, 0),
            errors=self._failed(from_ns, to_ns),
            input_tokens=total.input_tokens,
            output_tokens=total.output_tokens,
            top_models=[_model(row) for row in summary.rows if row.calls][:_TOP],
        )


def _model(row: SummaryRow) -> ModelCost:
    provider, model = row.group
    return ModelCost(provider=provider, model=model, cost=Money.of(row.amount_nano), calls=row.calls)


def _states(scheduler: Scheduler) -> list[JobState]:
    last = scheduler.last_runs
    states: list[JobState] = []
    for name in scheduler.counts:
        run = last.get(name)
        states.append(
            JobState(
                name=name,
                last_run=None if run is None else iso(run.finished_ns),
                seconds=None if run is None else (run.finished_ns - run.started_ns) / NANO,
                failures=0 if run is None else run.failures,
                outcome="" if run is None else run.outcome,
            )
        )
    return states
