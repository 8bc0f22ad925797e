"""What the SQL stores ask of a database, so that their statements are written once.

Statements have ``?`` for parameters and use what SQLite and PostgreSQL share. Errors come in three kinds: contention,
which is tried again; an outage, which is told at once; and mistakes of ours, which are the driver's own errors.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeVar

from otel_cost.errors import BudgetStoreBusy

T = TypeVar("T")
Param = str | int | bytes | None
Row = tuple[Any, ...]
Guard = Literal["", "shared", "alone", "schema"]
"""Who may run beside a transaction, where the database does not already run one writer at a time: of ``alone`` ones and
``shared`` ones either one of the first or many of the second; ``schema``: one of these."""

BUSY_S: Final = 10.0
"""How long a call waits for other processes before it is :class:`BudgetStoreBusy`."""
_LONGEST_PAUSE_S: Final = 0.05


class Statement(NamedTuple):
    """One statement and its parameters."""

    sql: str
    params: Sequence[Param] = ()


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where the databases differ.

    Attributes:
        for_update: What a SELECT ends with to lock what it reads.
        has_table: A statement with one parameter that counts the tables of that name.
        types: What column types are called, by the names that migrations use.
    """

    for_update: str
    has_table: str
    types: dict[str, str]


class Session(Protocol):
    """One transaction, as the work in it sees it."""

    @property
    def dialect(self) -> Dialect: ...

    def run(self, *statements: Statement) -> list[list[Row]]:
        """Carry out statements in order, in one round trip; the rows that each returned."""
        ...

    def at_end(self, statements: Iterable[Statement]) -> None:
        """Statements to carry out with the commit. What they return is not looked at."""
        ...

    def undo(self) -> None:
        """Roll back instead of committing; what the work returns is still the answer."""
        ...


class Database(Protocol):
    """A database that transactions can be run in, from any thread and on both sides of a fork."""

    @property
    def dialect(self) -> Dialect: ...

    @property
    def generation(self) -> int:
        """Another number once this may be another database than before, with other tables or none."""
        ...

    def transact(
        self, work: Callable[[Session], T], *, guard: Guard = "", patient: bool = False, lasting: bool = True
    ) -> T:
        """Run ``work`` in a transaction of its own. It may be run several times: only the last one counts.

        ``patient``: for what is much work and what no call waits for; a server may take seconds over it. Not
        ``lasting``: a crash of the server may forget it if it comes within the second, so nobody waits for a disk.

        Raises:
            BudgetStoreUnavailable, BudgetStoreBusy: as :class:`~otel_cost.budgets.stores.base.Store` has them.
        """
        ...

    def read(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        """The same for work that only reads; it sees one moment, and waits for no writer."""
        ...

    def close(self) -> None: ...


class Contended(Exception):
    """Another transaction was in the way: try again."""


def until_not_contended(attempt: Callable[[], T], where: str, *, busy_s: float = BUSY_S) -> T:
    """Call ``attempt`` again as long as it is :class:`Contended`, with growing random pauses.

    Raises:
        BudgetStoreBusy: it was contended for longer than ``busy_s`` seconds.
    """
    deadline = time.monotonic() + busy_s
    pause_s = 0.0005
    while True:
        try:
            return attempt()
        except Contended as contended:
            if time.monotonic() >= deadline:
                raise BudgetStoreBusy(f"{where} was kept busy by others for {busy_s:g} s") from contended
        # Random, or processes that met once would meet again.
        time.sleep(random.uniform(0, pause_s))
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
