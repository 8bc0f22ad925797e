"""Calls with the oldest supported releases of the SDKs, and with older ones; all other tests have the newest."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.cases import WIRES
from tests.emitters.environments import OLDEST, OLDEST_APART, TOO_OLD, EmitterSet
from tests.support import processes, tools

pytestmark = pytest.mark.emitters

GPT, CLAUDE, LLAMA = 4_500_000, 6_000_000, 748_000
"""Nano-USD of 1,000 tokens in and 200 out: gpt-4o at 2.50 and 10 USD per million, claude-sonnet-4-5 at 3 and 15,
Llama 3.3 70B of Groq through Hugging Face at 0.59 and 0.79."""
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
    "routed": LLAMA,
    "routed_stream": LLAMA,
    "routed_async_stream": LLAMA,
}
"""Of each call; all prices are those of genai-prices 0.2.3."""


def _run(home: EmitterSet, script: str, *arguments: str) -> tuple[dict[str, Any], str]:
    """What ``script`` told, and what was logged."""
    path = os.pathsep.join((str(tools.CHECKOUT), str(tools.CHECKOUT / "instrumentation")))
    done = subprocess.run(
        [str(home.require()), str(Path(__file__).with_name(script)), *arguments],
        env=processes.clean_environment({"PYTHONPATH": path, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-8000:]
    return dict(json.loads(done.stdout)), done.stderr


@pytest.fixture(scope="module")
def told() -> dict[str, list[dict[str, Any]]]:
    return _run(OLDEST, "calls.py")[0]


@cache
def _by_the_wire(home: EmitterSet) -> tuple[dict[str, Any], str]:
    with StandInProvider(wires=WIRES) as server:
        return _run(home, "loopback.py", server.base_url)


@pytest.mark.parametrize("call", EXPECTED)
def test_a_call_with_the_oldest_release_is_exact(call: str, told: dict[str, list[dict[str, Any]]]) -> None:
    [span] = told[call]

    assert span[semconv.STATUS] == "priced"
    assert round(span[semconv.COST_AMOUNT] * 10**9) == EXPECTED[call]


OVER_THE_WIRE: Final = {
    (OLDEST, "groq"): 748_000,  # llama-3.3-70b-versatile: 0.59 and 0.79 USD per million
    (OLDEST, "cohere"): 270_000,  # command-r-08-2024: 0.15 and 0.60
    (OLDEST, "google_genai"): 800_000,  # gemini-2.5-flash: 0.30 and 2.50
    (OLDEST, "mistralai"): 3_200_000,  # mistral-large-latest: 2 and 6
    (OLDEST, "boto3"): 1_600_000,  # claude-3-5-haiku on Bedrock: 0.80 and 4
    (OLDEST, "aiobotocore"): 1_600_000,
    (OLDEST, "huggingface_hub"): GPT,  # by an overlay
    (OLDEST_APART, "litellm"): GPT,
    (OLDEST_APART, "ollama"): GPT,  # by an overlay
}
"""Nano-USD of 1,000 tokens in and 200 out, by the prices of genai-prices 0.2.3."""
WAYS: Final = [
    pytest.param(home, sdk, way, id=f"{sdk}-{way}")
    for home, sdk in OVER_THE_WIRE
    for way in ("whole", "streamed", *(() if "boto" in sdk else ("async",)))
]


@pytest.mark.parametrize(("home", "sdk", "way"), WAYS)
def test_a_call_by_the_wire_with_the_oldest_release_is_exact(home: EmitterSet, sdk: str, way: str) -> None:
    spans = [span for span in _by_the_wire(home)[0][sdk][way] if span[semconv.STATUS] != "wrapper"]

    assert [span[semconv.STATUS] for span in spans] == ["priced"]
    assert round(spans[0][semconv.COST_AMOUNT] * 10**9) == OVER_THE_WIRE[home, sdk]


@pytest.mark.parametrize("sdk", ["cohere", "google_genai", "huggingface_hub", "mistralai"])
def test_an_older_release_is_left_alone_and_the_log_says_so_once(sdk: str) -> None:
    """The calls are made all the same: otherwise the script would have failed."""
    told, log = _by_the_wire(TOO_OLD)

    assert not any(told[sdk].values())
    package = sdk if sdk == "huggingface_hub" else sdk.replace("_", "-")
    lines = [line for line in log.splitlines() if line.startswith(f"otel_cost: {package} ")]
    assert len(lines) == 1
    assert "older than" in lines[0]
