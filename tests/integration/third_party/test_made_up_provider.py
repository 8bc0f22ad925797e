"""The page on adding a provider, followed: its module as it stands there, in a package of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from tests.support import tools
from tests.support.processes import clean_environment

SDK = """
from types import SimpleNamespace as Made

ANSWER = Made(id="a-1", text="hello", usage=Made(tokens_in=1000, tokens_out=100))


class Client:
    host = "api.acme.example"

    def send(self, *, model, prompt, stream=False):
        if not stream:
            return ANSWER
        return (Made(text=text, usage=usage, id="a-2") for text, usage in (("he", None), ("llo", ANSWER.usage)))


class AsyncClient(Client):
    async def send(self, *, model, prompt):
        return ANSWER
"""
APP = """
import asyncio, json
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
import otel_cost, otel_cost_instrumentation

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
installed = otel_cost.install(provider)
installed.pricer.start_loading()
assert installed.pricer.catalog(60) is not None
otel_cost_instrumentation.activate()

from acme.client import AsyncClient, Client

assert Client().send(model="acme-1", prompt="hi").text == "hello"
asyncio.run(AsyncClient().send(model="acme-1", prompt="hi"))
assert [chunk.text for chunk in Client().send(model="acme-1", prompt="hi", stream=True)] == ["he", "llo"]
print(json.dumps([[span.instrumentation_scope.name, dict(span.attributes)] for span in spans.get_finished_spans()]))
"""


def _package(home: Path) -> None:
    page = (tools.CHECKOUT / "instrumentation" / "README.md").read_text()
    (module,) = (code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "PROVIDER = " in code)
    (home / "acme").mkdir()
    (home / "acme" / "__init__.py").touch()
    (home / "acme" / "client.py").write_text(SDK)
    (home / "acme_costs.py").write_text(module)
    described = home / "acme_costs-0.1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-costs\nVersion: 0.1\n")
    (described / "entry_points.txt").write_text("[otel_cost_provider]\nacme = acme_costs\n")


def test_a_provider_of_somebody_elses_is_found_and_its_calls_are_priced(tmp_path: Path) -> None:
    _package(tmp_path)
    prices = tmp_path / "prices.yaml"
    prices.write_text("prices: [{provider: acme, model: acme-1, per_1m: {input: 1, output: 10}}]")
    environment = clean_environment({"PYTHONPATH": str(tmp_path), "OTEL_COST_PRICES": str(prices)})
    done = subprocess.run([sys.executable, "-c", APP], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    spans = json.loads(done.stdout)
    assert [scope for scope, _ in spans] == ["otel_cost_instrumentation.acme"] * 3
    for _, attributes in spans:
        assert attributes["otel_cost.status"] == "priced"
        assert attributes["gen_ai.usage.cost.amount"] == 0.002
        assert attributes["server.address"] == "api.acme.example"
