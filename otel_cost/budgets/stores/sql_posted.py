"""What is posted in a SQL store, record by record: for comparing it with the book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from otel_cost.budgets.spec import RowKey
from otel_cost.budgets.stores.base import Posted
from otel_cost.budgets.stores.database import Row, Session, Statement
from otel_cost.budgets.stores.sql_rows import KEY, id_text, key_of, marks, restored

_KEYS_A_QUERY: Final = 500
# Where pruning is under way, a posting may outlive its row for a moment.
_POSTED: Final = f"SELECT record_key, at_ns, amount, {KEY} FROM budget_postings LEFT JOIN budget_rows USING (row_id)"
_NEXT: Final = (
    f"{_POSTED} WHERE record_key IN"
    " (SELECT DISTINCT record_key FROM budget_postings WHERE record_key > ? ORDER BY record_key LIMIT ?)"
    " ORDER BY record_key"
)


def posted(session: Session, record_keys: Sequence[str]) -> list[Posted]:
    """What is posted under these keys."""
    ids = {id_text(key): key for key in record_keys}
    some = list(ids)
    found: list[Row] = []
    for start in range(0, len(some), _KEYS_A_QUERY):
        part = some[start : start + _KEYS_A_QUERY]
        [rows] = session.run(Statement(f"{_POSTED} WHERE record_key IN ({marks(part)}) ORDER BY record_key", part))
        found += rows
    return [one._replace(record_key=ids[one.record_key]) for one in _by_key(found)]


def posted_after(session: Session, record_key: str, limit: int) -> list[Posted]:
    """All that is posted, in the database's order of keys, from after ``record_key`` on."""
    [found] = session.run(Statement(_NEXT, (id_text(record_key), limit)))
    return [one._replace(record_key=restored(one.record_key)) for one in _by_key(found)]


def _by_key(rows: Iterable[Row]) -> list[Posted]:
    """One for each key, as the database spells it."""
    times: dict[str, int] = {}
    amounts: dict[str, dict[RowKey, int]] = {}
    for record_key, at_ns, amount, budget, scope, period in rows:
        times[record_key] = max(times.get(record_key, 0), at_ns)
        mine = amounts.setdefault(record_key, {})
        if budget is not None:
            mine[key_of(budget, scope, period)] = amount
    return [Posted(record_key, amounts[record_key], at_ns) for record_key, at_ns in times.items()]
