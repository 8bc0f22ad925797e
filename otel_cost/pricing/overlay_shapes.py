"""The shapes that price overlays come in: each is recognised, and parsed to drafts of entries.

The full shape is a list under ``prices``::

    prices:
      - provider: openai              # or a name of your own, a host, or "*"
        model: gpt-x*                 # exact, or with * ? [..]; case does not matter
        aliases: [my-deployment]      # more names of the same model
        from: 2026-01-01              # inclusive; a date or a time, UTC unless it says otherwise
        until: 2027-01-01             # exclusive
        weekdays: [sat, sun]          # only then; hours: "22:00-06:00" too, and timezone: Europe/Berlin (else UTC)
        service_tier: batch           # for calls of this tier only; without it, for the standard tier
        per_1m: {input: 2.5, output: 10, cache_read: 0.25}
        per_1k: {web_searches: 10}
        above: {200000: {per_1m: {input: 5}}}   # the whole request, once its input is above that many tokens
        context_window: 200000
        source: https://...           # where the figures are from, and when that was last checked
        checked: 2026-11-01

Rates (``per_1m``, ``per_1k``, ``per_token``, and ``per_unit``, which is the same as ``per_token``) are USD for that
many base units; units go by their names in ``otel_cost.units``, or the short ones in ``SHORT_UNITS``. A price of 0
says: known to be free. Beside ``prices`` stand the sections of :mod:`otel_cost.pricing.sections`.

The shapes of other products are in ``flat_shapes`` and ``litellm_shape``. To read another one, add a recogniser and a
parser to ``_SHAPES``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Final

from otel_cost.pricing import flat_shapes, litellm_shape, reading, windows
from otel_cost.pricing.documents import as_mapping, as_sequence
from otel_cost.pricing.draft import PER, SHORT_UNITS, Draft
from otel_cost.pricing.reading import Place
from otel_cost.pricing.sections import SECTIONS
from otel_cost.units import UNITS

_KEYS: Final = (
    "provider",
    "model",
    "aliases",
    "from",
    "until",
    *windows.KEYS,
    "service_tier",
    *PER,
    "above",
    "context_window",
    "source",
    "checked",
)


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
            'no known shape: expected "prices: [...]", LiteLLM\'s JSON, or {provider: {model: rates}} with one of '
            + "; ".join(flat_shapes.STYLES)
        )
    yield from parse(document, Place(source))


def _is_price_list(document: object) -> bool:
    data = as_mapping(document)
    if data is not None:
        return as_sequence(data.get("prices")) is not None or ("prices" in data or any(key in SECTIONS for key in data))
    items = as_sequence(document)
    return items is not None and not flat_shapes.is_flat(document)


def _parse_price_list(document: object, place: Place) -> Iterator[Draft]:
    data = as_mapping(document)
    if data is not None:
        reading.refuse_unknown(data, ("prices", *SECTIONS), place)
    entries = as_sequence(data.get("prices", ()) if data is not None else document)
    if entries is None:
        raise place.error("prices: expected a list")
    for index, entry in enumerate(entries):
        yield _parse_entry(entry, Place(place.source, f"prices[{index}]"))


def _is_single_entry(document: object) -> bool:
    data = as_mapping(document)
    return data is not None and "model" in data and any(per in data for per in PER)


def _parse_single_entry(document: object, place: Place) -> Iterator[Draft]:
    yield _parse_entry(document, place)


def _parse_entry(entry: object, place: Place) -> Draft:
    data = reading.mapping(entry, place, "a mapping with provider, model and rates")
    name = f"({data.get('provider', '?')}/{data.get('model', '?')})"
    place = Place(place.source, f"{place.path} {name}".strip())
    reading.refuse_unknown(data, _KEYS, place)
    from_ns, until_ns = reading.period(data, place)
    reading.instant(data, "checked", place)
    return Draft(
        place=place,
        provider=reading.text(data, "provider", place),
        model=reading.text(data, "model", place),
        rates=_rates(data, place),
        above=_above(data, place),
        aliases=reading.texts(data, "aliases", place, "model names"),
        from_ns=from_ns,
        until_ns=until_ns,
        window=windows.read(data, place),
        service_tier=reading.text(data, "service_tier", place, ""),
        context_window=reading.whole(data, "context_window", place),
        origin=reading.text(data, "source", place, ""),
        checked=str(data.get("checked") or ""),
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
            rates[unit] = reading.usd(value, f"{per}.{name}", place) / count
    return rates


def _above(data: Mapping[str, object], place: Place) -> dict[int, dict[str, Fraction]]:
    found: dict[int, dict[str, Fraction]] = {}
    table = data.get("above", {})
    if not isinstance(table, Mapping):
        raise place.error("above: expected a mapping such as {200000: {per_1m: {input: 5}}}")
    for start, rates in table.items():
        step = place.within(f"above.{start}")
        if isinstance(start, bool) or not str(start).isdecimal() or not int(str(start)):
            raise step.error("expected a number of input tokens, above 0")
        part = reading.mapping(rates, step, f"rates ({', '.join(PER)})")
        reading.refuse_unknown(part, tuple(PER), step)
        found[int(str(start))] = _rates(part, step)
    return found


_SHAPES: Final[tuple[tuple[Callable[[object], bool], Callable[[object, Place], Iterator[Draft]]], ...]] = (
    (_is_single_entry, _parse_single_entry),  # first: an entry's own aliases are no section
    (_is_price_list, _parse_price_list),
    (litellm_shape.is_litellm, litellm_shape.parse),
    (flat_shapes.is_flat, flat_shapes.parse),
)
