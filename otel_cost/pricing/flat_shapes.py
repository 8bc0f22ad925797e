"""Price files of other products: an input and an output rate for each model, under whatever keys that product chose.

Models stand in mappings by name, with the provider's name around them or not, or in lists of mappings that name
themselves; ``providers`` and ``models`` may stand in between::

    {"openai": {"gpt-4": {"prompt": 0.03, "completion": 0.06}}}                              # USD per 1,000 tokens
    {"gpt-4": {"input_cost_per_1k": 0.03, "output_cost_per_1k": 0.06, "context_window": 8192}}
    [{"provider": "openai", "model": "gpt-4", "promptPricePer1kTokens": 0.03, "completionPricePer1kTokens": 0.06}]
    models: [{name: gpt-4, provider: openai, pricing: {input: 30, output: 60}}]              # USD per 1,000,000 tokens

A model without a provider is priced for any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from otel_cost.pricing import reading
from otel_cost.pricing.documents import as_mapping, as_sequence
from otel_cost.pricing.draft import SHORT_UNITS, Draft
from otel_cost.pricing.reading import Place


@dataclass(frozen=True, slots=True)
class Style:
    """One product's keys: key to unit, and how many tokens the USD are for. ``table`` is the key around them."""

    units: Mapping[str, str]
    per: int
    table: str = ""

    def rates(self, leaf: Mapping[str, object]) -> object:
        """Where the rates stand in an entry, if they do."""
        return leaf.get(self.table) if self.table else leaf

    def __str__(self) -> str:
        first, second = list(self.units)[:2]
        keys = f"{first}/{second}"
        return f"{f'{self.table}: {{{keys}}}' if self.table else keys} in USD per {self.per:,} tokens"


STYLES_TABLE: Final = (
    Style({"prompt": "input_tokens", "completion": "output_tokens"}, 1000),
    Style(
        {
            "input_cost_per_1k": "input_tokens",
            "output_cost_per_1k": "output_tokens",
            "cache_read_cost_per_1k": "cache_read_tokens",
            "cache_write_cost_per_1k": "cache_write_tokens",
        },
        1000,
    ),
    Style({"promptPricePer1kTokens": "input_tokens", "completionPricePer1kTokens": "output_tokens"}, 1000),
    Style(SHORT_UNITS, 10**6, "pricing"),
)
STYLES: Final = tuple(str(style) for style in STYLES_TABLE)
_AROUND: Final = ("providers", "models")
_NAMES: Final = ("model", "name", "id")
_BESIDE: Final = ("provider", *_NAMES, "context_window", "contextWindow", "max_tokens", "description", "currency")
_RATE_KEYS: Final = {key for style in STYLES_TABLE for key in ((style.table,) if style.table else style.units)}


def is_flat(document: object) -> bool:
    """Whether some mapping within a few levels has a key for rates, or could be an entry that forgot them."""
    return _has_rates(document, 4) or _is_provider_table(document)


def parse(document: object, place: Place) -> Iterator[Draft]:
    """The drafts of all entries.

    Raises:
        ConfigError: names the entry, the key and what is allowed.
    """
    yield from _walk(document, place, ())


def _has_rates(value: object, depth: int) -> bool:
    data, items = as_mapping(value), as_sequence(value)
    if data is not None:
        return not _RATE_KEYS.isdisjoint(data) or (depth > 0 and any(_has_rates(v, depth - 1) for v in data.values()))
    return items is not None and depth > 0 and any(_has_rates(item, depth - 1) for item in items)


def _is_provider_table(document: object) -> bool:
    data = as_mapping(document)
    return bool(data) and all(as_mapping(models) is not None for models in (data or {}).values())


def _walk(value: object, place: Place, names: tuple[str, ...]) -> Iterator[Draft]:
    data, items = as_mapping(value), as_sequence(value)
    if data is not None and (len(names) == 2 or not _RATE_KEYS.isdisjoint(data)):
        yield _leaf(data, place, names)
    elif data is not None:
        for key, inner in data.items():
            yield from _walk(inner, place.within(key), names if key in _AROUND else (*names, key))
    elif items is not None and len(names) < 2:
        for index, item in enumerate(items):
            yield from _walk(item, Place(place.source, f"{place.path}[{index}]"), names)
    else:
        raise place.error(f"expected rates: one of {'; '.join(STYLES)}")


def _leaf(data: Mapping[str, object], place: Place, names: tuple[str, ...]) -> Draft:
    place = _named(data, place)
    style = next((s for s in STYLES_TABLE if not _own_keys(s).isdisjoint(data)), STYLES_TABLE[0])
    reading.refuse_unknown(data, _allowed(style), place)
    if str(data.get("currency", "USD")).upper() != "USD":
        raise place.error(f"currency: prices are in USD here, not {data['currency']!r:.40}")
    rates = _rates(style, data, place)
    window = "contextWindow" if "contextWindow" in data else "context_window"
    return Draft(
        place=place,
        provider=reading.text(data, "provider", place, names[-2] if len(names) > 1 else _provider_above(data, names)),
        model=_model(data, place, names),
        rates=rates,
        context_window=reading.whole(data, window, place),
    )


def _own_keys(style: Style) -> set[str]:
    return {style.table} if style.table else set(style.units)


def _allowed(style: Style) -> tuple[str, ...]:
    return (*((style.table,) if style.table else style.units), *_BESIDE)


def _rates(style: Style, data: Mapping[str, object], place: Place) -> dict[str, Fraction]:
    table = data
    if style.table:
        place = place.within(style.table)
        table = reading.mapping(data[style.table], place, f"rates ({', '.join(style.units)})")
        reading.refuse_unknown(table, tuple(style.units), place)
    return {unit: reading.usd(table[key], key, place) / style.per for key, unit in style.units.items() if key in table}


def _model(data: Mapping[str, object], place: Place, names: tuple[str, ...]) -> str:
    own = next((key for key in _NAMES if key in data), None)
    if own is not None:
        return reading.text(data, own, place)
    if not names:
        raise place.error("model: missing; name the model with model, name or id")
    return names[-1]


def _provider_above(data: Mapping[str, object], names: tuple[str, ...]) -> str:
    """An entry that names its own model stands under its provider; one that does not stands under its model."""
    return names[-1] if names and any(key in data for key in _NAMES) else "*"


def _named(data: Mapping[str, object], place: Place) -> Place:
    own = next((data[key] for key in _NAMES if key in data), None)
    return place if own is None else Place(place.source, f"{place.path} ({data.get('provider', '*')}/{own})".strip())
