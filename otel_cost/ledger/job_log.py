"""When each periodic job ran last, whichever server ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from otel_cost.ledger.rows import text
from otel_cost.ledger.schema import jobs


@dataclass(frozen=True, slots=True)
class LastRun:
    """Times in UTC ns. ``failures``: runs that failed in a row; ``outcome``: what the last one did, or its fault."""

    started_ns: int
    finished_ns: int
    failures: int = 0
    outcome: str = ""


def read(connection: Connection) -> Mapping[str, LastRun]:
    """The last run of every job that ever ran, by its name."""
    found = connection.execute(select(jobs)).all()
    return {row.name: LastRun(row.started_ns, row.finished_ns, row.failures, row.outcome) for row in found}


def note(connection: Connection, name: str, run: LastRun) -> None:
    """Put ``run`` in the place of the one before."""
    connection.execute(delete(jobs).where(jobs.c.name == name))
    values = {"started_ns": run.started_ns, "finished_ns": run.finished_ns, "failures": run.failures}
    connection.execute(insert(jobs).values(name=name, outcome=text(run.outcome), **values))
