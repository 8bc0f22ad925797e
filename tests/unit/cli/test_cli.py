"""The command line, called in process."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from otel_cost.cli import COMMANDS, main
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Opinion, OpinionSource
from tests.contract.ledger.books import NOON, priced, record, unpriced

HOUR = 3600 * 10**9


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=dict(environment))


@pytest.fixture
def book(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'some.db'}"
    now = time.time_ns()
    with open_ledger(url) as ledger:
        calls = [
            (1, priced(1_500_000_000), {"team": "search", "user": "ada"}),
            (2, priced(250), {"team": "support", "user": "bob"}),
            (3, unpriced(), {"team": "support", "user": "[red]\x1b[31mbob"}),
        ]
        recent = [replace(record(number, charge, **labels), start_ns=now - HOUR) for number, charge, labels in calls]
        old = replace(record(4, priced(9_000_000_000)), start_ns=now - 48 * HOUR)
        ledger.write([*recent, old], booked_at_ns=now)
    return url


def test_help_teaches_and_lists_every_command() -> None:
    result = _run("--help")
    assert result.exit_code == 0
    for name, lazy in COMMANDS.items():
        assert name in result.output
        assert lazy.help.split(",")[0] in result.output
    assert "opentelemetry-instrument python app.py" in result.output
    for name in COMMANDS:
        assert _run(name, "--help").exit_code == 0


def test_help_imports_no_server_and_no_database() -> None:
    code = (
        "import sys; from otel_cost.cli import main; main(['--help'], standalone_mode=False);"
        "heavy = {'fastapi', 'sqlalchemy', 'uvicorn', 'genai_prices', 'pydantic', 'rich'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("command", "package"), [("serve", "uvicorn"), ("serve", "fastapi"), ("report", "sqlalchemy")])
def test_a_missing_package_is_named_with_what_to_install(command: str, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from otel_cost.cli import main; main([{command!r}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{package}, which is not installed: pip install 'otel-cost[" in done.stderr


# --- report -----------------------------------------------------------------------------------------------------------


def test_report_shows_sums_and_lists_unpriced_calls_apart(book: str) -> None:
    result = _run("report", "--db", book, "--since", "24h", "--by", "team,user")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    (search,) = (line for line in lines if "search" in line)
    assert "1.50" in search
    (total,) = (line for line in lines if "total" in line)
    assert "1.50000025" in total
    assert "Without a price" in result.output
    assert "unknown_model" in result.output
    assert "per_1m: {input: <USD>, output: <USD>}" in result.output
    assert "[red]" in result.output, "labels are not markup"
    assert "\x1b" not in result.output, "nor are they obeyed by the terminal"
    assert "search" not in result.output[result.output.index("Without a price") :]


def test_report_in_json_is_the_apis_answer(book: str) -> None:
    body = json.loads(_run("report", "--db", book, "--since", "7d", "--by", "team", "--format", "json").output)
    assert [(group["key"]["team"], group["cost"]["nano_usd"]) for group in body["groups"]] == [
        ("search", 10_500_000_000),
        ("support", 250),
    ]
    assert body["total"]["cost"]["usd"] == "10.500000250"
    assert body["unpriced"][0]["calls"] == 1


def test_a_label_is_no_formula_and_no_row_in_csv(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'book.db'}"
    with open_ledger(url) as ledger:
        for number, team in enumerate(("=HYPERLINK(1)", "a\rb")):
            ledger.write([record(number, team=team)], booked_at_ns=NOON)
    period = ("--since", "2026-01-01", "--until", "2028-01-01")
    result = CliRunner().invoke(main, ["report", "--db", url, *period, "--by", "team", "--format", "csv"])
    rows = [row["team"] for row in csv.DictReader(io.StringIO(result.stdout, newline=""))]
    assert sorted(rows) == ["'=HYPERLINK(1)", "a\N{REPLACEMENT CHARACTER}b"]


def test_report_in_csv_is_one_row_a_group(book: str) -> None:
    result = CliRunner().invoke(main, ["report", "--db", book, "--since", "1d", "--by", "team", "--format", "csv"])
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["team"], row["usd"], row["calls"], row["unpriced_calls"]) for row in rows] == [
        ("search", "1.500000000", "1", "0"),
        ("support", "0.000000250", "2", "1"),
    ]
    assert "1 calls have no price" in result.stderr


def test_report_takes_periods_and_filters(book: str) -> None:
    def usd(*arguments: str) -> str:
        output = _run("report", "--db", book, "--format", "json", *arguments).output
        return str(json.loads(output)["total"]["cost"]["usd"])

    assert usd("--since", "3d", "--until", "24h") == "9.000000000"
    assert usd("--since", "1970-01-01") == "10.500000250"
    assert usd("--since", "1d", "--where", "team=support") == "0.000000250"
    assert usd("--since", "1d", "--where", "team=support", "--where", "label.user=ada") == "0.000000000"
    assert usd("--since", "1d", "--as-of", "1h") == "0.000000000"


def test_report_on_an_empty_period_says_so(book: str) -> None:
    assert "The book has no calls there." in _run("report", "--db", book, "--since", "1m").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "yesterday"), "'yesterday' is not a date"),
        (("--by", "colour"), "'colour' is not known"),
        (("--where", "team"), "has no '='"),
        (("--where", "colour=red"), "'colour' is not known"),
        (("--since", "1h", "--until", "2h"), "ends before it starts"),
        (("--format", "pdf"), "'pdf' is not one of"),
    ],
)
def test_report_refuses_what_it_cannot_do(book: str, arguments: tuple[str, ...], says: str) -> None:
    result = _run("report", "--db", book, *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert "Traceback" not in result.output


def test_report_without_a_book_makes_none(tmp_path: Path) -> None:
    result = _run("report")
    assert result.exit_code == 2
    assert "no book at " in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_database_may_come_from_the_environment(book: str) -> None:
    result = _run("report", "--format", "json", OTEL_COST_SERVER_DATABASE=book)
    assert json.loads(result.output)["total"]["calls"] == 4


# --- disagreements ----------------------------------------------------------------------------------------------------


@pytest.fixture
def disputed(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'some.db'}"
    now = time.time_ns()
    opinions = (
        Opinion(OpinionSource.OPENLIT, 1_500_000, 1_000_000, disagrees=True),
        Opinion(OpinionSource.LOGFIRE, 1_000_000, 1_000_000),
    )
    with open_ledger(url) as ledger:
        one = replace(record(1, priced(1_000_000)), start_ns=now - HOUR, opinions=opinions)
        old = replace(record(2, priced(1_000_000)), start_ns=now - 48 * HOUR, opinions=opinions)
        free = Opinion(OpinionSource.LANGFUSE, 5_000_000_000, 0, disagrees=True)
        last = replace(record(3, priced(0), service="[red]\x1b"), start_ns=now - HOUR, opinions=(free,))
        ledger.write([one, old, replace(last, model_answered="[red]\x1bgpt")], booked_at_ns=now)
    return url


def test_disagreements_lists_who_differs_by_how_much(disputed: str) -> None:
    result = _run("disagreements", "--db", disputed, "--since", "24h")
    assert result.exit_code == 0, result.output
    langfuse, openlit = (line for line in result.output.splitlines() if "langfuse" in line or "openlit" in line)
    for text in ("[red]", "langfuse", "5.00", "from 0", record(3).key):
        assert text in langfuse
    for text in ("gpt-5-2025-08-07", "0.0015", "0.001", "+50.0%", record(1).key):
        assert text in openlit
    assert "logfire" not in result.output
    assert "\x1b" not in result.output
    assert "logfire" in _run("disagreements", "--db", disputed, "--all").output


def test_disagreements_in_json(disputed: str) -> None:
    body = json.loads(_run("disagreements", "--db", disputed, "--since", "7d", "--all", "--format", "json").output)
    assert body["disagreements"][1] == {
        "provider": "openai",
        "model": "gpt-5-2025-08-07",
        "source": "openlit",
        "kind": "foreign",
        "compared": 2,
        "disagreeing": 2,
        "stated_usd": "0.003000000",
        "against_usd": "0.002000000",
        "example": record(1).key,
    }
    assert [row["source"] for row in body["disagreements"]] == ["langfuse", "openlit", "logfire"]


def test_no_disagreement_is_said_with_how_many_agreed(book: str, disputed: str) -> None:
    assert "No disagreement: 0 second opinions" in _run("disagreements", "--db", book, "--since", "1m").output
    assert _run("disagreements", "--db", book, "--since", "yesterday").exit_code == 2
    assert _run("disagreements", "--db", "sqlite:///absent.db").exit_code == 2


# --- config and serve: what is refused --------------------------------------------------------------------------------


def test_config_check_says_what_is_in_effect(tmp_path: Path) -> None:
    file = tmp_path / "otel-cost.yaml"
    file.write_text("budgets:\n  - {name: month, amount_usd: 500, per: [team], action: block}\n")
    result = _run("config", "check", str(file))
    assert result.exit_code == 0, result.output
    assert "otel-cost.yaml: ok" in result.output
    assert "budget month: 500 USD a month per team, block" in result.output
    assert "prices: genai-prices" in result.output
    assert _run("config", "check", OTEL_COST_CONFIG=str(file)).exit_code == 0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "budgets are kept in each process's own memory"),
        ("sqlite:////var/lib/budgets.db", "budgets are kept in /var/lib/budgets.db"),
        ("postgresql://me:secret@host/costs?password=secret", "budgets are kept in postgresql://host/costs\n"),
        ("https://costs.example.com", "budgets are kept in https://costs.example.com"),
    ],
)
def test_config_check_says_where_budgets_are_kept(url: str, says: str) -> None:
    result = _run("config", "check", OTEL_COST_DAILY_LIMIT="5", OTEL_COST_BUDGET_STORE_URL=url)
    assert result.exit_code == 0, result.output
    assert says in result.output
    assert "secret" not in result.output


def test_config_check_finds_a_store_of_no_known_kind() -> None:
    result = _run("config", "check", OTEL_COST_BUDGET_STORE_URL="redis://me:secret@host")
    assert result.exit_code == 2
    assert "kind 'redis' is not known" in result.output
    assert "secret" not in result.output


@pytest.mark.parametrize("command", [("config", "check"), ("serve",), ("report",)])
def test_a_wrong_setting_is_named_with_its_place(tmp_path: Path, command: tuple[str, ...]) -> None:
    file = tmp_path / "otel-cost.yaml"
    file.write_text("labels:\n  metrics: [team]\nbudgetz: []\n")
    result = _run(*command, OTEL_COST_CONFIG=str(file))
    assert result.exit_code == 2
    assert "otel-cost.yaml:3: budgetz: unknown key (did you mean 'budgets'?)" in result.output


def test_a_wrong_overlay_is_found_by_config_check(tmp_path: Path) -> None:
    result = _run("config", "check", OTEL_COST_PRICES=str(tmp_path / "absent.yaml"))
    assert result.exit_code == 2
    assert "absent.yaml" in result.output


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_serve_listens_on_loopback_only_whoever_asks(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def listen(host: str, port: int) -> None:
        raise AssertionError(f"tried to listen on {host}:{port}")

    monkeypatch.setattr("otel_cost.cli.serve._listen", listen)
    for result in (_run("serve", "--host", host), _run("serve", OTEL_COST_SERVER_HOST=host or "::0")):
        assert result.exit_code == 2, result.output
        assert "without access keys" in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--port", "70000"), "is not in the range"),
        (("--db", "nonsense", "--port", "0"), "is not a database URL"),
        (("--db", "sqlite:////absent/directory/book.db", "--port", "0"), "cannot be opened"),
        (("--config", "absent.yaml"), "absent.yaml"),
    ],
)
def test_serve_refuses_with_the_reason(arguments: tuple[str, ...], says: str) -> None:
    result = _run("serve", *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output
