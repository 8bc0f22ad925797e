"""A web app whose costs say which team asked, on which route, and with whose token (as a keyed hash).

OTEL_COST_CONFIG=otel-cost.yaml OTEL_COST_CALLER_HASH_KEY=of-sixteen-or-more opentelemetry-instrument uvicorn web:app
curl -H 'x-team: search' -H 'authorization: Bearer a-token' localhost:8000/questions/7

Which headers become labels is said in otel-cost.yaml (labels: headers:); any other header is left alone.
"""

import openai
from fastapi import FastAPI

import otel_cost
from otel_cost.middleware import AsgiMiddleware

app = FastAPI()
app.add_middleware(AsgiMiddleware)
model = openai.AsyncOpenAI()


@app.get("/questions/{number}")
async def answer(number: int) -> dict[str, str | float | None]:
    with otel_cost.tool("search_api", usd="0.002") as search:
        found = f"what the search found for question {number}"
    said = await model.chat.completions.create(
        model="gpt-4.1-mini",
        messages=[{"role": "user", "content": found}],
        max_completion_tokens=50,
    )
    return {"answer": said.choices[0].message.content, "search_usd": float(search.charge.usd)}
