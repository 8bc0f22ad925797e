"""What goes on in a server beside its requests: hearing of other servers, and jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from otel_cost.book_settings import ServerSettings
from otel_cost.ledger.base import Ledger
from otel_cost.ledger.failures import failed_calls
from otel_cost.ledger.sql import SqlLedger
from otel_cost.pipeline import Pipeline
from otel_cost.server import chores
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.jobs import Scheduler
from otel_cost.server.sharing import Sharing
from otel_cost.server.taking_back import TakingBack
from otel_cost.used_before import UsedBefore

REMEMBERED_NS: Final = 6 * 3600 * 10**9
"""How long a call is remembered after it arrived, for spans around it to be judged against: an agent's own span arrives
when it ends, hours after its first calls perhaps. The number of calls that are remembered is bounded as well."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """One for an app. A ledger that is no database has nothing to look after."""

    ledger: SqlLedger | None
    sharing: Sharing | None
    schedulers: Sequence[Scheduler]

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        pipeline: Pipeline,
        take_back: TakingBack,
        budgets: BudgetKeeping,
        used: UsedBefore,
        settings: ServerSettings,
        clock: Callable[[], int],
    ) -> Self:
        if not isinstance(ledger, SqlLedger):
            return cls(None, None, ())
        sharing = Sharing(ledger, pipeline, take_back, used.others_booked, clock, REMEMBERED_NS)
        listening = chores.listening(sharing, used, ledger, clock)
        return cls(ledger, sharing, (listening, chores.housekeeping(ledger, budgets, settings, clock)))

    def begin(self) -> None:
        """Before the book is read for what later spans are judged against. Raises LedgerError."""
        if self.sharing is not None:
            self.sharing.begin()

    def start(self) -> None:
        for scheduler in self.schedulers:
            scheduler.start()

    def stop(self) -> None:
        """Let jobs end, and other servers take over."""
        for scheduler in self.schedulers:
            scheduler.stop()

    def failed(self, from_ns: int, to_ns: int) -> int:
        """How many calls that started then failed."""
        if self.ledger is None:
            return 0
        with self.ledger.beside() as connection:
            return failed_calls(connection, from_ns, to_ns)
