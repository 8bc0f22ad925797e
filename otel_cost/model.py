"""The values that cross module borders: ``Usage``, ``Charge``, ``CostRecord`` and what they are made of. All frozen.

Money is in integer nano-USD (1e-9 USD). Times are integer nanoseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from otel_cost.errors import InvalidUsage
from otel_cost.units import MAX_COUNT, UNITS, WHOLES

NANO: Final = 10**9
"""Nano-USD in one USD."""
EMPTY: Final[Mapping[str, str]] = MappingProxyType({})


def empty() -> Mapping[str, str]:
    """The empty mapping, as a default for frozen values."""
    return EMPTY


class Status(StrEnum):
    """What became of one GenAI operation. Operations that cannot cost have none."""

    PRICED = "priced"
    ESTIMATED = "estimated"
    UNPRICED = "unpriced"
    WRAPPER = "wrapper"
    DUPLICATE = "duplicate"

    @property
    def counted(self) -> bool:
        """Whether the amount is spend: only these statuses carry ``cost.amount``."""
        return self in (Status.PRICED, Status.ESTIMATED)


class Reason(StrEnum):
    """Why a status was given: a closed list, safe as a metric label."""

    FAILED = "failed"  # priced at 0: the call failed and reported no usage
    ABORTED = "aborted"  # unpriced: the app stopped waiting, and the provider may have billed the call
    FREE = "free"  # priced at 0: the price is known to be 0
    USAGE_ESTIMATED = "usage_estimated"  # the emitter estimated the counts
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_PROVIDER = "unknown_provider"
    NO_MODEL = "no_model"
    NO_USAGE = "no_usage"
    NO_RATE = "no_rate"  # the model has a price, but none for a unit that was used
    INVALID_USAGE = "invalid_usage"
    PRICES_LOADING = "prices_loading"  # nobody adopts this one: the record waits and is priced when they are there
    NO_PRICES = "no_prices"  # prices could not be loaded; the log says why
    REMOTE_AGENT = "remote_agent"
    SECOND_OPINION = "second_opinion"  # estimated: there is no price, and what others wrote was let stand for it
    HAS_COUNTED_CHILD = "has_counted_child"  # wrapper: a call inside it was counted
    INTERNAL_AGENT = "internal_agent"  # wrapper: an agent in this process makes its calls itself
    USAGE_FOLLOWS = "usage_follows"  # wrapper: it opened a stream; its emitter tells the usage on a later span
    SAME_RESPONSE = "same_response"  # duplicate: the same response id and totals
    SAME_CALL = "same_call"  # duplicate: another instrumentation's span of the same call
    NOT_RECORDED = "not_recorded"  # by hand only: otel-cost is not installed, or recording is switched off
    FAULT = "fault"  # otel-cost itself failed on this span


class Layer(StrEnum):
    """What a span of some instrumentation stands for."""

    WIRE = "wire"  # one request to the provider
    FRAMEWORK = "framework"  # a framework's own span around a request
    AGENT = "agent"  # an agent or a workflow: many requests, perhaps elsewhere


class Kind(StrEnum):
    LLM = "llm"
    TOOL = "tool"
    INFRASTRUCTURE = "infrastructure"


class PricingModel(StrEnum):
    ON_DEMAND = "on_demand"
    BATCH = "batch"
    FLEX = "flex"
    PRIORITY = "priority"
    PROVISIONED = "provisioned"
    SUBSCRIPTION = "subscription"
    FREE = "free"


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts by unit (names: ``otel_cost.units.UNITS``). Totals are inclusive; parts are subsets of their wholes.

    An absent unit was not reported; an explicit 0 is a 0. Build with :meth:`of`, which validates.
    """

    counts: Mapping[str, int]

    @classmethod
    def of(cls, counts: Mapping[str, object]) -> Usage:
        """Validate ``counts`` and freeze them; ``None`` values are left out.

        Raises:
            InvalidUsage: a count is not a whole number in [0, 10**12], a unit is unknown, or a part is larger than a
                whole that was reported too. The text names the figures.
        """
        checked: dict[str, int] = {}
        for unit, value in counts.items():
            if value is None:
                continue
            checked[unit] = _checked_count(unit, value)
        for unit, value in checked.items():
            for whole in WHOLES[unit]:
                total = checked.get(whole)
                if total is not None and value > total:
                    raise InvalidUsage(f"{unit} ({value}) is larger than {whole} ({total}), which includes it")
        return cls(MappingProxyType(checked))

    @property
    def input_tokens(self) -> int | None:
        return self.counts.get("input_tokens")

    @property
    def output_tokens(self) -> int | None:
        return self.counts.get("output_tokens")

    def get(self, unit: str) -> int:
        """The count of ``unit``, 0 when it was not reported."""
        return self.counts.get(unit, 0)

    def __reduce__(self) -> tuple[object, ...]:
        return (Usage.of, (dict(self.counts),))


def _checked_count(unit: str, value: object) -> int:
    if unit not in UNITS:
        raise InvalidUsage(f"unknown usage unit {unit!r}")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidUsage(f"{unit} is {value!r:.40}, not a whole number")
    if isinstance(value, float):
        # Some exporters write whole numbers as doubles; a fraction, NaN or infinity is no count.
        if not value.is_integer():
            raise InvalidUsage(f"{unit} is {value!r}, not a whole number")
        value = int(value)
    if not 0 <= value <= MAX_COUNT:
        raise InvalidUsage(
            f"{unit} is {value:.6g}, outside 0 to 10**12"
            if abs(value) > 10**18
            else f"{unit} is {value}, outside 0 to 10**12"
        )
    return value


COST_PARTS: Final = ("input", "output", "cache_read", "cache_write", "other")


@dataclass(frozen=True, slots=True)
class Charge:
    """What one operation costs, or why that is not known.

    ``amount_nano`` (effective, after discounts) and ``list_nano`` are 0 unless ``status.counted``. ``parts`` are the
    disjoint parts of ``amount_nano`` in the order of ``COST_PARTS``; they sum to it exactly.
    """

    status: Status
    reason: Reason | None = None
    detail: str = ""
    amount_nano: int = 0
    list_nano: int = 0
    parts: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    pricing_model: PricingModel = PricingModel.ON_DEMAND
    price_id: str = ""
    catalog: str = ""
    source: str = ""
    paying_list_nano: int | None = None
    """The part of ``list_nano`` that no free allowance covered; None where no price schedule applied."""

    @property
    def towards_schedule_nano(self) -> int:
        """What this adds to the list prices that volume discounts and commitments are measured in, in nano-USD."""
        return self.list_nano if self.paying_list_nano is None else self.paying_list_nano

    @property
    def usd(self) -> Decimal:
        """The effective amount in USD, exact."""
        return Decimal(self.amount_nano) / NANO


class OpinionKind(StrEnum):
    """Whose figure it is."""

    OURS = "ours"
    PROVIDER = "provider"  # the one who sends the bill says what it will be
    FOREIGN = "foreign"  # somebody else's arithmetic


class OpinionSource(StrEnum):
    """Who says what a call cost: a closed list, safe as a metric label."""

    OTEL_COST = "otel-cost"  # our own figure, where another one was preferred
    OPENROUTER = "openrouter"
    PERPLEXITY = "perplexity"
    X_AI = "x_ai"
    GATEWAY = "gateway"  # an answer of a host that is not known to send bills
    OPENLIT = "openlit"
    LOGFIRE = "logfire"  # and Pydantic-AI
    OPENINFERENCE = "openinference"
    LITELLM = "litellm"
    LANGFUSE = "langfuse"
    CONVENTION = "convention"  # the draft convention's attribute, written by whomever

    @property
    def kind(self) -> OpinionKind:
        return _OPINION_KINDS.get(self, OpinionKind.FOREIGN)


_OPINION_KINDS: Final = {
    OpinionSource.OTEL_COST: OpinionKind.OURS,
    OpinionSource.OPENROUTER: OpinionKind.PROVIDER,
    OpinionSource.PERPLEXITY: OpinionKind.PROVIDER,
    OpinionSource.X_AI: OpinionKind.PROVIDER,
}
MAX_OPINION_NANO: Final = 10**15
"""A figure of more than 1,000,000 USD for one call is no amount of money."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody says that a call cost, beside what it was charged.

    ``amount_nano`` is None where something was written that is no amount of money. ``against_nano`` is the figure that
    it was compared with, None where there was none; ``disagrees``: beyond the tolerance that is set.
    """

    source: OpinionSource
    amount_nano: int | None
    against_nano: int | None = None
    disagrees: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """Who called the app, as far as middleware was allowed to say: route, address, and a keyed hash of the token."""

    route: str = ""
    address: str = ""
    token_hash: str = ""


NO_CALLER: Final = Caller()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a call's price goes by beside provider, model, time and counts, as its span said it.

    ``usage_estimated``: the emitter estimated the counts, so that whatever price they get is an estimate.
    """

    service_tier: str = ""
    server_address: str = ""
    usage_estimated: bool = False


@dataclass(frozen=True, slots=True)
class Called:
    """Who was called, for which model, on which terms (None: not known)."""

    provider: str = ""
    model_requested: str = ""
    model_answered: str = ""
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class CostRecord:
    """One operation, complete: the one value that metrics, budgets, events and the ledger take.

    ``key`` identifies it everywhere (trace id and span id): settling or booking the same key twice changes nothing.
    Ids are lower-case hex, empty when absent. ``model`` is the answered model, or the requested one as fallback.
    """

    key: str
    trace_id: str
    span_id: str
    parent_span_id: str
    start_ns: int
    end_ns: int
    operation: str
    provider: str
    model_requested: str
    model_answered: str
    charge: Charge
    usage: Usage | None = None
    kind: Kind = Kind.LLM
    response_id: str = ""
    labels: Mapping[str, str] = field(default_factory=empty)
    caller: Caller = NO_CALLER
    process: str = ""
    """``service.instance.id``, where known: spans of one call come from one process."""
    scope: str = ""
    layer: Layer = Layer.WIRE
    streaming: bool = False
    sampled: bool = True
    finish_reason: str = ""
    error: str = ""
    time_to_first_chunk_s: float | None = None
    counted_as: str = ""
    """For a wrapper or duplicate: the key of a record that carries the money, where one is known."""
    opinions: tuple[Opinion, ...] = ()
    """What others say that it cost, at most one of each source. Never part of any sum."""
    terms: Terms | None = None
    """None where whoever settled the call did not hand them on: it can then not be priced anew."""

    @property
    def called(self) -> Called:
        return Called(self.provider, self.model_requested, self.model_answered, self.terms)

    @property
    def model(self) -> str:
        return self.model_answered or self.model_requested

    @property
    def duration_s(self) -> float:
        return max(0, self.end_ns - self.start_ns) / NANO


@dataclass(frozen=True, slots=True)
class Void:
    """A booked record that turned out to be another span of a call already counted: its money is taken back."""

    key: str
    reason: Reason
    counted_as: str


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A provider call about to be made, for guards: what is known before the answer.

    ``input_bytes`` is never less than the tokens that are sent, as far as they can be seen. ``count_input`` counts them
    with a tokenizer, about right; None, or what it returns None for, where there is none.
    """

    provider: str
    model: str
    operation: str
    input_bytes: int = 0
    max_output_tokens: int | None = None
    choices: int = 1
    labels: Mapping[str, str] = field(default_factory=empty)
    service_tier: str = ""
    count_input: Callable[[], int | None] | None = None


def nano_to_usd(nano: int) -> float:
    """Nano-USD to a USD double, for span attributes, metrics and the screen only."""
    return nano / NANO


def record_key(trace_id: str, span_id: str) -> str:
    return f"{trace_id}-{span_id}"
