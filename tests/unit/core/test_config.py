"""Settings from arguments, environment and file; errors that say where, what, and what is allowed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from otel_cost import runtime
from otel_cost.config import Config, load_config
from otel_cost.config_sources import setting_paths
from otel_cost.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "otel-cost.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def error_of(path: Path | None = None, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, env=env)
    return str(caught.value)


def test_nothing_set_is_the_defaults() -> None:
    assert load_config(env={}) == Config()


def test_arguments_over_environment_over_file(tmp_path: Path) -> None:
    path = write(tmp_path, "charge_events: all\nlabels: {max_values: 5, metrics: [a]}\nserver: {port: 1}\n")
    env = {"OTEL_COST_LABELS_MAX_VALUES": "6", "OTEL_COST_SERVER_PORT": "2"}
    config = load_config(path, env=env, arguments={"server": {"port": 3}})
    assert config.charge_events == "all"
    assert config.labels.metrics == ("a",)
    assert (config.labels.max_values, config.server.port) == (6, 3)


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "enabled: false\n")
    assert load_config(env={"OTEL_COST_CONFIG": str(path)}).enabled is False


def test_every_setting_is_an_environment_variable() -> None:
    values = {
        "OTEL_COST_ENABLED": ("false", False),
        "OTEL_COST_INSTRUMENT": ("0", False),
        "OTEL_COST_CHARGE_EVENTS": ("off", "off"),
        "OTEL_COST_COMPAT": ("openlit,logfire", ("openlit", "logfire")),
        "OTEL_COST_STREAM_USAGE_HOSTS": ("127.0.0.1, .corp.example", ("127.0.0.1", ".corp.example")),
        "OTEL_COST_LABELS_METRICS": ("team, x", ("team", "x")),
        "OTEL_COST_LABELS_BAGGAGE": ("[team]", ("team",)),
        "OTEL_COST_LABELS_STATIC": ("{team: x}", {"team": "x"}),
        "OTEL_COST_LABELS_HEADERS": ("{x-team: team}", {"x-team": "team"}),
        "OTEL_COST_LABELS_MAX_VALUES": ("7", 7),
        "OTEL_COST_CALLER_ADDRESS": ("true", True),
        "OTEL_COST_CALLER_TOKEN_HEADERS": ("X-Key", ("x-key",)),
        "OTEL_COST_CALLER_HASH_KEY": ("k" * 16, "k" * 16),
        "OTEL_COST_PRICES_FILES": ("a.yaml,b.yaml", (Path("a.yaml"), Path("b.yaml"))),
        "OTEL_COST_PRICES_OVERLAY": ("[{provider: p, model: m}]", ({"provider": "p", "model": "m"},)),
        "OTEL_COST_PRICES_SNAPSHOT": ("fresh.json", Path("fresh.json")),
        "OTEL_COST_PRICES_REFRESH": ("1h", "1h"),
        "OTEL_COST_PRICES_SECOND_OPINIONS_PREFER": ("provider", "provider"),
        "OTEL_COST_PRICES_SECOND_OPINIONS_TOLERANCE": ("5%", "5%"),
        "OTEL_COST_PRICES_SECOND_OPINIONS_FLOOR_USD": ("0.0005", Decimal("0.0005")),
        "OTEL_COST_RECORDING_SWITCH": ("off", "off"),
        "OTEL_COST_TIER": ("development", "development"),
        "OTEL_COST_BUDGETS": ("[{name: b, amount_usd: 0.1}]", None),
        "OTEL_COST_BUDGET_STORE_URL": ("sqlite:///b.db", "sqlite:///b.db"),
        "OTEL_COST_BUDGET_STORE_KEY": ("secret", "secret"),
        "OTEL_COST_BUDGET_STORE_CACHE": ("1s", "1s"),
        "OTEL_COST_BUDGET_STORE_HOLD_TTL": ("2m", "2m"),
        "OTEL_COST_SERVER_HOST": ("::1", "::1"),
        "OTEL_COST_SERVER_PORT": ("0", 0),
        "OTEL_COST_SERVER_DATABASE": ("sqlite:///x.db", "sqlite:///x.db"),
        "OTEL_COST_SERVER_MAX_BODY_BYTES": ("2048", 2048),
        "OTEL_COST_SERVER_KEY": ("s" * 16, "s" * 16),
        "OTEL_COST_SERVER_CORS_ORIGINS": (
            "https://a.example,https://b.example",
            ("https://a.example", "https://b.example"),
        ),
        "OTEL_COST_SERVER_RATE_LIMIT": ("600", 600),
        "OTEL_COST_SERVER_RETENTION": ("400d", "400d"),
        "OTEL_COST_SERVER_ARCHIVE": ("/var/archive", Path("/var/archive")),
        "OTEL_COST_SERVER_LOG_FORMAT": ("json", "json"),
        "OTEL_COST_LEDGER_URL": ("jsonl:", "jsonl:"),
        "OTEL_COST_LEDGER_BATCH_SIZE": ("10", 10),
        "OTEL_COST_LEDGER_BATCH_AGE": ("1s", "1s"),
        "OTEL_COST_LEDGER_QUEUE_SIZE": ("1000", 1000),
        "OTEL_COST_LEDGER_SPOOL": ("/var/spool/costs", Path("/var/spool/costs")),
        "OTEL_COST_LEDGER_SPOOL_BYTES": ("2000000", 2_000_000),
        "OTEL_COST_LEDGER_ROTATE_BYTES": ("3000000", 3_000_000),
        "OTEL_COST_LEDGER_EXPORT_ON_EXIT": ("costs.csv", Path("costs.csv")),
    }
    assert set(values) == set(setting_paths())
    config = load_config(env={name: text for name, (text, _) in values.items()})
    for name, (_, expected) in values.items():
        found: object = config
        for key in setting_paths()[name]:
            found = getattr(found, key)
        assert expected is None or found == expected, name
    assert config.budgets[0].amount_usd == Decimal("0.1")


def test_the_short_form_for_prices() -> None:
    assert load_config(env={"OTEL_COST_PRICES": "a.yaml"}).prices.files == (Path("a.yaml"),)


def test_price_files_are_relative_to_the_config_file(tmp_path: Path) -> None:
    path = write(tmp_path, "prices: {files: [mine.yaml], snapshot: fresh.json}\n")
    prices = load_config(path, env={}).prices
    assert (prices.files, prices.snapshot) == ((tmp_path / "mine.yaml",), tmp_path / "fresh.json")


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("charge_events: alll\n", ":1:", "'unsampled', 'all' or 'off'"),
        ("labels:\n  metric: [team]\n", ":2:", "did you mean 'metrics'"),
        ("nonsense: 1\n", ":1:", "allowed here: enabled"),
        ("budgets:\n- name: b\n  amount_usd: -1\n", ":2:", "amount_usd is -1"),
        ("budgets:\n- name: b\n  amount_usd: 1\n  perod: day\n", ":4:", "did you mean 'period'"),
        ("budgets:\n- name: b\n  amount_usd: 1\n  period: fortnight\n", ":4:", "'month'"),
        ("budgets:\n- name: b\n  amount_usd: .nan\n", ":", "amount_usd"),
        ("budgets:\n- {name: b, amount_usd: 1, timezone: Mars/Base}\n", ":2:", "Mars/Base"),
        ("budgets:\n- {name: b, amount_usd: 1, thresholds: [half]}\n", ":2:", "write for instance 80%"),
        ("budgets:\n- {name: b, amount_usd: 1, cooldown: soon}\n", ":2:", "ms, s, m, h, d"),
        ("budgets:\n- {name: b, amount_usd: 1}\n- {name: b, amount_usd: 2}\n", "", "two budgets have the name 'b'"),
        ("budgets:\n- {name: b, amount_usd: 1, unpriced: maybe}\n", ":2:", "allow, block"),
        ("budgets:\n- {name: b, amount_usd: 1, unpriced: {assume: -5}}\n", ":2:", "assume is -5"),
        ("budgets:\n- {name: b, amount_usd: 1, unpriced: block}\n", ":2:", "set action to block"),
        ("budgets:\n- {name: b, amount_usd: 1, starts: 2027-01-01, ends: 2026-01-01}\n", ":2:", "not after starts"),
        ("budgets:\n- {name: b, amount_usd: 1, match: {enviroment: x}}\n", "", "looks like 'environment'"),
        ("budgets:\n- {name: b, amount_usd: 1, per: [teem]}\n", "", "looks like 'team'"),
        ("labels: {metrics: [a.b, a_b]}\n", ":1:", "look the same"),
        ("labels: &a {static: *a}\n", "", "contains itself"),
        ("prices: {refresh: often}\n", ":1:", "ms, s, m, h, d"),
        ("prices: {refresh: 1s}\n", ":1:", "a minute or more"),
        ("labels: {metrics: [user]}\n", ":1:", "user cannot be a metric label"),
        ("enabled: true\nenabled: false\n", ":2:", "stands here twice"),
        ("- a\n", ":1:", "must be a mapping"),
        ("a: [\n", "", "not valid YAML"),
    ],
)
def test_errors_name_file_line_key_and_what_is_allowed(tmp_path: Path, text: str, place: str, says: str) -> None:
    path = write(tmp_path, text)
    message = error_of(path)
    assert f"{path}{place}" in message
    assert says in message


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    message = error_of(write(tmp_path, "charge_events: x\ncompat: [y]\n"))
    assert ":1: charge_events" in message
    assert ":2: compat" in message


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    assert "cannot read the config file" in error_of(tmp_path / "none.yaml")


def test_an_unknown_variable_is_an_error() -> None:
    assert "did you mean OTEL_COST_LABELS_METRICS?" in error_of(OTEL_COST_LABELS_METRIC="team")


def test_a_bad_variable_names_itself() -> None:
    assert "environment variable OTEL_COST_SERVER_PORT" in error_of(OTEL_COST_SERVER_PORT="many")


def test_a_broken_config_leaves_the_app_without_otel_cost_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_COST_CONFIG", str(write(tmp_path, "nonsense: 1\n")))
    runtime.uninstall()
    for _ in range(2):
        runtime.install_at_startup()
    assert runtime.current() is None
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "otel-cost is off" in record.getMessage()
    assert ":1: nonsense: unknown key" in record.getMessage()


def test_what_only_shows_at_the_start_is_explained_as_well_and_is_no_fault() -> None:
    """A driver that is not installed: one line that says what to do, and no traceback."""
    code = (
        "import sys; sys.modules['otel_cost.budgets.stores.postgres'] = None\n"
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider\n"
        "from otel_cost import runtime\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "for _ in range(2): runtime.install_at_startup()\n"
        "assert runtime.current() is None\n"
    )
    env = {**os.environ, "OTEL_COST_DAILY_LIMIT": "1", "OTEL_COST_BUDGET_STORE_URL": "postgresql://host/costs"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    (line,) = done.stderr.splitlines()
    assert line.startswith("otel-cost is off, the app runs without it: psycopg is not installed: pip install")
    assert done.returncode == 0
