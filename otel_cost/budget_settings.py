"""The settings of budgets, and of the store that keeps them. See docs/budgets.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar, Final, Literal, TypeVar

from otel_cost.settings_values import (
    check_amount,
    check_store_url,
    parse_duration,
    parse_instant,
    parse_percent,
    parse_timezone,
)

Period = Literal["hour", "day", "week", "month", "session", "trace", "total"]
Action = Literal["alert", "block", "pause"]
Reserve = Literal["request", "learned_p99", "max"]
_T = TypeVar("_T")
_FORBID: Final = {"extra": "forbid"}


@dataclass(frozen=True)
class BudgetOverride:
    """What is different for one value of a ``per:`` budget."""

    __pydantic_config__: ClassVar = _FORBID
    amount_usd: Decimal | None = None
    action: Action | None = None
    paused: bool = False
    """No call of this value is made, whatever is spent."""

    def __post_init__(self) -> None:
        check_amount("amount_usd", self.amount_usd)


@dataclass(frozen=True)
class BudgetSettings:
    """One entry of ``budgets:``. Percentages and durations stay text here (``80%``, ``1h``); they are checked."""

    __pydantic_config__: ClassVar = _FORBID
    name: str
    amount_usd: Decimal
    period: Period = "month"
    timezone: str = "UTC"
    per: tuple[str, ...] = ()
    match: Mapping[str, str] = field(default_factory=dict[str, str])
    thresholds: tuple[str, ...] = ("80%", "95%", "100%")
    action: Action = "alert"
    grace: str | None = None
    cooldown: str = "1h"
    unpriced: str | Mapping[str, Decimal] = "allow"
    reserve: Reserve = "request"
    reserve_cap_usd: Decimal | None = None
    notify: tuple[str, ...] = ()
    carry_over: bool = False
    starts: str | None = None
    ends: str | None = None
    timeout: str = "250ms"
    fail: Literal["open", "closed"] = "open"
    expired: Literal["release", "charge"] = "release"
    overrides: Mapping[str, BudgetOverride] = field(default_factory=dict[str, BudgetOverride])

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > 200:
            raise ValueError("a budget needs a name, of at most 200 printable characters")
        check_amount("amount_usd", self.amount_usd)
        check_amount("reserve_cap_usd", self.reserve_cap_usd)
        for share in self.thresholds:
            _parsed("thresholds", parse_percent, share)
        if self.grace is not None:
            _parsed("grace", parse_percent, self.grace)
        _parsed("cooldown", parse_duration, self.cooldown)
        if _parsed("timeout", parse_duration, self.timeout) > 60:
            raise ValueError(f"timeout is {self.timeout}; a call waits for the store for 60s at most")
        self._check_times()
        self._check_labels()
        self._check_unpriced()

    def _check_times(self) -> None:
        zone = _parsed("timezone", parse_timezone, self.timezone)
        starts, ends = (
            None if text is None else _parsed(key, lambda said: parse_instant(said, zone), text)
            for key, text in (("starts", self.starts), ("ends", self.ends))
        )
        if starts is not None and ends is not None and starts >= ends:
            raise ValueError(f"ends ({self.ends}) is not after starts ({self.starts})")
        if self.carry_over and (starts is None or self.period in ("session", "trace", "total")):
            raise ValueError(
                "carry_over needs starts and a period of the calendar: what is left of the period before counts only if"
                " the budget applied then"
            )

    def _check_labels(self) -> None:
        if self.period in ("session", "trace") and self.per not in ((), (self.period,)):
            raise ValueError(f"period {self.period} already means one budget for each {self.period}; leave per out")
        if len(set(self.per)) < len(self.per) or not all(label.strip() for label in (*self.per, *self.match)):
            raise ValueError("per and match take names of labels, each once")
        if self.overrides and len(self.per) != 1:
            raise ValueError("overrides need exactly one label in per")

    def _check_unpriced(self) -> None:
        if isinstance(self.unpriced, str):
            if self.unpriced not in ("allow", "block"):
                raise ValueError(f"unpriced is {self.unpriced!r}; allowed: allow, block, or {{assume: <USD>}}")
        elif set(self.unpriced) != {"assume"}:
            raise ValueError("unpriced takes allow, block, or {assume: <USD>}")
        else:
            check_amount("unpriced: assume", self.unpriced["assume"])
        if self.unpriced == "block" and self.action == "alert" and not self.overrides:
            raise ValueError("unpriced: block does nothing with action: alert; set action to block or pause")


def _parsed(key: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


@dataclass(frozen=True)
class BudgetStoreSettings:
    """Where budgets keep what was spent, so that several processes share one limit."""

    __pydantic_config__: ClassVar = _FORBID
    url: str = ""
    """``sqlite:///budgets.db`` for the processes of one machine, ``postgresql://...`` for many machines, the ``http://``
    URL of ``otel-cost serve`` for apps that should hold a key rather than database credentials. Empty: this process's
    memory."""
    key: str = field(default="", repr=False)
    """Sent to ``otel-cost serve`` as a bearer token. Best set as ``OTEL_COST_BUDGET_STORE_KEY``."""
    cache: str = "off"
    """How long a scope that is far from its limit is let through without asking the store, for instance ``1s``. ``off``
    asks before each call. See docs/budgets.md for what it can overshoot."""
    hold_ttl: str = "60s"
    """How long a reservation outlives the process that made it."""

    def __post_init__(self) -> None:
        check_store_url(self.url)
        if self.cache != "off" and parse_duration(self.cache) > 3600:
            raise ValueError(f"cache is {self.cache}; allowed: off, or a duration of at most 1h")
        if not 1 <= parse_duration(self.hold_ttl) <= 86400:
            raise ValueError(f"hold_ttl is {self.hold_ttl}; allowed: 1s to 24h")

    @property
    def cache_s(self) -> float:
        """The cache's time to live in seconds; 0 when it is off."""
        return 0.0 if self.cache == "off" else parse_duration(self.cache)
