"""A web app in front of a budget: 429 with problem details once a team has nothing left, before the model is asked.

OTEL_COST_CONFIG=fastapi_budget.yaml opentelemetry-instrument uvicorn fastapi_budget:app
curl -i -H 'x-team: search' localhost:8000/summaries/7

fastapi_budget.yaml has the budget, and says that the header x-team is the team. Behind a gateway that sets that header
it can be believed; elsewhere take the team from what your authentication says, with AsgiMiddleware(scope=...).
"""

import logging

import openai
from fastapi import FastAPI

import otel_cost
from otel_cost.middleware import AsgiMiddleware

app = FastAPI()
app.add_middleware(AsgiMiddleware, budgets=True, exclude=["/healthz"])
model = openai.AsyncOpenAI()
log = logging.getLogger("uvicorn.error")


@otel_cost.on_budget_event
def tell(notice: otel_cost.BudgetNotice) -> None:
    log.warning("to %s: %s", ", ".join(notice.recipients), notice.message)


@app.get("/healthz")
async def well() -> str:
    return "well"


@app.get("/summaries/{number}")
async def summary(number: int) -> dict[str, str | None]:
    if not await otel_cost.can_spend_async(0.05, feature="draft"):
        return {"summary": await ask(f"Sum up article {number} in one sentence.")}
    # Both calls or neither: what they may cost is set aside before the first of them.
    async with otel_cost.guard(0.05, feature="draft"):
        draft = await ask(f"Sum up article {number}.")
        return {"summary": await ask(f"Make this shorter: {draft}")}


async def ask(question: str) -> str | None:
    said = await model.chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": question}], max_completion_tokens=200
    )
    return said.choices[0].message.content
