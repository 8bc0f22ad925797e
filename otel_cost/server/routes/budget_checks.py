"""``POST /api/v1/budgets/check``: whether something may be spent right now."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException

from otel_cost.budgets import Budgets
from otel_cost.model import Kind
from otel_cost.server.access import Access, Role, principal_of
from otel_cost.server.parameters import needs_one_of, only_own
from otel_cost.server.problems import described
from otel_cost.server.schemas.budgets import CheckAnswer, CheckAsked, nano_of


def router(budgets: Budgets, access: Access) -> APIRouter:
    needs = [*needs_one_of(access, Role.INGEST, Role.VIEWER), Depends(only_own)]
    routes = APIRouter(prefix="/api/v1/budgets", tags=["budgets"], dependencies=needs, responses=described())

    @routes.post("/check", summary="May this be spent?")
    def check_budget(request: Request, asked: CheckAsked) -> CheckAnswer:
        """Whether a call of this estimated cost can run, by every budget that would stop it: with the reason where it
        cannot. Nothing is reserved. To a key with a scope, budgets over more than its scope do not count."""
        within = principal_of(request).scope
        return CheckAnswer.of(budgets.check(_facts(request, asked), nano_of(asked.estimated_usd), within))

    return routes


def _facts(request: Request, asked: CheckAsked) -> dict[str, str]:
    scope = principal_of(request).scope
    for name, value in scope.items():
        if asked.labels.get(name, value) != value:
            raise HTTPException(403, f"the key asks for {name}={value!r} only, and labels.{name} is another")
    facts = {**asked.labels, **scope}
    if not (asked.provider or asked.model):
        return facts
    call = {"provider": asked.provider, "model": asked.model, "operation": asked.operation, "kind": Kind.LLM.value}
    return {**facts, **call}
