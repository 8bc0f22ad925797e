"""Sums beyond 64 bits: what would lead to one is refused, says so, and nothing else suffers."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from otel_cost.errors import LedgerRefused
from otel_cost.ledger import Ledger
from otel_cost.ledger.checking import verify
from otel_cost.ledger.schema import rollups_day
from otel_cost.ledger.sql import SqlLedger
from tests.contract.ledger.books import NOON, priced, record, total

ALMOST_ALL = 2**63 - 1 - 1500


def test_a_sum_beyond_64_bits_is_refused_whole_and_the_book_goes_on(ledger: Ledger) -> None:
    ledger.write([record(1, priced(1000))], booked_at_ns=NOON)
    if not isinstance(ledger, SqlLedger):
        assert total(ledger).amount_nano == 1000, "files have no sums beside them"
        return
    with ledger.transaction() as connection:
        connection.execute(update(rollups_day).values(amount_nano=ALMOST_ALL))
    with pytest.raises(LedgerRefused):
        ledger.write([record(2, priced(1000)), record(3, priced(1000))], booked_at_ns=NOON)
    with ledger.beside() as connection:
        assert connection.execute(select(rollups_day.c.amount_nano)).scalar_one() == ALMOST_ALL, "exact, and no double"
    assert set(ledger.booked([record(number).key for number in (1, 2, 3)])) == {record(1).key}
    ledger.write([record(2, priced(1000))], booked_at_ns=NOON)
    with ledger.transaction() as connection:
        connection.execute(update(rollups_day).values(amount_nano=2000))
    assert not verify(ledger)
