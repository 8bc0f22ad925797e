"""What one price takes: ``python -m tests.benchmarks.bench_pricing``.

Prices the same usage with a warm catalog and with ``genai_prices.calc_price``, alternating in one process, and takes
the best round of each. Exit code 1 when the ratio, the better yardstick on a shared machine, is below ``RATIO`` for any
case. The absolute goal, ``GOAL_NS``, is printed and does not fail the run.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from datetime import UTC, datetime

import genai_prices

from otel_cost.model import Status, Usage
from otel_cost.pricing import Catalog, PriceQuery

RATIO = 25.0
GOAL_NS = 3000.0
ROUNDS = 15
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


def nanoseconds(call: Callable[[], object], number: int) -> float:
    return timeit.timeit(call, number=number) / number * 1e9


def measure(catalog: Catalog, provider: str, model: str, counts: dict[str, int]) -> tuple[float, float]:
    """Nanoseconds for one price: ours, theirs."""
    now = datetime.now(UTC)
    usage, their_usage = Usage.of(counts), genai_prices.Usage(**counts)
    query = PriceQuery(provider, model, int(now.timestamp()) * 10**9)
    if catalog.price(usage, query).status is not Status.PRICED:
        raise SystemExit(f"{provider}/{model} has no price: nothing to compare")

    def ours() -> object:
        return catalog.price(usage, query)

    def theirs() -> object:
        return genai_prices.calc_price(their_usage, model, provider_id=provider, genai_request_timestamp=now)

    theirs()
    rounds = [(nanoseconds(ours, 4000), nanoseconds(theirs, 200)) for _ in range(ROUNDS)]
    return min(our for our, _ in rounds), min(their for _, their in rounds)


def main() -> int:
    catalog = Catalog.load()
    print(f"{catalog.version}, Python {sys.version.split()[0]}: best of {ROUNDS} rounds")
    failed = False
    for name, (provider, model, counts) in CASES.items():
        ours, theirs = measure(catalog, provider, model, counts)
        ratio = theirs / ours
        failed |= ratio < RATIO
        verdict = "pass" if ratio >= RATIO else "FAIL"
        goal = "within" if ours <= GOAL_NS else "above"
        print(
            f"{verdict}  {name:24} {ours:7.0f} ns ({goal} {GOAL_NS:.0f})  "
            f"genai-prices {theirs:8.0f} ns  ratio {ratio:5.1f} (reach {RATIO:.0f})"
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
