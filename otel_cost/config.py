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
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final, Literal

from otel_cost.book_settings import LedgerSettings, ServerSettings
from otel_cost.budget_settings import BudgetSettings, BudgetStoreSettings, Period
from otel_cost.settings_values import check_amount, parse_duration, parse_percent

ENV_PREFIX: Final = "OTEL_COST_"
ENV_CONFIG: Final = "OTEL_COST_CONFIG"
ENV_SHORT: Final[Mapping[str, tuple[str, ...]]] = {
    "OTEL_COST_PRICES": ("prices", "files"),
    "OTEL_COST_LEDGER": ("ledger", "url"),
    "OTEL_COST_EXPORT_ON_EXIT": ("ledger", "export_on_exit"),
}
"""Variables that do not spell the path of their setting."""

KNOWN_LABELS: Final = (
    *("tenant", "workspace", "team", "project", "feature", "execution"),
    *("service", "environment", "user", "session", "conversation", "agent", "agent_id"),
    *("provider", "model", "operation", "kind", "trace"),
)
"""Names that mean something without being listed in the settings."""
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
_FORBID: Final = {"extra": "forbid"}


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
        check_amount("floor_usd", self.floor_usd)


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
    ledger: LedgerSettings = field(default_factory=LedgerSettings)
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
