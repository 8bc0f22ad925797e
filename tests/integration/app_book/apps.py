"""Apps under ``opentelemetry-instrument`` that write a book, and a look at what they wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from otel_cost.ledger.opening import open_ledger
from otel_cost.model import CostRecord
from tests.contract.ledger.books import total
from tests.support import processes, server
from tests.support.expected import Call

SHOP = Path(__file__).parents[2] / "e2e" / "apps" / "shop.py"


def environment(provider: str, **more: str) -> dict[str, str]:
    """Of an app that calls ``provider`` and sends its telemetry nowhere."""
    return processes.clean_environment(
        {
            "OPENAI_BASE_URL": f"{provider}/v1",
            "OPENAI_API_KEY": "none",
            "OTEL_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "shop",
            **more,
        }
    )


def run_shop(directory: Path, calls: Sequence[Call], env: Mapping[str, str]) -> str:
    """The shop, started as its owner would; what it said on stderr."""
    script = directory / "calls.json"
    script.write_text(json.dumps([(call.kind, call.model, call.prompt) for call in calls]))
    done = subprocess.run(
        [str(server.BIN / "opentelemetry-instrument"), sys.executable, str(SHOP), str(script)],
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done\n"
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


def booked_nano(url: str) -> int:
    with open_ledger(url, create=False) as ledger:
        return total(ledger).amount_nano


def booked(url: str) -> Sequence[CostRecord]:
    with open_ledger(url, create=False) as ledger:
        return ledger.recent(0, 100_000)


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
