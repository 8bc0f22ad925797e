"""``otel-cost reprice`` over a real file: shown first, corrected by new rows, once."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.cli import reprice as command
from otel_cost.ledger.base import Correction, Written
from otel_cost.ledger.questions import SummaryQuery
from otel_cost.ledger.sql import SqlLedger, open_ledger
from otel_cost.model import Reason, Status, Void
from tests.contract.ledger.books import EVER, NOON, total
from tests.integration.reprice.books import (
    FOUND,
    PERIOD,
    RIGHT,
    WRONG,
    book,
    call,
    catalog_of,
    charged,
    every_kind,
    price_file,
    rows,
)

BEFORE = (1001 + 1002 + 1003) * 2000 + 3 * 100 * 8000
AFTER = (1001 + 1002 + 1003) * 3000 + 3 * 100 * 9000
NEWLY = (1004 + 100 + 1005 + 100) * 1000
LEFT_ALONE = (1008 * 2000 + 100 * 8000) + 5 + 1000


@dataclass(frozen=True)
class Desk:
    """A book of every kind of call, priced by a wrong file, and the mended file."""

    path: Path
    url: str
    mended: Path

    def run(self, *arguments: str, entered: str | None = None, **environment: str) -> Result:
        variables = {"OTEL_COST_PRICES": str(self.mended), **environment}
        return CliRunner().invoke(main, [*arguments, "--db", self.url], input=entered, env=variables)

    def reprice(self, *arguments: str, entered: str | None = None, **environment: str) -> Result:
        return self.run("reprice", *PERIOD, *arguments, entered=entered, **environment)

    def amounts(self, **filters: str) -> int:
        with open_ledger(self.url) as ledger:
            return ledger.summary(SummaryQuery(0, 2 * NOON, filters=filters)).total.amount_nano


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    wrong = price_file(tmp_path / "wrong.json", WRONG)
    mended = price_file(tmp_path / "mended.json", RIGHT, FOUND)
    path = tmp_path / "book.db"
    return Desk(path, book(path, every_kind(catalog_of(wrong))), mended)


def _table(result: Result) -> list[list[str]]:
    """The cells of the table: its head, its lines, its foot."""
    lines = (line for line in result.stdout.splitlines() if line[:1] in ("│", "┃"))
    return [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines]


def test_the_difference_is_shown_and_a_dry_run_writes_nothing(desk: Desk) -> None:
    before = rows(desk.path)
    result = desk.reprice("--dry-run")
    assert result.exit_code == 0, result.output
    assert rows(desk.path) == before
    assert _table(result) == [
        ["provider", "model", "calls", "booked USD", "new USD", "difference"],
        ["acme", "chat", "3", "0.008412", "0.011718", "+0.003306"],
        ["acme", "new", "2", "0.00", "0.002209", "+0.002209"],
        ["total", "", "5", "0.008412", "0.013927", "+0.005515"],
    ]
    assert (BEFORE, AFTER, NEWLY) == (8_412_000, 11_718_000, 2_209_000)
    said = " ".join(result.stdout.split())
    assert "11 calls looked at" in said
    assert "5 to correct, of which 2 had no price" in said
    assert "1 unchanged" in said, "the failed call costs nothing by any price"
    assert "5 cannot be priced anew and stay as they are:" in said
    assert "1: no price today: unknown_provider" in said
    assert "1: no usage in the book: no_usage" in said
    assert "1: booked without what its price went by" in said
    assert "1: its amount does not come from a price list" in said
    assert "1: infrastructure: a fee, or" in said
    assert "Dry run: nothing was booked." in said


def test_corrections_are_new_rows_with_both_prices_and_the_past_stays(desk: Desk) -> None:
    """A charge keeps its price id and catalog; re-pricing adds rows and edits none."""
    before = rows(desk.path)
    started = time.time_ns()
    result = desk.reprice("--yes")
    assert result.exit_code == 0, result.output
    assert "Booked 5 corrections, +0.005515 USD." in result.stdout
    after = rows(desk.path)
    assert after["entries"][: len(before["entries"])] == before["entries"]
    with closing(sqlite3.connect(desk.path)) as connection:
        added = connection.execute(
            "SELECT entry, operations, amount_nano, status, price_id, catalog, booked_ns FROM entries "
            "WHERE sequence > 0 ORDER BY record_key, sequence"
        ).fetchall()
    assert [row[:2] for row in added] == [("correction", -1), ("correction", 1)] * 5
    catalogs = [row[5] for row in added]
    assert len(set(catalogs[::2])) == len(set(catalogs[1::2])) == 1
    assert catalogs[0] != catalogs[1]
    assert "overlay:" in catalogs[0]
    assert added[0][2:5] == (-(1001 * 2000 + 800_000), "priced", "overlay/acme/chat")
    assert added[1][2:5] == (1001 * 3000 + 900_000, "priced", "overlay/acme/chat")
    assert all(row[6] > started for row in added)
    with open_ledger(desk.url) as ledger:
        then = ledger.summary(SummaryQuery(0, 2 * NOON, as_of_ns=started)).total
        now = ledger.summary(SummaryQuery(0, 2 * NOON)).total
    assert (then.amount_nano, now.amount_nano) == (BEFORE + LEFT_ALONE, AFTER + NEWLY + LEFT_ALONE)
    assert (then.calls, then.input_tokens) == (now.calls, now.input_tokens)
    assert now.amount_nano == sum(now.parts)


def test_every_status_stays_what_it_was_but_unpriced(desk: Desk) -> None:
    """FEATURES D6: a missing price that was added prices what was booked without one."""
    with open_ledger(desk.url) as ledger:
        before = dict(total(ledger).operations)
        unpriced = sum(calls.operations for calls in ledger.unpriced(EVER))
        assert desk.reprice("--yes").exit_code == 0
        after = dict(total(ledger).operations)
        assert sum(calls.operations for calls in ledger.unpriced(EVER)) == unpriced - 2
    assert before == {
        Status.PRICED: 6, Status.ESTIMATED: 1, Status.UNPRICED: 4, Status.DUPLICATE: 1, Status.WRAPPER: 1,
    }  # fmt: skip
    # Of the two that have a price by now one is an estimate: its counts were estimated.
    assert after == {
        Status.PRICED: 7, Status.ESTIMATED: 2, Status.UNPRICED: 2, Status.DUPLICATE: 1, Status.WRAPPER: 1,
    }  # fmt: skip
    assert desk.amounts(status="estimated", reason="usage_estimated") == 1003 * 3000 + 900_000 + 1_105_000


def test_twice_changes_nothing_the_second_time(desk: Desk) -> None:
    assert desk.reprice("--yes").exit_code == 0
    once = rows(desk.path)
    result = desk.reprice("--yes")
    assert "Nothing to correct." in result.stdout
    assert rows(desk.path) == once


def test_a_newer_catalog_with_the_same_prices_corrects_nothing(desk: Desk) -> None:
    assert desk.reprice("--yes").exit_code == 0
    once = rows(desk.path)
    price_file(desk.mended, RIGHT, FOUND, {**FOUND, "model": "unrelated"})
    assert "Nothing to correct." in desk.reprice("--yes").stdout
    assert rows(desk.path) == once


def test_a_price_that_is_gone_takes_nothing_back(desk: Desk) -> None:
    price_file(desk.mended, FOUND)
    assert desk.reprice("--yes").exit_code == 0
    assert desk.amounts() == BEFORE + NEWLY + LEFT_ALONE


def test_report_shows_which_price_every_charge_used(desk: Desk) -> None:
    """Provenance, through the ledger to the report."""
    period = ("--since", "2026-09-01", "--until", "2026-12-01", "--format", "json", "--where", "status=priced")

    def used() -> dict[tuple[str, str], int]:
        body = json.loads(desk.run("report", "--by", "price_id,catalog", *period).stdout)
        return {
            (group["key"]["price_id"], group["key"]["catalog"]): group["cost"]["nano_usd"] for group in body["groups"]
        }

    ((_, wrong),) = [key for key in used() if key[0] == "overlay/acme/chat"]
    assert desk.reprice("--yes").exit_code == 0
    (right,) = {key[1] for key in used() if key[0] == "overlay/acme/new"}
    assert used()["overlay/acme/chat", right] == 1001 * 3000 + 1002 * 3000 + 2 * 900_000
    assert used()["overlay/acme/chat", wrong] == 1008 * 2000 + 800_000, "the one that could not be priced anew"


@pytest.mark.parametrize(
    ("choice", "models"),
    [
        (("--model", "CH*"), {"chat"}),
        (("--model", "new"), {"new"}),
        (("--provider", "Acme"), {"chat", "new"}),
        (("--provider", "openai"), set()),
        (("--model", "gpt-*"), set()),
    ],
)
def test_only_what_was_asked_for(desk: Desk, choice: Sequence[str], models: set[str]) -> None:
    assert desk.reprice("--yes", *choice).exit_code == 0
    corrected = {entry for entry in ("chat", "new") if desk.amounts(model=entry) in (AFTER + LEFT_ALONE, NEWLY)}
    assert corrected == models


def test_the_window_is_by_the_start_of_the_call(desk: Desk) -> None:
    second, third = ("2026-09-21T14:13:22Z", "2026-09-21T14:13:23Z")  # NOON is 14:13:20
    result = desk.run("reprice", "--from", second, "--to", third, "--yes")
    assert "Booked 1 corrections" in result.stdout, result.output
    assert desk.amounts() == BEFORE + LEFT_ALONE + 1002 * 1000 + 100 * 1000


def test_without_a_terminal_it_wants_a_word(desk: Desk) -> None:
    before = rows(desk.path)
    result = desk.reprice()
    assert result.exit_code == 2
    assert "there is nobody to ask: add --yes" in result.output
    assert rows(desk.path) == before


@pytest.mark.parametrize(("answer", "booked"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_at_a_terminal_it_asks(desk: Desk, monkeypatch: pytest.MonkeyPatch, answer: str, booked: bool) -> None:
    monkeypatch.setattr(command, "_at_terminal", lambda: True)
    before = rows(desk.path)
    result = desk.reprice(entered=answer)
    assert result.exit_code == 0
    assert "Book 5 corrections? [y/N]" in result.stdout
    assert result.stdout.index("difference") < result.stdout.index("Book 5")
    assert (rows(desk.path) != before) is booked


def test_calls_of_another_deployment_tier_are_left(desk: Desk) -> None:
    """FEATURES E1: what development had for nothing is not charged later."""
    catalog = catalog_of(price_file(desk.path.parent / "wrong.json", WRONG), tier="development")
    book(desk.path, [charged(catalog, call(20))])
    result = desk.reprice("--yes")
    assert "1: priced for another deployment tier: run this with OTEL_COST_TIER=development" in result.stdout
    assert desk.amounts(model="chat") == AFTER + LEFT_ALONE, "what development did not pay is not charged now"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing option '--from'"),
        (("--from", "yesterday"), "yesterday"),
        (("--from", "2026-11-01", "--to", "2026-10-01"), "the period ends before it starts"),
    ],
)
def test_what_makes_no_sense_is_refused(desk: Desk, arguments: Sequence[str], said: str) -> None:
    result = desk.run("reprice", "--dry-run", *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_call_that_changes_meanwhile_is_left_to_the_next_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    correct = SqlLedger.correct

    def overtaken(ledger: SqlLedger, corrections: Sequence[Correction], *, booked_at_ns: int) -> Written:
        ledger.write([], [Void(corrections[0].key, Reason.SAME_CALL, "")], booked_at_ns=booked_at_ns)
        return correct(ledger, corrections, booked_at_ns=booked_at_ns)

    monkeypatch.setattr(SqlLedger, "correct", overtaken)
    result = desk.reprice("--yes")
    assert "1 calls got another verdict meanwhile and were left" in result.stdout
    assert "Booked 4 corrections" in result.stdout
    with open_ledger(desk.url) as ledger:
        assert total(ledger).operations[Status.DUPLICATE] == 2


def test_help_teaches_by_example() -> None:
    result = CliRunner().invoke(main, ["reprice", "--help"])
    assert "otel-cost reprice --from 2026-10-01 --to 2026-11-01 --model 'gpt-5*' --dry-run" in result.output
    assert "reports --as-of an earlier time stay" in " ".join(result.output.split())
