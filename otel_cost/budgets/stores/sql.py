"""The store in a SQL database that any number of processes share: SQLite on one host, PostgreSQL on many."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import (
    sql_alerts,
    sql_changing,
    sql_holding,
    sql_posted,
    sql_pruning,
    sql_rows,
    sql_settling,
)
from otel_cost.budgets.stores.base import (
    Alert,
    AlertState,
    AuditEntry,
    Change,
    Controls,
    LostHold,
    Posted,
    Posting,
    Refused,
    Reserved,
    RowState,
    Settlement,
    Stale,
    Want,
)
from otel_cost.budgets.stores.database import Database
from otel_cost.model import NANO

_PRUNE_EVERY_NS: Final = 3600 * NANO


class SqlStore:
    """See :class:`otel_cost.budgets.stores.base.Store`. Several processes may have the same database open.

    Amounts and sums beyond 2**62 - 1 nano-USD, either way, are kept as that; there is never room for more. Ids and keys
    longer than 200 characters are known by their digest, and come back as it. What is spent is on the disk when a call
    returns; what is reserved may be forgotten by a server that crashes within the second: then calls that are under way
    have no room of their own any more, and still count once they are settled.
    """

    local = False

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pruned_ns = -_PRUNE_EVERY_NS

    # --- before a call ------------------------------------------------------------------------------------------------

    def controls(self) -> Controls:
        return self._database.read(sql_changing.controls)

    def reserve(
        self, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
    ) -> Reserved | Refused | Stale:
        if sql_holding.asks_only(wants):
            return self._database.read(lambda session: sql_holding.ask(session, wants, version))
        outcome = self._database.transact(
            lambda session: sql_holding.reserve(
                session, hold_id, wants, version=version, now_ns=now_ns, expires_ns=expires_ns
            ),
            lasting=False,
        )
        if isinstance(outcome, Reserved | Stale):
            return outcome
        rows = self.read([want.row for want in wants])
        if isinstance(outcome, sql_holding.Held):
            return Reserved(tuple(rows))
        said_no = next(row for row in rows if row.row == outcome.row)
        return Refused(sql_holding.first_refusing(wants, rows) or said_no)

    # --- after a call -------------------------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        return self._database.transact(
            lambda session: sql_settling.settle(session, settlements, version=version, now_ns=now_ns), guard="shared"
        )

    def correct(self, settlements: Sequence[Settlement], *, now_ns: int) -> int:
        return self._database.transact(
            lambda session: sql_settling.correct(session, settlements, now_ns=now_ns), guard="alone", patient=True
        )

    def void(self, record_key: str, *, now_ns: int) -> None:
        self._database.transact(lambda session: sql_settling.void(session, record_key, now_ns=now_ns), guard="alone")

    def posted(self, record_keys: Collection[str]) -> list[Posted]:
        return self._database.read(lambda session: sql_posted.posted(session, list(record_keys)), patient=True)

    def posted_after(self, record_key: str, *, limit: int = 1000) -> list[Posted]:
        return self._database.read(lambda session: sql_posted.posted_after(session, record_key, limit), patient=True)

    def release(self, hold_ids: Collection[str]) -> None:
        if hold_ids:
            self._database.transact(lambda session: sql_holding.release(session, list(hold_ids)), lasting=False)

    def renew(self, hold_ids: Collection[str], *, expires_ns: int) -> set[str]:
        if not hold_ids:
            return set()
        return self._database.transact(lambda session: sql_holding.renew(session, hold_ids, expires_ns), lasting=False)

    def sweep(self, *, now_ns: int, charge: Collection[str]) -> list[LostHold]:
        lost: list[LostHold] = []
        if self._database.read(lambda session: sql_holding.any_lapsed(session, now_ns)):
            lost = self._database.transact(
                lambda session: sql_holding.sweep(session, now_ns=now_ns, charge=charge), patient=True
            )
        if now_ns - self._pruned_ns >= _PRUNE_EVERY_NS and sql_pruning.prune(self._database, now_ns):
            self._pruned_ns = now_ns
        return lost

    def lost(self, *, limit: int = 1000) -> list[LostHold]:
        return self._database.read(lambda session: sql_holding.lost(session, limit), patient=True)

    # --- state --------------------------------------------------------------------------------------------------------

    def read(self, rows: Sequence[RowKey]) -> list[RowState]:
        return self._database.read(lambda session: sql_rows.read_rows(session, rows))

    def rows(self, budget: str) -> list[RowState]:
        return self._database.read(lambda session: sql_rows.rows_of(session, budget), patient=True)

    # --- controls -----------------------------------------------------------------------------------------------------

    def change(self, change: Change, *, now_ns: int) -> None:
        self._database.transact(
            lambda session: sql_changing.change(session, change, now_ns=now_ns), guard="alone", patient=True
        )

    def audit(self, budget: str = "", *, limit: int = 100) -> list[AuditEntry]:
        return self._database.read(lambda session: sql_changing.audit(session, budget, limit), patient=True)

    # --- alerts -------------------------------------------------------------------------------------------------------

    def alerts(self, budget: str = "", *, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        return self._database.read(lambda session: sql_alerts.alerts(session, budget, state, limit), patient=True)

    def set_alert(self, alert_id: int, state: AlertState, *, actor: str, now_ns: int) -> Alert | None:
        return self._database.transact(
            lambda session: sql_alerts.set_alert(session, alert_id, state, actor=actor, now_ns=now_ns)
        )

    def told(self, alert_ids: Collection[int]) -> None:
        if alert_ids:
            self._database.transact(lambda session: sql_alerts.told(session, alert_ids))

    def claim_untold(self, *, before_ns: int) -> list[Alert]:
        return self._database.transact(lambda session: sql_alerts.claim_untold(session, before_ns))

    def close(self) -> None:
        self._database.close()
