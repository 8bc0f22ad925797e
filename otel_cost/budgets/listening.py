"""What happens to budgets, told to the app's own callbacks: on its own thread, and the same thing not too often."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from otel_cost import semconv, shield
from otel_cost.budgets.evaluate import BudgetEvent
from otel_cost.budgets.spec import Budget, Scope
from otel_cost.forking import after_fork_in_child
from otel_cost.model import NANO

_log = logging.getLogger(semconv.LOGGER)
_MAX_WAITING: Final = 1000
_MAX_KNOWN: Final = 10_000
_AT_EXIT_S: Final = 2.0
"""How long the end of a process may wait for callbacks."""


@dataclass(frozen=True, slots=True)
class BudgetNotice:
    """Something that happened to a budget.

    Attributes:
        name: The event's: ``otel_cost.budget.`` and ``threshold``, ``breach``, ``blocked``, ``paused`` or ``resumed``.
        budget: The budget's name.
        scope: The label values that it is about; empty for a budget that is one for all.
        period: When the period began, ISO 8601; empty where it has none.
        severity: ``info``, ``warning`` or ``critical``.
        threshold: The share of the limit that it is about; 1 is 100 %.
        spent_usd, limit_usd: In USD, when it happened.
        message: One sentence for a person.
        recipients: The budget's ``notify:``.
        actor: Who did it, where a person did.
        suppressed: How many of the same kind were not told before it, since the budget's ``cooldown`` had not passed.
    """

    name: str
    budget: str
    scope: Mapping[str, str]
    period: str
    severity: str
    threshold: Decimal
    spent_usd: Decimal
    limit_usd: Decimal
    message: str
    recipients: tuple[str, ...]
    actor: str = ""
    suppressed: int = 0


Callback = Callable[[BudgetNotice], object]
_Kind = tuple[str, Scope, Decimal, str]


class Cooldowns:
    """Which events are told: of each budget, scope, threshold and name one within the budget's ``cooldown``; what a
    person does is always told. Bounded; not thread-safe by itself."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._told: OrderedDict[_Kind, tuple[float, int]] = OrderedDict()

    def passed(self, event: BudgetEvent, cooldown_s: float) -> int | None:
        """How many like it were not told before; None where this one is not to be told either."""
        if event.actor:
            return 0
        kind = (event.budget, event.row.scope, event.threshold, event.name)
        now = self._clock_s()
        told_at, suppressed = self._told.get(kind, (float("-inf"), 0))
        if now - told_at < cooldown_s:
            self._told[kind] = (told_at, suppressed + 1)
            return None
        self._told[kind] = (now, 0)
        self._told.move_to_end(kind)
        if len(self._told) > _MAX_KNOWN:
            self._told.popitem(last=False)
        return suppressed


class Listeners:
    """Callbacks, and the daemon thread that they run on, which starts with the first event that anybody listens to.
    Thread-safe. A forked child keeps the callbacks; what its parent had yet to tell is the parent's.

    Attributes:
        dropped: Notices that nobody was told, since callbacks were too slow.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._callbacks: tuple[Callback, ...] = ()
        self._forget_waiting()
        after_fork_in_child(self._forget_waiting)

    def _forget_waiting(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[BudgetNotice] = deque()
        self._telling = False
        self._thread: threading.Thread | None = None
        self._cooldowns = Cooldowns(self._clock_s)
        self.dropped = 0

    def add(self, callback: Callback) -> Callable[[], None]:
        """Tell ``callback`` from now on, until what is returned is called."""

        def told(notice: BudgetNotice) -> object:
            return callback(notice)  # a function of its own: the same callback may be added twice

        with self._changed:
            self._callbacks = (*self._callbacks, told)
        return lambda: self._remove(told)

    def _remove(self, told: Callback) -> None:
        with self._changed:
            self._callbacks = tuple(one for one in self._callbacks if one is not told)

    def start_anew(self) -> None:
        """Forget what was told: other budgets are there now."""
        with self._changed:
            self._cooldowns = Cooldowns(self._clock_s)

    def tell(self, event: BudgetEvent, budget: Budget) -> None:
        """Pass an event on. Returns at once."""
        if not self._callbacks:
            return
        with self._changed:
            suppressed = self._cooldowns.passed(event, budget.cooldown_s)
            if suppressed is None:
                return
            if len(self._waiting) >= _MAX_WAITING:
                self._drop()
                return
            self._waiting.append(notice_of(event, budget.notify, suppressed))
            self._start()
            self._changed.notify_all()

    def _drop(self) -> None:
        if not self.dropped:
            _log.error("budget callbacks are too slow: what happens meanwhile is not told (said once)")
        self.dropped += 1

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="otel-cost-listeners", daemon=True)
            self._thread.start()
            atexit.register(self.flush, _AT_EXIT_S)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything that happened so far was told. False when that took longer, or in a callback."""
        if threading.current_thread() is self._thread:
            return False
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and not self._telling, timeout_s)

    def _run(self) -> None:
        changed = self._changed
        while True:
            with changed:
                changed.wait_for(lambda: bool(self._waiting))
                notice, callbacks = self._waiting.popleft(), self._callbacks
                self._telling = True
            try:
                _tell_all(callbacks, notice)
            finally:
                with changed:
                    self._telling = False
                    changed.notify_all()


def _tell_all(callbacks: Sequence[Callback], notice: BudgetNotice) -> None:
    for callback in callbacks:
        shield.run("budget callback", None, callback, notice)


def notice_of(event: BudgetEvent, recipients: tuple[str, ...], suppressed: int = 0) -> BudgetNotice:
    """An event as callbacks get it."""
    return BudgetNotice(
        name=event.name,
        budget=event.budget,
        scope=MappingProxyType(dict(event.row.scope)),
        period=event.row.period,
        severity=event.severity,
        threshold=event.threshold,
        spent_usd=Decimal(event.spent_nano) / NANO,
        limit_usd=Decimal(event.limit_nano) / NANO,
        message=event.message(),
        recipients=recipients,
        actor=event.actor,
        suppressed=suppressed,
    )
