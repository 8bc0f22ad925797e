"""The only place that talks to Alembic: there is no alembic.ini, and its command line is not for users."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

# Alembic keeps what it works on in its modules.
_one_at_a_time: Final = threading.Lock()


def upgrade(connection: Connection, target: str) -> None:
    """Up to revision ``target``, in the transaction under way."""
    _run(command.upgrade, connection, target)


def downgrade(connection: Connection, target: str) -> None:
    """Down to revision ``target``, in the transaction under way."""
    _run(command.downgrade, connection, target)


def _run(change: Callable[[Config, str], None], connection: Connection, target: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "otel_cost.ledger:migrations")
    with _one_at_a_time:
        change(config, target)
