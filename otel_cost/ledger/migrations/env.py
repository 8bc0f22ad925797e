"""What Alembic runs: the revisions asked for, on the connection that it is given, in the transaction under way."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from otel_cost.ledger.migrations import VERSION_TABLE
from otel_cost.ledger.schema import metadata


def _run() -> None:
    connection = context.config.attributes["connection"]
    assert isinstance(connection, Connection)
    context.configure(connection=connection, target_metadata=metadata, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()


_run()
