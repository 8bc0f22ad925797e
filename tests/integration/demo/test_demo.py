"""``otel-cost demo`` as a user starts it: a process of its own, in any directory, with any environment."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from otel_cost.demo.provider import StandInProvider
from tests.support import processes, waiting
from tests.support.http import answers, get_json

DEMO = [sys.executable, "-c", "from otel_cost.cli import main; main()", "demo"]


def environment(tmp_path: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    return processes.clean_environment({**(extra or {}), "TMPDIR": str(temporary)})


def run(tmp_path: Path, *options: str, extra: Mapping[str, str] | None = None) -> tuple[int, str]:
    told = environment(tmp_path, extra)
    with processes.running([*DEMO, *options], name="demo", directory=tmp_path, environment=told) as demo:
        code = demo.process.wait(120)
        output = demo.output()
    assert list((tmp_path / "temporary").iterdir()) == []
    return code, output


def test_it_shows_the_main_job_and_leaves_nothing_behind(tmp_path: Path) -> None:
    hostile = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_COST_ENABLED": "false",
        "OPENAI_BASE_URL": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
    }
    code, output = run(tmp_path, extra=hostile)
    assert code == 0, output
    lines = [re.sub(r"\s+", " ", line).strip() for line in output.splitlines()]

    # 1,850 input tokens (1,024 cached) and 320 output tokens of gpt-4.1-mini at 0.40, 0.10 and 1.60 USD a million
    assert "│ └─ chat gpt-4.1-mini 1,850 → 320 $0.000945 1,024 cached" in lines
    assert "├─ agent planner $0.000945" in lines
    assert any(line.startswith("gpt-4.1 7 21,000 → 6,300 $0.092400") for line in lines), output
    assert any("acme-support-7b 3 630 → 36 unknown 3 without a price" in line for line in lines)
    # An eighth call may have cost 0.008 USD: it is not made, and the limit is not passed.
    assert any(line.startswith("session-limit endless-review $0.092400 $0.100000") for line in lines)
    assert "alerts at 80%, call blocked" in output
    assert "budget 'session-limit' (session='endless-review') does not allow a call" in output
    assert "model: acme-support-7b" in output
    sums = [line.rpartition(" ")[2] for line in lines if line.startswith(("sum over", "otel_cost.", "the server's"))]
    assert len(sums) == 3
    assert len(set(sums)) == 1, sums


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_keep_leaves_the_server_up_until_it_is_ended(tmp_path: Path, end: signal.Signals) -> None:
    told = environment(tmp_path)
    with processes.running([*DEMO, "--keep"], name="demo", directory=tmp_path, environment=told) as demo:

        def stays() -> str | None:
            demo.check_alive()
            found = re.search(r"The server stays on (\S+) until", demo.output())
            return found.group(1) if found else None

        waiting.until(lambda: stays() is not None, "the demo to have shown everything", timeout_s=120)
        url = stays()
        assert url is not None
        summary = get_json(f"{url}/api/v1/costs/summary", group_by="team")
        assert isinstance(summary, dict)
        assert {group["key"]["team"] for group in summary["groups"]} == {"newsroom", "support"}
        demo.process.send_signal(end)
        assert demo.process.wait(30) == 0, demo.output()
    with pytest.raises(OSError, match="refused"):
        answers(f"{url}/healthz")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_real_calls_the_provider_that_the_environment_names(tmp_path: Path) -> None:
    with StandInProvider() as gateway:
        extra = {"OPENAI_API_KEY": "a-key", "OPENAI_BASE_URL": gateway.base_url + "/v1"}
        code, output = run(tmp_path, "--real", extra=extra)
        assert code == 0, output
        assert {request["path"] for request in gateway.requests} == {"/v1/chat/completions"}
        assert {request["headers"]["authorization"] for request in gateway.requests} == {"Bearer a-key"}
        asked = [request["body"] for request in gateway.requests]
    assert all(body.get("max_completion_tokens", body.get("max_tokens")) == 64 for body in asked)
    assert "the real providers are called" in output


def test_a_provider_that_cannot_be_reached_is_a_failure_with_the_apps_own_words(tmp_path: Path) -> None:
    extra = {"OPENAI_API_KEY": "a-key", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    code, output = run(tmp_path, "--real", extra=extra)
    assert code == 1
    assert "nothing was priced" in output
    assert "endless-review: failed. Connection error." in output
