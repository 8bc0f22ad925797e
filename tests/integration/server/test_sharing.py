"""Servers that share a book, taken step by step: what each hears of the others, and what is taken back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from otel_cost.budgets.stores import MemoryStore
from otel_cost.config import Config
from otel_cost.errors import LedgerError
from otel_cost.ledger import tailing
from otel_cost.ledger.base import Correction, EntryKind
from otel_cost.ledger.keys import AccessKeys, StoredKey
from otel_cost.ledger.posting import standing_of
from otel_cost.ledger.rows import entry_values
from otel_cost.ledger.saving import put
from otel_cost.ledger.schema import entries
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.matching import Matcher
from otel_cost.model import Charge, CostRecord, Layer, Reason, Status, Void
from otel_cost.pipeline import Pipeline
from otel_cost.pricing import Catalog, Pricer
from otel_cost.server.budgets import BudgetKeeping
from otel_cost.server.metrics import BookMetrics
from otel_cost.server.sharing import Sharing
from otel_cost.server.taking_back import TakingBack
from otel_cost.used_before import UsedBefore
from tests.contract.ledger.books import NOON, priced, record, total
from tests.support.postgres import postgres_server

HOURS = 3600 * 10**9


def wire(number: int, **labels: str) -> CostRecord:
    """The request's own span of the ``number``-th call of a process."""
    made = record(number, **labels)
    return replace(made, scope="wire", layer=Layer.WIRE, process="p")


def around(number: int, **labels: str) -> CostRecord:
    """A framework's span of the same call."""
    own, other = wire(number, **labels), record(100_000 + number)
    return replace(
        own, key=other.key, trace_id=other.trace_id, span_id=other.span_id, scope="framework", layer=Layer.FRAMEWORK,
        start_ns=own.start_ns - 1000, end_ns=own.end_ns + 1000,
    )  # fmt: skip


@dataclass
class Server:
    """What sharing needs of one: a ledger of its own, a pipeline, and voids."""

    ledger: SqlLedger
    pipeline: Pipeline
    matcher: Matcher
    sharing: Sharing
    changed: list[int]
    faults: list[LedgerError]

    def book(self, *records: CostRecord) -> None:
        self.ledger.write(records, booked_at_ns=NOON)
        for one in records:
            self.pipeline.remember(one)


def make_server(url: str, catalog: Catalog | None = None) -> Server:
    ledger = open_ledger(url)
    matcher = Matcher(can_void=True, window_ns=HOURS)
    pricer = Pricer(lambda: catalog or Catalog.load())
    pipeline = Pipeline(config=Config(), pricer=pricer, takers=(), matcher=matcher, adopt=True, clock_ns=lambda: NOON)
    faults: list[LedgerError] = []
    changed: list[int] = []

    def take_back(voids: Sequence[Void]) -> set[str]:
        if faults:
            raise faults.pop()
        return {entry.record_key for entry in ledger.write((), voids, booked_at_ns=NOON).entries}

    sharing = Sharing(ledger, pipeline, take_back, lambda: changed.append(1), lambda: NOON, 6 * HOURS)
    sharing.begin()
    return Server(ledger, pipeline, matcher, sharing, changed, faults)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'book.db'}"


@pytest.fixture
def two(url: str) -> Iterator[tuple[Server, Server]]:
    servers = make_server(url), make_server(url)
    yield servers
    for server in servers:
        server.ledger.close()


def test_twins_at_two_servers_are_counted_once_and_the_request_itself_stays(two: tuple[Server, Server]) -> None:
    one, other = two
    one.book(around(1))
    other.book(wire(1))
    assert total(one.ledger).calls == 2
    one.sharing.catch_up()
    assert total(one.ledger).calls == 1
    assert one.ledger.booked([wire(1).key, around(1).key]) == {wire(1).key: True, around(1).key: False}
    other.sharing.catch_up()
    one.sharing.catch_up()
    assert total(one.ledger).calls == 1


def test_equal_calls_side_by_side_stay_as_many_as_they_are(two: tuple[Server, Server]) -> None:
    one, other = two
    calls = [replace(wire(number), start_ns=NOON, end_ns=NOON + 10**9) for number in range(5)]
    twins = [replace(around(number), start_ns=NOON - 1000, end_ns=NOON + 10**9 + 1000) for number in range(5)]
    one.book(*calls[:3], *twins[3:])
    other.book(*twins[:3], *calls[3:])
    one.sharing.catch_up()
    assert total(one.ledger).calls == 5


def test_a_twin_that_its_server_found_has_its_place_already(two: tuple[Server, Server]) -> None:
    """Another server's span of a call that nobody else saw is none of the first one's."""
    one, other = two
    duplicate = replace(around(1), charge=Charge(Status.DUPLICATE, Reason.SAME_CALL), counted_as=wire(1).key)
    alone = replace(around(2), start_ns=around(1).start_ns, end_ns=around(1).end_ns)
    one.book(wire(1), duplicate)
    other.book(alone)
    one.sharing.catch_up()
    assert one.ledger.booked([wire(1).key, alone.key]) == {wire(1).key: True, alone.key: True}


def test_what_one_server_takes_back_the_others_do_not_count_any_more(two: tuple[Server, Server]) -> None:
    one, other = two
    one.book(around(1))
    other.book(wire(1))
    one.sharing.catch_up()
    other.sharing.catch_up()
    # A third emitter's span of the call, at the second server: the same as the one that stands.
    assert one.changed
    assert other.changed
    late = replace(around(1), key=record(7).key, trace_id=record(7).trace_id, span_id=record(7).span_id, scope="late")
    one.book(late)
    other.sharing.catch_up()
    assert total(one.ledger).calls == 1


def test_a_server_alone_reads_nothing_back(two: tuple[Server, Server]) -> None:
    one, _ = two
    one.sharing.catch_up()
    one.book(*(wire(number) for number in range(10)))
    assert one.sharing.catch_up() == ""
    assert not one.changed
    # When another one comes, what was passed over is judged as well.
    two[1].book(around(3))
    one.sharing.catch_up()
    assert total(one.ledger).calls == 10


def test_a_book_that_cannot_be_written_is_tried_again(two: tuple[Server, Server]) -> None:
    one, other = two
    one.book(around(1))
    other.book(wire(1))
    one.faults.append(LedgerError("the disk is full"))
    with pytest.raises(LedgerError):
        one.sharing.catch_up()
    assert total(one.ledger).calls == 2
    one.sharing.catch_up()
    assert total(one.ledger).calls == 1


def test_a_correction_by_a_command_is_heard_of(two: tuple[Server, Server]) -> None:
    one, other = two
    one.book(wire(1))
    one.sharing.catch_up()
    one.changed.clear()
    other.ledger.correct([Correction(wire(1).key, 0, priced(5))], booked_at_ns=NOON)
    one.sharing.catch_up()
    assert one.changed == [1]
    assert total(one.ledger).amount_nano == 5


def test_calls_of_long_ago_are_counted_once_and_push_nothing_out(two: tuple[Server, Server]) -> None:
    one, other = two
    old = replace(wire(1), start_ns=NOON - 8 * HOURS, end_ns=NOON - 7 * HOURS)
    twin = replace(around(1), start_ns=NOON - 8 * HOURS, end_ns=NOON - 7 * HOURS)
    one.book(old, wire(2))
    other.book(twin)
    one.sharing.catch_up()
    other.sharing.catch_up()
    assert total(one.ledger).calls == 2
    assert [other.matcher.knows(call.key) for call in (old, wire(2))] == [False, True]


def test_a_key_with_a_scope_takes_nothing_of_others_back(two: tuple[Server, Server], catalog: Catalog) -> None:
    one, _ = two
    keys = AccessKeys(one.ledger)
    keys.add(StoredKey("id", "name", "hash", "ingest", NOON, {"team": "mine"}), actor="tests")
    one.book(around(1, team="theirs"), wire(1, team="mine"), around(2, team="mine"), wire(2, team="mine"))
    take_back = TakingBack(
        one.ledger, keys, BookMetrics((), 10), BudgetKeeping(Config(), MemoryStore(), lambda: NOON),
        UsedBefore(one.ledger.used, Pricer(lambda: catalog)), lambda: NOON,
    )  # fmt: skip
    voids = [Void(around(number).key, Reason.SAME_CALL, wire(number).key) for number in (1, 2)]
    assert take_back(voids) == {around(2).key}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), min_size=1, max_size=14),
    st.lists(st.integers(0, 2), min_size=1, max_size=20),
)
def test_however_spans_are_spread_and_whenever_servers_look_each_call_is_counted_once(
    spans: list[tuple[int, int, bool]], looks: list[int]
) -> None:
    """Three servers on one book; the first has the lock."""
    with tempfile.TemporaryDirectory() as folder:
        servers = [make_server(f"sqlite:///{folder}/book.db", _CATALOG) for _ in range(3)]
        try:
            seen: set[int] = set()
            for place, (number, server, is_wire) in enumerate(spans):
                seen.add(number)
                servers[server].book(wire(number) if is_wire else around(number))
                servers[looks[place % len(looks)]].sharing.catch_up()
            for server in servers:
                server.sharing.catch_up()
            assert total(servers[0].ledger).calls == len(seen)
            assert total(servers[0].ledger).amount_nano == 1000 * len(seen)
        finally:
            for server in servers:
                server.ledger.close()


_CATALOG = Catalog.load()


@pytest.mark.postgres
def test_what_commits_late_is_found_although_its_number_is_lower() -> None:
    with postgres_server() as postgres, open_ledger(postgres.url()) as ledger:
        early, late = record(1), record(2)
        ledger.write([early, late], booked_at_ns=NOON)
        with ledger.beside() as connection:
            beginning = tailing.beginning(connection, NOON)
        assert beginning.high == 0
        with open_ledger(postgres.url()) as other, other.transaction() as slow:
            _correct_by_hand(slow, late)
            ledger.correct([Correction(early.key, 0, priced(7))], booked_at_ns=NOON)
            keys, place = _read(ledger, beginning)
            assert keys == (early.key, late.key)
            assert place.missing, "numbers that were taken and are not there yet"
            assert _read(ledger, place)[0] == ()
        keys, place = _read(ledger, place)
        assert keys == (late.key,)
        assert not place.missing


def _correct_by_hand(connection: Connection, late: CostRecord) -> None:
    """Entries whose transaction goes on."""
    standing = standing_of(late)
    put(connection, entries, [entry_values(standing.entry(EntryKind.VOID, -1, 1), NOON)])


def _read(ledger: SqlLedger, place: tailing.Place) -> tuple[tuple[str, ...], tailing.Place]:
    with ledger.beside() as connection:
        news = tailing.news(connection, place)
        return tailing.read(connection, place, news.high, NOON)


@pytest.mark.postgres
def test_what_another_server_has_under_way_is_waited_for_while_this_one_books() -> None:
    with postgres_server() as postgres:
        one, other = make_server(postgres.url()), make_server(postgres.url())
        try:
            with other.ledger.transaction() as slow:
                # A number is taken first, and seen last.
                slow.execute(text("SELECT nextval('entries_id_seq')")).scalar()
                one.book(wire(2))
                one.sharing.catch_up()
                one.book(wire(3))
                one.sharing.catch_up()
                slow.execute(_RECORD, {"key": wire(2).key})
            assert one.sharing.catch_up() != ""
        finally:
            one.sharing.lock.release()
            one.ledger.close()
            other.ledger.close()


_RECORD = text(
    "INSERT INTO entries SELECT 1, :key, 1, entry, operations, occurred_ns, booked_ns, amount_nano, list_nano,"
    " input_nano, output_nano, cache_read_nano, cache_write_nano, other_nano, input_tokens, output_tokens, status,"
    " reason, detail, pricing_model, price_id, catalog, source, counted_as, paying_list_nano FROM entries LIMIT 1"
)
