"""Who asks, and what they may: the roles of keys, and the labels that a key is bound to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fastapi import Request
from starlette.exceptions import HTTPException

from otel_cost.model import empty


class Role(StrEnum):
    """What a key is for. An editor may do what a viewer may, an admin everything."""

    INGEST = "ingest"  # sends spans, costs, and the calls of the budget store; reads nothing
    VIEWER = "viewer"  # reads
    EDITOR = "editor"  # and changes budgets, and books costs by hand
    ADMIN = "admin"  # and keys


_MAY: Final[Mapping[Role, frozenset[Role]]] = {
    Role.INGEST: frozenset({Role.INGEST}),
    Role.VIEWER: frozenset({Role.VIEWER}),
    Role.EDITOR: frozenset({Role.VIEWER, Role.EDITOR}),
    Role.ADMIN: frozenset(Role),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the key's id (empty: a process of the same machine, where no keys exist), its role and its scope.

    ``scope``: labels with the one value that the key may see, and write; empty: everything.
    """

    key_id: str
    role: Role
    scope: Mapping[str, str] = field(default_factory=empty)

    def may(self, needed: Role) -> bool:
        return needed in _MAY[self.role]

    def sees(self, labels: Mapping[str, str]) -> bool:
        """Whether what carries ``labels`` is within the scope."""
        return all(labels.get(name, "") == value for name, value in self.scope.items())

    def within(self, filters: Mapping[str, str]) -> Mapping[str, str] | None:
        """``filters`` and the scope; None where they exclude each other, so that there is nothing to see."""
        return {**filters, **self.scope} if all(filters.get(n, v) == v for n, v in self.scope.items()) else None


LOCAL: Final = Principal("", Role.ADMIN)


class Access:
    """Tells who a request is from. One for an app; routers depend on :meth:`needs`."""

    def needs(self, role: Role) -> Callable[[Request], None]:
        """A dependency that lets a request through if its principal has ``role``; see :func:`principal_of`.

        Raises:
            HTTPException: 401 without a key that is known, 403 with one of another role.
        """

        def check(request: Request) -> None:
            who = self._principal(request)
            if not who.may(role):
                raise HTTPException(403, f"a key of role {who.role} may not do this; it takes {role}")
            request.state.principal = who

        return check

    def _principal(self, _request: Request) -> Principal:
        return LOCAL


def principal_of(request: Request) -> Principal:
    """Who a request is from, once it went through :meth:`Access.needs`."""
    who = request.state.principal
    assert isinstance(who, Principal)
    return who
