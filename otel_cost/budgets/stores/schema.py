"""Brings a store's tables to the version that this release knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from otel_cost import semconv
from otel_cost.budgets.stores.database import Database, Dialect, Guard, Session, Statement
from otel_cost.budgets.stores.migrations import MIGRATIONS, Migration
from otel_cost.errors import BudgetStoreError, BudgetStoreUnavailable, ConfigError

T = TypeVar("T")
_log = logging.getLogger(semconv.LOGGER)


class NewerStore(BudgetStoreUnavailable):
    """The tables are of a later release: writing to them by old rules could let money through."""


class PreparedDatabase:
    """A database whose tables are made, or brought up to date, before anything else is done with it.

    What cannot be done at the start is tried again with every call: an app starts without its store.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._prepared: int | None = None

    @property
    def dialect(self) -> Dialect:
        return self._database.dialect

    @property
    def generation(self) -> int:
        return self._database.generation

    def prepare(self) -> None:
        """Make sure of the tables; costs nothing once that was done."""
        generation = self._database.generation
        if self._prepared != generation:
            migrate(self._database)
            self._prepared = generation

    def transact(
        self, work: Callable[[Session], T], *, guard: Guard = "", patient: bool = False, lasting: bool = True
    ) -> T:
        self.prepare()
        return self._database.transact(work, guard=guard, patient=patient, lasting=lasting)

    def read(self, work: Callable[[Session], T], *, patient: bool = False) -> T:
        self.prepare()
        return self._database.read(work, patient=patient)

    def close(self) -> None:
        self._database.close()


def prepared(database: Database, name: str) -> PreparedDatabase:
    """The database with its tables, as far as it can be reached now.

    Raises:
        ConfigError: it belongs to a later release.
    """
    made = PreparedDatabase(database)
    try:
        made.prepare()
    except NewerStore as error:
        database.close()
        raise ConfigError(f"{name}: {error}") from error
    except BudgetStoreError as error:
        _log.warning("%s: it will be tried again with every call", error)
    return made


def migrate(database: Database, *, to: int | None = None, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring the tables to version ``to`` (default: the latest of ``migrations``), up or down.

    Any number of processes may do this at once: one does it, the others wait for it.

    Raises:
        NewerStore: the tables have a later version than ``migrations`` lead to.
    """
    target = len(migrations) if to is None else to
    if _checked(database.read(_version), migrations) != target:
        database.transact(lambda session: _move(session, target, migrations), guard="schema", patient=True)


def _version(session: Session) -> int:
    [[(tables,)]] = session.run(Statement(session.dialect.has_table, ("budget_schema",)))
    if not tables:
        return 0
    [found] = session.run(Statement("SELECT version FROM budget_schema"))
    return int(found[0][0])


def _checked(version: int, migrations: Sequence[Migration]) -> int:
    if version > len(migrations):
        raise NewerStore(
            f"the store of budgets has version {version} of its tables, and this release of otel-cost knows"
            f" {len(migrations)}: update otel-cost here"
        )
    return version


def _move(session: Session, target: int, migrations: Sequence[Migration]) -> None:
    version = _checked(_version(session), migrations)  # again: another process may have been faster
    if version == 0 and target > 0:
        session.run(
            Statement("CREATE TABLE IF NOT EXISTS budget_schema (version INTEGER NOT NULL)"),
            Statement("DELETE FROM budget_schema"),
            Statement("INSERT INTO budget_schema (version) VALUES (0)"),
        )
    for step in migrations[version:target]:
        _carry_out(session, step.up)
    for step in reversed(migrations[target:version]):
        _carry_out(session, step.down)
    if target:
        session.run(Statement("UPDATE budget_schema SET version = ?", (target,)))
    elif version:
        session.run(Statement("DROP TABLE budget_schema"))


def _carry_out(session: Session, statements: Sequence[str]) -> None:
    for statement in statements:
        session.run(Statement(statement.format_map(session.dialect.types)))
