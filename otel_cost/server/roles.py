"""What a key is for, and whom a request is from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

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
OF_SETTINGS: Final = Principal("server.key", Role.ADMIN)
"""Whoever has the key of the settings."""
