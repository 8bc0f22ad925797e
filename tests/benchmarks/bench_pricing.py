"""What one price takes: ``python -m tests.benchmarks.bench_pricing``.

Prices the same usage with a warm catalog, with ``genai_prices.calc_price`` and, where it is installed, with
``litellm.completion_cost``, alternating in one process, and takes the best round of each. Exit code 1 when a ratio, the
better yardstick on a shared machine, is below its reach for any case. The absolute goal, ``GOAL_NS``, is printed and
does not fail the run.

litellm needs an environment of its own, since it pins half of ours::

    uv venv scratch && uv pip install --python scratch/bin/python litellm --editable .
    scratch/bin/python -m tests.benchmarks.bench_pricing
"""

from __future__ import annotations

import os
import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

import genai_prices

from otel_cost.model import Status, Usage
from otel_cost.pricing import Catalog, PriceQuery

RATIO = 25.0
LITELLM_RATIO = 50.0
GOAL_NS = 3000.0
ROUNDS = 15
RULES = {"adjustments": [{"provider": "openai", "discount": "15%"}, {"markup": "5%"}]}
CASES: dict[str, tuple[str, str, dict[str, int]]] = {
    "two counts": ("openai", "gpt-4o", {"input_tokens": 1200, "output_tokens": 300}),
    "cached and reasoning": (
        "openai",
        "gpt-5",
        {"input_tokens": 1200, "cache_read_tokens": 800, "output_tokens": 300, "output_reasoning_tokens": 128},
    ),
    "cache written and read": (
        "anthropic",
        "claude-sonnet-4-5",
        {"input_tokens": 9000, "cache_read_tokens": 6000, "cache_write_tokens": 2000, "output_tokens": 700},
    ),
    "tiers": ("google", "gemini-2.5-pro", {"input_tokens": 250_000, "output_tokens": 900}),
}
LITELLM_PREFIX = {"google": "gemini/"}


def nanoseconds(call: Callable[[], object], number: int) -> float:
    return timeit.timeit(call, number=number) / number * 1e9


def best(calls: dict[str, tuple[Callable[[], object], int]]) -> dict[str, float]:
    """The best of ``ROUNDS`` rounds for each call, in ns; they alternate, so that all see the same machine."""
    for call, _ in calls.values():
        call()
    rounds = [{name: nanoseconds(call, number) for name, (call, number) in calls.items()} for _ in range(ROUNDS)]
    return {name: min(one[name] for one in rounds) for name in calls}


def ours(catalog: Catalog, provider: str, model: str, counts: dict[str, int], at: datetime) -> Callable[[], object]:
    usage = Usage.of(counts)
    query = PriceQuery(provider, model, int(at.timestamp()) * 10**9)
    if catalog.price(usage, query).status is not Status.PRICED:
        raise SystemExit(f"{provider}/{model} has no price: nothing to compare")
    return lambda: catalog.price(usage, query)


def genai(provider: str, model: str, counts: dict[str, int], at: datetime) -> Callable[[], object]:
    usage = genai_prices.Usage(**counts)
    return lambda: genai_prices.calc_price(usage, model, provider_id=provider, genai_request_timestamp=at)


def litellm_cost(provider: str, model: str, counts: dict[str, int]) -> Callable[[], object]:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # it would fetch its price file otherwise
    litellm: Any = __import__("litellm")
    types: Any = __import__("litellm.types.utils", fromlist=["Usage"])
    name = LITELLM_PREFIX.get(provider, "") + model
    cached = types.PromptTokensDetailsWrapper(cached_tokens=counts.get("cache_read_tokens", 0))
    usage = types.Usage(
        prompt_tokens=counts["input_tokens"],
        completion_tokens=counts["output_tokens"],
        total_tokens=counts["input_tokens"] + counts["output_tokens"],
        prompt_tokens_details=cached,
        cache_creation_input_tokens=counts.get("cache_write_tokens", 0),
    )
    response = types.ModelResponse(model=name, usage=usage)
    return lambda: litellm.completion_cost(completion_response=response, model=name)


def main() -> int:
    catalog, ruled = Catalog.load(), Catalog.load(inline=[RULES])
    now = datetime.now(UTC)
    with_litellm = find_spec("litellm") is not None
    print(f"{catalog.version}, Python {sys.version.split()[0]}: best of {ROUNDS} rounds")
    if not with_litellm:
        print("litellm is not installed, so that it is left out; the docstring of this module says how to get it")
    failed = False
    for name, case in CASES.items():
        calls = {
            "otel-cost": (ours(catalog, *case, now), 4000),
            "with rules": (ours(ruled, *case, now), 4000),
            "genai-prices": (genai(*case, now), 200),
            **({"litellm": (litellm_cost(*case), 100)} if with_litellm else {}),
        }
        took = best(calls)
        own = took["otel-cost"]
        goal = "within" if own <= GOAL_NS else "above"
        print(f"{name}: {own:.0f} ns ({goal} {GOAL_NS:.0f}), with a discount and a mark-up {took['with rules']:.0f} ns")
        for other, reach in (("genai-prices", RATIO), ("litellm", LITELLM_RATIO)):
            if other in took:
                ratio = took[other] / own
                failed |= ratio < reach
                verdict = "pass" if ratio >= reach else "FAIL"
                print(f"  {verdict}  {other:13} {took[other]:9.0f} ns  ratio {ratio:6.1f} (reach {reach:.0f})")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
