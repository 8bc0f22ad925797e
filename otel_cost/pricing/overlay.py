"""Overlays: prices of one's own, over those of the snapshot. Several shapes come in (``overlay_shapes``), one kind of
entry goes out."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

from otel_cost.model import PricingModel
from otel_cost.pricing.documents import read_document
from otel_cost.pricing.overlay_shapes import PER, Draft, drafts
from otel_cost.pricing.providers import plain
from otel_cost.pricing.rates import Price, UnitPrice, compile_card
from otel_cost.pricing.tiers import Tier

SOURCE: Final = "overlay"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class OverlayEntry:
    """One price of one's own. ``from_ns`` is inclusive, ``until_ns`` exclusive, both UTC; None is unbounded.

    ``provider`` is as names are compared (``providers.plain``), or "*". ``layer`` counts up from the first overlay.
    """

    provider: str
    model: str
    aliases: tuple[str, ...]
    from_ns: int | None
    until_ns: int | None
    service_tier: str
    layer: int
    index: int
    price: Price
    rates: tuple[tuple[str, Fraction], ...]
    patterns: tuple[re.Pattern[str], ...] = field(compare=False, repr=False, default=())

    def matches(self, providers: frozenset[str] | None, model: str) -> bool:
        """Whether this is a price for ``model`` from a provider known by these names (None: from any)."""
        if providers is not None and self.provider not in (*providers, _ANY):
            return False
        ref = model.lower()
        return any(pattern.fullmatch(ref) for pattern in self.patterns)

    def active(self, at_ns: int) -> bool:
        return (self.from_ns is None or self.from_ns <= at_ns) and (self.until_ns is None or at_ns < self.until_ns)

    def edges(self) -> set[int]:
        return {edge for edge in (self.from_ns, self.until_ns) if edge is not None}

    def identity(self) -> tuple[object, ...]:
        """Everything that tells one entry from another, the same in every process."""
        names = (self.provider, self.model, *self.aliases, self.service_tier)
        rates = tuple((unit, str(usd)) for unit, usd in self.rates)
        return (names, self.from_ns, self.until_ns, rates, self.price.context_window, self.layer, self.index)

    def rank(self) -> tuple[int, bool, int, bool, int, int]:
        """The larger wins: later layer, exact before pattern, longer, named provider, later start, lower down."""
        literal = re.split(r"[*?\[]", self.model, maxsplit=1)[0]
        start = self.from_ns if self.from_ns is not None else -(2**63)
        return (self.layer, literal == self.model, len(literal), self.provider != _ANY, start, self.index)


def load_overlays(files: Iterable[Path] = (), inline: Iterable[Mapping[str, object]] = ()) -> tuple[OverlayEntry, ...]:
    """The entries of all overlays, those that win first. Every file and every inline mapping is a layer of its own.

    Raises:
        ConfigError: names the file, the entry, the key, and what is allowed.
    """
    entries: list[OverlayEntry] = []
    layer = 0
    for layer, path in enumerate(files, 1):
        entries += parse_overlay(read_document(path), str(path), layer)
    for number, document in enumerate(inline):
        entries += parse_overlay(document, f"inline prices, number {number + 1}", layer + 1 + number)
    return tuple(sorted(entries, key=OverlayEntry.rank, reverse=True))


def fingerprint(entries: Sequence[OverlayEntry]) -> str:
    """Eight hex digits that change whenever a price, its dates, or what it applies to changes."""
    text = "\n".join(repr(entry.identity()) for entry in entries)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def parse_overlay(document: object, source: str, layer: int) -> list[OverlayEntry]:
    """The entries of one overlay document of any known shape.

    Raises:
        ConfigError: see :func:`load_overlays`.
    """
    return [_entry(draft, layer, index) for index, draft in enumerate(drafts(document, source))]


def _entry(draft: Draft, layer: int, index: int) -> OverlayEntry:
    if not draft.rates:
        raise draft.place.error(f"no rate; give at least one of {', '.join(PER)}")
    try:
        card = compile_card({unit: UnitPrice(usd) for unit, usd in draft.rates.items()})
    except ValueError as error:
        raise draft.place.error(str(error)) from error
    tier = Tier.of(draft.service_tier)
    names = (draft.model.lower(), *(alias.lower() for alias in draft.aliases))
    since = "" if draft.from_ns is None else f"@{(_EPOCH + timedelta(microseconds=draft.from_ns // 1000)):%Y-%m-%d}"
    price_id = f"{SOURCE}/{draft.provider}/{draft.model}{since}{'+' + tier.key if tier.key else ''}"
    model = PricingModel.FREE if card.free else tier.pricing_model
    return OverlayEntry(
        provider=_provider_name(draft.provider),
        model=draft.model.lower(),
        aliases=names[1:],
        from_ns=draft.from_ns,
        until_ns=draft.until_ns,
        service_tier=tier.key,
        layer=layer,
        index=index,
        price=Price(price_id, SOURCE, card, model, draft.context_window),
        rates=tuple(sorted(draft.rates.items())),
        patterns=tuple(re.compile(fnmatch.translate(name)) for name in names),
    )


def _provider_name(written: str) -> str:
    return _ANY if written == _ANY else plain(written)
