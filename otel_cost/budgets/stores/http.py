"""The store of an ``otel-cost serve``, over HTTP: apps hold a key, and no database credentials."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from otel_cost import semconv
from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores import wire
from otel_cost.budgets.stores.base import (
    Alert,
    AlertState,
    AuditEntry,
    Change,
    Controls,
    LostHold,
    Posting,
    Refused,
    Reserved,
    RowState,
    Settlement,
    Stale,
    Want,
)
from otel_cost.budgets.stores.deadlines import Alive
from otel_cost.connections import Answer, Connections, Unreachable
from otel_cost.errors import BudgetStoreBusy, BudgetStoreUnavailable, ConfigError
from otel_cost.version import VERSION

_log = logging.getLogger(semconv.LOGGER)
_PATIENT_S: Final = 5.0
"""For what no call of the app waits for."""
_BEFORE_A_CALL: Final = frozenset({"controls", "reserve", "read"})
_ONCE: Final = frozenset({"change", "correct", "sweep", "claim_untold"})
"""What is never sent twice: a change would stand in the audit log twice, and of the others the second answer would not
have what the first one had. A settlement is: alerts that go missing with an answer are told by ``claim_untold``."""
_DETAIL: Final = 300


class HttpStore:
    """See :class:`otel_cost.budgets.stores.base.Store`. Nothing is kept here: what the server says goes.

    A call whose answer got lost with a connection that had been kept open is sent once more, where that changes
    nothing. A reservation that was made although its answer came too late lapses, like that of a process that died.

    Args:
        url: Of the server.
        key: An access key of role ingest, or its ``server.key``; empty when it is on this machine and has none.
        timeout_s: How long a call before an app's own call waits. Others wait at least 5 s.

    Raises:
        ConfigError: the URL is not one, or the key cannot be sent.
    """

    local = False

    def __init__(self, url: str, key: str = "", timeout_s: float = 0.25) -> None:
        if not (key.isascii() and key.isprintable()):
            raise ConfigError("budget_store.key has characters that no key has: ASCII without control characters")
        self._connections = Connections(url, "budget_store.url")
        self._headers = {"Content-Type": "application/json", "User-Agent": f"otel-cost/{VERSION}"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._alive = Alive(timeout_s)
        self._said: set[int] = set()

    # --- before a call ------------------------------------------------------------------------------------------------

    def controls(self) -> Controls:
        return cast("Controls", self._ask("controls"))

    def reserve(
        self, hold_id: str, wants: Sequence[Want], *, version: int, now_ns: int, expires_ns: int
    ) -> Reserved | Refused | Stale:
        outcome = self._ask(
            "reserve", hold_id=hold_id, wants=wants, version=version, now_ns=now_ns, expires_ns=expires_ns
        )
        return cast("Reserved | Refused | Stale", outcome)

    # --- after a call -------------------------------------------------------------------------------------------------

    def settle(self, settlements: Sequence[Settlement], *, version: int, now_ns: int) -> list[list[Posting]] | Stale:
        outcome = self._ask("settle", settlements=settlements, version=version, now_ns=now_ns)
        return cast("list[list[Posting]] | Stale", outcome)

    def correct(self, settlements: Sequence[Settlement], *, now_ns: int) -> int:
        return cast("int", self._ask("correct", settlements=settlements, now_ns=now_ns))

    def void(self, record_key: str, *, now_ns: int) -> None:
        self._ask("void", record_key=record_key, now_ns=now_ns)

    def release(self, hold_ids: Collection[str]) -> None:
        self._ask("release", hold_ids=hold_ids)

    def renew(self, hold_ids: Collection[str], *, expires_ns: int) -> set[str]:
        return cast("set[str]", self._ask("renew", hold_ids=hold_ids, expires_ns=expires_ns))

    def sweep(self, *, now_ns: int, charge: Collection[str]) -> list[LostHold]:
        return cast("list[LostHold]", self._ask("sweep", now_ns=now_ns, charge=charge))

    def lost(self, *, limit: int = 1000) -> list[LostHold]:
        return cast("list[LostHold]", self._ask("lost", limit=limit))

    # --- state --------------------------------------------------------------------------------------------------------

    def read(self, rows: Sequence[RowKey]) -> list[RowState]:
        return cast("list[RowState]", self._ask("read", rows=rows))

    def rows(self, budget: str) -> list[RowState]:
        return cast("list[RowState]", self._ask("rows", budget=budget))

    # --- controls -----------------------------------------------------------------------------------------------------

    def change(self, change: Change, *, now_ns: int) -> None:
        self._ask("change", change=change, now_ns=now_ns)

    def audit(self, budget: str = "", *, limit: int = 100) -> list[AuditEntry]:
        return cast("list[AuditEntry]", self._ask("audit", budget=budget, limit=limit))

    # --- alerts -------------------------------------------------------------------------------------------------------

    def alerts(self, budget: str = "", *, state: AlertState | None = None, limit: int = 100) -> list[Alert]:
        return cast("list[Alert]", self._ask("alerts", budget=budget, state=state, limit=limit))

    def set_alert(self, alert_id: int, state: AlertState, *, actor: str, now_ns: int) -> Alert | None:
        changed = self._ask("set_alert", alert_id=alert_id, state=state, actor=actor, now_ns=now_ns)
        return cast("Alert | None", changed)

    def told(self, alert_ids: Collection[int]) -> None:
        self._ask("told", alert_ids=alert_ids)

    def claim_untold(self, *, before_ns: int) -> list[Alert]:
        return cast("list[Alert]", self._ask("claim_untold", before_ns=before_ns))

    def close(self) -> None:
        self._connections.close()

    # --- the server ---------------------------------------------------------------------------------------------------

    def _ask(self, name: str, **arguments: object) -> Any:
        timeout_s = max(self._alive.seconds(), 0.0 if name in _BEFORE_A_CALL else _PATIENT_S)
        try:
            answer = self._connections.send(
                "POST",
                f"{wire.PATH}/{name}",
                wire.call_body(arguments),
                {**self._headers, wire.WAIT_HEADER: str(max(1, round(timeout_s * 1000)))},
                timeout_s=timeout_s,
                repeatable=name not in _ONCE,
            )
        except Unreachable as error:
            raise BudgetStoreUnavailable(str(error)) from error
        self._alive.answered()
        if answer.status != HTTPStatus.OK:
            raise self._error(answer)
        try:
            return wire.result_of(wire.METHODS[name], answer.body)
        except wire.Malformed as error:
            raise BudgetStoreUnavailable(
                f"{self._connections.url} gave an answer that otel-cost {VERSION} cannot read ({error}); "
                "server and app should be of one version"
            ) from error

    def _error(self, answer: Answer) -> BudgetStoreBusy | BudgetStoreUnavailable:
        kind, detail = _problem(answer.body)
        url = self._connections.url
        if kind == wire.BUSY:
            return BudgetStoreBusy(f"the budget store of {url} is busy: {detail}")
        text = f"{url} answered {answer.status} ({detail or 'without saying why'}){_advice(answer.status)}"
        if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR and answer.status not in self._said:
            # Nothing that passes: somebody has to look at the settings, whatever becomes of this call.
            self._said.add(answer.status)
            _log.error("the budget store cannot be used: %s (said once)", text)
        return BudgetStoreUnavailable(text)


def _advice(status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ": set budget_store.key (OTEL_COST_BUDGET_STORE_KEY) to a key of role ingest, or to its server.key"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return f": is it an otel-cost serve of version {VERSION}?"
    return ""


def _problem(body: bytes) -> tuple[str, str]:
    """Type and detail of an RFC 9457 body; of anything else that may have answered (a proxy), nothing."""
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return "", ""
    if not isinstance(problem, dict):
        return "", ""
    said = cast("dict[str, object]", problem)
    return str(said.get("type", "")), str(said.get("detail", ""))[:_DETAIL]
