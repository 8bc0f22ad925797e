"""What all bodies that clients send have in common."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, field_validator


class Given(BaseModel):
    """No field that is not known, and no text that some database could not keep as it is."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*")
    @classmethod
    def _has_no_nul(cls, value: object) -> object:
        texts: list[object] = [*value.keys(), *value.values()] if isinstance(value, Mapping) else [value]
        if any(isinstance(text, str) and "\0" in text for text in texts):
            raise ValueError("a text has no NUL in it")
        return value
