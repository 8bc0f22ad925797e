"""What a server does from time to time: each job in one of the servers that share a book, or in each of them.

Shared jobs run in the server that has the lock of their scheduler, and when they ran last is written down in the book:
a server that takes over goes on where the other one stopped. All of them can be run twice without harm.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_cost import semconv, shield
from otel_cost.errors import OtelCostError
from otel_cost.ledger import job_log
from otel_cost.ledger.job_log import LastRun
from otel_cost.ledger.locks import Lock
from otel_cost.ledger.sql import SqlLedger
from otel_cost.model import NANO

_log = logging.getLogger(semconv.LOGGER)
_JITTER: Final = 0.1
_RETRY_S: Final = 60.0
_JOIN_S: Final = 10.0
_LOOK_S: Final = 10.0
_PAUSE_S: Final = 0.05
_FAULT: Final = "a fault of otel-cost's: see its log"


@dataclass(frozen=True, slots=True)
class Job:
    """``do`` says in a few words what it did. ``quick``: in each server, and not worth to be written down."""

    name: str
    every_s: float
    do: Callable[[], str]
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one job in this process. ``busy_s`` is what its runs took in all."""

    runs: int = 0
    failures: int = 0
    busy_s: float = 0.0


class Scheduler:
    """One thread that runs its jobs one after the other.

    Args:
        jobs: What to do.
        ledger: Where shared jobs are written down; None: nowhere, so that they begin anew with the process.
        lock: Who has it runs the shared jobs.
        clock: UTC nanoseconds.
        jitter: Multiplies each interval, so that servers do not all come at once.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        *,
        ledger: SqlLedger | None,
        lock: Lock,
        clock: Callable[[], int],
        jitter: Callable[[], float] = lambda: random.uniform(1 - _JITTER, 1 + _JITTER),
    ) -> None:
        self._jobs = tuple(jobs)
        self._ledger = ledger
        self._lock = lock
        self._clock = clock
        self._jitter = jitter
        self._last: dict[str, LastRun] = {}
        self._due_ns: dict[str, int] = {}
        self._counts = {job.name: Counts() for job in jobs}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> Sequence[Job]:
        """What it does."""
        return self._jobs

    @property
    def last_runs(self) -> Mapping[str, LastRun]:
        """By job, as far as this process knows: of shared ones whoever ran them."""
        return {name: run for name, run in self._last.items() if name in self._counts}

    @property
    def counts(self) -> Mapping[str, Counts]:
        """By job, of this process alone."""
        return dict(self._counts)

    def start(self) -> None:
        """Run the jobs from now on, in the background."""
        self._thread = threading.Thread(target=self._run, name="otel-cost-jobs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the job that runs end, and let another server have the lock. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_JOIN_S)
        self._lock.release()

    def run_due(self) -> float:
        """Run what is due now; in how many seconds to look again."""
        shared = any(not job.quick for job in self._jobs) and self._lock.held()
        self._read_last()
        for job in self._jobs:
            if not self._stopping.is_set() and self._due(job) <= self._clock() and (job.quick or shared):
                self._do(job)
        waits_ns = [self._due(job) - self._clock() for job in self._jobs if job.quick or shared]
        # A shared one is looked at again all the same: who does it may be gone by then.
        return min(_LOOK_S, max(_PAUSE_S, min(waits_ns, default=0) / NANO)) if waits_ns else _LOOK_S

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopping.wait(wait_s):
            wait_s = self.run_due()

    def _due(self, job: Job) -> int:
        """When it is to be run next: at once, the first time ever."""
        if job.name not in self._due_ns:
            last = self._last.get(job.name)
            self._due_ns[job.name] = self._clock() if last is None else self._after(job, last)
        return self._due_ns[job.name]

    def _after(self, job: Job, run: LastRun) -> int:
        every_s = min(job.every_s, _RETRY_S * 2 ** min(run.failures - 1, 10)) if run.failures else job.every_s
        return run.started_ns + round(every_s * self._jitter() * NANO)

    def _do(self, job: Job) -> None:
        started_ns = self._clock()
        failed, outcome = shield.run(f"job {job.name}", (True, _FAULT), self._tried, job)
        failures = self._last[job.name].failures + 1 if failed and job.name in self._last else int(failed)
        run = LastRun(started_ns, max(started_ns, self._clock()), failures, outcome)
        counts = self._counts[job.name]
        busy_s = counts.busy_s + (run.finished_ns - started_ns) / NANO
        self._counts[job.name] = Counts(counts.runs + 1, counts.failures + failed, busy_s)
        self._last[job.name] = run
        self._due_ns[job.name] = self._after(job, run)
        if not job.quick:
            self._write_down(job, run)

    def _tried(self, job: Job) -> tuple[bool, str]:
        try:
            outcome = job.do()
        except OtelCostError as error:
            # The text may name the database and the driver's words: for the log, not for whoever asks how things are.
            _log.warning("the job %s failed and is tried again: %s", job.name, error)
            return True, f"{type(error).__name__}: the log says more"
        _log.log(logging.INFO if outcome and not job.quick else logging.DEBUG, "job %s: %s", job.name, outcome or "-")
        return False, outcome

    def _read_last(self) -> None:
        if self._ledger is None or all(job.quick for job in self._jobs):
            return
        try:
            with self._ledger.beside() as connection:
                found = job_log.read(connection)
        except OtelCostError:
            return  # what is known goes on to hold
        for name, run in found.items():
            known = self._last.get(name)
            if name in self._counts and (known is None or known.started_ns < run.started_ns):
                self._last[name] = run
                self._due_ns.pop(name, None)

    def _write_down(self, job: Job, run: LastRun) -> None:
        if self._ledger is None:
            return
        try:
            with self._ledger.transaction() as connection:
                job_log.note(connection, job.name, run)
        except OtelCostError as error:
            _log.warning("that the job %s has run could not be written down: %s", job.name, error)
