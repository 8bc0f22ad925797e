"""What a budget store keeps, and the narrow interface to it.

A store keeps amounts and says no to what does not fit; which budgets there are and what they mean is not its business.
Amounts are integer nano-USD, times UTC nanoseconds. Every call is one transaction: all of it happens, or nothing.

A *row* is one budget, for one value of its labels, in one period. It has what was **spent**, and what is **reserved**
by the holds of calls that are under way. A *hold* is a reservation in one or more rows under an id that its maker
chose, so that whoever lost an answer can ask again. A hold lapses at ``expires_ns`` unless it is renewed; a lapsed one
is swept: its room is given back and it stays as a *lost* hold, until a late settlement says what the call really took.

*Controls* are what people have set at run time, by budget and scope. They have a version that goes up with each change.
Whoever reserves or settles names the version that its limits were worked out with, and is told where that is not the
present one: a pause or a new limit holds in all processes at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

from otel_cost.budgets.spec import RowKey, Scope

NO_CAP: Final = 2**62
"""A cap that nothing reaches, in nano-USD: some 4.6 billion USD."""


# --- before a call ----------------------------------------------------------------------------------------------------


class Want(NamedTuple):
    """Room that a call needs in one row.

    Attributes:
        amount_nano: Not negative. 0 asks only whether the row is paused.
        cap_nano: What is spent and reserved in the row may not go beyond this with the amount.
        ends_ns: When nobody asks for the row any more; None when that never comes by itself.
    """

    row: RowKey
    amount_nano: int
    cap_nano: int = NO_CAP
    ends_ns: int | None = None


class Reserved(NamedTuple):
    """There was room in every row. ``rows``: as they are with it, in the order of the wants."""

    rows: tuple[RowState, ...]


class Refused(NamedTuple):
    """There was no room, or the row is paused; nothing was reserved anywhere. ``row``: the first that said no, as
    it is."""

    row: RowState


class Stale(NamedTuple):
    """Controls were changed since ``version`` was read; nothing was done. ``version``: the present one."""

    version: int


# --- after a call -----------------------------------------------------------------------------------------------------


class Post(NamedTuple):
    """What to add to one row.

    Attributes:
        amount_nano: May be negative: a correction.
        limit_nano: The row's limit, which thresholds are shares of.
        thresholds: In millionths of the limit, ascending.
        pause_at_nano: When spend gets there the row is paused; None: never.
        ends_ns: When nobody asks for the row any more; None when that never comes by itself.
    """

    row: RowKey
    amount_nano: int
    limit_nano: int
    thresholds: tuple[int, ...] = ()
    pause_at_nano: int | None = None
    ends_ns: int | None = None


class Settlement(NamedTuple):
    """What one record costs, row by row.

    Each ``record_key`` is settled once for a budget and scope; again changes nothing, be it in another period.
    ``hold_id``: the reservation that the money comes out of, empty when there is none. ``closes``: whether what is left
    of the hold is given back; else the hold shrinks by the amount, at most to 0, and lives on.
    """

    record_key: str
    posts: tuple[Post, ...]
    hold_id: str = ""
    closes: bool = True


class Posting(NamedTuple):
    """An amount that was added to a row, and what the row had spent before and after.

    ``alerts``: thresholds that were reached by it, stored in the same transaction; each is told to one caller only.
    ``paused``: whether this posting paused the row.
    """

    row: RowKey
    before_nano: int
    after_nano: int
    alerts: tuple[Alert, ...] = ()
    paused: bool = False


class RowState(NamedTuple):
    """Where a row stands.

    Attributes:
        forgiven_nano: What resets took out of ``spent_nano``: the book has it, the row does not.
        state: ``paused``: reached its pause; ``resumed``: was let go on by hand and is not paused again in this period.
        updated_ns: When anything was last added.
    """

    row: RowKey
    spent_nano: int = 0
    reserved_nano: int = 0
    forgiven_nano: int = 0
    state: Literal["", "paused", "resumed"] = ""
    updated_ns: int = 0


class LostHold(NamedTuple):
    """A reservation in one row whose call never settled. ``charged``: its amount was added to what is spent."""

    hold_id: str
    row: RowKey
    amount_nano: int
    expired_ns: int
    charged: bool


# --- controls ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Control:
    """What was set at run time for a budget, or with a scope for one value of it. None, False: as configured."""

    amount_nano: int | None = None
    action: Literal["alert", "block", "pause"] | None = None
    paused: bool = False


class Controls(NamedTuple):
    """All controls, by budget and scope (the empty scope: all of the budget)."""

    version: int
    by_scope: Mapping[tuple[str, Scope], Control]


ChangeKind = Literal["set", "pause", "resume", "reset"]


class Change(NamedTuple):
    """Something that a person does to a budget, or with a scope to one value of it.

    ``set`` puts ``control``'s amount and action in the place of what was set before. ``pause`` and ``resume`` are by
    hand, for all periods; ``resume`` also lets rows go on that paused themselves. ``reset`` takes what the given rows
    have spent out of them, and lets them go on.

    Attributes:
        rows: For ``reset`` and ``resume``: the rows of the present period that it is about.
        actor, reason: Who, and why: kept in the audit log. Neither may be empty.
    """

    kind: ChangeKind
    budget: str
    scope: Scope
    actor: str
    reason: str
    control: Control = Control()
    rows: tuple[RowKey, ...] = ()


class AuditEntry(NamedTuple):
    """One change, as it was made. ``before`` and ``after`` are JSON objects of what it changed."""

    at_ns: int
    kind: ChangeKind
    budget: str
    scope: Scope
    actor: str
    reason: str
    before: str
    after: str


class Posted(NamedTuple):
    """What is posted under one record's key, row by row. ``at_ns``: when it was settled, or set right last."""

    record_key: str
    amounts: Mapping[RowKey, int]
    at_ns: int


AlertState = Literal["active", "acknowledged", "resolved"]


class Alert(NamedTuple):
    """A threshold that a row reached: stored once for each (row, threshold, limit, number of resets).

    Attributes:
        id: The store's own, ascending.
        threshold: In millionths of the limit.
        told: Whether somebody has told it to the outside. Where nobody does within a while, another process will.
        state: ``active`` until somebody acknowledges or resolves it.
    """

    id: int
    row: RowKey
    threshold: int
    spent_nano: int
    limit_nano: int
    at_ns: int
    state: AlertState = "active"
    told: bool = False
    actor: str = ""
    changed_ns: int = 0


class Store(Protocol):
    """Keeps spend, reservations, controls and alerts. Thread-safe, and after a fork usable in both processes.

    Every method raises:
        BudgetStoreUnavailable: the store cannot be reached, does not answer in time, or cannot write.
        BudgetStoreBusy: the store is there, but others kept it busy for longer than a call should wait.
    """

    @property
    def local(self) -> bool:
        """Whether it answers from this process's memory: it never waits, and nobody else sees it."""
        ...

    def controls(self) -> Controls:
        """What was set at run time."""
        ...

    def reserve(
        self, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
    ) -> Reserved | Refused | Stale:
        """Take room in all rows, or in none. The same ``hold_id`` again, while it is held, changes nothing and is
        ``Reserved``."""
        ...

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        """Add what was spent and close holds, in one transaction; for each settlement the postings that were new."""
        ...

    def correct(self, settlements: Sequence[Settlement], *, now_ns: int) -> int:
        """Bring what is posted under each record's key to exactly ``posts`` (rows that are not named: to nothing), for
        rebuilding from the book. Tells nobody. Returns how many postings were added, changed or taken away."""
        ...

    def void(self, record_key: str, *, now_ns: int) -> None:
        """Take back what was posted under a key. A settlement of that key has no effect from then on. What a reset has
        forgiven meanwhile is taken back there: what is spent does not fall below nothing for it."""
        ...

    def release(self, hold_ids: Collection[str]) -> None:
        """Give back what holds have left. One that was lost is found again, and what it was charged is given back.
        Unknown ids are passed over: releasing again does nothing."""
        ...

    def renew(self, hold_ids: Collection[str], *, expires_ns: int) -> set[str]:
        """Let holds live longer. The ids that are still held."""
        ...

    def sweep(self, *, now_ns: int, charge: Collection[str]) -> list[LostHold]:
        """Give back what lapsed holds have; in budgets named in ``charge`` it becomes spend instead. Each lapsed hold
        is returned to one caller only. Also forgets rows that ended long ago, with their postings."""
        ...

    def lost(self, *, limit: int = 1000) -> list[LostHold]:
        """Lapsed holds that no settlement has come for, newest first."""
        ...

    def read(self, rows: Sequence[RowKey]) -> list[RowState]:
        """Where rows stand, at one moment; rows that nobody wrote are all zero."""
        ...

    def rows(self, budget: str) -> list[RowState]:
        """All rows of a budget that are kept, the one used last at the end."""
        ...

    def change(self, change: Change, *, now_ns: int) -> None:
        """Carry out a change and write it into the audit log; controls get a new version."""
        ...

    def audit(self, budget: str = "", *, limit: int = 100) -> list[AuditEntry]:
        """The newest changes first; of all budgets when ``budget`` is empty."""
        ...

    def alerts(self, budget: str = "", *, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        """The newest alerts first."""
        ...

    def set_alert(self, alert_id: int, state: AlertState, *, actor: str, now_ns: int) -> Alert | None:
        """Acknowledge or resolve; None when there is no such alert."""
        ...

    def told(self, alert_ids: Collection[int]) -> None:
        """These alerts have been told."""
        ...

    def claim_untold(self, *, before_ns: int) -> list[Alert]:
        """Alerts that were stored before ``before_ns`` and that nobody has told: whoever stored them is gone. Each is
        given to one caller, and counts as told from then on."""
        ...

    def close(self) -> None:
        """Let go of connections. The store cannot be used any more."""
        ...


@runtime_checkable
class OpenStore(Store, Protocol):
    """A store whose postings can be looked at, so that it can be compared with the book and rebuilt from it."""

    def posted(self, record_keys: Collection[str]) -> list[Posted]:
        """What is posted under these keys; keys under which nothing ever was are left out."""
        ...

    def posted_after(self, record_key: str, *, limit: int = 1000) -> list[Posted]:
        """All that is posted, from after ``record_key`` on in an order of keys that is the store's own, at most
        ``limit`` keys; from the start where it is empty."""
        ...
