"""Costs that others wrote on a span, or that the answer itself stated: read exactly, never believed here.

What is written under each name (of the releases named; no emitter was run for it, except where a test says so):

* OpenLIT 1.45, ``gen_ai.usage.cost``: its own price list, and 0 for models that it does not know.
* Logfire 5.4 and Pydantic-AI 2.68, ``operation.cost``: genai-prices.
* OpenInference, ``llm.cost.total``, or ``.prompt`` and ``.completion`` where there is no total.
* LiteLLM's callbacks, ``gen_ai.cost.total_cost`` and ``litellm.cost.total``: its own price list, also for answers
  out of its cache.
* Langfuse 5, ``langfuse.observation.cost_details``: JSON of parts, perhaps with their ``total``.
* The draft convention, ``gen_ai.usage.cost.amount``: whoever else follows it.
* Our own instrumentors, ``otel_cost.reported.*``: what the answer's body said.

A cost of 0 that somebody else wrote is dropped: it is written for "not known" as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from otel_cost import semconv
from otel_cost.model import MAX_OPINION_NANO, Opinion, OpinionKind, OpinionSource

_LANGFUSE: Final = "langfuse.observation.cost_details"
_OPENINFERENCE_TOTAL: Final = semconv.COMPAT_OPENINFERENCE_PREFIX + "total"
_OPENINFERENCE_PARTS: Final = tuple(semconv.COMPAT_OPENINFERENCE_PREFIX + part for part in ("prompt", "completion"))
_TOTALS: Final[tuple[tuple[OpinionSource, tuple[str, ...]], ...]] = (
    (OpinionSource.OPENLIT, (semconv.COMPAT_OPENLIT_COST,)),
    (OpinionSource.LOGFIRE, (semconv.COMPAT_LOGFIRE_COST,)),
    (OpinionSource.LITELLM, ("litellm.cost.total", "gen_ai.cost.total_cost")),
)
"""Source to names of one total; the first present one counts."""
_NAMES: Final = frozenset(
    {
        *(name for _, names in _TOTALS for name in names),
        *(_OPENINFERENCE_TOTAL, *_OPENINFERENCE_PARTS, _LANGFUSE),
        *(semconv.COST_AMOUNT, semconv.REPORTED_COST, semconv.REPORTED_UPSTREAM_COST),
    }
)
_BILLERS: Final[Mapping[str, OpinionSource]] = {
    "openrouter": OpinionSource.OPENROUTER,
    "openrouter.ai": OpinionSource.OPENROUTER,
    "perplexity": OpinionSource.PERPLEXITY,
    "api.perplexity.ai": OpinionSource.PERPLEXITY,
    "x_ai": OpinionSource.X_AI,
    "api.x.ai": OpinionSource.X_AI,
}
"""Hosts and providers whose answers state what the account is charged: openrouter.ai/docs (usage accounting),
docs.x.ai (cost tracking), docs.perplexity.ai. From any other host it is a gateway's arithmetic."""
_LARGEST_JSON: Final = 10_000
"""Characters: five parts need two hundred."""
_NUMBER: Final = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)

_Values = Iterable[object]


def read(attributes: Mapping[str, object], provider: str, address: str) -> tuple[Opinion, ...]:
    """The opinions on a span without an adopted verdict, at most one a source. Never raises.

    Args:
        attributes: The span's.
        provider: Its provider's conventional name, "" if it says none.
        address: The host that was called, likewise.
    """
    if _NAMES.isdisjoint(attributes):
        return ()
    found = (_opinion(source, values) for source, values in _said(attributes, provider, address))
    return tuple(opinion for opinion in found if opinion is not None)


def _said(
    attributes: Mapping[str, object], provider: str, address: str
) -> Iterable[tuple[OpinionSource, _Values | None]]:
    """Source to the values that add up to its figure; None for a figure that nobody can read."""
    reported = _present(attributes, (semconv.REPORTED_COST, semconv.REPORTED_UPSTREAM_COST))
    if reported:
        yield _BILLERS.get(address) or _BILLERS.get(provider) or OpinionSource.GATEWAY, reported
    if semconv.STATUS in attributes and semconv.COST_AMOUNT in attributes:
        return  # an amount beside our own verdict is ours, and so may be the names of ``compat``
    for source, names in _TOTALS:
        if totals := _present(attributes, names):
            yield source, totals[:1]
    total = _present(attributes, (_OPENINFERENCE_TOTAL,)) or _present(attributes, _OPENINFERENCE_PARTS)
    if total:
        yield OpinionSource.OPENINFERENCE, total
    if details := _present(attributes, (_LANGFUSE,)):
        yield OpinionSource.LANGFUSE, _langfuse(details[0])
    if amount := _present(attributes, (semconv.COST_AMOUNT,)):
        in_usd = attributes.get(semconv.COST_CURRENCY, "USD") == "USD"
        yield OpinionSource.CONVENTION, amount if in_usd else None


def _present(attributes: Mapping[str, object], names: tuple[str, ...]) -> list[object]:
    return [value for name in names if (value := attributes.get(name)) is not None]


def _langfuse(details: object) -> _Values | None:
    if isinstance(details, str):
        try:
            details = json.loads(details[:_LARGEST_JSON], parse_float=Decimal)
        except (ValueError, RecursionError):
            return None
    if not isinstance(details, dict) or not details:
        return None
    parts: dict[str, object] = details  # pyright: ignore[reportUnknownVariableType]
    return [parts["total"]] if parts.get("total") is not None else parts.values()


def _opinion(source: OpinionSource, values: _Values | None) -> Opinion | None:
    nano = None if values is None else sum_nano(values)
    return None if nano == 0 and source.kind is OpinionKind.FOREIGN else Opinion(source, nano)


def sum_nano(values: Iterable[object]) -> int | None:
    """Amounts in USD, added up exactly and rounded half-even once, in nano-USD.

    A double is the shortest decimal that it prints as: what its writer meant. None where one of them is no amount of
    money: negative, NaN, infinite, a boolean, text that is no number, or all of them more than ``MAX_OPINION_NANO``.
    """
    total = _NOTHING
    for value in values:
        usd = _exact(value)
        if usd is None:
            return None
        total = _EXACT.add(total, usd)
    nano = int(_EXACT.scaleb(_EXACT.quantize(total, _NANO_USD), 9))
    return nano if nano <= MAX_OPINION_NANO else None


_EXACT: Final = Context(prec=200, rounding=ROUND_HALF_EVEN, traps=[])
"""Room for every digit that is let in. The app's own context, whatever it traps, is left alone."""
_NANO_USD: Final = Decimal("1e-9")
_NOTHING: Final = Decimal(0)
_LONGEST_NUMBER: Final = 64
_SMALLEST: Final = -30
_LARGEST: Final = 15
"""Powers of ten that a first digit may stand for."""


def _exact(value: object) -> Decimal | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        number = Decimal(repr(float(value)))
    elif isinstance(value, int):
        number = Decimal(value if 0 <= value <= MAX_OPINION_NANO else -1)
    elif isinstance(value, Decimal):
        number = value
    elif isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value):
        number = Decimal(value)
    else:
        return None
    # The exponent is looked at before anything is multiplied out: it can be anything.
    if not number:
        return _NOTHING
    if not number.is_finite() or number.is_signed() or number.adjusted() > _LARGEST:
        return None
    if number.adjusted() < _SMALLEST:
        return _NOTHING
    return number if len(number.as_tuple().digits) <= _LONGEST_NUMBER else None
