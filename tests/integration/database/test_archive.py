"""FEATURES C14: calls leave the book for files, whole days of them; no dollar is lost or booked twice by that."""

from __future__ import annotations

import gzip
import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from otel_cost.errors import ArchivedError, LedgerError
from otel_cost.ledger import CallQuery, SummaryQuery, archive_files, partitions, retention
from otel_cost.ledger.archive import apply_retention, archive, waiting
from otel_cost.ledger.base import Correction
from otel_cost.ledger.horizon import horizon_ns, require_kept
from otel_cost.ledger.schema import DAY_NS
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.model import Reason, Void
from tests.contract.ledger.books import again, priced
from tests.integration.database import books
from tests.integration.database.books import NOVEMBER, OCTOBER

NOW = NOVEMBER.end_ns + DAY_NS
MID_NOVEMBER = NOVEMBER.start_ns + 14 * DAY_NS
SUMMED = ("dims", "rollups_day", "rollups_15min", "entity_days", "distributions")


def contents(ledger: SqlLedger) -> dict[str, Any]:
    with ledger.transaction() as connection:
        return dict(books.contents(connection))


def sums(ledger: SqlLedger) -> dict[str, Any]:
    return {name: rows for name, rows in contents(ledger).items() if name in SUMMED}


def archived_rows(directory: Path) -> dict[str, Any]:
    """Rows by their keys; of a call that is in two parts, the later one's."""
    names = [file.name for file in archive_files.read_manifest(directory).files]
    return {row["record_key"]: row for name in names for row in archive_files.calls_in(directory / name)}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_months_calls_go_into_a_file_and_out_of_the_book(url: str, tmp_path: Path, form: str) -> None:
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        october = [call for call in made if call.start_ns < OCTOBER.end_ns]
        summed, before = sums(ledger), contents(ledger)
        assert waiting(ledger, OCTOBER.end_ns) == len(october)
        told: list[int] = []
        done = archive(ledger, OCTOBER.end_ns, tmp_path / "cold", now_ns=NOW, form=form, remove=True, told=told.append)
        assert done.files == (f"costs-2025-10.{archive_files.FORMATS[form]}",)
        assert (done.calls, done.removed, sum(told)) == (len(october), len(october), len(october))
        assert sums(ledger) == summed
        after = contents(ledger)
        assert len(after["records"]) == len(made) - len(october)
        assert all(len(after[name]) < len(before[name]) for name in ("entries", "opinions"))
        rows = archived_rows(tmp_path / "cold")
        assert set(rows) == {call.key for call in october}
        assert done.amount_nano == sum(entry["amount_nano"] for row in rows.values() for entry in row["entries"])
        corrected = rows[october[0].key]
        assert [entry["entry"] for entry in corrected["entries"]] == ["charge", "correction", "correction"]
        assert corrected["entries"][-1]["amount_nano"] == 77
        assert rows[october[7].key]["opinions"][0]["amount_nano"] == 999
        assert rows[october[3].key]["labels"] == {"team": "team0"}
        assert rows[october[3].key]["usage"] == {"input_tokens": 100, "output_tokens": 10}


def test_both_formats_hold_the_same(sqlite_url: str, tmp_path: Path) -> None:
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger)
        for form in archive_files.FORMATS:
            archive(ledger, NOVEMBER.end_ns, tmp_path / form, now_ns=NOW, form=form)
        assert archived_rows(tmp_path / "jsonl") == archived_rows(tmp_path / "parquet")
        with gzip.open(tmp_path / "jsonl" / "costs-2025-10.jsonl.gz") as file:
            assert "record_key" in json.loads(file.readline())


def test_what_is_archived_is_not_booked_again_nor_changed(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        october = [call for call in made if call.start_ns < OCTOBER.end_ns]
        archive(ledger, OCTOBER.end_ns, tmp_path, now_ns=NOW, remove=True)
        before = contents(ledger)
        late = books.call(1000, OCTOBER.start_ns + 5)
        written = ledger.write([*made, late, again(october[4], priced(5))], booked_at_ns=NOW)
        # One record a key: of the one that comes twice, the ledger is told twice.
        assert written.archived == len(october) + 2
        assert (written.booked, written.corrected, written.unchanged) == (0, 0, len(made) - len(october))
        assert ledger.write([], [Void(october[5].key, Reason.SAME_CALL, made[-1].key)], booked_at_ns=NOW).voided == 0
        assert ledger.correct([Correction(october[6].key, 0, priced(1))], booked_at_ns=NOW).corrected == 0
        assert contents(ledger) == before


def test_closed_calls_that_are_still_there_are_left_alone(url: str, tmp_path: Path) -> None:
    """A run that was killed between closing the days and removing their rows."""
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        archive(ledger, OCTOBER.end_ns, tmp_path, now_ns=NOW)
        with ledger.snapshot() as connection:
            days = retention.days(connection, 0, OCTOBER.end_ns)
        assert all(retention.close(ledger, day, place=str(tmp_path), now_ns=NOW) for day in days)
        before = contents(ledger)
        changed = [again(made[3], priced(9)), again(made[10], priced(9))]
        assert ledger.write(changed, booked_at_ns=NOW).archived == 2
        assert ledger.write([], [Void(made[5].key, Reason.SAME_CALL, made[6].key)], booked_at_ns=NOW).voided == 0
        assert not ledger.correct([Correction(made[6].key, 0, priced(1))], booked_at_ns=NOW).corrected
        assert contents(ledger) == before
        done = archive(ledger, OCTOBER.end_ns, tmp_path, now_ns=NOW, remove=True)
        assert (done.files, done.removed) == ((), sum(day.records for day in days))


def test_a_second_run_writes_only_what_is_new(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        first = archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW)
        assert first.files == ("costs-2025-10.jsonl.gz", "costs-2025-11.jsonl.gz")
        assert archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW) == replace(first, files=())
        ledger.write([again(made[3], priced(123_456))], booked_at_ns=NOW)
        third = archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW, remove=True)
        assert third.files == ("costs-2025-10.2.jsonl.gz",)
        rows = archived_rows(tmp_path)
        assert set(rows) == {call.key for call in made}
        assert third.amount_nano == sum(entry["amount_nano"] for row in rows.values() for entry in row["entries"])
        assert contents(ledger)["records"] == []
        with ledger.snapshot() as connection:
            assert horizon_ns(connection) == NOVEMBER.end_ns


def test_a_day_that_changed_meanwhile_is_not_closed(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        with ledger.snapshot() as connection:
            days = retention.days(connection, 0, NOVEMBER.end_ns)
        ledger.write([again(made[3], priced(5))], booked_at_ns=NOW)
        assert not retention.close(ledger, days[0], place="x", now_ns=NOW)
        ledger.write([books.call(1000, OCTOBER.start_ns - 1)], booked_at_ns=NOW)
        assert not retention.close(ledger, days[0], place="x", now_ns=NOW)
        with ledger.snapshot() as connection:
            assert horizon_ns(connection) == 0


def test_who_asks_for_archived_calls_is_told_so(url: str, tmp_path: Path) -> None:
    with open_ledger(url) as ledger:
        books.fill(ledger)
        archive(ledger, MID_NOVEMBER, tmp_path / "cold", now_ns=NOW, remove=True)
        with ledger.snapshot() as connection:
            require_kept(connection, MID_NOVEMBER)
            with pytest.raises(ArchivedError, match=r"before 2025-11-15 \(UTC\) are archived"):
                require_kept(connection, MID_NOVEMBER - 1)
        late = MID_NOVEMBER - DAY_NS
        asked: list[Callable[[], object]] = [
            lambda: ledger.summary(SummaryQuery(late, NOW, as_of_ns=NOW)),
            lambda: ledger.summary(SummaryQuery(late, NOW, ("user",))),
            lambda: ledger.disagreements(SummaryQuery(late, NOW)),
            lambda: ledger.calls(CallQuery(late, NOW)),
            lambda: ledger.calls(CallQuery(0, MID_NOVEMBER)),
            lambda: ledger.standing(late, NOW),
        ]
        for ask in asked:
            with pytest.raises(ArchivedError):
                ask()
        assert (
            len(ledger.calls(CallQuery(0, NOW, limit=1000)))
            == ledger.summary(SummaryQuery(MID_NOVEMBER, NOW)).total.calls
        )
        assert ledger.summary(SummaryQuery(OCTOBER.start_ns, MID_NOVEMBER, ("team",))).total.calls > 100


def test_a_damaged_file_stops_it_all(sqlite_url: str, tmp_path: Path) -> None:
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger)
        archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW)
        path = tmp_path / "costs-2025-10.jsonl.gz"
        path.write_bytes(path.read_bytes()[:-100])
        before = contents(ledger)
        with pytest.raises(LedgerError, match=r"costs-2025-10\.jsonl\.gz is not what it was"):
            archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW, remove=True)
        assert contents(ledger) == before


def test_a_file_that_does_not_read_back_removes_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_off(path: Path, rows: Any) -> None:
        with gzip.open(path, "wb") as file:
            lines = [json.dumps(row).encode() + b"\n" for row in rows]
            file.writelines(lines[:-1])

    monkeypatch.setattr(archive_files, "_write_lines", cut_off)
    with open_ledger(sqlite_url) as ledger:
        books.fill(ledger)
        before = contents(ledger)
        with pytest.raises(LedgerError, match="did not read back"):
            archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW, remove=True)
        assert contents(ledger) == before
        assert archive_files.read_manifest(tmp_path).files == ()


def test_two_at_a_time_is_one_too_many(sqlite_url: str, tmp_path: Path) -> None:
    with (
        open_ledger(sqlite_url) as ledger,
        archive_files.alone(tmp_path),
        pytest.raises(LedgerError, match="another process"),
    ):
        archive(ledger, NOVEMBER.end_ns, tmp_path, now_ns=NOW)


def test_without_pyarrow_it_says_what_to_install(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, package: str | None = None) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name="pyarrow")

    with open_ledger(sqlite_url) as ledger:
        monkeypatch.setattr(importlib, "import_module", missing)
        with pytest.raises(Exception, match=r"pip install 'otel-cost\[parquet\]'"):
            archive(ledger, NOVEMBER.end_ns, tmp_path / "cold", now_ns=NOW, form="parquet")
        assert not (tmp_path / "cold").exists()


@pytest.mark.parametrize("before", [OCTOBER.start_ns + 1, NOW + DAY_NS])
def test_only_whole_days_that_are_over(sqlite_url: str, tmp_path: Path, before: int) -> None:
    with open_ledger(sqlite_url) as ledger, pytest.raises(ValueError, match="UTC"):
        archive(ledger, before, tmp_path, now_ns=NOW)


@pytest.mark.parametrize("archives", [True, False])
def test_retention_keeps_the_last_days_and_all_sums(url: str, tmp_path: Path, archives: bool) -> None:
    with open_ledger(url) as ledger:
        made = books.fill(ledger)
        summed = sums(ledger)
        kept = [call for call in made if call.start_ns >= MID_NOVEMBER]
        now_ns = MID_NOVEMBER + 30 * DAY_NS + 7
        to = tmp_path / "cold" if archives else None
        done = apply_retention(ledger, now_ns, keep_s=30 * 86_400, to=to)
        assert done.removed == len(made) - len(kept)
        assert {call.key for call in kept} == set(ledger.booked([call.key for call in made]))
        assert sums(ledger) == summed
        assert apply_retention(ledger, now_ns, keep_s=30 * 86_400, to=to).removed == 0
        assert ledger.write(made, booked_at_ns=NOW).archived == len(made) - len(kept)
        if archives:
            assert len(archived_rows(tmp_path / "cold")) == len(made) - len(kept)


@pytest.mark.postgres
def test_whole_months_are_dropped(postgres_url: str, tmp_path: Path) -> None:
    with open_ledger(postgres_url) as ledger:
        books.fill(ledger)
        with ledger.transaction() as connection:
            partitions.ensure_partitions(connection, NOW)
            assert {OCTOBER, NOVEMBER} <= set(partitions.months(connection))
            assert connection.execute(text("SELECT count(*) FROM entries_default")).scalar_one() == 0
        archive(ledger, MID_NOVEMBER, tmp_path, now_ns=NOW, remove=True)
        with ledger.transaction() as connection:
            there = set(partitions.months(connection))
            assert OCTOBER not in there
            assert NOVEMBER in there
            oldest = connection.execute(text("SELECT min(occurred_ns) FROM entries")).scalar_one()
            assert oldest >= MID_NOVEMBER
            # Nobody can add to it any more: it does not come back by itself.
            assert OCTOBER not in partitions.ensure_partitions(connection, NOW)
