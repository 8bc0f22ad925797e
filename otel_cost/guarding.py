"""Budgets in the app's own code: room for a block before it runs, whether there would be room, and what happens.

``with otel_cost.guard(estimated_usd=0.50, team="search"): ...`` asks every budget that applies to those labels before
the block begins. What is estimated is reserved for the block: its calls draw on that and need room of their own only
for what it does not cover, and the rest is given back at the end.
"""

from __future__ import annotations

import contextvars
import inspect
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import wraps
from types import TracebackType
from typing import Any, Final, ParamSpec, TypeVar, cast

from opentelemetry import context
from opentelemetry.context import Context

from otel_cost import runtime
from otel_cost.budgets import NO_HOLD, Decision, Hold, reserved_around
from otel_cost.budgets.listening import BudgetNotice
from otel_cost.labelling import labels
from otel_cost.model import NANO
from otel_cost.runtime import Runtime
from otel_cost.stepping import AsyncSteps, Steps, awaited
from otel_cost.switching import is_disabled

__all__ = ["BudgetNotice", "Decision", "can_spend", "can_spend_async", "guard", "on_budget_event"]

P = ParamSpec("P")
R = TypeVar("R")
Amount = Decimal | int | float
"""USD. A ``Decimal`` is exact; a float is taken at its shortest decimal form."""
MAX_USD: Final = 10**9
"""No estimate may be larger."""


@dataclass(frozen=True, slots=True, eq=False)
class _Entered:
    """One time that a guard was entered: what it holds, and what was around it."""

    hold: Hold
    around: Hold | None
    token: Token[Context]


_entered: Final[ContextVar[tuple[_Entered, ...]]] = ContextVar("otel_cost_guards_entered", default=())


class guard:
    """A block of code that begins only when the budgets let it: a context manager and decorator, also async.

    Before the block every budget that applies to its labels is asked, those by model or provider aside, since what a
    block will call is not known. With ``estimated_usd`` that much is reserved in each of them until the block ends,
    however it ends; calls that are still under way then keep what they need. Without one, the block begins wherever
    anything is left. Calls in the block are asked for as always: what their worst case needs comes out of the block's
    reservation as far as that goes, so that a limit stays a limit however low the estimate was. Guards nest, and the
    inner one's room comes out of the outer one's likewise. A reservation lapses after an hour.

    Decorates functions, coroutine functions, generators and async generators; each call is a block of its own. ``async
    with`` and decorated coroutines never block the event loop; ``with`` asks on the thread it is on. One instance may
    be entered in many threads and tasks at once. Where otel-cost is not installed, or has no budgets, only the labels
    take effect.

    Args:
        estimated_usd: What the block may cost, in USD: at least 0 and at most 1,000,000,000.
        labels: For the block, as :class:`otel_cost.labels` takes them.

    Raises:
        BudgetExceeded: on entering; the block does not run.
        ValueError: the estimate is no such amount.
    """

    def __init__(self, estimated_usd: Amount | None = None, **labels: str | int | None) -> None:
        self._nano = nano_of(estimated_usd)
        self._labels: Mapping[str, str | int | None] = labels
        self._lock = threading.Lock()
        self._open: list[_Entered] = []

    @classmethod
    def of(cls, values: Mapping[str, str | int | None], estimated_usd: Amount | None = None) -> guard:
        """With labels of a mapping, whatever their names are."""
        made = cls(estimated_usd)
        made._labels = dict(values)
        return made

    def _fresh(self) -> guard:
        made = guard.of(self._labels)
        made._nano = self._nano
        return made

    # --- as a context manager -----------------------------------------------------------------------------------------

    def __enter__(self) -> None:
        token = self._attach_labels()
        try:
            installed = _asked()
            hold = NO_HOLD if installed is None else installed.reserve(self._nano)
        except BaseException:
            context.detach(token)
            raise
        self._begin(hold, token)

    async def __aenter__(self) -> None:
        token = self._attach_labels()
        try:
            installed = _asked()
            hold = NO_HOLD if installed is None else await installed.reserve_async(self._nano)
        except BaseException:
            context.detach(token)
            raise
        self._begin(hold, token)

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def _attach_labels(self) -> Token[Context]:
        return context.attach(labels.of(self._labels).changed())

    def _begin(self, hold: Hold, token: Token[Context]) -> None:
        if not self._nano:
            hold.release()  # it was only to ask
        block = _Entered(hold, reserved_around.get(), token)
        if self._nano and hold is not NO_HOLD:
            reserved_around.set(hold)
        _entered.set((*_entered.get(), block))
        with self._lock:
            self._open.append(block)

    def _end(self) -> None:
        with self._lock:
            here = [block for block in _entered.get() if block in self._open]
            block = here[-1] if here else self._open[-1]
            self._open.remove(block)
        # Some frameworks leave a block in another context than they entered it in: then there is nothing to restore.
        if here:
            _entered.set(tuple(other for other in _entered.get() if other is not block))
            reserved_around.set(block.around)
            context.detach(block.token)
        block.hold.release()

    # --- as a decorator -----------------------------------------------------------------------------------------------

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.isasyncgenfunction(function):
            return cast("Callable[P, R]", self._async_generator(function))
        if inspect.isgeneratorfunction(function):
            return cast("Callable[P, R]", self._generator(function))
        if inspect.iscoroutinefunction(function):
            return cast("Callable[P, R]", self._coroutine(function))

        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._fresh():
                return function(*args, **kwargs)

        return run

    def _coroutine(self, function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> R:
            async with self._fresh():
                return await function(*args, **kwargs)

        return run

    def _generator(self, function: Callable[P, Generator[Any, Any, R]]) -> Callable[P, Iterator[Any]]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, R]:
            # What a generator sets in the context is seen by whoever steps it, and the other way round: the block has a
            # context of its own, so that its labels and its room are for what is inside alone.
            inside = contextvars.copy_context()
            block = self._fresh()
            inside.run(block.__enter__)
            try:
                return (yield from Steps(inside, inside.run(function, *args, **kwargs)))
            finally:
                inside.run(block._end)

        return run

    def _async_generator(self, function: Callable[P, AsyncGenerator[Any, Any]]) -> Callable[P, AsyncIterator[Any]]:
        @wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[Any, Any]:
            inside = contextvars.copy_context()
            block = self._fresh()
            await awaited(inside, block.__aenter__())
            steps = AsyncSteps(inside, inside.run(function, *args, **kwargs))
            try:
                while await steps.more():
                    with steps:
                        steps.sent = yield steps.item
            finally:
                try:
                    await steps.aclose()
                finally:
                    inside.run(block._end)

        return run


def can_spend(estimated_usd: Amount = 0, **labels: str | int | None) -> Decision:
    """Whether the budgets would let that much be spent right now, with the reason where not.

    Reserves nothing and tells nobody, so that a moment later it may be otherwise: :class:`guard` makes sure. Asks the
    budgets' store, on this thread. Where otel-cost is not installed, or no budget applies, everything is allowed.

    Args:
        estimated_usd: In USD, at least 0 and at most 1,000,000,000. 0 asks whether anything is left.
        labels: Beside those around, as :class:`otel_cost.labels` takes them.

    Raises:
        ValueError: the estimate is no such amount.
    """
    nano = nano_of(estimated_usd)
    with _labelled(labels):
        installed = _asked()
        return Decision(True) if installed is None else installed.budgets.check(installed.facts(), nano)


async def can_spend_async(estimated_usd: Amount = 0, **labels: str | int | None) -> Decision:
    """As :func:`can_spend`, without ever blocking the event loop."""
    nano = nano_of(estimated_usd)
    with _labelled(labels):
        installed = _asked()
        return Decision(True) if installed is None else await installed.check_async(nano)


def on_budget_event(callback: Callable[[BudgetNotice], object]) -> Callable[[], None]:
    """Call ``callback`` with every threshold, breach, blocked call, pause and resumption of a budget that this process
    brings about or finds.

    Callbacks run one after the other on one background thread, never on the thread of a call: they may take their time,
    but not for ever, since past 1,000 waiting notices further ones are dropped. What a callback raises is logged once.
    Of each budget, scope, threshold and event one notice comes within the budget's ``cooldown``; the next one says how
    many there were in between. At the end of the process there are two seconds for what waits.

    Args:
        callback: A plain function. May be added before ``install()``.

    Returns:
        A function that ends it.

    Raises:
        TypeError: the callback cannot be called, or is a coroutine function, which nobody would await.
    """
    if not callable(callback):
        raise TypeError(f"a budget callback is a function; this is {type(callback).__name__}")
    if inspect.iscoroutinefunction(callback):
        raise TypeError("a budget callback is a plain function: it runs on a thread, where nobody awaits it")
    return runtime.listeners.add(callback)


def _labelled(values: Mapping[str, str | int | None]) -> labels:
    return labels.of(values)


def _asked() -> Runtime | None:
    """The runtime whose budgets there are to ask; None where nothing is counted against any."""
    installed = runtime.current()
    if installed is None or not installed.budgets.present or is_disabled(installed.config.recording_switch, None):
        return None
    return installed


def nano_of(estimated_usd: Amount | None) -> int:
    """Nano-USD of an estimate, rounded up. Raises ValueError for what is no amount from 0 to ``MAX_USD``."""
    if estimated_usd is None:
        return 0
    if isinstance(estimated_usd, bool) or not isinstance(estimated_usd, Decimal | int | float):
        raise ValueError(f"estimated_usd is {estimated_usd!r}: it takes a number of USD")
    amount = Decimal(repr(float(estimated_usd))) if isinstance(estimated_usd, float) else Decimal(estimated_usd)
    if not amount.is_finite() or not 0 <= amount <= MAX_USD:
        raise ValueError(f"estimated_usd is {estimated_usd}: it must be from 0 to 1,000,000,000 USD")
    return int((amount * NANO).to_integral_value(ROUND_CEILING))
