"""``otel-cost import`` over real files and a real book: all of it once, whatever happens in between."""

from __future__ import annotations

import gzip
import json
import os
import pty
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.ledger.base import MAX_STORED, Correction
from otel_cost.ledger.jsonl import JsonlLedger
from otel_cost.ledger.questions import Summary, SummaryQuery
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Reason, Status, Void
from tests.contract.ledger.books import NOON, priced, record
from tests.integration.importing import files
from tests.support import processes, waiting
from tests.support.postgres import postgres_server

BIN = Path(sys.executable).parent / "otel-cost"
EVER = SummaryQuery(0, 2**62)
MANY = 2500
"""Rows that take a while."""


@dataclass(frozen=True)
class Desk:
    directory: Path

    @property
    def url(self) -> str:
        return f"sqlite:///{self.directory / 'book.db'}"

    def run(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(main, ["import", *map(str, arguments), "--db", self.url])

    def summary(self, *by: str) -> Summary:
        with open_ledger(self.url, create=False) as ledger:
            return ledger.summary(SummaryQuery(0, 2**62, by))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_request_log_comes_in_as_written_and_once(desk: Desk) -> None:
    """FEATURES D1, D9."""
    log = files.request_log(desk.directory / "log.jsonl", 600)
    first = desk.run(log)
    assert (first.exit_code, first.stderr) == (0, "")
    assert f"{log} (jsonl): 600 rows, 600 calls booked, 0.24 USD" in first.output
    total = desk.summary("source").total
    assert (total.amount_nano, total.calls) == (600 * files.LOG_NANO, 600)
    assert desk.summary("source").rows[0].group == ("import",)
    assert "earlier run has read (--again reads them, too): 600" in desk.run(log).output
    again = desk.run(log, "--again")
    assert again.exit_code == 0
    assert "in the book already: 600" in again.output
    assert desk.summary("source").total == total


def test_a_request_log_can_be_priced_by_the_catalog(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 10)
    assert desk.run(log, "--costs", "ours").exit_code == 0
    assert desk.summary().total.amount_nano == 10 * files.SPAN_NANO
    with open_ledger(desk.url) as ledger:
        (heard,) = ledger.disagreements(EVER)
    assert (heard.disagreeing, heard.stated_nano) == (10, 10 * files.LOG_NANO)


def test_spend_logs_are_priced_at_their_day_and_theirs_is_an_opinion(desk: Desk) -> None:
    rows = [json.loads(line) for line in files.spend_logs(desk.directory / "made", 5).read_text().splitlines()]
    array = desk.directory / "spend.json.gz"
    array.write_bytes(gzip.compress(json.dumps(rows, indent=1).encode()))
    done = desk.run(array)
    assert f"{array} (litellm): 5 rows, 5 calls booked" in done.output
    total = desk.summary("team").total
    assert total.amount_nano == 5 * files.LITELLM_NANO
    assert desk.summary("team").rows[0].group == ("search",)
    with open_ledger(desk.url) as ledger:
        (heard,) = ledger.disagreements(EVER)
    assert (heard.compared, heard.disagreeing) == (5, 0)


def test_their_figures_are_booked_where_that_is_wanted(desk: Desk) -> None:
    log = files.spend_logs(desk.directory / "spend.jsonl", 5)
    files.written(
        log, *log.read_text().splitlines(), {**files.LITELLM, "request_id": "0", "spend": 0, "startTime": 1e9}
    )
    assert desk.run(log, "--costs", "theirs").exit_code == 0
    sources = {row.group[0]: row.amount_nano for row in desk.summary("source").rows}
    ours = next(name for name in sources if name != "foreign:litellm")
    assert sources == {"foreign:litellm": 5 * 240_000, ours: files.LITELLM_NANO}, "their 0 is not believed"


def test_what_costs_nothing_what_failed_and_what_is_not_known_are_told_apart(desk: Desk) -> None:
    """Never a silent $0."""
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "spend": 0}
    at = {"startTime": "2026-10-05T10:00:00Z"}
    log = files.written(
        desk.directory / "spend.jsonl",
        {**files.LITELLM, **at, "request_id": "cached", "cache_hit": "True", "spend": 0},
        {**files.LITELLM, **at, **nothing, "request_id": "failed", "status": "failure"},
        {**files.LITELLM, **at, **nothing, "request_id": "unknown"},
        {**files.LITELLM, **at, **nothing, "request_id": "listed", "call_type": "alist_input_items"},
    )
    done = desk.run(log)
    assert "of them without a price, which is not 0 (see otel-cost unpriced): 1" in done.output
    assert "rows that are no calls: 1" in done.output
    verdicts = {row.group for row in desk.summary("status", "reason").rows}
    assert verdicts == {("priced", ""), ("priced", "failed"), ("unpriced", "no_usage")}
    assert desk.summary().total.amount_nano == 0


def test_a_csv_out_of_the_database_comes_in(desk: Desk) -> None:
    log = desk.directory / "spend.csv"
    log.write_text(
        "request_id,call_type,spend,total_tokens,prompt_tokens,completion_tokens,startTime,endTime,model,"
        "custom_llm_provider,metadata\n"
        "c1,acompletion,0.00024,1200,1000,200,2026-10-05 10:00:00.5,2026-10-05 10:00:02,gpt-4o-mini,openai,"
        '"{""usage_object"": {""prompt_tokens_details"": {""cached_tokens"": 400}}}"\n'
    )
    assert "(litellm): 1 rows, 1 calls booked" in desk.run(log).output
    assert desk.summary().total.amount_nano == files.LITELLM_NANO


def test_langfuse_exports_come_in_and_are_the_spans_that_they_were(desk: Desk) -> None:
    """The app's span and Langfuse's observation of it are one call: they have one key."""
    spans = files.traces(desk.directory / "traces.json", files.chat_span(0))
    observation = {
        "id": f"{1:016x}", "trace_id": f"{1:032x}", "type": "GENERATION", "start_time": "2026-10-05 10:00:00.000000",
        "end_time": "2026-10-05 10:00:01.000000", "provided_model_name": "gpt-4o-mini",
        "usage_details": {"input": 1000, "output": 200, "total": 1200}, "cost_details": {"total": 0.00027},
    }  # fmt: skip
    export = files.written(
        desk.directory / "observations.jsonl",
        observation,
        {**observation, "id": f"{2:016x}", "trace_id": f"{2:032x}"},
        {**observation, "id": f"{3:016x}", "type": "SPAN", "usage_details": {}},
    )
    assert desk.run(spans).exit_code == 0
    done = desk.run(export)
    assert f"{export} (langfuse): 3 rows, 1 calls booked, 0.00027 USD" in done.output
    assert "in the book already: 1" in done.output
    assert desk.summary().total.amount_nano == 2 * files.SPAN_NANO


def test_traces_are_settled_as_the_server_settles_them(desk: Desk) -> None:
    """A verdict that was made in process is adopted, everything else is priced; twins are one call."""
    verdict: dict[str, str | int] = {"otel_cost.status": "priced", "otel_cost.charge.nano_usd": 77}
    traces = files.traces(
        desk.directory / "traces.json",
        files.chat_span(0),
        files.chat_span(1, **verdict),
        files.chat_span(2, **{"gen_ai.response.id": "r1"}),
        files.chat_span(3, **{"gen_ai.response.id": "r1"}),
    )
    packed = desk.directory / "traces.json.gz"
    packed.write_bytes(gzip.compress(traces.read_bytes()))
    done = desk.run(packed, "--label", "feature=old", "--label", "team=other")
    assert "(otlp-json): 4 rows, 3 calls booked" in done.output
    assert "part of a call that is counted elsewhere: 1" in done.output
    assert desk.summary().total.amount_nano == 2 * files.SPAN_NANO + 77
    groups = {row.group for row in desk.summary("team", "feature", "service").rows}
    assert groups == {("search", "old", "shop")}, "a label is for calls that do not say it themselves"


def test_a_request_over_several_lines_comes_in(desk: Desk) -> None:
    traces = files.traces(desk.directory / "traces.json", files.chat_span(0))
    traces.write_text(json.dumps(json.loads(traces.read_text()), indent=2))
    assert "(otlp-json): 1 rows, 1 calls booked" in desk.run(traces).output


def test_bad_rows_are_shown_and_the_rest_comes_in(desk: Desk) -> None:
    good = files.request_log(desk.directory / "log.jsonl", 3).read_text().splitlines()
    bad = ["{broken", '{"timestamp": "never", "model": "m", "total_cost": 1}', "[]", '"text"', "{}", "{}", "{}"]
    log = files.written(desk.directory / "log.jsonl", good[0], *bad, *good[1:])
    done = desk.run(log)
    assert done.exit_code == 1
    assert "10 rows, 3 calls booked" in done.stdout
    assert f"{log}:2: it is no JSON" in done.stderr
    assert f"{log}:3: timestamp is 'never'" in done.stderr
    assert "more rows that cannot be booked: 2" in done.stderr
    assert desk.summary().total.calls == 3


def test_only_a_period_comes_in(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 60)
    done = desk.run(log, "--from", "2026-10-05T10:00:10Z", "--to", "2026-10-05T10:00:20Z")
    assert "outside --from and --to: 50" in done.output
    assert desk.summary().total.calls == 10
    assert desk.run(log).exit_code == 0
    assert desk.summary().total.calls == 60, "the rest was not taken for read"


def test_a_dry_run_books_nothing_and_says_the_same(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 700)
    shown = desk.run(log, "--dry-run")
    assert shown.exit_code == 0
    assert "700 calls booked, 0.28 USD" in shown.output
    assert "nothing was booked" in shown.output
    assert sorted(path.name for path in desk.directory.iterdir()) == ["log.jsonl"]
    desk.run(files.request_log(desk.directory / "part.jsonl", 100))
    half = desk.run(log, "--dry-run")
    assert "600 calls booked, 0.24 USD" in half.output
    assert "in the book already: 100" in half.output
    assert desk.summary().total.calls == 100


def test_a_log_that_grows_is_read_on(desk: Desk) -> None:
    whole = files.request_log(desk.directory / "whole.jsonl", 30).read_bytes()
    log = desk.directory / "log.jsonl"
    log.write_bytes(whole[: len(whole) // 2])
    first = desk.run(log)
    assert first.exit_code == 1
    assert f"{log}:15: it is no JSON" in first.stderr or f"{log}:16: it is no JSON" in first.stderr
    log.write_bytes(whole)
    assert desk.run(log).exit_code == 0
    assert desk.summary().total.calls == 30, "the line that was only half there came in as well"


def test_another_file_of_that_name_is_read_from_its_beginning(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 10)
    desk.run(log)
    files.written(log, *reversed(files.request_log(log, 12).read_text().splitlines()))
    assert "12 rows, 2 calls booked" in desk.run(log).output


def test_another_book_of_that_name_is_filled_from_the_beginning(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 10)
    desk.run(log)
    for path in desk.directory.glob("book.db*"):
        if not path.name.endswith(".json"):
            path.unlink()
    assert "10 rows, 10 calls booked" in desk.run(log).output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing.jsonl"], "does not exist"),
        (["log.txt"], "looks like nothing that is known"),
        (["log.jsonl", "--label", "team"], "team=search"),
        (["log.jsonl", "--label", "a b=c"], "'a b' is not a field"),
        (["log.jsonl", "--from", "yesterday"], "is not a date"),
        (["log.jsonl", "--from", "2026-02-01", "--to", "2026-01-01"], "ends before it starts"),
        (["log.jsonl", "--format", "xml"], "xml"),
        ([], "FILE"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(desk.directory)
    files.request_log(desk.directory / "log.jsonl", 1)
    files.written(desk.directory / "log.txt", {"some": "thing"})
    done = desk.run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_an_empty_file_is_all_in(desk: Desk) -> None:
    (desk.directory / "log.jsonl").touch()
    done = desk.run(desk.directory / "log.jsonl")
    assert (done.exit_code, "0 rows, 0 calls" in done.output) == (0, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_it_cleanly_and_the_same_command_goes_on(desk: Desk, number: signal.Signals) -> None:
    log = files.request_log(desk.directory / "log.jsonl", MANY)
    command: list[str | Path] = [BIN, "import", log, "--db", desk.url]
    with processes.running(command, name="import", directory=desk.directory) as child:
        waiting.until((desk.directory / "book.db.imports.json").exists, "the first rows are in", poll_s=0.01)
        os.kill(child.process.pid, number)
        assert child.process.wait(20) == 130
        assert "the same command goes on from there" in child.output()
        assert "Traceback" not in child.output()
    before = desk.summary().total.calls
    assert 0 < before < MANY
    done = desk.run(log)
    assert done.exit_code == 0
    assert f"an earlier run has read (--again reads them, too): {before}" in done.output
    assert f"{MANY - before} rows, {MANY - before} calls booked" in done.output
    assert desk.summary().total.calls == MANY


def test_a_kill_loses_nothing(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", MANY)
    command: list[str | Path] = [BIN, "import", log, "--db", desk.url]
    with processes.running(command, name="import", directory=desk.directory) as child:
        waiting.until((desk.directory / "book.db.imports.json").exists, "the first rows are in", poll_s=0.01)
        child.kill()
    assert 0 < desk.summary().total.calls < MANY
    assert desk.run(log).exit_code == 0
    assert desk.summary().total.amount_nano == MANY * files.LOG_NANO


def test_a_bar_is_shown_on_a_terminal_only(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 300)
    ours, theirs = pty.openpty()
    pid = os.posix_spawn(
        BIN, [str(BIN), "import", str(log), "--db", desk.url],
        processes.clean_environment({"TERM": "xterm", "COLUMNS": "100"}),
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 2)],
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 65536):
            seen += chunk
    except OSError:
        pass  # the other end of a terminal is gone
    finally:
        os.close(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert b"importing" in seen
    assert b"kB" in seen
    assert desk.run(log, "--again").stderr == ""


def test_an_unpriced_model_says_so(desk: Desk) -> None:
    log = files.written(
        desk.directory / "log.jsonl",
        {
            **files.LOG,
            "timestamp": 1_791_194_400,
            "model": "made-up",
            "total_cost": 0,
            "input_cost": 0,
            "output_cost": 0,
        },
    )
    assert desk.run(log).exit_code == 0
    total = desk.summary().total
    assert (total.amount_nano, dict(total.operations)) == (0, {Status.UNPRICED: 1})


def test_a_book_in_json_lines_comes_into_another_as_it_stands(desk: Desk) -> None:
    """FEATURES D1, D9: with its voids and corrections, and the times at which they changed the sums."""
    lines = desk.directory / "kept" / "book.jsonl"
    with JsonlLedger(lines) as kept:
        kept.write([record(number) for number in range(1, 6)], booked_at_ns=NOON)
        kept.write((), [Void(record(1).key, Reason.SAME_CALL, record(2).key)], booked_at_ns=NOON)
        (last,) = [one for one in kept.standing(0, MAX_STORED) if one.key == record(5).key]
        kept.correct([Correction(last.key, last.sequence, priced(7))], booked_at_ns=NOON)
        expected = kept.summary(SummaryQuery(0, 2**62, ("team",)))
    done = desk.run(lines, "--label", "team=other", "--label", "feature=old")
    assert (done.exit_code, "5 calls booked" in done.output) == (0, True)
    assert desk.summary("team").rows == expected.rows
    assert desk.summary("team").total.amount_nano == 3 * 1000 + 7
    assert {row.group for row in desk.summary("feature").rows} == {("old",)}
    assert desk.run(lines, "--again").exit_code == 0
    assert desk.summary("team").rows == expected.rows


def test_it_needs_a_database(desk: Desk) -> None:
    log = files.request_log(desk.directory / "log.jsonl", 1)
    done = CliRunner().invoke(main, ["import", str(log), "--db", f"jsonl:{desk.directory / 'x.jsonl'}"])
    assert done.exit_code == 2
    assert "needs a database" in done.stderr


@pytest.mark.postgres
def test_a_book_on_postgresql_is_filled_once_and_remembered_in_the_working_directory(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(desk.directory)
    with postgres_server() as postgres:
        book = ["--db", postgres.url()]
        log = files.spend_logs(desk.directory / "spend.jsonl", 600)
        first = CliRunner().invoke(main, ["import", str(log), *book])
        assert (first.exit_code, "600 calls booked" in first.output) == (0, True)
        assert (desk.directory / "otel-cost-imports.json").exists()
        assert "has read (--again reads them, too): 600" in CliRunner().invoke(main, ["import", str(log), *book]).output
        again = CliRunner().invoke(main, ["import", str(log), "--again", *book])
        assert "in the book already: 600" in again.output
        with open_ledger(postgres.url(), create=False) as ledger:
            total = ledger.summary(EVER).total
    assert (total.calls, total.amount_nano) == (600, 600 * files.LITELLM_NANO)
