"""What went wrong, and whether all is well."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Problem(BaseModel):
    """RFC 9457 problem details. ``field`` names the parameter that was wrong, where one was."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Bad Request"])
    status: int = Field(examples=[400])
    detail: str = Field(examples=["'tema' is not known; allowed: team, user, ..."])
    field: str | None = Field(default=None, examples=["tema"])


class Health(BaseModel):
    status: str = Field(examples=["ok"])
    detail: str = ""
