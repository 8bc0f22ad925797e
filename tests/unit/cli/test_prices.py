"""``otel-cost prices`` and ``otel-cost unpriced``, called in process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from otel_cost.cli import main
from otel_cost.ledger.sql import open_ledger
from otel_cost.model import Charge, Reason, Status, Usage
from otel_cost.pricing import Catalog, PriceQuery
from tests.contract.ledger.books import priced, record

OWN = """
prices:
  - {provider: acme, model: acme-1, aliases: [one], per_1k: {input: 0.002, output: 0.004}, context_window: 1000,
     source: the contract, checked: 2026-10-01}
  - {provider: acme, model: acme-2, per_1m: {input: 5}}
  - {provider: acme, model: acme-2, from: 2026-02-01, per_1m: {input: 6}}
  - {provider: openai, model: gpt-4o, service_tier: flex, per_1m: {input: 1, output: 2}}
adjustments:
  - {provider: acme, discount: 25%, source: the contract}
display: {currency: EUR, per_usd: 0.5, as_of: 2026-11-20}
"""


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def run(*arguments: str, exit_code: int = 0, **environment: str) -> Result:
    result = CliRunner().invoke(main, arguments, env={"OTEL_COST_PRICES": "own.yaml", **environment})
    assert result.exit_code == exit_code, result.output
    return result


def answer(*arguments: str, **environment: str) -> Any:
    return json.loads(run(*arguments, "--format", "json", **environment).stdout)


# --- list, show -------------------------------------------------------------------------------------------------------


def test_list_has_every_model_with_rates_context_and_source() -> None:
    """A6, B16."""
    found = answer("prices", "list", "--provider", "openai")
    models = {model["model"]: model for model in found["models"]}
    assert len(models) > 80
    rates = {rate["unit"]: rate["usd_per_1m"] for rate in models["gpt-4o"]["rates"] if not rate["above_input_tokens"]}
    assert (rates["input_tokens"], rates["output_tokens"]) == ("2.5", "10")
    assert models["gpt-4o"]["context_window"] == 128_000
    assert "batch" in models["gpt-4o"]["service_tiers"]
    assert found["catalog"].startswith("genai-prices ")


def test_list_shows_own_prices_beside_what_is_paid() -> None:
    """A6, A7, B18."""
    (model,) = answer("prices", "list", "--own", "acme-1")["models"]
    assert [rate["usd_per_1m"] for rate in model["rates"]] == ["2", "4"]
    assert [rate["usd_per_1m"] for rate in model["paid"]] == ["1.5", "3"]
    assert (model["context_window"], model["source"], model["origin"]) == (1000, "overlay", "the contract")
    assert model["aliases"] == ["one"]


def test_list_as_a_table_takes_patterns_and_provider_names() -> None:
    lines = run("prices", "list", "claude-*-4-5", "--provider", "claude").output.splitlines()
    rows = [line for line in lines if "anthropic" in line]
    assert rows
    assert all("claude-" in row for row in rows)
    assert "0 models" in run("prices", "list", "no-such-model").output


def test_show_says_all_there_is_to_one_model() -> None:
    """A6, B16."""
    text = run("prices", "show", "acme", "one").output
    for part in ("2/1M", "1.5/1M", "context window: 1,000 tokens", "discount:25%", "the contract, checked 2026-10-01"):
        assert part in text
    assert "tier flex: input_tokens 1/1M" in run("prices", "show", "openai/gpt-4o").output


def test_show_knows_the_past() -> None:
    found = answer("prices", "show", "acme", "acme-2", "--at", "2026-01-31T23:59:59")
    assert (found["at"], found["rates"][0]["usd_per_1m"]) == ("2026-01-31T23:59:59Z", "5")
    history = [(past["from"], past["rates"][0]["usd_per_1m"]) for past in found["history"]]
    assert history == [("1970-01-01T00:00:00Z", "5"), ("2026-02-01T00:00:00Z", "6")]
    assert "from 2026-02-01T00:00:00Z: input_tokens 4.5/1M" in run("prices", "show", "acme", "acme-2").output


def test_a_model_without_a_price_says_what_to_add() -> None:
    """D6."""
    for arguments in (("show", "acme", "acme-9"), ("estimate", "acme", "acme-9", "--input", "1")):
        text = run("prices", *arguments, exit_code=1).output
        assert "unknown" in text
        entry = {"provider": "acme", "model": "acme-9", "per_1m": {"input_tokens": "<USD>", "output_tokens": "<USD>"}}
        assert advised(text) == [entry]


def advised(text: str) -> Any:
    return yaml.safe_load("prices:\n" + text.partition("\nprices:\n")[2])["prices"]


def test_what_to_add_is_for_what_is_missing() -> None:
    """A service tier, a unit, a name that YAML would take for something else; nothing where a price would not help."""
    (tier,) = advised(run("prices", "show", "openai", "gpt-4o", "--tier", "scale", exit_code=1).output)
    assert (tier["model"], tier["service_tier"]) == ("gpt-4o", "scale")
    found = run("prices", "estimate", "acme", "acme-1", "--input", "1", "--unit", "web_searches=2", exit_code=1)
    (unit,) = advised(found.output)
    assert unit["per_unit"] == {"web_searches": "<USD>"}
    assert unit["per_1m"] == {"input_tokens": 2, "output_tokens": 4}, "and not what is paid, nor without what is known"
    (name,) = advised(run("prices", "show", "acme", "a: {b, #c", exit_code=1).output)
    assert name["model"] == "a: {b, #c"
    assert "to add" not in run("prices", "estimate", "openai", "gpt-4o", "--cache-read", "5", exit_code=1).output
    assert run("prices", "show", "", exit_code=1).output == "Error: no_model: no model is named\n"


def test_what_to_add_keeps_the_rates_above_a_size_and_leaves_uplifts_to_the_rule(tmp_path: Path) -> None:
    text = """
prices: [{provider: acme, model: big, per_1m: {input: 1, output: 2}, above: {1000: {per_1m: {input: 3}}}}]
adjustments: [{provider: acme, uplift: 10%}]
"""
    own, added = tmp_path / "big.yaml", tmp_path / "added.yaml"
    own.write_text(text, encoding="utf-8")
    found = run(
        "prices", "estimate", "acme", "big", "--input", "1", "--unit", "web_searches=2", exit_code=1,
        OTEL_COST_PRICES=str(own),
    )  # fmt: skip
    added.write_text("prices:\n" + found.output.partition("\nprices:\n")[2].replace("<USD>", "0"), encoding="utf-8")
    before, after = Catalog.load([own]), Catalog.load([own, added])
    for tokens in (1000, 1001):
        usage, query = Usage.of({"input_tokens": tokens, "output_tokens": 1}), PriceQuery("acme", "big", time.time_ns())
        assert after.price(usage, query).amount_nano == before.price(usage, query).amount_nano


def test_own_prices_are_listed_under_any_name_of_the_provider(own: Path) -> None:
    own.write_text("[{provider: x-ai, model: grok-own, per_1m: {input: 1}}]", encoding="utf-8")
    for name in ("x-ai", "xai", "x_ai"):
        assert [row["model"] for row in answer("prices", "list", "--own", "--provider", name)["models"]] == ["grok-own"]


# --- estimate ---------------------------------------------------------------------------------------------------------


def test_estimate_prices_by_hand() -> None:
    found = answer(
        "prices", "estimate", "openai", "gpt-4o", "--input", "1200", "--cache-read", "200", "--output", "300"
    )
    assert found["usd"] == found["list_usd"] == "0.00575"
    assert found["parts"] == {
        "input": "0.0025", "output": "0.003", "cache_read": "0.00025", "cache_write": "0", "other": "0",
    }  # fmt: skip
    assert found["usage"] == {"input_tokens": 1200, "output_tokens": 300, "cache_read_tokens": 200}


def test_estimate_with_discount_currency_and_many_calls() -> None:
    arguments = ("prices", "estimate", "acme", "acme-1", "--input", "2000", "--output", "500", "--calls", "10")
    found = answer(*arguments)
    assert (found["usd"], found["list_usd"]) == ("0.045", "0.06")
    assert found["display"] == {"currency": "EUR", "amount": "0.022500000"}
    text = run(*arguments).output
    for part in ("10 calls", "0.045", "list price: 0.06", "= 0.0225 EUR at 0.5 EUR per USD 2026-11-20"):
        assert part in text
    assert "more input than the context window takes: 1,000 tokens" in text


def test_estimate_at_a_tier_and_with_other_units() -> None:
    assert answer("prices", "estimate", "openai", "gpt-4o", "--input", "1000000", "--tier", "flex")["usd"] == "1"
    found = answer("prices", "estimate", "cohere", "rerank-v3.5", "--unit", "rerank_searches=3")
    assert found["usd"] == "0.006"


def test_estimate_under_a_deployment_tier() -> None:
    """E1: OTEL_COST_TIER."""
    arguments = ("prices", "estimate", "openai", "gpt-4o", "--input", "1000000")
    found = answer(*arguments, OTEL_COST_TIER="development")
    assert (found["usd"], found["list_usd"], found["pricing_model"]) == ("0", "2.5", "free")
    assert answer(*arguments, OTEL_COST_TIER="production")["usd"] == "2.5"
    assert "'stagin' is not known" in run(*arguments, exit_code=2, OTEL_COST_TIER="stagin").output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("openai", "gpt-4o"), "nothing to price"),
        (("a", "b", "c", "--input", "1"), "expected [PROVIDER] MODEL"),
        (("openai", "gpt-4o", "--unit", "web_searches"), "write for instance web_searches=2"),
        (("openai", "gpt-4o", "--unit", "web_serches=1"), "unknown usage unit 'web_serches'"),
        (("openai", "gpt-4o", "--input", "1", "--cache-read", "2"), "cache_read_tokens (2) is larger than"),
        (("openai", "gpt-4o", "--input", "1", "--at", "soon"), "is not a date"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], says: str) -> None:
    assert says in run("prices", "estimate", *arguments, exit_code=2).output


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_lists_what_another_price_list_says(tmp_path: Path) -> None:
    theirs = {
        "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 9e-6, "output_cost_per_token": 1e-5},
        "gpt-99": {"litellm_provider": "openai", "input_cost_per_token": 9e-6},
    }
    path = tmp_path / "litellm.json"
    path.write_text(json.dumps(theirs), encoding="utf-8")
    text = run("prices", "doctor", "--against", str(path)).output
    assert "input_tokens: ours 2.5/1M, theirs 9/1M" in text
    assert "no price for this model; theirs: input_tokens 9/1M" in text
    assert "2 prices compared, 0 agree" in text
    assert run("prices", "doctor", "--against", str(path), "--strict", exit_code=1)
    found = answer("prices", "doctor", "--against", str(path), "--provider", "anthropic")
    assert (found["compared"], found["remarks"]) == (2, [])


def test_doctor_lists_stale_entries(own: Path) -> None:
    own.write_text("[{provider: acme, model: m, per_1m: {input: 1}, until: 2026-01-01}]", encoding="utf-8")
    assert "ended on 2026-01-01, and nothing follows" in run("prices", "doctor").output
    assert run("prices", "doctor", "--strict", exit_code=1)


def test_doctor_has_nothing_to_remark() -> None:
    assert "nothing to remark" in run("prices", "doctor", "--strict").output


def test_doctor_reads_the_ledger_too(book: str) -> None:
    assert "unpriced: acme/acme-9: 2 calls, unknown_model" in run("prices", "doctor", "--db", book).output


def test_doctor_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    assert "cannot be read" in run("prices", "doctor", "--against", str(tmp_path / "absent.json"), exit_code=2).output


# --- update -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def mirror() -> Iterator[str]:
    model = {"id": "gpt-x", "match": {"equals": "gpt-x"}, "prices": {"input_mtok": 7}}
    data = [{"id": "openai", "name": "OpenAI", "api_pattern": "https://api\\.openai\\.com", "models": [model]}]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(data).encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/data.json"
    server.shutdown()
    server.server_close()
    thread.join()


def test_update_fetches_keeps_and_says_what_is_in_use(mirror: str) -> None:
    """B14: on request."""
    text = run("prices", "update", "--from", mirror, "--to", "fresh.json").output
    assert "fresh.json: " in text
    assert "set OTEL_COST_PRICES_SNAPSHOT=fresh.json to use it" in text
    assert "+data:" not in text.split("in use:")[1]
    used = {"OTEL_COST_PRICES_SNAPSHOT": "fresh.json"}
    assert "+data:" in run("prices", "update", "--from", mirror, **used).output.split("in use:")[1]
    assert answer("prices", "estimate", "openai", "gpt-x", "--input", "1000000", **used)["usd"] == "7"


def test_update_keeps_the_old_one_when_the_network_does_not_allow(tmp_path: Path) -> None:
    """B14."""
    text = run("prices", "update", "--from", "http://127.0.0.1:1/x", "--to", "fresh.json", exit_code=1).output
    assert "cannot be fetched" in text
    assert "nothing changed; in use: genai-prices" in text
    assert not (tmp_path / "fresh.json").exists()


def test_update_wants_to_know_where(tmp_path: Path) -> None:
    assert "say where to keep it" in run("prices", "update", exit_code=2).output


def test_help_teaches() -> None:
    text = run("prices", "--help").output
    for command in ("list", "show", "estimate", "doctor", "update"):
        assert f"otel-cost prices {command}" in text
        assert run("prices", command, "--help").output.count("\n") > 8


# --- unpriced ---------------------------------------------------------------------------------------------------------


def without_price(reason: Reason, detail: str = "") -> Charge:
    return Charge(Status.UNPRICED, reason, detail)


@pytest.fixture
def book(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'some.db'}"
    hour_ago = time.time_ns() - 3600 * 10**9
    unknown = without_price(Reason.UNKNOWN_MODEL, "acme/acme-9")
    searches = without_price(Reason.NO_RATE, "no rate for web_searches (3) in overlay/acme/acme-1")
    calls = [
        (unknown, "acme", "acme-9"),
        (unknown, "acme", "acme-9"),
        (searches, "acme", "acme-1"),
        (without_price(Reason.NO_RATE, "acme/acme-2 has no price for service tier 'flex'"), "acme", "acme-2"),
        (without_price(Reason.UNKNOWN_MODEL, "openai/gpt-4o"), "openai", "gpt-4o"),
        (without_price(Reason.NO_USAGE), "openai", "gpt-4o"),
        (priced(5), "openai", "gpt-4o"),
    ]
    with open_ledger(url) as ledger:
        rows = [
            replace(record(number, charge), start_ns=hour_ago, provider=provider, model_requested=model,
                    model_answered=model, usage=Usage.of({"input_tokens": 1000, "output_tokens": 10}))
            for number, (charge, provider, model) in enumerate(calls)
        ]  # fmt: skip
        ledger.write(rows, booked_at_ns=hour_ago)
    return url


def test_unpriced_lists_calls_and_the_yaml_to_add(book: str) -> None:
    """D6."""
    text = run("unpriced", "--db", book, "--since", "7d").output
    assert "acme-9" in text
    assert "unknown_model" in text
    assert "gpt-4o has a price by now, openai/gpt-4o" in text
    assert "Fill in, and name the file in OTEL_COST_PRICES:" in text


def test_the_yaml_makes_the_calls_priced_once_it_is_filled_in(book: str, tmp_path: Path) -> None:
    """D6."""
    text = run("unpriced", "--db", book, "--format", "yaml").stdout
    entries = yaml.safe_load(text)["prices"]
    assert {(entry["provider"], entry["model"], entry.get("service_tier")) for entry in entries} == {
        ("acme", "acme-9", None),
        ("acme", "acme-1", None),
        ("acme", "acme-2", "flex"),
    }
    path = tmp_path / "added.yaml"
    path.write_text(text.replace("<USD>", "0.5"), encoding="utf-8")
    catalog = Catalog.load([tmp_path / "own.yaml", path])
    usage = Usage.of({"input_tokens": 1000, "output_tokens": 10, "web_searches": 3})
    charge = catalog.price(usage, PriceQuery("acme", "acme-1", time.time_ns()))
    assert charge.list_nano == 2_000_000 + 40_000 + 1_500_000_000, "rates that were known stand in it already"
    for model, tier in (("acme-9", ""), ("acme-2", "flex")):
        tokens = Usage.of({"input_tokens": 1000, "output_tokens": 10})
        assert catalog.price(tokens, PriceQuery("acme", model, time.time_ns(), tier)).status is Status.PRICED


def test_the_yaml_has_one_entry_for_a_model(tmp_path: Path) -> None:
    """Calls that lacked their price for different reasons: a file with two entries for them would be refused."""
    url = f"sqlite:///{tmp_path / 'twice.db'}"
    now = time.time_ns()
    with open_ledger(url) as ledger:
        for number, (reason, output) in enumerate(((Reason.UNKNOWN_MODEL, 0), (Reason.UNKNOWN_PROVIDER, 5))):
            usage = Usage.of({"input_tokens": 10, "output_tokens": output})
            made = record(number, Charge(Status.UNPRICED, reason))
            call = replace(made, start_ns=now, provider="acme", model_requested="z", model_answered="z", usage=usage)
            ledger.write([call], booked_at_ns=now)
    (entry,) = yaml.safe_load(run("unpriced", "--db", url, "--format", "yaml").stdout)["prices"]
    assert set(entry["per_1m"]) == {"input_tokens", "output_tokens"}


def test_the_yaml_is_refused_while_it_is_not_filled_in(book: str, tmp_path: Path) -> None:
    path = tmp_path / "added.yaml"
    path.write_text(run("unpriced", "--db", book, "--format", "yaml").stdout, encoding="utf-8")
    assert "expected USD" in run("prices", "list", exit_code=2, OTEL_COST_PRICES=str(path)).output


def test_unpriced_in_json(book: str) -> None:
    rows = answer("unpriced", "--db", book)["unpriced"]
    assert {(row["model"], row["reason"], row["calls"]) for row in rows} == {
        ("acme-9", "unknown_model", 2),
        ("acme-1", "no_rate", 1),
        ("acme-2", "no_rate", 1),
        ("gpt-4o", "unknown_model", 1),
        ("gpt-4o", "no_usage", 1),
    }


def test_a_book_where_everything_has_a_price(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'fine.db'}"
    with open_ledger(url) as ledger:
        ledger.write([replace(record(1, priced(5)), start_ns=time.time_ns())], booked_at_ns=time.time_ns())
    assert "Every call in the book has a price" in run("unpriced", "--db", url).output
    assert run("unpriced", "--db", url, "--format", "yaml").stdout == "prices: []\n"
