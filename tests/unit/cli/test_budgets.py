"""``otel-cost budgets``, called in process. FEATURES B10, B11, C7, C13, E6, E15."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from otel_cost.budgets.manager import Budgets
from otel_cost.budgets.spec import RowKey, budget_of
from otel_cost.budgets.stores import store_of
from otel_cost.budgets.stores.base import Reserved, Want
from otel_cost.cli import budgets_standing, main, output
from otel_cost.config import load_config
from otel_cost.errors import BudgetExceeded
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import NANO, CostRecord
from tests.contract.ledger.books import priced, record

SETTINGS = """
budget_store: {url: "sqlite:///budgets.db"}
budgets:
- name: team-month
  amount_usd: 500
  per: [team]
  timezone: Europe/Berlin
  action: block
  overrides: {research: {amount_usd: 900}, frozen: {paused: true}}
- {name: everything, amount_usd: 2000, period: total}
- {name: prod-day, amount_usd: 5, period: day, match: {environment: production}, action: pause, grace: 10%}
"""


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Budgets]:
    """The budgets of an app that shares its store with the commands."""
    monkeypatch.chdir(tmp_path)
    Path("otel-cost.yaml").write_text(SETTINGS)
    config = load_config("otel-cost.yaml", env={})
    made = Budgets([budget_of(one) for one in config.budgets], on_event=lambda _event: None, store=store_of(config))
    yield made
    made.close()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["budgets", *arguments, "--config", "otel-cost.yaml"])


def call(number: int, usd: int, **labels: str) -> CostRecord:
    return replace(record(number, priced(usd * NANO)), start_ns=time.time_ns() - number, labels=labels)


def spend(app: Budgets, *calls: CostRecord) -> None:
    for one in calls:
        app.take(one)
    assert app.flush()


def only(*arguments: str) -> dict[str, object]:
    """The one row that ``status`` shows."""
    (row,) = json.loads(run("status", *arguments, "--json").output)["budgets"]
    return dict(row)


SEARCH = ("team-month", "--scope", "team=search")


def test_status_shows_spent_reserved_left_and_until_when(app: Budgets) -> None:
    spend(app, call(1, 270, team="search"), call(2, 510, team="support"))
    app.reserve({"team": "search"}, 5 * NANO)
    shown = run("status").output
    assert "team-month: USD a month, until" in shown
    assert "CE" in shown  # the end as clocks in Berlin show it
    (line,) = [line for line in shown.splitlines() if "team=search" in line]
    for part in ("##########=.........", "55%", "270.00", "5.00", "500.00", "225.00"):
        assert part in line
    (line,) = [line for line in shown.splitlines() if "team=support" in line]
    assert "102%" in line
    assert "used up: calls are blocked" in line


def test_status_in_json_is_exact(app: Budgets) -> None:
    spend(app, call(1, 270, team="search"))
    row = only(*SEARCH)
    assert (row["spent_usd"], row["left_usd"], row["used"]) == ("270.000000000", "230.000000000", "0.5400")
    assert (row["scope"], row["paused"], row["paused_by"]) == ({"team": "search"}, False, None)


def test_a_budget_that_nobody_spent_of_is_shown_with_its_limit(app: Budgets) -> None:
    assert "nothing is spent in this period yet; the limit is 500.00 for each team" in run("status").output
    changed = run("set", "team-month", "--amount", "7", "--reason", "x")
    assert "the limit is 7.00 for each team" in changed.output
    assert "all are paused" in run("pause", "team-month", "--reason", "x").output


def test_the_period_begins_and_ends_in_one_notation(app: Budgets) -> None:
    spend(app, call(1, 490, team="search"))
    row = only(*SEARCH)
    assert str(row["period_start"]).endswith("Z")
    assert str(row["period_end"]).endswith("Z")
    alert = json.loads(run("alerts", "--json").output)["alerts"][0]
    assert alert["period_start"] == row["period_start"]


def test_what_is_spent_without_a_label_is_shown_as_scope_takes_it(app: Budgets) -> None:
    spend(app, call(1, 5), call(2, 6, team="-"))
    shown = run("status", "team-month").output
    assert ("team=''" in shown, "team=- " in shown) == (True, True)
    assert only("team-month", "--scope", "team=")["spent_usd"] == "5.000000000"


def test_a_value_that_nobody_spent_for_has_a_status(app: Budgets) -> None:
    assert only("team-month", "--scope", "team=new")["spent_usd"] == "0.000000000"


def test_only_rows_near_their_limit_are_shown_unless_all_are_asked_for(app: Budgets) -> None:
    spend(app, *(call(number, number + 1, team=f"t{number:02}") for number in range(12)))
    few, all_of_them = run("status", "team-month").output, run("status", "team-month", "--all").output
    assert "team=t11" in few
    assert "team=t00" not in few
    assert "and 2 more" in few
    assert "team=t00" in all_of_them
    assert len(json.loads(run("status", "team-month", "--json").output)["budgets"]) == 12


def test_on_a_terminal_bars_are_drawn_and_without_colours_they_are_plain(app: Budgets) -> None:
    spend(app, call(1, 250, team="search"))
    state = next(state for state in app.states() if state.budget.name == "team-month")
    one = budgets_standing.Standing(state)
    drawn = {
        colours: str(budgets_standing.bar(Console(force_terminal=True, no_color=not colours), one))
        for colours in (True, False)
    }
    assert drawn[True] == "\u2588" * 10 + "\u2591" * 10
    assert drawn[False] == "#" * 10 + "." * 10


# --- changes ----------------------------------------------------------------------------------------------------------


def test_a_limit_is_set_for_one_value_and_cleared(app: Budgets) -> None:
    done = run("set", *SEARCH, "--amount", "900", "--reason", "launch week", "--actor", "ada")
    assert done.exit_code == 0
    assert "set by ada" in done.output
    assert "launch week" in done.output
    run("set", *SEARCH, "--action", "alert", "--reason", "launch week", "--actor", "ada")
    row = only(*SEARCH)
    assert (row["limit_usd"], row["action"]) == ("900.000000000", "alert")
    assert only("team-month", "--scope", "team=other")["limit_usd"] == "500.000000000"
    assert run("set", *SEARCH, "--clear", "--reason", "over").exit_code == 0
    row = only(*SEARCH)
    assert (row["limit_usd"], row["action"]) == ("500.000000000", "block")


def test_a_limit_that_is_lowered_below_what_is_spent_is_told_by_an_app_not_here(app: Budgets) -> None:
    spend(app, call(1, 270, team="search"))
    run("set", *SEARCH, "--amount", "300", "--reason", "less")
    alerts = app.store.alerts("team-month")
    assert [alert.threshold for alert in alerts] == [800_000]
    assert not alerts[0].told


def test_pause_and_resume_of_one_value_of_many(app: Budgets) -> None:
    done = run("pause", *SEARCH, "--reason", "runaway agent", "--actor", "ada")
    assert (done.exit_code, "paused by ada" in done.output) == (0, True)
    app.limits.refresh()
    with pytest.raises(BudgetExceeded, match="somebody paused it"):
        app.reserve({"team": "search"}, 1)
    app.reserve({"team": "support"}, 1).release()
    paused_by = only(*SEARCH)["paused_by"]
    assert isinstance(paused_by, dict)
    assert (paused_by["actor"], paused_by["reason"]) == ("ada", "runaway agent")
    assert run("resume", *SEARCH, "--reason", "fixed").exit_code == 0
    app.limits.refresh()
    app.reserve({"team": "search"}, 1).release()


def test_what_stays_paused_after_a_resumption_is_said(app: Budgets) -> None:
    run("pause", "team-month", "--reason", "all")
    run("pause", *SEARCH, "--reason", "one")
    one = run("resume", *SEARCH, "--reason", "x").output
    assert "Still paused by hand: all of it. Resume that with no --scope." in one
    run("pause", *SEARCH, "--reason", "one")
    whole = run("resume", "team-month", "--reason", "x").output
    assert "Still paused by hand: team=search. Resume that with --scope team=search." in whole
    assert "Still paused" not in run("resume", *SEARCH, "--reason", "x").output


def test_a_reset_of_all_says_whose_spend_it_forgave(app: Budgets) -> None:
    spend(app, call(1, 7, team="search"), call(2, 9, team="support"))
    run("reset", "team-month", "--reason", "load test")
    told = run("audit").output
    assert ("team=search: 7.00 spent" in told, "team=support: 9.00 spent" in told) == (True, True)


def test_a_store_that_cannot_be_read_is_told_once(app: Budgets) -> None:
    Path("broken.db").write_text("no database\n" * 100)
    done = subprocess.run(
        [sys.executable, "-c", "from otel_cost.cli import main; main()", "budgets", "status",
         "--config", "otel-cost.yaml", "--store", "sqlite:///broken.db"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("broken.db") == 1


def test_a_budget_that_paused_itself_says_so_and_is_let_go_on(app: Budgets) -> None:
    spend(app, call(1, 6, environment="production"))
    assert "paused itself at 5.50 USD" in run("status", "prod-day").output
    assert run("check", "prod-day").exit_code == 3
    assert run("resume", "prod-day", "--reason", "x").exit_code == 0
    assert only("prod-day")["paused"] is False


def test_what_the_settings_pause_only_the_settings_let_go_on(app: Budgets) -> None:
    frozen = ("team-month", "--scope", "team=frozen")
    assert "paused in the settings" in run("status", *frozen).output
    with pytest.raises(BudgetExceeded):
        app.reserve({"team": "frozen"}, 1)
    done = run("resume", *frozen, "--reason", "please")
    assert (done.exit_code, "change it there" in done.output) == (2, True)


def test_reset_of_one_value_begins_anew(app: Budgets) -> None:
    spend(app, call(1, 270, team="search"), call(2, 20, team="support"))
    assert run("reset", *SEARCH, "--reason", "load test").exit_code == 0
    assert only(*SEARCH)["spent_usd"] == "0.000000000"
    assert only("team-month", "--scope", "team=support")["spent_usd"] == "20.000000000"


def test_every_change_is_in_the_audit_log(app: Budgets) -> None:
    spend(app, call(1, 270, team="search"))
    run("set", *SEARCH, "--amount", "900", "--reason", "launch week", "--actor", "ada")
    run("reset", *SEARCH, "--reason", "load test", "--actor", "bob")
    reset, changed = json.loads(run("audit", "--json").output)["changes"]
    assert (reset["actor"], reset["kind"], reset["reason"]) == ("bob", "reset", "load test")
    assert (changed["actor"], changed["after"]["amount_nano"]) == ("ada", 900 * NANO)
    table = run("audit").output
    for part in ("900.00 USD", "configured amount", "270.00 spent", "team=search"):
        assert part in table


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pause", "nope", "--reason", "x"), "there is no budget 'nope'; there are: everything, prod-day, team-month"),
        (("pause", "team-month", "--scope", "user=x", "--reason", "x"), "is by team; what was given is user"),
        (("pause", "everything", "--scope", "team=x", "--reason", "x"), "it is one for all"),
        (("pause", "team-month", "--scope", "team", "--reason", "x"), "write for instance team=search"),
        (("pause", "team-month", "--scope", "team=a", "--scope", "team=b", "--reason", "x"), "given twice"),
        (("pause", "team-month"), "--reason"),
        (("pause", "team-month", "--reason", " "), "say why"),
        (("pause", "team-month", "--reason", "x", "--actor", ""), "say who does it"),
        (("set", "team-month", "--reason", "x"), "say --amount"),
        (("set", "team-month", "--amount", "5", "--clear", "--reason", "x"), "say --amount"),
        (("set", "team-month", "--amount", "5 USD", "--reason", "x"), "not an amount of USD"),
        (("set", "team-month", "--amount", "nan", "--reason", "x"), "outside 0 to 1,000,000,000"),
        (("set", "team-month", "--amount", "-1", "--reason", "x"), "outside 0 to 1,000,000,000"),
        (("set", "team-month", "--amount", "1e-10", "--reason", "x"), "less than a billionth"),
        (("status", "--scope", "teem=x"), "no budget is by 'teem'"),
        (("audit", "--budget", "nope"), "there is no budget 'nope'"),
        (("alerts", "--budget", "nope"), "there is no budget 'nope'"),
        (("alerts", "ack", "99"), "there is no alert 99"),
    ],
)
def test_errors_say_what_is_wrong_and_what_there_is(app: Budgets, arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.output
    assert app.store.audit() == []


# --- check ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spent", "estimate", "code", "says"),
    [
        (100, "0", 0, "there is room"),
        (399, "100", 0, "there is room"),
        (399, "102", 3, "not enough left"),
        (400, "0", 1, "80% is reached"),
        (480, "1", 1, "95% is reached"),
        (500, "0", 3, "used up"),
        (700, "0", 3, "used up"),
    ],
)
def test_check_answers_with_its_exit_code(app: Budgets, spent: int, estimate: str, code: int, says: str) -> None:
    spend(app, call(1, spent, team="search"))
    done = run("check", *SEARCH, "--estimate", estimate)
    assert (done.exit_code, says in done.output) == (code, True)


def test_check_counts_what_is_reserved(app: Budgets) -> None:
    app.reserve({"team": "search"}, 499 * NANO)
    assert run("check", *SEARCH, "--estimate", "2").exit_code == 3


def test_of_all_that_are_meant_the_worst_decides(app: Budgets) -> None:
    assert run("check").exit_code == 0
    spend(app, call(1, 450, team="search"), call(2, 1, team="support"))
    assert run("check").exit_code == 1
    assert run("check", "--scope", "team=support").exit_code == 0
    spend(app, call(3, 1600, team="support"))
    assert run("check", "--scope", "team=search").exit_code == 3  # everything: for all teams together
    assert run("check", "team-month", "--scope", "team=search").exit_code == 1


# --- what happened ----------------------------------------------------------------------------------------------------


def test_alerts_are_listed_acknowledged_and_resolved(app: Budgets) -> None:
    spend(app, call(1, 450, team="search"))
    assert "80% warning" in run("alerts", "--state", "active").output
    (alert,) = json.loads(run("alerts", "--json").output)["alerts"]
    assert (alert["severity"], alert["threshold"], alert["scope"]) == ("warning", "0.8", {"team": "search"})
    assert run("alerts", "ack", str(alert["id"]), "--actor", "ada").exit_code == 0
    assert "No alert is active" in run("alerts", "--state", "active").output
    (alert,) = json.loads(run("alerts", "--state", "acknowledged", "--json").output)["alerts"]
    assert alert["actor"] == "ada"
    run("alerts", "resolve", str(alert["id"]))
    assert json.loads(run("alerts", "--json").output)["alerts"][0]["state"] == "resolved"


def test_lost_reservations_are_listed(app: Budgets) -> None:
    assert "No reservation was lost" in run("lost").output
    app.reserve({"team": "search"}, 7 * NANO)
    app.store.sweep(now_ns=time.time_ns() + 10**15, charge=())
    assert "7.00" in run("lost").output
    (lost,) = json.loads(run("lost", "--json").output)["lost"]
    assert (lost["budget"], lost["reserved_usd"], lost["charged"]) == ("team-month", "7.000000000", False)


def test_what_the_dead_have_reserved_is_given_back_by_whoever_looks(app: Budgets) -> None:
    """Apps that live for seconds sweep nothing: a command does, so that it neither counts nor hides what has lapsed."""
    row = RowKey("team-month", (("team", "search"),), "2026-11-01T00:00:00+01:00")
    app.limits.refresh()
    took = app.store.reserve("dead", [Want(row, 5 * NANO)], version=app.limits.version, now_ns=1, expires_ns=2)
    assert isinstance(took, Reserved)
    lost = json.loads(run("lost", "--json").output)["lost"]
    assert [(one["hold"], one["reserved_usd"], one["charged"]) for one in lost] == [("dead", "5.000000000", False)]


def test_what_labels_say_cannot_harm_a_terminal(app: Budgets) -> None:
    spend(app, call(1, 600, team="\x1b[31mred\n"))
    for command in ("status", "alerts", "check"):
        assert "\x1b" not in run(command).output


# --- what is configured -----------------------------------------------------------------------------------------------


def test_list_shows_the_settings_and_what_was_set_since(app: Budgets) -> None:
    run("set", *SEARCH, "--amount", "700", "--reason", "x")
    shown = run("list").output
    for part in ("team-month", "team=research", "900.00", "team=frozen", "paused", "team=search", "700.00 USD"):
        assert part in shown
    team, *_ = json.loads(run("list", "--json").output)["budgets"]
    assert [value["scope"]["team"] for value in team["values"]] == ["research", "frozen", "search"]


def test_a_narrow_terminal_leaves_nothing_out(app: Budgets, monkeypatch: pytest.MonkeyPatch) -> None:
    spend(app, call(1, 490, team="search"))
    run("pause", *SEARCH, "--reason", "a runaway agent")
    monkeypatch.setattr(output, "PIPED_WIDTH", 80)
    for command in ("status", "list", "alerts", "audit"):
        shown = run(command).output
        assert "\N{HORIZONTAL ELLIPSIS}" not in shown, shown
        assert all(len(line) <= 80 for line in shown.splitlines()), shown
    assert "2,000.00" in run("list").output
    assert ": a runaway agent" in run("status").output.replace("\n", " ")


def test_without_a_shared_store_it_is_said_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("otel-cost.yaml").write_text("budgets: [{name: b, amount_usd: 1}]\n")
    listed = run("list")
    assert (listed.exit_code, "until budget_store.url is" in listed.output) == (0, True)
    done = run("status")
    assert (done.exit_code, "budget_store.url is not set" in done.output) == (2, True)
    done = run("status", "--store", "sqlite:///not-there.db")
    assert (done.exit_code, "there is no store of budgets at" in done.output) == (2, True)
    assert not Path("not-there.db").exists()


def test_without_budgets_it_is_said_how_to_name_them() -> None:
    done = CliRunner().invoke(main, ["budgets", "status"])
    assert (done.exit_code, "--config" in done.output) == (2, True)


# --- the book ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def db(app: Budgets) -> str:
    with open_ledger("sqlite:///book.db") as ledger:
        ledger.write([call(1, 270, team="search"), call(2, 30, team="search")], booked_at_ns=time.time_ns())
    return "sqlite:///book.db"


def test_verify_and_rebuild(app: Budgets, db: str) -> None:
    differs = run("verify", "--db", db)
    assert differs.exit_code == 1
    assert "-300.00" in differs.output
    dry = run("rebuild", "--db", db, "--dry-run")
    assert (dry.exit_code, "nothing was changed" in dry.output) == (0, True)
    assert app.store.rows("team-month") == []
    asked = run("rebuild", "--db", db)
    assert (asked.exit_code, "nobody to ask" in asked.output) == (2, True)
    done = run("rebuild", "--db", db, "--yes")
    assert (done.exit_code, "Set right 2 calls" in done.output) == (0, True)
    assert only(*SEARCH)["spent_usd"] == "300.000000000"
    agrees = run("verify", "--db", db)
    assert (agrees.exit_code, "store and book agree" in agrees.output) == (0, True)
    assert "Set right" not in run("rebuild", "--db", db, "--yes").output


def test_rebuild_leaves_what_the_book_does_not_have_unless_asked(app: Budgets, db: str) -> None:
    run("rebuild", "--db", db, "--yes")
    app.take(call(3, 9, team="search"))
    app.flush()
    kept = run("rebuild", "--db", db, "--yes", "--prune")
    assert (kept.exit_code, "1 calls were settled within the last hour" in kept.output) == (0, True)
    assert only(*SEARCH)["spent_usd"] == "309.000000000"


def test_a_book_that_is_not_there_is_an_error(app: Budgets) -> None:
    done = run("verify", "--db", "sqlite:///none.db")
    assert (done.exit_code, "there is no book at" in done.output) == (2, True)
