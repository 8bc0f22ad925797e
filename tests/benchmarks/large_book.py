"""Makes books of millions of calls in minutes, for benchmarks: ninety days, the same nine of them ten times.

The first nine are booked as a server books them, by the product's own code. The others are copies of these, made by the
database itself: every table's rows with their times moved on, and with names of their own for calls, traces, sessions
and executions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.progress import Progress
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    Text,
    case,
    cast,
    create_engine,
    insert,
    literal,
    select,
    text,
)
from sqlalchemy import func as sql

from otel_cost.ledger.posting import Posting
from otel_cost.ledger.rollups import RollUps
from otel_cost.ledger.saving import Saver
from otel_cost.ledger.schema import DAY_NS, distributions, entity_days, entries, records, rollups_15min, rollups_day
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Charge, CostRecord, PricingModel, Reason, Status, Terms, Usage, record_key

FIRST_DAY: Final = 20_650 * DAY_NS
"""The book's first day, in July 2026."""
COPIES: Final = 10
DAYS: Final = 9
END: Final = FIRST_DAY + COPIES * DAYS * DAY_NS
SESSIONS: Final = 20_000
USERS: Final = 2_000
CALLS_AN_EXECUTION: Final = 10
CALLS_A_TRACE: Final = 3
_BATCH: Final = 5_000
_MODELS: Final = (
    ("openai", "gpt-5"),
    ("openai", "gpt-5-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-pro"),
)
_TEAMS: Final = tuple(f"team-{number}" for number in range(4))


def make_book(url: str, calls: int) -> None:
    """Fill the empty database at ``url`` with about ``calls`` calls; shows how far it is."""
    open_ledger(url).close()
    engine = _engine(url)
    with Progress() as progress:
        task = progress.add_task(f"a book of {calls:,} calls", total=2 * COPIES)
        with engine.begin() as connection:
            for done in _book(connection, calls // COPIES):
                progress.update(task, completed=done * COPIES)
        for copy in range(1, COPIES):
            with engine.begin() as connection:
                _copy(connection, copy)
            progress.update(task, completed=COPIES + copy + 1)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _engine(url: str) -> Engine:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.execute(text("PRAGMA synchronous = OFF"))
            connection.execute(text("PRAGMA cache_size = -500000"))
    return engine


def _book(connection: Connection, calls: int) -> Iterator[float]:
    """Book the first nine days; yields the share that is done."""
    rollups, saver = RollUps(), Saver("")
    for start in range(0, calls, _BATCH):
        posting = Posting({})
        posting.take_all([_call(number, calls) for number in range(start, min(start + _BATCH, calls))], ())
        added = rollups.of(posting.written.entries)
        saver.save(connection, posting, FIRST_DAY)
        saver.add(connection, added)
        saver.committed(added)
        yield min(1.0, (start + _BATCH) / calls)


def _call(number: int, calls: int) -> CostRecord:
    """The ``number``-th of ``calls``, evenly over the days. A session is one user's and team's, with a model or two."""
    dice = random.Random(number)
    start_ns = FIRST_DAY + number * DAYS * DAY_NS // calls + dice.randrange(DAYS * DAY_NS // calls)
    session = (number * SESSIONS // COPIES // calls + dice.choice([0, 0, 1])) % (SESSIONS // COPIES)
    team = _TEAMS[session % len(_TEAMS)]
    provider, model = _MODELS[(session // len(_TEAMS) + dice.choice([0, 0, 0, 1])) % len(_MODELS)]
    trace = f"{random.Random(number // CALLS_A_TRACE).getrandbits(128):032x}"
    trace_id = f"{trace[0]}0{trace[2:]}"
    span_id = f"{dice.getrandbits(64):016x}"
    return CostRecord(
        key=record_key(trace_id, span_id),
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id="",
        start_ns=start_ns,
        end_ns=start_ns + round(dice.lognormvariate(21, 0.8)),
        operation="chat",
        provider=provider,
        model_requested=model,
        model_answered=model,
        charge=_charge(dice),
        usage=Usage.of({"input_tokens": dice.randrange(200, 20_000), "output_tokens": dice.randrange(10, 2_000)}),
        response_id=f"resp_{dice.getrandbits(96):024x}",
        labels={
            "service": f"{team}-api", "environment": "production", "team": team, "feature": "search",
            "session": f"session-0-{session}", "user": f"user-{session % USERS}",
            "execution": f"execution-0-{number // CALLS_AN_EXECUTION}",
        },
        process="host-1",
        scope="opentelemetry.instrumentation.genai",
        terms=Terms("", "api.example.com"),
    )  # fmt: skip


def _charge(dice: random.Random) -> Charge:
    if dice.random() < 0.02:
        return Charge(Status.UNPRICED, Reason.UNKNOWN_MODEL, detail="there is no price for it", catalog="v1")
    if dice.random() < 0.02:
        return Charge(Status.DUPLICATE, Reason.SAME_CALL)
    amount = round(dice.lognormvariate(15, 1.5))
    parts = (amount - amount // 3, amount // 3, 0, 0, 0)
    return Charge(
        Status.PRICED, None, "", amount, amount, parts, PricingModel.ON_DEMAND, "openai:gpt-5", "v1", "genai-prices"
    )


def _copy(connection: Connection, number: int) -> None:
    """The first nine days once more, ``number`` times nine days later."""
    later = number * DAYS * DAY_NS

    def at(column: Column[Any]) -> ColumnElement[Any]:
        return column + literal(later, column.type)

    def call(column: Column[Any]) -> ColumnElement[Any]:
        return sql.substr(column, 1, 1).concat(str(number)).concat(sql.substr(column, 3))

    def named(column: ColumnElement[Any]) -> ColumnElement[Any]:
        for kind in ("session", "execution"):
            column = sql.replace(column, f"{kind}-0-", f"{kind}-{number}-")
        return column

    def labels(column: Column[Any]) -> ColumnElement[Any]:
        changed = named(cast(column, Text))
        return cast(changed, JSON) if connection.dialect.name == "postgresql" else changed

    def entity(column: Column[Any]) -> ColumnElement[Any]:
        return case((entity_days.c.kind == "trace", call(column)), else_=named(column))

    _again(connection, records, record_key=call, trace_id=call, labels=labels, start_ns=at, end_ns=at)
    _again(connection, entries, record_key=call, occurred_ns=at)
    _again(connection, rollups_15min, start_ns=at)
    _again(connection, rollups_day, start_ns=at)
    _again(connection, distributions, day_ns=at)
    _again(connection, entity_days, day_ns=at, entity=entity, first_ns=at, last_ns=at)


def _again(connection: Connection, table: Table, **changed: Callable[[Column[Any]], ColumnElement[Any]]) -> None:
    """The rows of the first nine days once more; in columns that are named, other values."""
    time = next(table.c[name] for name in ("start_ns", "occurred_ns", "day_ns") if name in table.c)
    kept = [column for column in table.columns if column.autoincrement is not True]
    rows = select(*(changed.get(column.name, _same)(column) for column in kept))
    rows = rows.where(time < FIRST_DAY + DAYS * DAY_NS)
    connection.execute(insert(table).from_select([column.name for column in kept], rows))


def _same(column: Column[Any]) -> ColumnElement[Any]:
    return column
