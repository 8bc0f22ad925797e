"""The reading half of a ledger in a SQL database: one connection a question."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from sqlalchemy import Connection, select

from otel_cost.ledger import (
    queries,
    queries_calls,
    queries_disagreements,
    queries_distributions,
    queries_entities,
    queries_sums,
    queries_unpriced,
)
from otel_cost.ledger.base import Standing
from otel_cost.ledger.horizon import horizon_ns, require_kept, require_listed
from otel_cost.ledger.questions import (
    BookedCall,
    CallQuery,
    Disagreement,
    Distribution,
    EntitySums,
    SeriesRow,
    Summary,
    SummaryQuery,
    Unpriced,
    Used,
)
from otel_cost.ledger.rows import text
from otel_cost.ledger.schema import records
from otel_cost.model import CostRecord

_KEYS_A_QUERY: Final = 500


class SqlReading(ABC):
    """See :class:`otel_cost.ledger.base.Ledger`."""

    @abstractmethod
    def _reading(self) -> AbstractContextManager[Connection]:
        """A connection in a transaction that writes nothing."""

    def summary(self, query: SummaryQuery) -> Summary:
        with self._reading() as connection:
            return queries_sums.summary(connection, query)

    def series(self, query: SummaryQuery, edges: Sequence[int]) -> Sequence[SeriesRow]:
        with self._reading() as connection:
            return queries_sums.series(connection, query, edges)

    def entities(
        self, kind: str, query: SummaryQuery, *, entity: str | None = None, limit: int = 100
    ) -> Sequence[EntitySums]:
        with self._reading() as connection:
            return queries_entities.entities(connection, kind, query, entity, limit)

    def distributions(self, query: SummaryQuery, quantiles: Sequence[float]) -> Sequence[Distribution]:
        with self._reading() as connection:
            return queries_distributions.distributions(connection, query, quantiles)

    def calls(self, query: CallQuery) -> Sequence[BookedCall]:
        with self._reading() as connection:
            require_listed(connection, query.from_ns, query.to_ns)
            return queries_calls.calls(connection, query)

    def calls_of_trace(self, trace_id: str) -> Sequence[BookedCall]:
        with self._reading() as connection:
            return queries_calls.calls_of_trace(connection, trace_id)

    def unpriced(self, query: SummaryQuery) -> tuple[Unpriced, ...]:
        with self._reading() as connection:
            return queries_unpriced.unpriced(connection, query)

    def disagreements(self, query: SummaryQuery) -> tuple[Disagreement, ...]:
        with self._reading() as connection:
            require_kept(connection, query.from_ns)
            return queries_disagreements.disagreements(connection, query)

    def standing(
        self, from_ns: int, to_ns: int, *, after: tuple[int, str] | None = None, limit: int = 1000
    ) -> Sequence[Standing]:
        with self._reading() as connection:
            require_listed(connection, from_ns, to_ns)
            return queries.standing(connection, from_ns, to_ns, after, limit)

    def booked(self, keys: Collection[str]) -> Mapping[str, bool]:
        found: dict[str, bool] = {}
        with self._reading() as connection:
            for some in in_pieces(keys):
                found.update(queries.booked(connection, some))
        return found

    def used(self, from_ns: int, to_ns: int) -> Sequence[Used]:
        with self._reading() as connection:
            return queries.used(connection, from_ns, to_ns)

    def recent(self, since_ns: int, limit: int) -> Sequence[CostRecord]:
        with self._reading() as connection:
            return queries.recent(connection, since_ns, limit)

    def horizon(self) -> int:
        """Where the days begin that are not closed (UTC ns, a midnight): see ``otel_cost.ledger.retention``."""
        with self._reading() as connection:
            return horizon_ns(connection)

    def check(self) -> None:
        with self._reading() as connection:
            connection.execute(select(records.c.record_key).limit(1)).first()


def in_pieces(keys: Collection[str]) -> Iterator[Sequence[str]]:
    """``keys`` as they are stored, sorted, as many at a time as a statement takes."""
    stored = sorted(map(text, keys))
    for start in range(0, len(stored), _KEYS_A_QUERY):
        yield stored[start : start + _KEYS_A_QUERY]
