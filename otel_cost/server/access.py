"""Who asks, and what they may: a request's key to its principal, and what a route needs of one.

Where the database has no key (and the settings none), only processes of this machine are let in, as admins. From the
first key on, every route but those for probes needs one; so it stays when all of them are revoked.
"""

from __future__ import annotations

import hmac
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from otel_cost.book_settings import ServerSettings
from otel_cost.ledger.keys import AccessKeys, StoredKey
from otel_cost.server import keys as making
from otel_cost.server.keys_ring import MAX_KEPT, KeyRing
from otel_cost.server.rate_limit import Buckets, headers, network_of
from otel_cost.server.roles import LOCAL, OF_SETTINGS, Principal, Role
from otel_cost.server.security_loopback import is_foreign_page, is_local

__all__ = ["LOCAL", "Access", "Principal", "Role", "principal_of", "require"]

FAILURES_A_MINUTE: Final = 20
"""Wrong keys that one address may send in a minute, before it is asked to wait."""
KEY_HEADER: Final = "x-api-key"
_MAKE_ONE: Final = "otel-cost keys create NAME --role ..., or set server.key (OTEL_COST_SERVER_KEY)"
_Bearer = Annotated[HTTPAuthorizationCredentials | None, Security(HTTPBearer(auto_error=False, scheme_name="bearer"))]
_ApiKey = Annotated[str | None, Security(APIKeyHeader(name=KEY_HEADER, auto_error=False, scheme_name="key"))]


class Access:
    """Tells who a request is from. One for an app; routers depend on :meth:`needs`. Thread-safe.

    Args:
        keys: The database's; None where there is none, so that only ``settings.key`` is known.
        settings: The server's.
        clock_ns: UTC nanoseconds, which keys expire by.
        clock_s: Seconds, never going back.
    """

    def __init__(
        self,
        keys: AccessKeys | None = None,
        settings: ServerSettings | None = None,
        clock_ns: Callable[[], int] = time.time_ns,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = settings or ServerSettings()
        self._ring = KeyRing(keys, clock_ns, clock_s) if keys is not None else None
        self._key_of_settings = settings.key.encode()
        self._origins = settings.cors_origins
        self._clock_ns = clock_ns
        self._failures = Buckets(FAILURES_A_MINUTE, clock_s)
        self._right: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def needs(self, role: Role | None = None, *, unscoped: bool = False) -> Callable[..., Awaitable[None]]:
        """A dependency that lets a request through if its principal has ``role``; see :func:`principal_of`.

        ``role`` None: any key does, and the route looks for itself. ``unscoped``: what it answers cannot be narrowed to
        a scope, so that a key that has one does not do.

        Raises:
            HTTPException: 401 without a key that is known, 403 with one of another role.
        """

        async def check(request: Request, _bearer: _Bearer = None, _key: _ApiKey = None) -> None:
            who = getattr(request.state, "principal", None)
            if not isinstance(who, Principal):
                who = request.state.principal = await self.who(request)
            if role is not None:
                require(who, role)
            if unscoped and who.scope:
                raise HTTPException(403, "this is about everything, and the key is bound to a scope")

        return check

    async def who(self, request: HTTPConnection) -> Principal:
        """Whose request it is.

        Raises:
            HTTPException: 401 where a key is missing, or wrong; 403 where nobody has one and the client is not on this
                machine; 429 where too many were wrong.
            LedgerError: keys cannot be looked up.
        """
        if not self._key_of_settings and (self._ring is None or not await self._ring.any()):
            return self._neighbour(request)
        text = _presented(request.headers)
        if not text:
            raise _unauthorized(f"this takes a key: send it as Authorization: Bearer <key>, or as {KEY_HEADER}: <key>")
        if self._key_of_settings and hmac.compare_digest(text.encode("utf-8", "replace"), self._key_of_settings):
            return OF_SETTINGS
        return await self._of_database(text, network_of(request.client.host if request.client else ""))

    def changed(self, key_id: str) -> None:
        """A key was made, revoked or rotated here: from now on this process goes by it; others within 5 s."""
        if self._ring is not None:
            self._ring.forget(key_id)

    def close(self) -> None:
        """Let go of the threads. Before the ledger is closed."""
        if self._ring is not None:
            self._ring.close()

    def _neighbour(self, request: HTTPConnection) -> Principal:
        if not is_local(request):
            raise HTTPException(
                403, f"there are no access keys, so only clients on the server's own machine are let in: {_MAKE_ONE}"
            )
        if is_foreign_page(str(request.scope.get("method", "")), request.headers, self._origins):
            raise HTTPException(403, "a page of another origin may not do this (server.cors_origins)")
        return LOCAL

    async def _of_database(self, text: str, address: str) -> Principal:
        hashed = making.digest(text)
        with self._lock:
            was_right = hashed in self._right
        # An address that guesses is put off, with whoever else has that address, but not those whose key was right.
        if not was_right and not (allowance := self._failures.look(address)).granted:
            raise HTTPException(429, "too many wrong keys from this address", headers(allowance, FAILURES_A_MINUTE))
        key_id = making.id_of(text)
        key = await self._ring.find(key_id) if key_id and self._ring is not None else None
        if not making.is_it(key, hashed) or key is None:
            self._failures.take(address)
            raise _unauthorized("the key is wrong")
        role = self._role_of(key)
        self._remember(hashed)
        if self._ring is not None:
            self._ring.used(key)
        return Principal(key.id, role, key.scope)

    def _role_of(self, key: StoredKey) -> Role:
        """What a key may, if it still may anything. Raises HTTPException."""
        if key.revoked_ns is not None:
            raise _unauthorized(f"the key {key.id} was revoked")
        if not key.valid(self._clock_ns()):
            raise _unauthorized(f"the key {key.id} has expired")
        try:
            return Role(key.role)
        except ValueError:
            raise _unauthorized(f"the key {key.id} is of role {key.role!r:.40}, which is not known here") from None

    def _remember(self, hashed: str) -> None:
        with self._lock:
            self._right[hashed] = None
            self._right.move_to_end(hashed)
            if len(self._right) > MAX_KEPT:
                self._right.popitem(last=False)


def require(who: Principal, *roles: Role) -> None:
    """Raises HTTPException 403 where the principal has none of the roles."""
    if not any(who.may(role) for role in roles):
        raise HTTPException(403, f"a key of role {who.role} may not do this; it takes {' or '.join(roles)}")


def principal_of(request: Request) -> Principal:
    """Who a request is from, once it went through :meth:`Access.needs`."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who


def _presented(given: Headers) -> str:
    scheme, _, credentials = given.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return given.get(KEY_HEADER, "").strip()


def _unauthorized(why: str) -> HTTPException:
    return HTTPException(401, why, {"WWW-Authenticate": 'Bearer realm="otel-cost"'})
