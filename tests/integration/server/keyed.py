"""Servers that ask for keys, and keys for them."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from otel_cost.ledger.keys import AccessKeys
from otel_cost.ledger.sql import SqlLedger
from otel_cost.server import keys as making
from otel_cost.server.keys import Wanted
from otel_cost.server.roles import Role
from tests.integration.server.serving import NOW


def key(ledger: SqlLedger, role: Role, expires_s: float | None = None, **scope: str) -> str:
    """A new key of a ledger."""
    wanted = Wanted(f"{role} of the tests", role, scope, expires_s)
    return making.issue(AccessKeys(ledger), wanted, actor="tests", now_ns=NOW).text


def bearer(text: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {text}"}


def client(url: str, text: str) -> httpx.Client:
    """One that sends a key with all it asks."""
    return httpx.Client(base_url=url, headers=dict(bearer(text)), trust_env=False, timeout=30)
