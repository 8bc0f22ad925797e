"""The sums of a process in a file of its own (FEATURES B2)."""

from __future__ import annotations

import csv
import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from otel_cost.exit_export import ExitExport
from tests.contract.ledger.books import NOON, priced, record, settled_elsewhere, unpriced

LATER = 2**62


def filled(path: Path, *, now_ns: int = LATER) -> ExitExport:
    export = ExitExport(path, clock_ns=lambda: now_ns)
    for one in (
        record(1, priced(1)),
        record(2, priced(10**9)),
        record(3, unpriced()),
        record(4, settled_elsewhere()),
        replace(record(5), model_answered="=cmd()", usage=None),
    ):
        export.take(one)
    return export


def test_sums_are_exact_text(tmp_path: Path) -> None:
    path = filled(tmp_path / "out" / "costs.json").write()
    assert path == tmp_path / "out" / "costs.json"
    told = json.loads(path.read_text())
    assert told["total"] == {"calls": 5, "usd": "1.000001001", "input_tokens": 300, "output_tokens": 30}
    assert told["process"] == os.getpid()
    sums = {(group["model"], group["status"]): (group["calls"], group["usd"]) for group in told["groups"]}
    assert sums == {
        ("gpt-5-2025-08-07", "priced"): (2, "1.000000001"),
        ("gpt-5-2025-08-07", "unpriced"): (1, "0.000000000"),
        ("gpt-5-2025-08-07", "duplicate"): (1, "0.000000000"),
        ("=cmd()", "priced"): (1, "0.000001000"),
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_spreadsheet_gets_no_formula(tmp_path: Path) -> None:
    path = filled(tmp_path / "costs.csv").write()
    assert path is not None
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["model"] for row in rows] == ["'=cmd()", *["gpt-5-2025-08-07"] * 3, ""]
    assert (rows[-1]["provider"], rows[-1]["calls"], rows[-1]["usd"]) == ("total", "5", "1.000001001")


def test_a_process_writes_over_its_own_file_and_over_one_of_an_earlier_run(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text("of yesterday")
    export = filled(path)
    assert export.write() == path
    export.take(record(9))
    assert export.write() == path
    assert json.loads(path.read_text())["total"]["calls"] == 6
    assert [each.name for each in tmp_path.iterdir()] == ["costs.json"], "and leaves nothing half written"


def test_what_another_process_wrote_meanwhile_is_let_be(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    export = filled(path, now_ns=NOON - 10**18)
    path.write_text("of another")
    assert export.write() == tmp_path / f"costs.{os.getpid()}.json"
    assert path.read_text() == "of another"


def test_a_process_without_calls_says_so(tmp_path: Path) -> None:
    path = ExitExport(tmp_path / "costs.json").write()
    assert path is not None
    assert json.loads(path.read_text())["total"]["calls"] == 0


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    export = filled(tmp_path / "file" / "costs.json")
    with pytest.raises(OSError, match="costs"):
        export.write()
