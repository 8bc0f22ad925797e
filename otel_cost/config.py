"""One frozen ``Config``: arguments over environment over file over defaults.

The shape of the file is the shape of the dataclasses below. Every setting is also an environment variable: its path in
upper case after ``OTEL_COST_``, for instance ``OTEL_COST_LABELS_METRICS=team,project`` or
``OTEL_COST_CHARGE_EVENTS=all``; lists are comma-separated, anything nested is written as YAML. ``OTEL_COST_CONFIG`` is
the path of the file, ``OTEL_COST_PRICES`` a short form of ``OTEL_COST_PRICES_FILES``.

Validation (pydantic) and YAML are imported only when there is something to read, so that an app that sets nothing does
not pay for them.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final, Literal, TypeVar

from otel_cost.settings_values import check_store_url, parse_duration, parse_instant, parse_percent, parse_timezone

ENV_PREFIX: Final = "OTEL_COST_"
ENV_CONFIG: Final = "OTEL_COST_CONFIG"
ENV_SHORT: Final[Mapping[str, tuple[str, ...]]] = {"OTEL_COST_PRICES": ("prices", "files")}
"""Variables that do not spell the path of their setting."""

KNOWN_LABELS: Final = (
    *("tenant", "workspace", "team", "project", "feature", "execution"),
    *("service", "environment", "user", "session", "conversation", "agent", "agent_id"),
    *("provider", "model", "operation", "kind", "trace"),
)
"""Names that mean something without being listed in the settings."""
Period = Literal["hour", "day", "week", "month", "session", "trace", "total"]
Action = Literal["alert", "block", "pause"]
Reserve = Literal["request", "learned_p99", "max"]
ENV_LIMITS: Final[Mapping[str, tuple[str, Period]]] = {
    "OTEL_COST_DAILY_LIMIT": ("daily-limit", "day"),
    "OTEL_COST_MONTHLY_LIMIT": ("monthly-limit", "month"),
    "OTEL_COST_SESSION_LIMIT": ("session-limit", "session"),
}
"""Variables that make a budget each: its name and its period. Their value is its amount in USD."""
ENV_OF_LIMITS: Final[Mapping[str, str]] = {
    "OTEL_COST_THRESHOLDS": "thresholds",
    "OTEL_COST_NOTIFY": "notify",
    "OTEL_COST_LIMIT_ACTION": "action",
}
"""Variables for all of those budgets, and the key that each stands for."""
_T = TypeVar("_T")
_FORBID: Final = {"extra": "forbid"}
_LEAST_USD: Final = Decimal("1e-9")
"""What is less would be kept as 0, which lets nothing be spent."""


@dataclass(frozen=True)
class LabelSettings:
    """Who spent it: which labels go on metrics, and whose word is taken for them."""

    __pydantic_config__: ClassVar = _FORBID
    metrics: tuple[str, ...] = ("team", "project", "workspace", "agent", "feature")
    """Labels that metrics carry. Only ones with few values: users and sessions go to spans and the ledger."""
    baggage: tuple[str, ...] = ()
    """Labels accepted from inbound W3C baggage. None by default: baggage could pick another team's budget."""
    static: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels on everything this process does, unless the code says otherwise."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels that the middleware takes from headers of inbound requests: header to label. None by default, as for
    baggage."""
    max_values: int = 100
    """Distinct values of one label on metrics in one process; past it the value becomes ``other``."""

    def __post_init__(self) -> None:
        unbounded = sorted({"user", "session", "conversation", "execution"}.intersection(self.metrics))
        if unbounded:
            raise ValueError(
                f"{', '.join(unbounded)} cannot be a metric label: it has no bound. It is on spans and in the ledger"
            )
        shown = [name.replace(".", "_").replace("-", "_") for name in self.metrics]
        if len(set(shown)) < len(shown):
            raise ValueError("two of the metric labels look the same in Prometheus, where . and - become _")
        if not 1 <= self.max_values <= 1000:
            raise ValueError("max_values must be from 1 to 1000")


@dataclass(frozen=True)
class SecondOpinionSettings:
    """What to do with costs that others wrote on a span, or that the provider reported."""

    __pydantic_config__: ClassVar = _FORBID
    prefer: Literal["ours", "provider", "any"] = "ours"
    """``ours``: our price; the provider's own bill where we have none. ``provider``: its bill wherever it sends one.
    ``any``: like ours, and what others wrote where neither is there (estimated)."""
    tolerance: str = "1%"
    """How far a second opinion may be from what is charged."""
    floor_usd: Decimal = Decimal("0.000001")
    """A difference of no more than this is rounding, whatever share it is."""

    def __post_init__(self) -> None:
        parse_percent(self.tolerance)
        _check_amount("floor_usd", self.floor_usd)


@dataclass(frozen=True)
class CallerSettings:
    """What the middleware keeps of who called the app. The route is always kept, as its template."""

    __pydantic_config__: ClassVar = _FORBID
    address: bool = False
    """Keep the client's address. It is personal data in many countries."""
    token_headers: tuple[str, ...] = ("authorization", "x-api-key")
    """Headers that may hold the caller's token; the first that is there counts."""
    hash_key: str = field(default="", repr=False)
    """Secret that the token is hashed under. Without one nothing of the token is kept. Best set as
    ``OTEL_COST_CALLER_HASH_KEY``, and the same in all processes: hashes of another key do not compare."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "token_headers", tuple(name.lower() for name in self.token_headers))
        if self.hash_key and len(self.hash_key) < 16:
            raise ValueError("hash_key is too short to keep anything secret; use 16 characters or more")


@dataclass(frozen=True)
class PriceSettings:
    """Prices beyond the packaged ones."""

    __pydantic_config__: ClassVar = _FORBID
    files: tuple[Path, ...] = ()
    """Overlay files; a later one wins. Relative paths start at the config file, else at the working directory."""
    overlay: tuple[Mapping[str, object], ...] = ()
    """Overlay entries written right here, in the shape of an overlay file's ``prices:`` list."""
    snapshot: Path | None = None
    """Price data that ``otel-cost prices update`` wrote; None, or a file that is not there, takes the packaged data."""
    refresh: str = "off"
    """How often a running process fetches fresh price data (``1h``); ``off``: never, nothing is fetched."""
    second_opinions: SecondOpinionSettings = field(default_factory=SecondOpinionSettings)

    def __post_init__(self) -> None:
        if self.refresh != "off" and parse_duration(self.refresh) < 60:
            raise ValueError(f"refresh is {self.refresh}; allowed: off, or a duration of a minute or more, such as 1h")


@dataclass(frozen=True)
class BudgetOverride:
    """What is different for one value of a ``per:`` budget."""

    __pydantic_config__: ClassVar = _FORBID
    amount_usd: Decimal | None = None
    action: Action | None = None
    paused: bool = False
    """No call of this value is made, whatever is spent."""

    def __post_init__(self) -> None:
        _check_amount("amount_usd", self.amount_usd)


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
        _check_amount("amount_usd", self.amount_usd)
        _check_amount("reserve_cap_usd", self.reserve_cap_usd)
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
            _check_amount("unpriced: assume", self.unpriced["assume"])
        if self.unpriced == "block" and self.action == "alert" and not self.overrides:
            raise ValueError("unpriced: block does nothing with action: alert; set action to block or pause")


def _parsed(key: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def _check_amount(key: str, amount: Decimal | None) -> None:
    if amount is not None and not (amount.is_finite() and Decimal(0) <= amount <= Decimal(10) ** 9):
        raise ValueError(f"{key} is {amount}; it must be from 0 to 1,000,000,000 USD")
    if amount and amount < _LEAST_USD:
        raise ValueError(f"{key} is {amount}; it must be 0, or a billionth of a USD or more")


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


@dataclass(frozen=True)
class ServerSettings:
    """``otel-cost serve``."""

    __pydantic_config__: ClassVar = _FORBID
    host: str = "127.0.0.1"
    """The address that it listens on. Loopback only by default."""
    port: int = 4319
    """The port that it listens on; 0: any free one."""
    database: str = "sqlite:///otel-cost.db"
    """SQLAlchemy URL of the ledger."""
    max_body_bytes: int = 20 * 2**20
    """Largest request body, compressed and decompressed."""
    key: str = field(default="", repr=False)
    """What apps have to send to use the server's budgets, as their ``budget_store.key``. Without one only processes of
    the same machine may. Best set as ``OTEL_COST_SERVER_KEY``."""

    def __post_init__(self) -> None:
        if self.key and not (len(self.key) >= 16 and self.key.isascii() and self.key.isprintable()):
            raise ValueError("key must be 16 ASCII characters or more, none of them a control character")
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; allowed: 0 (any free one) to 65535")
        if self.max_body_bytes < 1024:
            raise ValueError("max_body_bytes must be at least 1024")


@dataclass(frozen=True)
class Config:
    """Everything that can be set. See ``examples/otel-cost.yaml`` for the file, commented in full."""

    __pydantic_config__: ClassVar = _FORBID
    enabled: bool = True
    """False: nothing is installed, the app runs as if otel-cost were not there."""
    instrument: bool = True
    """False: no SDK is wrapped; spans of other instrumentations are still priced."""
    charge_events: Literal["unsampled", "all", "off"] = "unsampled"
    """Which charges are also sent as ``otel_cost.charge`` log events. Unsampled calls reach the book only so."""
    compat: tuple[Literal["openlit", "logfire", "openinference"], ...] = ()
    """Also write the cost under the names that these products read."""
    stream_usage_hosts: tuple[str, ...] = ()
    """Hosts, beside the known ones, that are asked for usage in streams; from a leading dot on, all below a domain."""
    recording_switch: Literal["off", "code", "baggage"] = "code"
    """Who may turn recording off for a request: nobody, the app's code (``otel_cost.disabled()``), or inbound baggage
    too (``otel_cost.disabled=true``), which any caller can send."""
    tier: str = ""
    """Deployment tier, which says what share of the prices is paid: ``development`` pays nothing, ``production``, like
    none, everything; price files may name others."""
    labels: LabelSettings = field(default_factory=LabelSettings)
    caller: CallerSettings = field(default_factory=CallerSettings)
    prices: PriceSettings = field(default_factory=PriceSettings)
    budgets: tuple[BudgetSettings, ...] = ()
    """The limits, as in docs/budgets.md."""
    budget_store: BudgetStoreSettings = field(default_factory=BudgetStoreSettings)
    server: ServerSettings = field(default_factory=ServerSettings)

    def __post_init__(self) -> None:
        names = [budget.name for budget in self.budgets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two budgets have the name {twice[0]!r}; names are how spend is kept apart")
        for budget in self.budgets:
            self._check_labels(budget)

    def _check_labels(self, budget: BudgetSettings) -> None:
        """Any name can be a label, but one that looks like a slip would be a limit that never applies."""
        said = (*self.labels.baggage, *self.labels.headers.values())
        known = {*KNOWN_LABELS, *self.labels.metrics, *self.labels.static, *said}
        for label in (*budget.per, *budget.match):
            close = difflib.get_close_matches(label, known, n=1, cutoff=0.75)
            if label not in known and close:
                raise ValueError(
                    f"budget {budget.name!r}: {label!r} looks like {close[0]!r}; if it is a label of your own, list it"
                    " in labels.metrics or labels.static"
                )


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    arguments: Mapping[str, object] | None = None,
) -> Config:
    """The settings: ``arguments`` (nested like the file) over ``env`` over the file over defaults.

    Args:
        path: The config file; None takes ``OTEL_COST_CONFIG``, and no file when that is not set either.
        env: The environment; None takes the process's.
        arguments: Settings from code or the command line.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong. The text names file and line, or the
            variable, and what is allowed.
    """
    variables = {
        name: value
        for name, value in (os.environ if env is None else env).items()
        if name.startswith(ENV_PREFIX) and value != ""
    }
    chosen = path if path is not None else variables.pop(ENV_CONFIG, None)
    variables.pop(ENV_CONFIG, None)
    if chosen is None and not variables and not arguments:
        return Config()
    from otel_cost.config_sources import read  # imports pydantic and YAML: only when there is something to read

    return read(Path(chosen) if chosen is not None else None, variables, arguments or {})
