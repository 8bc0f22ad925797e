"""Every kind of call with the oldest supported releases of the SDKs; the newest are those of all other tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from otel_cost import semconv
from tests.emitters.environments import OLDEST
from tests.support import processes, tools

pytestmark = pytest.mark.emitters

GPT, CLAUDE = 4_500_000, 6_000_000
"""Nano-USD of 1,000 tokens in and 200 out: gpt-4o at 2.50 and 10 USD per million, claude-sonnet-4-5 at 3 and 15."""
EXPECTED: Final = {
    "chat": GPT,
    "chat_raw": GPT,
    "chat_stream": GPT,
    "chat_async_stream": GPT,
    "responses": GPT,
    "retrieve": GPT,
    "embeddings": 20_000,  # 0.02 USD per million
    "images": 13_000_000,  # gpt-image-1: 5 and 40 USD per million
    "speech": 15_000_000,  # tts-1: 15 USD per million characters
    "transcription": 9_000_000,  # whisper-1: 0.36 USD an hour
    "batch": GPT // 2,
    "message": CLAUDE,
    "message_async": CLAUDE,
    "message_stream": CLAUDE,
    "message_batch": CLAUDE // 2,
}
"""Of each call; all prices are those of genai-prices 0.2.3."""


@pytest.fixture(scope="module")
def told() -> dict[str, list[dict[str, Any]]]:
    path = os.pathsep.join((str(tools.CHECKOUT), str(tools.CHECKOUT / "instrumentation")))
    done = subprocess.run(
        [str(OLDEST.require()), str(Path(__file__).with_name("calls.py"))],
        env=processes.clean_environment({"PYTHONPATH": path}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("call", EXPECTED)
def test_a_call_with_the_oldest_release_is_exact(call: str, told: dict[str, list[dict[str, Any]]]) -> None:
    [span] = told[call]

    assert span[semconv.STATUS] == "priced"
    assert round(span[semconv.COST_AMOUNT] * 10**9) == EXPECTED[call]
