"""``/api/v1/budgets``: what budgets there are, where they stand, and changing them while everything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request

from otel_cost.budgets import Budgets
from otel_cost.budgets.stores.base import ChangeKind
from otel_cost.errors import BudgetError, BudgetStoreError
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.budget_views import BudgetViews
from otel_cost.server.parameters import only_own, text_of
from otel_cost.server.problems import BadRequest, described
from otel_cost.server.schemas.budgets import BudgetList, BudgetOf, BudgetStatuses, Changed, LimitSet, nano_of

_Name = Annotated[str, Path(max_length=200, examples=["team-month"])]
_Values = Annotated[
    list[str],
    Query(alias="value", max_length=8, examples=[["search"]],
          description="One value of a budget that is by label; repeated, in the order of `per`, where it is by several"
                      ". Absent: all of the budget"),
]  # fmt: skip
_All = Annotated[
    bool, Query(alias="all", description="Every value, not the ten nearest to their limit", examples=[True])
]
_Reason = Annotated[
    str,
    Query(min_length=1, max_length=1000, description="Why: it goes into the audit log", examples=["launch is over"]),
]
LOCAL: Final = "local"
"""Who did it, where there are no keys."""


def router(budgets: Budgets, views: BudgetViews, access: Access) -> APIRouter:
    routes = APIRouter(prefix="/api/v1/budgets", tags=["budgets"], responses=described())
    reads: dict[str, Any] = {"dependencies": [Depends(access.needs(Role.VIEWER)), Depends(only_own)]}
    writes: dict[str, Any] = {"dependencies": [Depends(access.needs(Role.EDITOR)), Depends(only_own)]}
    unknown: dict[str, Any] = {"responses": described(404)}

    @routes.get("", summary="All budgets", **reads)
    def list_budgets(request: Request) -> BudgetList:
        """What the settings say, and what was set at run time."""
        who, controls = principal_of(request), budgets.store.controls()
        return BudgetList(budgets=[views.described(who, budget, controls) for budget in views.of(who)])

    @routes.get("/{name}", summary="One budget", **reads, **unknown)
    def get_budget(request: Request, name: _Name) -> BudgetOf:
        """What the settings say, and what was set at run time."""
        who = principal_of(request)
        return views.described(who, views.named(who, name))

    @routes.get("/{name}/status", summary="Where a budget stands", **reads, **unknown)
    def budget_status(
        request: Request,
        name: _Name,
        value: _Values = [],  # noqa: B006  (FastAPI copies it)
        everything: _All = False,
    ) -> BudgetStatuses:
        """Limit, spent, reserved, remaining, utilization, operations, thresholds reached, paused or not: of the present
        period, for one value or those nearest to their limit."""
        who = principal_of(request)
        budget = views.named(who, name)
        return views.statuses(who, budget, views.scope(who, budget, _texts(value)), everything=everything)

    def change(
        request: Request, name: str, value: list[str], carry_out: Callable[[dict[str, str], str], None]
    ) -> BudgetStatuses:
        who = principal_of(request)
        budget = views.named(who, name)
        scope = views.scope(who, budget, _texts(value))
        views.check_changeable(who, budget, scope)
        try:
            carry_out(dict(scope), who.key_id or LOCAL)
        except BudgetStoreError:
            raise
        except BudgetError as error:
            raise BadRequest("reason" if "say why" in str(error) else "name", str(error)) from error
        return views.statuses(who, budget, scope, everything=False)

    @routes.put("/{name}", summary="Set another limit", **writes, **unknown)
    def set_budget(
        request: Request,
        name: _Name,
        wanted: LimitSet,
        value: _Values = [],  # noqa: B006
    ) -> BudgetStatuses:
        """Put another limit, or another action, in the place of the configured one: for all values of the budget that
        have none of their own, or for one. What is left out is as configured. It holds in all processes within a
        second, and in later periods too."""
        if wanted.amount_usd is None and wanted.action is None:
            raise BadRequest("amount_usd", "say amount_usd, action or both; DELETE .../override takes them back")
        nano = None if wanted.amount_usd is None else nano_of(wanted.amount_usd)

        def carry_out(scope: dict[str, str], actor: str) -> None:
            budgets.set_limit(name, scope, amount_nano=nano, action=wanted.action, actor=actor, reason=wanted.reason)

        return change(request, name, value, carry_out)

    @routes.delete("/{name}/override", summary="Back to the configured limit", **writes, **unknown)
    def clear_budget(
        request: Request,
        name: _Name,
        reason: _Reason,
        value: _Values = [],  # noqa: B006
    ) -> BudgetStatuses:
        """Take back what was set at run time. What is paused stays paused."""

        text_of("reason", reason)

        def carry_out(scope: dict[str, str], actor: str) -> None:
            budgets.set_limit(name, scope, actor=actor, reason=reason)

        return change(request, name, value, carry_out)

    def action(kind: ChangeKind, summary: str, text: str) -> None:
        def act(
            request: Request,
            name: _Name,
            why: Changed,
            value: _Values = [],  # noqa: B006
        ) -> BudgetStatuses:
            def carry_out(scope: dict[str, str], actor: str) -> None:
                getattr(budgets, kind)(name, scope, actor=actor, reason=why.reason)

            return change(request, name, value, carry_out)

        routes.post(f"/{{name}}/{kind}", summary=summary, description=text, name=f"{kind}_budget", **writes, **unknown)(
            act
        )

    action("pause", "Stop all calls", "Stop all calls that the budget applies to, or those of one value.")
    action(
        "resume",
        "Let calls go on",
        "Let a budget go on that was paused, by hand or by itself; in this period it does not pause itself again.",
    )
    action(
        "reset",
        "Begin the period anew",
        "What was spent in the present period does not count against the limit any more. The book is not touched.",
    )
    return routes


def _texts(values: list[str]) -> list[str]:
    for text in values:
        text_of("value", text)
    return values
