"""The bodies of the REST API about access keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from otel_cost.ledger.asking import iso
from otel_cost.ledger.keys import SCOPE_LABELS, StoredKey
from otel_cost.server.keys import DEFAULT_GRACE, MAX_NAME, Issued
from otel_cost.server.roles import Role

State = Literal["valid", "expired", "revoked"]
_TIME: Final = ["2026-01-31T12:00:00Z"]


class AccessKey(BaseModel):
    """A key without its secret, which is not kept. Times are UTC, to the second."""

    id: str = Field(examples=["3f9a0c1d2b4e"])
    name: str = Field(examples=["search, production"])
    role: str = Field(description=", ".join(Role), examples=["ingest"])
    scope: dict[str, str] = Field(description="Labels that it is bound to; empty: none", examples=[{"team": "search"}])
    state: State
    created: str = Field(examples=_TIME)
    expires: str | None = Field(examples=_TIME)
    revoked: str | None = Field(examples=[None])
    last_used: str | None = Field(description="To the minute; null: never", examples=_TIME)

    @classmethod
    def of(cls, key: StoredKey, now_ns: int) -> Self:
        return cls(
            id=key.id,
            name=key.name,
            role=key.role,
            scope=dict(key.scope),
            state=_state(key, now_ns),
            created=_seconds(key.created_ns),
            expires=_iso(key.expires_ns),
            revoked=_iso(key.revoked_ns),
            last_used=_iso(key.last_used_ns),
        )


class KeyList(BaseModel):
    keys: list[AccessKey] = Field(description="The newest first, also those that are over")

    @classmethod
    def of(cls, keys: Sequence[StoredKey], now_ns: int) -> Self:
        return cls(keys=[AccessKey.of(key, now_ns) for key in keys])


class IssuedKey(AccessKey):
    """A new key, with its text: this answer is the only place where that is."""

    key: str = Field(
        description="What is sent as Authorization: Bearer, or as x-api-key", examples=["otc_3f9a0c1d2b4e_…"]
    )

    @classmethod
    def issued(cls, issued: Issued, now_ns: int) -> Self:
        return cls(**AccessKey.of(issued.key, now_ns).model_dump(), key=issued.text)


class NewKey(BaseModel):
    """``POST /api/v1/keys``."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=MAX_NAME, description="What will use it", examples=["search, production"])
    role: Role
    scope: dict[str, str] = Field(
        default={}, description=f"Labels to bind it to: {', '.join(SCOPE_LABELS)}", examples=[{"team": "search"}]
    )
    expires: str | None = Field(default=None, description="How long it lives; null: for good", examples=["90d"])


class Rotation(BaseModel):
    """``POST /api/v1/keys/{id}/rotate``."""

    model_config = ConfigDict(extra="forbid")

    grace: str = Field(
        default=DEFAULT_GRACE, description="How long the old one goes on: 0s ends it now", examples=["24h"]
    )


def _state(key: StoredKey, now_ns: int) -> State:
    if key.revoked_ns is not None:
        return "revoked"
    return "valid" if key.valid(now_ns) else "expired"


def _iso(at_ns: int | None) -> str | None:
    return None if at_ns is None else _seconds(at_ns)


def _seconds(at_ns: int) -> str:
    return iso(at_ns - at_ns % 10**9)
