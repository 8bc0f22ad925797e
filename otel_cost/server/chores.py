"""Which jobs a server has: see ``otel_cost.server.jobs`` for how they are run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from otel_cost import semconv
from otel_cost.book_settings import ServerSettings
from otel_cost.ledger import checking, compaction, partitions
from otel_cost.ledger.archive import apply_retention
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.sql import SqlLedger
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.jobs import Job, Scheduler
from otel_cost.server.sharing import Sharing
from otel_cost.settings_values import parse_duration
from otel_cost.used_before import UsedBefore

_log = logging.getLogger(semconv.LOGGER)
CATCH_UP_S: Final = 1.0
"""How often a server looks at what others booked."""
_SCHEDULES_S: Final = 10.0
_BUDGETS_S: Final = 60.0
_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
_LOCK: Final = "jobs"


def listening(sharing: Sharing, used: UsedBefore, ledger: SqlLedger, clock: Callable[[], int]) -> Scheduler:
    """What each server does to keep up with the others."""
    jobs = [
        Job("sharing", CATCH_UP_S, sharing.catch_up, quick=True),
        Job("schedules", _SCHEDULES_S, partial(_schedules, used), quick=True),
    ]
    return Scheduler(jobs, ledger=ledger, lock=sharing.lock, clock=clock)


def housekeeping(
    ledger: SqlLedger, budgets: BudgetKeeping, settings: ServerSettings, clock: Callable[[], int]
) -> Scheduler:
    """What one server does for all."""
    jobs = [
        Job("budgets", _BUDGETS_S, budgets.look_after),
        Job("compaction", _HOUR_S, partial(_compaction, ledger, clock)),
        Job("partitions", _DAY_S, partial(_partitions, ledger, clock)),
        Job("sums", _DAY_S, partial(_sums, ledger, clock)),
    ]
    if settings.retention != "off":
        jobs.append(Job("retention", _DAY_S, partial(_retention, ledger, settings, clock)))
    return Scheduler(jobs, ledger=ledger, lock=ledger.lock(_LOCK), clock=clock)


def _schedules(used: UsedBefore) -> str:
    return "what was used is read anew" if used.read_anew() else ""


def _compaction(ledger: SqlLedger, clock: Callable[[], int]) -> str:
    with ledger.transaction() as connection:
        folded = compaction.fold(connection, clock())
    return f"{folded} rows of roll-ups folded" if folded else ""


def _partitions(ledger: SqlLedger, clock: Callable[[], int]) -> str:
    with ledger.transaction() as connection:
        made = partitions.ensure_partitions(connection, clock())
    return f"made the months {', '.join(map(str, made))}" if made else ""


def _sums(ledger: SqlLedger, clock: Callable[[], int]) -> str:
    """Compare the sums of yesterday with its entries, and make them anew where they differ."""
    today_ns = clock() - clock() % DAY_NS
    yesterday = [day for day in checking.days(ledger, today_ns - DAY_NS) if day < today_ns]
    found = checking.verify(ledger, yesterday)
    if not found:
        return f"the sums of {len(yesterday)} days are right"
    _log.error("%d sums of yesterday are not what its entries say, the first one: %s", len(found), found[0])
    checking.rebuild_rollups(ledger, yesterday)
    return f"{len(found)} sums were wrong and are made anew: the log says more"


def _retention(ledger: SqlLedger, settings: ServerSettings, clock: Callable[[], int]) -> str:
    removed = apply_retention(ledger, clock(), keep_s=parse_duration(settings.retention), to=settings.archive).removed
    return f"{removed} calls removed, their sums stay" if removed else ""
