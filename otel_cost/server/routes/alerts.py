"""``/api/v1/alerts``, ``/audit`` and ``/reservations/lost``: what happened to budgets, and who did what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.exceptions import HTTPException

from otel_cost.budgets import Budgets
from otel_cost.budgets.stores.base import AlertState
from otel_cost.ledger.audit import Audited
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.budget_views import BudgetViews
from otel_cost.server.parameters import Words, only_own, text_of
from otel_cost.server.problems import described
from otel_cost.server.routes.budgets import LOCAL
from otel_cost.server.schemas.history import AlertList, AlertOf, AuditLog, Change, LostList, LostOf

_State = Annotated[
    Literal["active", "acknowledged", "resolved", "all"], Query(description="all: the history", examples=["active"])
]
_Budget = Annotated[str, Query(max_length=200, description="Only this one", examples=["team-month"])]
_Limit = Annotated[int, Query(ge=1, le=1000, description="At most", examples=[100])]
_Id = Annotated[int, Path(alias="id", ge=1, le=2**62, examples=[17])]
_STATES: Final[dict[str, AlertState]] = {"acknowledge": "acknowledged", "resolve": "resolved"}


Done = Callable[[int], Sequence[Audited]]
"""The newest things that were done beside budgets (keys, ...), at most so many."""


def router(budgets: Budgets, views: BudgetViews, words: Words, access: Access, done: Done) -> APIRouter:
    needs = [Depends(access.needs(Role.VIEWER)), Depends(only_own)]
    routes = APIRouter(prefix="/api/v1", tags=["alerts"], dependencies=needs, responses=described())

    @routes.get("/alerts", summary="Thresholds that were reached")
    def list_alerts(request: Request, state: _State = "active", budget: _Budget = "", limit: _Limit = 100) -> AlertList:
        """Those that nobody has acknowledged or resolved yet, or with `state=all` the history."""
        found = views.alerts(
            principal_of(request), name=text_of("budget", budget), state=None if state == "all" else state, limit=limit
        )
        return AlertList(alerts=[AlertOf.of(alert) for alert in found])

    @routes.get("/audit", summary="Who changed what, and why")
    def audit_log(request: Request, budget: _Budget = "", limit: _Limit = 100) -> AuditLog:
        """Changes that people made to budgets, and for admins to keys, the newest first."""
        who = principal_of(request)
        found = [
            (entry.at_ns, Change.of(entry)) for entry in views.audit(who, name=text_of("budget", budget), limit=limit)
        ]
        if who.may(Role.ADMIN) and not who.scope and not budget:
            found += [(one.at_ns, Change.done(one)) for one in done(limit)]
        found.sort(key=lambda pair: pair[0], reverse=True)
        return AuditLog(changes=[change for _, change in found[:limit]])

    @routes.get("/reservations/lost", summary="Reservations whose call never told its cost")
    def lost_reservations(request: Request, limit: _Limit = 100) -> LostList:
        """A process was killed, or a span never ended: what the provider billed for such a call is not known, and in no
        sum of the book."""
        return LostList(lost=[LostOf.of(hold) for hold in views.lost(principal_of(request), limit)])

    def set_state(verb: str, summary: str, text: str) -> None:
        def act(request: Request, alert_id: _Id) -> AlertOf:
            who = principal_of(request)
            if who.scope and all(alert.id != alert_id for alert in views.alerts(who, limit=10_000)):
                raise HTTPException(404, "there is no alert of that id")
            actor, now = who.key_id or LOCAL, words.clock()
            alert = budgets.store.set_alert(alert_id, _STATES[verb], actor=actor, now_ns=now)
            if alert is None:
                raise HTTPException(404, "there is no alert of that id")
            return AlertOf.of(alert)

        routes.post(
            f"/alerts/{{id}}/{verb}", summary=summary, description=text, name=f"{verb}_alert", responses=described(404),
            dependencies=[Depends(access.needs(Role.EDITOR))],
        )(act)  # fmt: skip

    set_state("acknowledge", "Somebody looks into an alert", "It is not active any more. Nothing else depends on it.")
    set_state("resolve", "An alert is over", "It stays in the history. Nothing else depends on it.")
    return routes
