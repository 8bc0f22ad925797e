"""The shapes that price overlays come in: each is recognised, and parsed to drafts of entries.

The full shape is a list under ``prices``::

    prices:
      - provider: openai              # or a name of your own, a host, or "*"
        model: gpt-x*                 # exact, or with * ? [..]; case does not matter
        aliases: [my-deployment]      # more names of the same model
        from: 2026-01-01              # inclusive; a date or a time, UTC unless it says otherwise
        until: 2027-01-01             # exclusive
        service_tier: batch           # for calls of this tier only; without it, for the standard tier
        per_1m: {input: 2.5, output: 10, cache_read: 0.25}
        per_1k: {web_searches: 10}
        context_window: 200000

Rates (``per_1m``, ``per_1k``, ``per_token``, and ``per_unit``, which is the same as ``per_token``) are USD for that
many base units; units go by their names in ``otel_cost.units``, or the short ones in ``SHORT_UNITS``. The other shape:
``{provider: {model: {prompt: 0.03, completion: 0.06}}}`` in USD per 1,000 tokens. A price of 0 says: known to be free.

To read another shape, add a recogniser and a parser to ``_SHAPES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final

from otel_cost.errors import ConfigError
from otel_cost.pricing.documents import as_mapping, as_sequence
from otel_cost.units import UNITS

PER: Final[Mapping[str, int]] = {"per_1m": 10**6, "per_1k": 10**3, "per_token": 1, "per_unit": 1}
SHORT_UNITS: Final[Mapping[str, str]] = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "reasoning": "output_reasoning_tokens",
}
_KEYS: Final = ("provider", "model", "aliases", "from", "until", "service_tier", *PER, "context_window")
_SIMPLE_UNITS: Final[Mapping[str, str]] = {"prompt": "input_tokens", "completion": "output_tokens"}
_MAX_USD: Final = 10**9
_MAX_DECIMALS: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands, for error texts: a file (or "code"), and the way into it."""

    source: str
    path: str = ""

    def error(self, text: str) -> ConfigError:
        return ConfigError(f"{self.source}: {self.path}{': ' if self.path else ''}{text}")


@dataclass(frozen=True, slots=True)
class Draft:
    """What a shape's parser yields: everything checked but the rates' consistency."""

    place: Place
    provider: str
    model: str
    rates: Mapping[str, Fraction]
    aliases: tuple[str, ...] = ()
    from_ns: int | None = None
    until_ns: int | None = None
    service_tier: str = ""
    context_window: int | None = None


def drafts(document: object, source: str) -> Iterator[Draft]:
    """The prices in one overlay document of any known shape; none if it is empty (None).

    Raises:
        ConfigError: names ``source``, the entry, the key, and what is allowed.
    """
    if document is None:
        return
    parse = next((parse for recognise, parse in _SHAPES if recognise(document)), None)
    if parse is None:
        raise Place(source).error(
            'no known shape: expected "prices: [...]", or {provider: {model: {prompt: ..., completion: ...}}}'
        )
    yield from parse(document, Place(source))


# --- the full shape --------------------------------------------------------------------------------------------------


def _is_price_list(document: object) -> bool:
    mapping = as_mapping(document)
    return as_sequence(document) is not None or (mapping is not None and "prices" in mapping)


def _parse_price_list(document: object, place: Place) -> Iterator[Draft]:
    mapping = as_mapping(document)
    if mapping is not None:
        _refuse_unknown(mapping, ("prices",), place)
    entries = as_sequence(mapping["prices"] if mapping is not None else document)
    if entries is None:
        raise place.error("prices: expected a list")
    for index, entry in enumerate(entries):
        yield _parse_entry(entry, Place(place.source, f"prices[{index}]"))


def _is_single_entry(document: object) -> bool:
    mapping = as_mapping(document)
    return mapping is not None and "model" in mapping and any(per in mapping for per in PER)


def _parse_single_entry(document: object, place: Place) -> Iterator[Draft]:
    yield _parse_entry(document, place)


def _parse_entry(entry: object, place: Place) -> Draft:
    data = as_mapping(entry)
    if data is None:
        raise place.error("expected a mapping with provider, model and rates")
    name = f"({data.get('provider', '?')}/{data.get('model', '?')})"
    place = Place(place.source, f"{place.path} {name}".strip())
    _refuse_unknown(data, _KEYS, place)
    from_ns, until_ns = _instant(data, "from", place), _instant(data, "until", place)
    if from_ns is not None and until_ns is not None and until_ns <= from_ns:
        raise place.error("until: must be after from (until is exclusive)")
    return Draft(
        place=place,
        provider=_text(data, "provider", place),
        model=_text(data, "model", place),
        rates=_rates(data, place),
        aliases=_aliases(data, place),
        from_ns=from_ns,
        until_ns=until_ns,
        service_tier=_text(data, "service_tier", place) if "service_tier" in data else "",
        context_window=_whole(data, "context_window", place),
    )


def _rates(data: Mapping[str, object], place: Place) -> dict[str, Fraction]:
    rates: dict[str, Fraction] = {}
    for per, count in PER.items():
        if per not in data:
            continue
        table = as_mapping(data[per])
        if table is None:
            raise place.error(f"{per}: expected a mapping of units to USD, for example {{input: 2.5, output: 10}}")
        for name, value in table.items():
            unit = SHORT_UNITS.get(name, name)
            if unit not in UNITS:
                allowed = ", ".join((*SHORT_UNITS, *(u for u in UNITS if u not in SHORT_UNITS.values())))
                raise place.error(f"{per}: unknown unit {name!r}; allowed: {allowed}")
            if unit in rates:
                raise place.error(f"{per}.{name}: {unit} has a rate already")
            rates[unit] = _usd(value, f"{per}.{name}", place) / count
    return rates


def _aliases(data: Mapping[str, object], place: Place) -> tuple[str, ...]:
    aliases = as_sequence(data.get("aliases", ()))
    texts = [alias for alias in aliases or () if isinstance(alias, str) and alias]
    if aliases is None or len(texts) != len(aliases):
        raise place.error("aliases: expected a list of model names")
    return tuple(texts)


# --- {provider: {model: {prompt, completion}}} -----------------------------------------------------------------------


def _is_nested(document: object) -> bool:
    providers = as_mapping(document)
    if not providers:
        return False
    return all(as_mapping(models) is not None for models in providers.values())


def _parse_nested(document: object, place: Place) -> Iterator[Draft]:
    for provider, models in (as_mapping(document) or {}).items():
        for model, prices in (as_mapping(models) or {}).items():
            where = Place(place.source, f"{provider}.{model}")
            table = as_mapping(prices)
            if table is None:
                raise where.error("expected {prompt: ..., completion: ...} in USD per 1,000 tokens")
            _refuse_unknown(table, tuple(_SIMPLE_UNITS), where)
            rates = {_SIMPLE_UNITS[key]: _usd(value, key, where) / 1000 for key, value in table.items()}
            yield Draft(where, provider, model, rates)


_SHAPES: Final[tuple[tuple[Callable[[object], bool], Callable[[object, Place], Iterator[Draft]]], ...]] = (
    (_is_price_list, _parse_price_list),
    (_is_single_entry, _parse_single_entry),
    (_is_nested, _parse_nested),
)


# --- values ----------------------------------------------------------------------------------------------------------


def _refuse_unknown(data: Mapping[str, object], allowed: Sequence[str], place: Place) -> None:
    unknown = next((key for key in data if key not in allowed), None)
    if unknown is not None:
        raise place.error(f"unknown key {unknown!r}; allowed: {', '.join(allowed)}")


def _text(data: Mapping[str, object], key: str, place: Place) -> str:
    value = data.get(key)
    if not isinstance(value, str) or not value.strip():
        raise place.error(f"{key}: expected a text, not {value!r:.40}")
    return value.strip()


def _usd(value: object, key: str, place: Place) -> Fraction:
    """Exact USD. Numbers in text count too: YAML reads ``1e-6`` as text."""
    try:
        number = Decimal("NaN") if isinstance(value, bool) else Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= _MAX_USD:
        raise place.error(f"{key}: expected USD from 0 to {_MAX_USD}, not {value!r:.40}")
    if not number:
        return Fraction(0)
    # The exponent as written: decimal's own normalisation rounds to 28 digits, and a tiny price to 0, which is "free".
    if -int(number.as_tuple().exponent) > _MAX_DECIMALS:
        raise place.error(f"{key}: {value!r:.60} has more than {_MAX_DECIMALS} decimal places")
    return Fraction(number)


def _whole(data: Mapping[str, object], key: str, place: Place) -> int | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise place.error(f"{key}: expected a whole number above 0, not {value!r:.40}")
    return value


def _instant(data: Mapping[str, object], key: str, place: Place) -> int | None:
    value = data.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise place.error(f"{key}: expected a date or a time such as 2026-01-31, not {value!r:.40}") from error
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise place.error(f"{key}: expected a date or a time such as 2026-01-31, not {value!r:.40}")
    at = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
