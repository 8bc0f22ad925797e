"""``/api/v1/keys``: access keys, for admins. The same as ``otel-cost keys``, where only HTTP reaches the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

from fastapi import APIRouter, Body, Depends, Path, Request
from starlette.exceptions import HTTPException

from otel_cost.ledger.keys import AccessKeys
from otel_cost.server import keys as making
from otel_cost.server.access import Access, Principal, Role, principal_of
from otel_cost.server.keys_schemas import AccessKey, IssuedKey, KeyList, NewKey, Rotation
from otel_cost.server.problems import BadRequest
from otel_cost.server.schemas import Problem

LOCAL_ACTOR: Final = "local"
"""Who did it, in the audit log, where there were no keys yet."""
_T = TypeVar("_T")
_Id = Annotated[str, Path(description="The id of a key: the part between the underscores", examples=["3f9a0c1d2b4e"])]


def router(keys: AccessKeys, access: Access, clock: Callable[[], int]) -> APIRouter:
    routes = APIRouter(
        prefix="/api/v1/keys",
        tags=["keys"],
        dependencies=[Depends(access.needs(Role.ADMIN))],
        responses={status: {"model": Problem} for status in (401, 403, 429, 503)},
    )

    @routes.get("")
    def list_keys() -> KeyList:
        """All keys, also those that are over. Their secrets are nowhere."""
        return KeyList.of(keys.all(), clock())

    @routes.post("", status_code=201, responses={400: {"model": Problem}})
    def create_key(request: Request, body: NewKey) -> IssuedKey:
        """Make a key. The answer has it, and nothing else ever will."""
        lives = None if body.expires is None else _checked("expires", making.lifetime_s, body.expires)
        name = _checked("name", making.check_name, body.name)
        wanted = _checked("scope", lambda name: making.Wanted(name, body.role, body.scope, lives), name)
        now_ns = clock()
        issued = making.issue(keys, wanted, actor=_actor(principal_of(request)), now_ns=now_ns)
        access.changed(issued.key.id)
        return IssuedKey.issued(issued, now_ns)

    @routes.delete("/{key_id}", responses={404: {"model": Problem}})
    def revoke_key(request: Request, key_id: _Id) -> AccessKey:
        """End a key: here at once, on other replicas within 5 seconds. Again changes nothing."""
        now_ns = clock()
        key = keys.revoke(key_id, actor=_actor(principal_of(request)), now_ns=now_ns)
        if key is None:
            raise _unknown(key_id)
        access.changed(key_id)
        return AccessKey.of(key, now_ns)

    @routes.post("/{key_id}/rotate", status_code=201, responses={s: {"model": Problem} for s in (400, 404)})
    def rotate_key(
        request: Request, key_id: _Id, body: Annotated[Rotation, Body(default_factory=Rotation)]
    ) -> IssuedKey:
        """Make a key that may the same; the old one goes on for a while, so that whoever uses it can be told."""
        grace_s, now_ns = _checked("grace", making.grace_s, body.grace), clock()
        issued = making.rotate(keys, key_id, grace_s, actor=_actor(principal_of(request)), now_ns=now_ns)
        if issued is None:
            raise _unknown(key_id, "valid ")
        access.changed(key_id)
        return IssuedKey.issued(issued, now_ns)

    return routes


def _checked(field: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise BadRequest(field, str(error)) from error


def _actor(who: Principal) -> str:
    return who.key_id or LOCAL_ACTOR


def _unknown(key_id: str, valid: str = "") -> HTTPException:
    return HTTPException(404, f"there is no {valid}key {key_id!r:.80}; otel-cost keys list has all")
