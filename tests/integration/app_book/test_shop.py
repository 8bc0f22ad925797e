"""An unmodified app that writes its book by itself (FEATURES D1, D3, E2, B2, O9)."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_cost.demo.provider import StandInProvider
from otel_cost.model import NANO
from tests.integration.app_book.apps import booked_nano, environment, lines_of, run_shop
from tests.support import server
from tests.support.expected import Call, total_nano

CALLS = (
    Call("chat", "gpt-4o-mini", 1200, 345, cached=1024),
    Call("stream", "gpt-4o", 777, 88),
    Call("responses", "o3-mini", 4096, 2048),
    Call("embeddings", "text-embedding-3-small", 9999),
)
UNKNOWN = Call("chat", "no-such-model", 10, 10)
SDK_SETTINGS = """\
file_format: "1.0"
tracer_provider:
  processors:
    - batch:
        exporter:
          otel_cost: {}
"""
DATABASES = ["sqlite:///{}/book.db", "jsonl:{}/book.jsonl"]


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with StandInProvider() as started:
        yield started.base_url


def test_one_variable_each_makes_an_app_write_its_log_and_its_sums(tmp_path: Path, provider: str) -> None:
    env = environment(provider, OTEL_COST_LEDGER="jsonl:", OTEL_COST_EXPORT_ON_EXIT="out/costs.json")
    run_shop(tmp_path, (*CALLS, UNKNOWN), env)
    lines = lines_of(tmp_path / "logs" / "cost-tracking.jsonl")
    assert sum(round((line["total_cost"] or 0) * NANO) for line in lines) == total_nano(CALLS)  # type: ignore[operator]
    shown = [(line["model"], line["input_tokens"], line["output_tokens"], line["is_streaming"]) for line in lines]
    assert [(str(model)[:6], *rest) for model, *rest in shown] == [
        ("gpt-4o", 1200, 345, False),
        ("gpt-4o", 777, 88, True),
        ("o3-min", 4096, 2048, False),
        ("text-e", 9999, None, False),
        ("no-suc", 10, 10, False),
    ]
    assert (lines[-1]["total_cost"], lines[-1]["status"]) == (None, "unpriced")
    told = json.loads((tmp_path / "out" / "costs.json").read_text())
    assert told["total"]["calls"] == len(lines)
    whole, _, nano = told["total"]["usd"].partition(".")
    assert int(whole) * NANO + int(nano) == total_nano(CALLS)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["costs.json"]


@pytest.mark.parametrize("url", DATABASES, ids=["sqlite", "jsonl"])
def test_the_book_is_exact_where_nothing_is_sampled_and_the_report_reads_it(
    tmp_path: Path, provider: str, url: str
) -> None:
    url = url.format(tmp_path)
    run_shop(tmp_path, CALLS, environment(provider, OTEL_COST_LEDGER=url, OTEL_TRACES_SAMPLER="always_off"))
    assert booked_nano(url) == total_nano(CALLS)
    done = subprocess.run(
        [server.BIN / "otel-cost", "report", "--db", url, "--by", "service", "--format", "csv"],
        cwd=tmp_path, env=environment(provider), capture_output=True, text=True, check=True,
    )  # fmt: skip
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["service"] == "shop"
    assert round(float(row["usd"]) * NANO) == total_nano(CALLS)
    assert row["calls"] == str(len(CALLS))


def test_the_exporter_beside_the_apps_own_path_books_nothing_twice(tmp_path: Path, provider: str) -> None:
    url = f"jsonl:{tmp_path}/book.jsonl"
    run_shop(tmp_path, CALLS, environment(provider, OTEL_COST_LEDGER=url, OTEL_TRACES_EXPORTER="otel_cost"))
    assert len(lines_of(tmp_path / "book.jsonl")) == len(CALLS)
    assert booked_nano(url) == total_nano(CALLS)


def test_the_exporter_alone_writes_the_log(tmp_path: Path, provider: str) -> None:
    run_shop(tmp_path, CALLS, environment(provider, OTEL_TRACES_EXPORTER="otel_cost"))
    assert booked_nano(f"jsonl:{tmp_path}/logs/cost-tracking.jsonl") == total_nano(CALLS)


def test_the_exporter_sees_no_more_than_is_sampled(tmp_path: Path, provider: str) -> None:
    run_shop(tmp_path, CALLS, environment(provider, OTEL_TRACES_EXPORTER="otel_cost", OTEL_TRACES_SAMPLER="always_off"))
    assert not (tmp_path / "logs").exists()


def test_the_exporter_is_found_by_file_configuration(tmp_path: Path, provider: str) -> None:
    settings = tmp_path / "otel.yaml"
    settings.write_text(SDK_SETTINGS)
    run_shop(tmp_path, CALLS, environment(provider, OTEL_CONFIG_FILE=str(settings)))
    assert booked_nano(f"jsonl:{tmp_path}/logs/cost-tracking.jsonl") == total_nano(CALLS)


def test_a_book_that_cannot_be_is_said_and_the_app_runs(tmp_path: Path, provider: str) -> None:
    said = run_shop(tmp_path, CALLS[:1], environment(provider, OTEL_COST_LEDGER="postgresql://u:secret@h:x/d"))
    assert said.count("otel-cost is off, the app runs without it") == 1
    assert "is not one of a database" in said
    assert "secret" not in said
