"""The store in one process's memory: what an app has that was told of no other."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

from otel_cost.budgets.evaluate import newly_reached
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import (
    Alert,
    AlertState,
    AuditEntry,
    Change,
    Control,
    Controls,
    LostHold,
    Post,
    Posted,
    Posting,
    Refused,
    Reserved,
    RowState,
    Settlement,
    Stale,
    Want,
)
from otel_cost.budgets.stores.changes import control_after, described
from otel_cost.budgets.stores.memory_rows import Held, Kept, PostedUnder, Row, apply
from otel_cost.forking import after_fork_in_child


class MemoryStore:
    """See :class:`otel_cost.budgets.stores.base.Store`. Never waits, and raises nothing.

    Bounded: of each budget the rows that were used longest ago are forgotten first, so that one budget's sessions
    cannot push out another one's months.

    Args:
        max_rows: Rows kept of each budget.
        max_keys: Record keys kept to recognise a record that is settled again.
        max_log: Alerts, audit entries and lost holds kept.
    """

    local = True

    def __init__(self, *, max_rows: int = 100_000, max_keys: int = 100_000, max_log: int = 10_000) -> None:
        self._max_rows = max_rows
        self._max_keys = max_keys
        self._max_log = max_log
        self._kept = Kept()
        self._renew_lock()
        after_fork_in_child(self._after_fork)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def _after_fork(self) -> None:
        """The calls that are under way are the parent's."""
        self._renew_lock()
        self._kept.holds.clear()
        for rows in self._kept.rows.values():
            for row in rows.values():
                row.reserved = 0

    # --- before a call ------------------------------------------------------------------------------------------------

    def controls(self) -> Controls:
        with self._lock:
            return Controls(self._kept.version, dict(self._kept.controls))

    def reserve(
        self, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
    ) -> Reserved | Refused | Stale:
        with self._lock:
            if version != self._kept.version:
                return Stale(self._kept.version)
            rows = [self._row(want.row) for want in wants]
            if hold_id not in self._kept.holds:
                for row, want in zip(rows, wants, strict=True):
                    if row.state == "paused" or row.spent + row.reserved + want.amount_nano > want.cap_nano:
                        return Refused(row.seen())
                self._hold(hold_id, rows, wants, expires_ns)
            return Reserved(tuple(row.seen() for row in rows))

    def _hold(self, hold_id: str, rows: Sequence[Row], wants: Sequence[Want], expires_ns: int) -> None:
        amounts: dict[RowKey, int] = {}
        for row, want in zip(rows, wants, strict=True):
            if want.amount_nano:
                row.reserved += want.amount_nano
                amounts[row.key] = want.amount_nano
        if amounts:
            self._kept.holds[hold_id] = Held(amounts, expires_ns)

    # --- after a call -------------------------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        with self._lock:
            if version != self._kept.version:
                return Stale(self._kept.version)
            return [self._settle(settlement, now_ns) for settlement in settlements]

    def _settle(self, settlement: Settlement, now_ns: int) -> list[Posting]:
        posted = self._posted(settlement.record_key, now_ns)
        had = {(row.budget, row.scope) for row in posted}
        voided = _VOIDED in posted
        new = [post for post in settlement.posts if not voided and (post.row.budget, post.row.scope) not in had]
        for post in new:
            self._find_again(settlement.hold_id, post.row)
        postings = [self._post(post, posted, now_ns) for post in new]
        self._draw(settlement, new)
        return postings

    def _find_again(self, hold_id: str, key: RowKey) -> None:
        """The maker of a hold that was lost is there after all: what was charged in advance is not spent twice."""
        lost = self._kept.lost.pop((hold_id, key), None)
        if lost is not None and lost.charged:
            self._row(key).add(-lost.amount_nano)

    def _posted(self, record_key: str, now_ns: int) -> PostedUnder:
        posted = self._kept.posted.setdefault(record_key, PostedUnder())
        posted.at_ns = now_ns
        if len(self._kept.posted) > self._max_keys:
            self._kept.posted.popitem(last=False)
        return posted

    def _post(self, post: Post, posted: dict[RowKey, int], now_ns: int) -> Posting:
        row = self._row(post.row)
        before = row.spent
        row.spent += post.amount_nano
        row.updated = now_ns
        posted[post.row] = post.amount_nano
        reached, row.told = newly_reached(post.thresholds, post.limit_nano, row.spent, row.told, row.told_limit)
        row.told_limit = post.limit_nano
        new = [share for share in reached if (share, post.limit_nano) not in row.stored]
        row.stored.update((share, post.limit_nano) for share in new)
        alerts = tuple(self._alert(row, share, post.limit_nano, now_ns) for share in new)
        paused = row.state == "" and post.pause_at_nano is not None and row.spent >= post.pause_at_nano
        if paused:
            row.state = "paused"
        return Posting(post.row, before, row.spent, alerts, paused)

    def _alert(self, row: Row, threshold: int, limit_nano: int, now_ns: int) -> Alert:
        alert = Alert(self._kept.next_alert, row.key, threshold, row.spent, limit_nano, now_ns, changed_ns=now_ns)
        self._kept.next_alert += 1
        self._kept.alerts[alert.id] = alert
        if len(self._kept.alerts) > self._max_log:
            self._kept.alerts.popitem(last=False)
        return alert

    def _draw(self, settlement: Settlement, new: Sequence[Post]) -> None:
        """Take what was posted out of its hold, or close it."""
        if settlement.closes:
            self._release(settlement.hold_id)
            return
        hold = self._kept.holds.get(settlement.hold_id)
        if hold is None:
            return
        for post in new:
            drawn = min(max(post.amount_nano, 0), hold.amounts.get(post.row, 0))
            if drawn:
                hold.amounts[post.row] -= drawn
                self._free(post.row, drawn)

    def correct(self, settlements: Sequence[Settlement], *, now_ns: int) -> int:
        with self._lock:
            return sum(self._correct(settlement, now_ns) for settlement in settlements)

    def _correct(self, settlement: Settlement, now_ns: int) -> int:
        posted = self._posted(settlement.record_key, now_ns)
        posted.pop(_VOIDED, None)
        wanted = {post.row: post.amount_nano for post in settlement.posts}
        changed = 0
        for key in {*posted, *wanted}:
            difference = wanted.get(key, 0) - posted.get(key, 0)
            if difference or (key in wanted) != (key in posted):
                row = self._row(key)
                row.add(difference)
                row.updated = now_ns
                changed += 1
        posted.clear()
        posted.update(wanted)
        return changed

    def posted(self, record_keys: Collection[str]) -> list[Posted]:
        with self._lock:
            return self._as_posted(key for key in record_keys if key in self._kept.posted)

    def posted_after(self, record_key: str, *, limit: int = 1000) -> list[Posted]:
        with self._lock:
            keys = (key for key, posted in self._kept.posted.items() if key > record_key and posted)
            return self._as_posted(heapq.nsmallest(limit, keys))

    def _as_posted(self, record_keys: Iterable[str]) -> list[Posted]:
        some = [(key, self._kept.posted[key]) for key in record_keys]
        rows = [{row: nano for row, nano in posted.items() if row != _VOIDED} for _, posted in some]
        return [Posted(key, amounts, posted.at_ns) for (key, posted), amounts in zip(some, rows, strict=True)]

    def void(self, record_key: str, *, now_ns: int) -> None:
        with self._lock:
            posted = self._posted(record_key, now_ns)
            for key, amount in posted.items():
                row = self._row(key)
                row.add(-amount)
                row.updated = now_ns
                posted[key] = 0
            posted[_VOIDED] = 0

    def release(self, hold_ids: Collection[str]) -> None:
        with self._lock:
            for hold_id in hold_ids:
                self._release(hold_id)

    def _release(self, hold_id: str) -> None:
        hold = self._kept.holds.pop(hold_id, None)
        for key, amount in hold.amounts.items() if hold is not None else ():
            self._free(key, amount)
        if hold is None and hold_id:
            for key in [key for lost_id, key in self._kept.lost if lost_id == hold_id]:
                self._find_again(hold_id, key)

    def _free(self, key: RowKey, amount_nano: int) -> None:
        row = self._row(key)
        row.reserved = max(0, row.reserved - amount_nano)  # a row that was forgotten meanwhile has none

    def renew(self, hold_ids: Collection[str], *, expires_ns: int) -> set[str]:
        with self._lock:
            held = {hold_id for hold_id in hold_ids if hold_id in self._kept.holds}
            for hold_id in held:
                self._kept.holds[hold_id].expires_ns = expires_ns
            return held

    def sweep(self, *, now_ns: int, charge: Collection[str]) -> list[LostHold]:
        with self._lock:
            lapsed = [hold_id for hold_id, hold in self._kept.holds.items() if hold.expires_ns <= now_ns]
            return [lost for hold_id in lapsed for lost in self._lose(hold_id, charge)]

    def _lose(self, hold_id: str, charge: Collection[str]) -> Iterator[LostHold]:
        hold = self._kept.holds.pop(hold_id)
        for key, amount in hold.amounts.items():
            self._free(key, amount)
            lost = LostHold(hold_id, key, amount, hold.expires_ns, key.budget in charge)
            if lost.charged:
                self._row(key).spent += amount
            self._kept.lost[hold_id, key] = lost
            if len(self._kept.lost) > self._max_log:
                self._kept.lost.popitem(last=False)
            yield lost

    def lost(self, *, limit: int = 1000) -> list[LostHold]:
        with self._lock:
            return list(reversed(self._kept.lost.values()))[:limit]

    # --- state --------------------------------------------------------------------------------------------------------

    def _row(self, key: RowKey) -> Row:
        kept = self._kept.rows.setdefault(key.budget, OrderedDict())
        row = kept.get(key)
        if row is None:
            if len(kept) >= self._max_rows:
                oldest = itertools.islice(kept.values(), _LOOKED_AT)
                del kept[next((row.key for row in oldest if not row.holds_back), next(iter(kept)))]
            row = kept[key] = Row(key)
        else:
            kept.move_to_end(key)  # a row that blocks gets no postings, and must not be forgotten for it
        return row

    def read(self, rows: Sequence[RowKey]) -> list[RowState]:
        with self._lock:
            return [self._seen(key) for key in rows]

    def _seen(self, key: RowKey) -> RowState:
        kept = self._kept.rows.get(key.budget)
        row = kept.get(key) if kept is not None else None
        return RowState(key) if row is None else row.seen()

    def rows(self, budget: str) -> list[RowState]:
        with self._lock:
            return [row.seen() for row in self._kept.rows.get(budget, {}).values()]

    # --- controls -----------------------------------------------------------------------------------------------------

    def change(self, change: Change, *, now_ns: int) -> None:
        with self._lock:
            key = (change.budget, change.scope)
            before = self._kept.controls.get(key, Control())
            rows = [self._row(row) for row in change.rows]
            was = described(before, [row.seen() for row in rows])
            after = control_after(change, before)
            self._kept.controls[key] = after
            for row in rows:
                apply(change, row)
            self._kept.version += 1
            now = described(after, [row.seen() for row in rows])
            self._kept.audit.append(
                AuditEntry(now_ns, change.kind, change.budget, change.scope, change.actor, change.reason, was, now)
            )
            del self._kept.audit[: -self._max_log]

    def audit(self, budget: str = "", *, limit: int = 100) -> list[AuditEntry]:
        with self._lock:
            return [entry for entry in reversed(self._kept.audit) if budget in ("", entry.budget)][:limit]

    # --- alerts -------------------------------------------------------------------------------------------------------

    def alerts(self, budget: str = "", *, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        with self._lock:
            found = [
                alert
                for alert in reversed(self._kept.alerts.values())
                if budget in ("", alert.row.budget) and state in (None, alert.state)
            ]
            return found[:limit]

    def set_alert(self, alert_id: int, state: AlertState, *, actor: str, now_ns: int) -> Alert | None:
        with self._lock:
            alert = self._kept.alerts.get(alert_id)
            if alert is not None:
                alert = self._kept.alerts[alert_id] = alert._replace(state=state, actor=actor, changed_ns=now_ns)
            return alert

    def told(self, alert_ids: Collection[int]) -> None:
        with self._lock:
            self._mark_told(alert_ids)

    def _mark_told(self, alert_ids: Collection[int]) -> None:
        for alert_id in alert_ids:
            if alert_id in self._kept.alerts:
                self._kept.alerts[alert_id] = self._kept.alerts[alert_id]._replace(told=True)

    def claim_untold(self, *, before_ns: int) -> list[Alert]:
        with self._lock:
            found = [alert for alert in self._kept.alerts.values() if not alert.told and alert.at_ns < before_ns]
            self._mark_told([alert.id for alert in found])
            return found

    def close(self) -> None:
        """There is nothing to let go of."""


_LOOKED_AT: Final = 100
"""Rows, from the one used longest ago on, among which the one to forget is looked for."""
_VOIDED: Final = RowKey("", (), "")
"""Beside what was posted under a key: that it was taken back, and is not to be settled again."""
