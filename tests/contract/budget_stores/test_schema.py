"""Tables are made, brought up to date and taken back, with what is in them; a later release's are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_cost.budgets.stores import MemoryStore, open_store, schema
from otel_cost.budgets.stores.database import Database, Statement
from otel_cost.budgets.stores.migrations import MIGRATIONS, Migration
from otel_cost.budgets.stores.postgres import PostgresDatabase
from otel_cost.budgets.stores.sqlite import SqliteDatabase
from otel_cost.errors import BudgetStoreUnavailable, ConfigError
from tests.contract.budget_stores.conftest import ANSWER_S
from tests.contract.budget_stores.making import amounts, post, row, settle

NEXT = (
    *MIGRATIONS,
    Migration(("ALTER TABLE budget_rows ADD COLUMN colour TEXT",), ("ALTER TABLE budget_rows DROP COLUMN colour",)),
)


def _database(url: str) -> Database:
    if url.startswith("sqlite:///"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:///")), busy_s=ANSWER_S)
    return PostgresDatabase(url, "test", timeout_s=ANSWER_S, busy_s=ANSWER_S)


def test_what_is_in_the_tables_survives_going_up_and_down(database_url: str) -> None:
    store = open_store(database_url, timeout_s=ANSWER_S)
    settle(store, "k", post(row(), 5))
    database = _database(database_url)
    schema.migrate(database, migrations=NEXT)
    [[(colour,)]] = database.read(lambda session: session.run(Statement("SELECT colour FROM budget_rows")))
    assert colour is None
    schema.migrate(database, to=len(MIGRATIONS), migrations=NEXT)
    schema.migrate(database, to=len(MIGRATIONS), migrations=NEXT)
    assert amounts(store, row()) == (5, 0)
    assert settle(store, "k", post(row(), 5)) == []
    store.close()
    database.close()


def test_all_tables_can_be_taken_back_and_made_anew(database_url: str) -> None:
    database = _database(database_url)
    schema.migrate(database)
    schema.migrate(database, to=0)
    count = database.read(lambda session: session.run(Statement(session.dialect.has_table, ("budget_rows",))))
    assert count == [[(0,)]]
    schema.migrate(database)
    database.close()
    store = open_store(database_url, timeout_s=ANSWER_S)
    assert amounts(store, row()) == (0, 0)
    store.close()


def test_a_store_of_a_later_release_is_an_error_that_says_so(database_url: str) -> None:
    running = open_store(database_url, timeout_s=ANSWER_S)
    database = _database(database_url)
    schema.migrate(database, migrations=NEXT)
    with pytest.raises(ConfigError, match="version 2 of its tables, and this release of otel-cost knows 1"):
        open_store(database_url, timeout_s=ANSWER_S)
    running.close()
    database.close()


def test_tables_that_are_taken_away_are_an_outage_and_then_made_anew(database_url: str) -> None:
    store = open_store(database_url, timeout_s=ANSWER_S)
    database = _database(database_url)
    schema.migrate(database, to=0)
    with pytest.raises(BudgetStoreUnavailable):
        store.read([row()])
    assert amounts(store, row()) == (0, 0)
    store.close()
    database.close()


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///", "budgets.db", "ftp://budgets", "http://"])
def test_an_unknown_url_is_told_what_is_allowed(url: str) -> None:
    with pytest.raises(ConfigError, match=r"write sqlite:///budgets\.db, postgresql://"):
        open_store(url)


@pytest.mark.parametrize("url", ["", "memory:"])
def test_no_url_is_memory(url: str) -> None:
    assert isinstance(open_store(url), MemoryStore)


def test_a_bad_postgresql_url_is_told_without_its_password() -> None:
    with pytest.raises(ConfigError, match="no PostgreSQL URL") as caught:
        open_store("postgresql://otel:secret@host:port:x/%zz")
    assert "secret" not in str(caught.value)


def test_a_relative_path_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///budgets.db").close()
    assert (tmp_path / "budgets.db").exists()
