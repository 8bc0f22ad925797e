"""Overlays: prices of one's own, over those of the snapshot. Several shapes come in (``overlay_shapes``), one kind of
entry goes out, beside the rules of ``sections``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Final

from otel_cost.errors import ConfigError
from otel_cost.model import PricingModel
from otel_cost.pricing.adjustments import Pattern
from otel_cost.pricing.documents import read_document
from otel_cost.pricing.draft import PER, Draft
from otel_cost.pricing.overlay_shapes import drafts
from otel_cost.pricing.rates import Price, UnitPrice, compile_card
from otel_cost.pricing.reading import Place
from otel_cost.pricing.sections import Sections, read_sections
from otel_cost.pricing.tiers import Tier
from otel_cost.pricing.windows import Window

SOURCE: Final = "overlay"
SUPPLEMENT: Final = "supplement"
"""The source of prices in the packaged file, which is the lowest layer."""
SUPPLEMENT_FILE: Final = Path(__file__).with_name("supplement.yaml")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SUPPLEMENT_LAYER: Final = 0


@dataclass(frozen=True, slots=True)
class OverlayEntry:
    """One price of one's own. ``from_ns`` is inclusive, ``until_ns`` exclusive, both UTC; None is unbounded.

    ``layer`` counts up from the first overlay; the packaged supplement is layer 0. ``origin`` and ``checked`` are the
    entry's own words on where its figures are from.
    """

    pattern: Pattern
    from_ns: int | None
    until_ns: int | None
    window: Window | None
    service_tier: str
    layer: int
    index: int
    price: Price
    rates: tuple[tuple[str, Fraction], ...]
    above: tuple[tuple[int, tuple[tuple[str, Fraction], ...]], ...] = ()
    origin: str = ""
    checked: str = ""
    place: Place = field(compare=False, repr=False, default=Place(""))
    lenient: bool = False
    derived: frozenset[str] = frozenset()
    """Units whose rate the entry does not state itself."""

    @property
    def provider(self) -> str:
        return self.pattern.provider

    @property
    def model(self) -> str:
        return self.pattern.models[0]

    @property
    def aliases(self) -> tuple[str, ...]:
        return self.pattern.models[1:]

    def matches(self, providers: frozenset[str] | None, model: str) -> bool:
        """Whether this is a price for ``model`` from a provider known by these names (None: from any)."""
        return self.pattern.matches(providers, model)

    def active(self, at_ns: int) -> bool:
        if (self.from_ns is not None and at_ns < self.from_ns) or (
            self.until_ns is not None and at_ns >= self.until_ns
        ):
            return False
        return self.window is None or self.window.active(at_ns)

    def edges(self) -> set[int]:
        return {edge for edge in (self.from_ns, self.until_ns) if edge is not None}

    def identity(self) -> tuple[object, ...]:
        """Everything that tells one entry from another, the same in every process."""
        window = self.window.written if self.window is not None else ""
        names = (self.provider, *self.pattern.models, self.service_tier, window)
        tables = tuple((start, tuple((unit, str(usd)) for unit, usd in rates)) for start, rates in self._tables())
        return (names, self.from_ns, self.until_ns, tables, self.price.context_window, self.layer, self.index)

    def _tables(self) -> tuple[tuple[int, tuple[tuple[str, Fraction], ...]], ...]:
        return ((0, self.rates), *self.above)

    def rank(self) -> tuple[object, ...]:
        """The larger wins: later layer, exact before pattern, longer, named provider, a window, later start, lower
        down."""
        start = self.from_ns if self.from_ns is not None else -(2**63)
        own = Pattern.of(self.provider, (self.model,))
        return (self.layer, *own.rank(), self.window is not None, start, self.index)


@dataclass(frozen=True, slots=True)
class Overlays:
    """All overlays: prices and rules, those that win first."""

    entries: tuple[OverlayEntry, ...] = ()
    sections: Sections = field(default_factory=Sections)

    def fingerprint(self) -> str:
        """Eight hex digits that change whenever a price, its dates, or what it applies to changes."""
        return hashlib.sha256("\n".join(self._lines()).encode()).hexdigest()[:8]

    def under(self, later: Overlays) -> Overlays:
        """Both together; ``later`` wins."""
        entries = sorted((*self.entries, *later.entries), key=OverlayEntry.rank, reverse=True)
        return Overlays(tuple(entries), self.sections.under(later.sections))

    def __bool__(self) -> bool:
        return next(iter(self._lines()), None) is not None

    def _lines(self) -> Iterable[str]:
        rules = self.sections
        yield from (repr(entry.identity()) for entry in self.entries)
        for rule in (*rules.aliases, *rules.adjustments, *rules.tools, *rules.resources, *rules.fees, *rules.schedules):
            yield repr(rule)
        yield from (f"{name} {share}" for name, share in sorted(rules.tiers.items()))
        if rules.display is not None:
            yield repr(rules.display)


NOTHING: Final = Overlays()


def load_supplement() -> Overlays:
    """The packaged file: what the snapshot lacks. Raises ConfigError if it is broken."""
    return _merged([(read_document(SUPPLEMENT_FILE), SUPPLEMENT, _SUPPLEMENT_LAYER)])


def load_overlays(files: Iterable[Path] = (), inline: Iterable[Mapping[str, object]] = ()) -> Overlays:
    """All overlays together. Every file and every inline mapping is a layer of its own; later ones win.

    Raises:
        ConfigError: names the file, the entry, the key, and what is allowed; two entries of one file that are for the
            same calls are an error that names both.
    """
    documents: list[tuple[object, str, int]] = []
    layer = _SUPPLEMENT_LAYER
    for layer, path in enumerate(files, 1):
        documents.append((read_document(path), str(path), layer))
    for number, document in enumerate(inline):
        documents.append((document, f"inline prices, number {number + 1}", layer + 1 + number))
    return _merged(documents)


def _merged(documents: Iterable[tuple[object, str, int]]) -> Overlays:
    merged = NOTHING
    for document, source, layer in documents:
        try:
            read = Overlays(tuple(_entries(document, source, layer)), read_sections(document, source, layer))
        except RecursionError as error:
            raise ConfigError(f"{source}: contains itself") from error  # an anchor of YAML within what it stands for
        merged = merged.under(read)
    return merged


def parse(document: object, source: str) -> list[OverlayEntry]:
    """The prices in one document of any shape, by themselves.

    Raises:
        ConfigError: as :func:`load_overlays`.
    """
    return _entries(document, source, 1)


def _entries(document: object, source: str, layer: int) -> list[OverlayEntry]:
    found: list[OverlayEntry] = []
    taken: dict[tuple[object, ...], OverlayEntry] = {}
    for index, draft in enumerate(drafts(document, source)):
        entry = _entry(draft, layer, index)
        if entry is None or _is_taken(entry, taken):
            continue
        found.append(entry)
        taken.update((key, entry) for key in _conflict_keys(entry))
    return found


def _is_taken(entry: OverlayEntry, taken: Mapping[tuple[object, ...], OverlayEntry]) -> bool:
    """Whether a lenient entry comes after another for the same calls.

    Raises:
        ConfigError: a strict one does.
    """
    other = next((taken[key] for key in _conflict_keys(entry) if key in taken), None)
    if other is None:
        return False
    if not entry.lenient:
        raise entry.place.error(
            f"conflicts with {other.place}: both are prices for the same calls from the same time on; "
            "give one of them another from, or remove it"
        )
    return True


def _conflict_keys(entry: OverlayEntry) -> list[tuple[object, ...]]:
    return [(entry.provider, model, entry.service_tier, entry.from_ns, entry.window) for model in entry.pattern.models]


def _entry(draft: Draft, layer: int, index: int) -> OverlayEntry | None:
    if not draft.rates:
        raise draft.place.error(f"no rate; give at least one of {', '.join(PER)}")
    try:
        card = compile_card(_unit_prices(draft))
    except ValueError as error:
        if draft.lenient:
            return None
        raise draft.place.error(str(error)) from error
    tier = Tier.of(draft.service_tier)
    source = SOURCE if layer > _SUPPLEMENT_LAYER else SUPPLEMENT
    model = PricingModel.FREE if card.free else tier.pricing_model
    return OverlayEntry(
        pattern=Pattern.of(draft.provider, (draft.model, *draft.aliases)),
        from_ns=draft.from_ns,
        until_ns=draft.until_ns,
        window=draft.window,
        service_tier=tier.key,
        layer=layer,
        index=index,
        price=Price(_price_id(draft, source, tier), source, card, model, draft.context_window),
        rates=tuple(sorted(draft.rates.items())),
        above=tuple((start, tuple(sorted(rates.items()))) for start, rates in sorted(draft.above.items())),
        origin=draft.origin,
        checked=draft.checked,
        place=draft.place,
        lenient=draft.lenient,
        derived=draft.derived,
    )


def _unit_prices(draft: Draft) -> dict[str, UnitPrice]:
    for start, rates in draft.above.items():
        new = next((unit for unit in rates if unit not in draft.rates), None)
        if new is not None and not draft.lenient:
            raise draft.place.error(f"above.{start}: {new} has no rate below that; give it one")
    return {
        unit: UnitPrice(
            usd, tuple((start, rates[unit]) for start, rates in sorted(draft.above.items()) if unit in rates)
        )
        for unit, usd in draft.rates.items()
    }


def _price_id(draft: Draft, source: str, tier: Tier) -> str:
    """An id that no other price has that is ever used: of two that are for the same calls at the same times, only the
    later file's is."""
    since = "" if draft.from_ns is None else f"@{_date(draft.from_ns)}"
    if draft.until_ns is not None:
        since = f"{since or '@'}..{_date(draft.until_ns)}"
    window = "" if draft.window is None else f"@{draft.window.written}"
    return f"{source}/{draft.provider}/{draft.model}{since}{window}{'+' + tier.key if tier.key else ''}"


def _date(at_ns: int) -> str:
    """The day, and the time where it is not midnight, UTC."""
    at = (_EPOCH + timedelta(microseconds=at_ns // 1000)).replace(tzinfo=None)
    return at.date().isoformat() if at.time() == time() else f"{at.isoformat()}Z"
