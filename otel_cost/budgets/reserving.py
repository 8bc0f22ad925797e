"""How much room a call is taken to need before it is made.

Input: one token takes at least one byte of UTF-8, so bytes are a bound; with a tokenizer, what it counts and a fifth
more, which is far less and nearly always enough. Output: the request's own limit for each
choice, where it has one; else by the budget's ``reserve:`` mode.

- ``request``: what calls of that model were seen to write (99 of 100 of them), else ``OUTPUT_UNKNOWN``; at most
  ``reserve_cap_usd`` in all.
- ``learned_p99``: the same, and learned output also stands in for a limit that the request has.
- ``max``: the model's context window, and input by its bytes at the dearest price that a cache can make of it. A bound
  that holds, for what a request shows: what the provider adds by itself (earlier responses, files, images, searches) it
  does not show.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Final

from otel_cost import semconv
from otel_cost.budget_settings import Reserve
from otel_cost.budgets.spec import Budget
from otel_cost.forking import after_fork_in_child
from otel_cost.model import CostRecord, PlannedCall, Status, Usage

OUTPUT_UNKNOWN: Final = 1024
"""Tokens that a call is taken to write where the request has no limit and nothing is known: some 750 words."""
_COUNTED_PERCENT: Final = 120
"""What is reserved of what a tokenizer counts: it is not the provider's own, and misses some (docs/estimates.md)."""
_SAMPLES: Final = 200
_ENOUGH: Final = 20
"""Samples of a model before what was learned counts."""
_MODELS: Final = 1000

PriceOf = Callable[[PlannedCall, Usage], int | None]
"""What a planned call would cost with that usage, in nano-USD; None where there is no price, or prices are not
there."""
WindowOf = Callable[[PlannedCall], int | None]
"""The context window of a planned call's model in tokens, None where it is not known."""


class Learned:
    """What calls wrote, by provider and model. Bounded; thread-safe."""

    def __init__(self) -> None:
        self._samples: OrderedDict[tuple[str, str], deque[int]] = OrderedDict()
        self._renew_lock()
        after_fork_in_child(self._renew_lock)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    def take(self, record: CostRecord) -> None:
        """Learn from a record whose provider counted its output."""
        written = record.usage.output_tokens if record.usage is not None else None
        if written is None or record.charge.status is not Status.PRICED:
            return
        key = (record.provider, record.model_requested)
        with self._lock:
            samples = self._samples.setdefault(key, deque(maxlen=_SAMPLES))
            samples.append(written)
            self._samples.move_to_end(key)
            if len(self._samples) > _MODELS:
                self._samples.popitem(last=False)

    def output_tokens(self, call: PlannedCall) -> int | None:
        """What 99 of 100 calls wrote at most, None where too few were seen."""
        with self._lock:
            samples = sorted(self._samples.get((call.provider, call.model), ()))
        return samples[-1 - len(samples) // 100] if len(samples) >= _ENOUGH else None


class Reserving:
    """Works out the worst case of a planned call, in nano-USD."""

    def __init__(self, price_of: PriceOf, window_of: WindowOf) -> None:
        self._price_of = price_of
        self._window_of = window_of
        self.learned = Learned()

    def amount_nano(self, budget: Budget, call: PlannedCall) -> int | None:
        """What ``budget`` has to have for ``call``; None where that is not known, since the call has no price."""
        usages = self._usages(budget.reserve, call)
        amounts = [amount for usage in usages if (amount := self._price_of(call, usage)) is not None]
        if not amounts:
            return None
        most = max(amounts)
        capped = budget.reserve_cap_nano is not None and call.max_output_tokens is None
        return min(most, budget.reserve_cap_nano or 0) if capped else most

    def _usages(self, mode: Reserve, call: PlannedCall) -> Iterator[Usage]:
        written = self._output_tokens(mode, call) * max(1, call.choices)
        counts = {"input_tokens": self._input_tokens(mode, call), "output_tokens": written}
        yield Usage.of(counts)
        if mode == "max" and call.input_bytes:
            for kept in ("cache_write_tokens", "cache_write_1h_tokens"):
                yield Usage.of({**counts, "cache_write_tokens": call.input_bytes, kept: call.input_bytes})

    def _input_tokens(self, mode: Reserve, call: PlannedCall) -> int:
        counted = call.count_input() if call.count_input is not None and mode != "max" else None
        if counted is None:
            return call.input_bytes
        return min(call.input_bytes, -(-counted * _COUNTED_PERCENT // 100))

    def _output_tokens(self, mode: Reserve, call: PlannedCall) -> int:
        if call.operation == semconv.OP_EMBEDDINGS:
            return 0
        if mode == "max":
            return call.max_output_tokens or self._window_of(call) or OUTPUT_UNKNOWN
        if mode == "request" and call.max_output_tokens is not None:
            return call.max_output_tokens
        learned = self.learned.output_tokens(call)
        if learned is not None:
            return learned
        return call.max_output_tokens if call.max_output_tokens is not None else OUTPUT_UNKNOWN
