"""Budgets in the settings: what is refused and how that is said, and limits from the environment alone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from otel_cost.budget_settings import BudgetSettings
from otel_cost.budgets.spec import budget_of
from otel_cost.config import load_config
from otel_cost.errors import ConfigError
from otel_cost.model import NANO


def loaded(spec: str) -> BudgetSettings:
    """The budget of a settings' entry; ``name`` and amount are given."""
    (budget,) = load_config(env={"OTEL_COST_BUDGETS": f"[{{name: b, amount_usd: 1, {spec}}}]"}).budgets
    return budget


BAD = [
    ("perod: day", "perod: unknown key (did you mean 'period'?)"),
    ("thresholds: [80%, half]", "thresholds: 'half' is not a percentage"),
    ("thresholds: [-5%]", "thresholds: '-5%' is outside"),
    ("thresholds: [nan]", "thresholds: 'nan' is outside"),
    ("grace: lots", "grace: 'lots' is not a percentage"),
    ("grace: ''", "grace: '' is not a percentage"),
    ("cooldown: soon", "cooldown: 'soon' is not a duration"),
    ("timeout: 0s", "timeout: '0s' must be longer than nothing"),
    ("timeout: 99999999999d", "timeout is 99999999999d"),
    ("timezone: Mars/Base", "timezone: 'Mars/Base' is not a time zone"),
    ("timezone: ../../etc/passwd", "timezone: '../../etc/passwd' is not a time zone"),
    ("starts: 2027-02-29", "starts: '2027-02-29' is not a date"),
    ("ends: tomorrow", "ends: 'tomorrow' is not a date"),
    ("starts: 2026-01-01, ends: 2026-01-01", "ends (2026-01-01) is not after starts"),
    # Clocks were put back that night: what looks later is the earlier of the two.
    ("timezone: Europe/Berlin, starts: '2026-10-25T02:30:00+01:00', ends: '2026-10-25T02:45:00'", "is not after"),
    ("amount_usd: -1", "amount_usd is -1"),
    ("amount_usd: .nan", "amount_usd"),
    ("amount_usd: .inf", "amount_usd"),
    ("amount_usd: 1e10", "it must be from 0 to 1,000,000,000 USD"),
    ("amount_usd: lots", "amount_usd: write a number of USD"),
    ("reserve_cap_usd: -1", "reserve_cap_usd is -1"),
    ("period: fortnight", "period: Input should be 'hour', 'day'"),
    ("overrides: {search: {amount_usd: 5}}", "overrides need exactly one label in per"),
    ("per: [team, feature], overrides: {search: {}}", "overrides need exactly one label in per"),
    ("per: [team], overrides: {search: {amount_usd: -5}}", "overrides.search"),
    ("per: [team], overrides: {search: {limit: 5}}", "overrides.search.limit: unknown key"),
    ("per: [team, team]", "each once"),
    ("match: {'': x}", "names of labels"),
    ("period: session, per: [team]", "leave per out"),
    ("carry_over: true", "carry_over needs starts"),
    ("carry_over: true, starts: 2026-01-01, period: total", "carry_over needs starts"),
    ("unpriced: block", "set action to block or pause"),
    ("unpriced: {assume: .nan}", "assume"),
    ('name: "a\\tb"', "printable"),
]


@pytest.mark.parametrize(("spec", "says"), BAD, ids=[spec for spec, _ in BAD])
def test_what_is_wrong_with_a_budget_is_said_with_its_name_and_the_key(spec: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(spec)  # what stands twice in a YAML mapping counts as it stands last
    message = str(caught.value)
    assert says in message
    assert "budgets." in message
    assert "budgets.'b'" in message or spec.startswith("name")


def test_what_may_look_wrong_and_is_not() -> None:
    leap = loaded("timezone: Europe/Berlin, starts: 2028-02-29, ends: '2030-03-31T02:30:00'")
    made = budget_of(leap)
    # A time that clocks skip is read with the offset from before they do; both bounds are instants.
    assert made.starts_ns == int(datetime(2028, 2, 28, 23, tzinfo=UTC).timestamp()) * NANO
    assert made.ends_ns == int(datetime(2030, 3, 31, 1, 30, tzinfo=UTC).timestamp()) * NANO
    hostile = "'; DROP TABLE x; --\u202e"
    budget = loaded(f'per: [team], overrides: {{"{hostile}": {{amount_usd: 0, paused: true}}}}')
    assert budget_of(budget).paused_in_settings((("team", hostile),))
    assert budget_of(loaded("thresholds: []")).marks == (1_000_000,)


def test_thresholds_that_are_left_out_are_warning_critical_and_breach() -> None:
    """FEATURES B3."""
    assert loaded("period: day").thresholds == ("80%", "95%", "100%")


# --- from the environment alone (FEATURES B2) -------------------------------------------------------------------------


def test_a_limit_needs_no_file() -> None:
    budgets = load_config(env={"OTEL_COST_DAILY_LIMIT": "5", "OTEL_COST_MONTHLY_LIMIT": "99.5"}).budgets
    said = [(one.name, one.amount_usd, one.period, one.action, one.thresholds) for one in budgets]
    assert said == [
        ("daily-limit", Decimal(5), "day", "alert", ("80%", "95%", "100%")),
        ("monthly-limit", Decimal("99.5"), "month", "alert", ("80%", "95%", "100%")),
    ]


def test_what_is_said_for_all_limits_goes_for_each_of_them_and_for_no_other_budget() -> None:
    env = {
        "OTEL_COST_BUDGETS": "[{name: own, amount_usd: 1}]",
        "OTEL_COST_SESSION_LIMIT": "0.5",
        "OTEL_COST_DAILY_LIMIT": "5",
        "OTEL_COST_THRESHOLDS": "50%, 100%",
        "OTEL_COST_NOTIFY": "finops",
        "OTEL_COST_LIMIT_ACTION": "block",
    }
    own, *limits = load_config(env=env).budgets
    assert (own.name, own.action, own.notify) == ("own", "alert", ())
    assert {one.name for one in limits} == {"daily-limit", "session-limit"}
    for one in limits:
        assert (one.thresholds, one.notify, one.action) == (("50%", "100%"), ("finops",), "block")
    assert load_config(env={"OTEL_COST_THRESHOLDS": "50%"}).budgets == ()


def test_limits_stay_when_code_says_its_own_budgets() -> None:
    arguments = {"budgets": [BudgetSettings("code", Decimal(1))]}
    budgets = load_config(env={"OTEL_COST_DAILY_LIMIT": "5"}, arguments=arguments).budgets
    assert [one.name for one in budgets] == ["code", "daily-limit"]


@pytest.mark.parametrize(
    ("env", "says"),
    [
        (
            {"OTEL_COST_DAILY_LIMIT": "5 USD"},
            "OTEL_COST_DAILY_LIMIT: budgets.'daily-limit'.amount_usd: write a number of USD",
        ),
        ({"OTEL_COST_DAILY_LIMIT": "-5"}, "OTEL_COST_DAILY_LIMIT: budgets.'daily-limit': amount_usd is -5"),
        ({"OTEL_COST_SESSION_LIMIT": "nan"}, "OTEL_COST_SESSION_LIMIT: "),
        ({"OTEL_COST_MONTHLY_LIMIT": "1e12"}, "OTEL_COST_MONTHLY_LIMIT: "),
        ({"OTEL_COST_DAILY_LIMIT": "5", "OTEL_COST_THRESHOLDS": "half"}, "OTEL_COST_THRESHOLDS: thresholds: 'half'"),
        ({"OTEL_COST_DAILY_LIMIT": "5", "OTEL_COST_LIMIT_ACTION": "stop"}, "OTEL_COST_LIMIT_ACTION: Input should be"),
        ({"OTEL_COST_DAILY_LIMITS": "5"}, "did you mean OTEL_COST_DAILY_LIMIT?"),
        (
            {"OTEL_COST_DAILY_LIMIT": "5", "OTEL_COST_BUDGETS": "[{name: daily-limit, amount_usd: 1}]"},
            "OTEL_COST_DAILY_LIMIT: the settings have a budget 'daily-limit' already",
        ),
    ],
)
def test_what_is_wrong_is_said_of_its_variable(env: dict[str, str], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(env=env)
    assert says in str(caught.value)
