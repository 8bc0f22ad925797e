"""A book on a file, price files before and after they were mended, and a look at all of its rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from otel_cost.config import Config, PriceSettings
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Charge, CostRecord, Kind, Reason, Status, Terms, Usage
from otel_cost.pricing import Catalog, PriceQuery, load_catalog
from tests.contract.ledger.books import NOON, again, record

IN, OUT = 2000, 8000  # nano-USD per token, as first believed: USD 2 and 8 per million
WRONG: Mapping[str, object] = {"provider": "acme", "model": "chat", "per_1m": {"input": 2, "output": 8}}
RIGHT: Mapping[str, object] = {"provider": "acme", "model": "chat", "per_1m": {"input": 3, "output": 9}}
FOUND: Mapping[str, object] = {"provider": "acme", "model": "new", "per_1m": {"input": 1, "output": 1}}
PERIOD = ("--from", "2026-09-01", "--to", "2026-12-01")
Rows = dict[str, list[tuple[object, ...]]]


def price_file(path: Path, *entries: Mapping[str, object], **sections: object) -> Path:
    path.write_text(json.dumps({"prices": list(entries), **sections}), "utf-8")
    return path


def catalog_of(path: Path, tier: str = "") -> Catalog:
    return load_catalog(Config(prices=PriceSettings(files=(path,)), tier=tier))


def call(number: int, model: str = "chat", *, tier: str = "", estimated: bool = False, **counts: int) -> CostRecord:
    """A call without a charge yet; a second after the one of the number before."""
    usage = Usage.of(counts or {"input_tokens": 1000 + number, "output_tokens": 100})
    return replace(
        record(number),
        provider="acme",
        model_requested=model,
        model_answered="",
        usage=usage,
        terms=Terms(tier, "", estimated),
    )


def charged(catalog: Catalog, one: CostRecord) -> CostRecord:
    """``one`` as the server charges it by ``catalog``, schedules apart."""
    assert one.usage is not None
    assert one.terms is not None
    charge = catalog.price(one.usage, PriceQuery(one.provider, one.model, one.start_ns, one.terms.service_tier))
    if one.terms.usage_estimated and charge.status is Status.PRICED:
        charge = replace(charge, status=Status.ESTIMATED, reason=Reason.USAGE_ESTIMATED)
    return replace(one, charge=charge)


def every_kind(catalog: Catalog) -> list[CostRecord]:
    """Calls of every sort that a book has."""
    old = charged(catalog, call(8))
    return [
        *(charged(catalog, call(n)) for n in (1, 2)),
        charged(catalog, call(3, estimated=True)),
        charged(catalog, call(4, "new")),
        charged(catalog, call(5, "new", estimated=True)),
        charged(catalog, call(6, "never-heard-of")),
        replace(call(7), usage=None, charge=Charge(Status.PRICED, Reason.FAILED, source="rule")),
        replace(old, terms=None),
        replace(call(9), usage=None, charge=Charge(Status.UNPRICED, Reason.NO_USAGE)),
        again(call(10), Charge(Status.DUPLICATE, Reason.SAME_CALL), counted_as=old.key),
        again(call(11), Charge(Status.WRAPPER, Reason.HAS_COUNTED_CHILD)),
        replace(
            call(12),
            charge=Charge(Status.PRICED, amount_nano=5, list_nano=5, parts=(0, 0, 0, 0, 5), source="provider"),
        ),
        replace(call(13), kind=Kind.INFRASTRUCTURE),
    ]


def book(path: Path, records: Iterable[CostRecord], booked_at_ns: int = NOON) -> str:
    """The URL of a ledger at ``path`` that has ``records``."""
    url = f"sqlite:///{path}"
    with open_ledger(url) as ledger:
        ledger.write(list(records), booked_at_ns=booked_at_ns)
    return url


def rows(path: Path) -> Rows:
    """All that the tables say."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            for table in ("records", "entries")
        }
