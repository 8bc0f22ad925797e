"""Short-lived processes: what they spent is settled before they are gone (FEATURES B3)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
import otel_cost
from otel_cost.budget_settings import BudgetSettings, BudgetStoreSettings
from otel_cost.config import Config
from otel_cost.budgets.stores import open_store
from tests.support.world import PRICES

URL, START, HOW = sys.argv[1:]
provider = TracerProvider()
otel_cost.install(
    provider,
    config=Config(
        budgets=(BudgetSettings(name="b", amount_usd=Decimal(100), action="block"),),
        budget_store=BudgetStoreSettings(url=URL),
    ),
    pricer=PRICES,
)
ATTRIBUTES = {
    "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1000,
}

def call(_=None):
    with provider.get_tracer("x").start_as_current_span("chat", kind=SpanKind.CLIENT, attributes=ATTRIBUTES):
        pass

if __name__ == "__main__":
    context = multiprocessing.get_context(START)
    if HOW == "process":
        for _ in range(3):
            process = context.Process(target=call)
            process.start()
            process.join()
    else:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            list(pool.map(call, range(3)))
    store = open_store(URL)
    print(sum(row.spent_nano for row in store.rows("b")))
"""


@pytest.mark.parametrize("how", ["process", "pool"])
@pytest.mark.parametrize("start", ["fork", "forkserver", "spawn"])
def test_what_a_child_process_spends_last_is_settled(start: str, how: str, tmp_path: Path) -> None:
    """Each of 3 calls costs 0.0125 USD."""
    script = tmp_path / "app.py"
    script.write_text(SCRIPT)
    arguments = [sys.executable, str(script), f"sqlite:///{tmp_path / 'budgets.db'}", start, how]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        arguments, capture_output=True, text=True, timeout=120, check=False, env={"PYTHONPATH": str(root)}
    )
    assert done.stdout.split() == ["37500000"], done.stderr
