"""The body of ``GET /health``."""

from __future__ import annotations

from pydantic import BaseModel, Field

from otel_cost.server.schemas import Money


class ModelCost(BaseModel):
    provider: str
    model: str
    cost: Money
    calls: int


class LastDay(BaseModel):
    """Costs of the calls that started in the last 24 hours."""

    cost: Money
    calls: int = Field(description="Operations that stand for themselves: priced, estimated, unpriced")
    unpriced: int = Field(description="Calls among them whose cost is not known")
    errors: int = Field(description="Calls among them that failed")
    input_tokens: int
    output_tokens: int
    top_models: list[ModelCost] = Field(description="Those of most cost, five at most")


class JobState(BaseModel):
    name: str
    last_run: str | None = Field(description="When it ended last, in any server; null: it has not run yet")
    seconds: float | None = Field(description="What that run took")
    failures: int = Field(description="Runs that failed since the last one that did not")
    outcome: str = Field(description="What the last run did, or its fault")


class HealthDetails(BaseModel):
    status: str = Field(description="ok, degraded (a job fails), or stopping", examples=["ok"])
    version: str
    started: str
    uptime_seconds: int
    pending: int = Field(description="Records that this server has taken and not yet written")
    as_of: str = Field(description="When the figures below were read; they are kept for some seconds")
    last_24h: LastDay
    jobs: list[JobState]
