"""The resolved prices: the snapshot and the overlays over it, compiled when a model is first seen.

Whose price applies, first match wins:

1. an overlay for the answered model, then one for the requested model, unless the snapshot knows the two as different
   models (a router that answered with a cheaper model than was asked for is not charged for the one asked for);
2. the snapshot's price of the answered model, then of the requested one.

Everything goes by the time the call started. A service tier other than the standard one needs a price of its own: where
there is none, the call is unpriced (``no_rate``) and the detail names the tier; the standard price would be a guess.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from otel_cost.model import Charge, Reason, Usage
from otel_cost.pricing import calculator
from otel_cost.pricing.overlay import OverlayEntry, fingerprint, load_overlays
from otel_cost.pricing.providers import NO_EVIDENCE, PATH_PREFIXES, SPOKEN_BY_OTHERS, plain, public_host
from otel_cost.pricing.rates import Price
from otel_cost.pricing.snapshot import SOURCE, Snapshot, SnapshotModel
from otel_cost.pricing.tiers import Tier

_MAX_RESOLVED: Final = 8192
"""Distinct questions that are remembered. Past that all are forgotten: names come from outside and have no bound."""
_DAY_NS: Final = 86_400 * 10**9
_SHOWN: Final = 120  # characters of a foreign name in a detail


@dataclass(frozen=True, slots=True)
class PriceQuery:
    """What was called, as its span says.

    Attributes:
        provider: Name of the provider as on the span; may be "".
        model: The model that answered, or the requested one when the answer does not say.
        at_ns: Start of the call, ns since the epoch, UTC: the price of that moment applies.
        service_tier: As answered: "", "default", "flex", "priority", "batch", ...
        server_address: The host that the request went to; may be "".
        requested_model: Used when the answered model has no price.
    """

    provider: str
    model: str
    at_ns: int
    service_tier: str = ""
    server_address: str = ""
    requested_model: str = ""


class Catalog:
    """All prices that this process knows. Thread-safe; answers never change once loaded.

    ``version`` names the data: ``"genai-prices 0.2.3"``, or ``"genai-prices 0.2.3+overlay:ab12cd34"`` with a hash of
    the overlays' content.
    """

    def __init__(self, snapshot: Snapshot, overlays: Sequence[OverlayEntry] = ()) -> None:
        """``overlays``: those that win first, as :func:`otel_cost.pricing.overlay.load_overlays` gives them."""
        self.version = f"{SOURCE} {snapshot.version}"
        if overlays:
            self.version += f"+overlay:{fingerprint(overlays)}"
        self._snapshot = snapshot
        self._overlays = tuple(overlays)
        self._resolved: dict[tuple[str, str, str, str, str], _Timeline] = {}

    @classmethod
    def load(cls, overlay_files: Sequence[Path] = (), inline: Sequence[Mapping[str, object]] = ()) -> Catalog:
        """Read the overlays and import the snapshot; takes up to a second.

        Later files win over earlier ones, and ``inline`` documents (one entry, or any shape of a file) over files.

        Raises:
            ConfigError: an overlay is wrong; the text names the file, the entry, the key, and what is allowed.
        """
        overlays = load_overlays(overlay_files, inline)
        return cls(Snapshot.load(), overlays)

    def price(self, usage: Usage, query: PriceQuery) -> Charge:
        """What ``usage`` cost, or why that is not known. Any thread; never raises, never blocks on I/O."""
        found = self.resolve(query)
        if isinstance(found, Price):
            return calculator.charge(found, usage, self.version)
        return found if usage.counts else calculator.unpriced(Reason.NO_USAGE, "", self.version)

    def resolve(self, query: PriceQuery) -> Price | Charge:
        """The price that applies, or the unpriced charge that says why there is none."""
        key = (query.provider, query.model, query.service_tier, query.server_address, query.requested_model)
        timeline = self._resolved.get(key)
        if timeline is None:
            timeline = self._timeline(query)
            if len(self._resolved) >= _MAX_RESOLVED:
                self._resolved.clear()
            self._resolved[key] = timeline
        return timeline.at(query.at_ns)

    def _timeline(self, query: PriceQuery) -> _Timeline:
        refs = [ref for ref in dict.fromkeys((query.model.strip(), query.requested_model.strip())) if ref]
        if not refs:
            return _constant(calculator.unpriced(Reason.NO_MODEL, "", self.version))
        route = self._route(query.provider, public_host(query.server_address))
        sellers = {ref: self._sellers(route, ref) for ref in refs}
        models = {ref: self._find(sellers[ref]) for ref in refs}
        tier = Tier.of(query.service_tier)
        known = next((model for model in models.values() if model is not None), None)
        seller = known.seller if known is not None else route.seller or ""
        tier_key = "" if tier.is_standard(seller) else tier.name
        overlays = self._matching(route, refs, sellers, models, tier_key)
        if not overlays and known is None:
            return _constant(self._unknown(route, refs[0], sellers[refs[0]]))
        instants, times = known.edges() if known is not None else (set[int](), set[int]())
        instants.update(*(entry.edges() for entry in overlays))
        label = f"{route.label}/{refs[0]}"[:_SHOWN]
        choose = partial(_choose, overlays, known, tier, label, self.version)
        return _Timeline(tuple(sorted(instants)), tuple(sorted(times)), choose)

    def _route(self, provider: str, host: str) -> _Route:
        name = plain(provider)
        named = None if name in NO_EVIDENCE else self._snapshot.provider_named(name)
        by_host = self._snapshot.provider_at(host)
        host_decides = by_host is not None and (named is None or named in SPOKEN_BY_OTHERS)
        seller = by_host if host_decides else named
        own_name = name if named is None and name not in NO_EVIDENCE else ""
        return _Route(seller, own_name, host, by_host is not None, provider.strip())

    def _sellers(self, route: _Route, ref: str) -> list[tuple[str, str]]:
        """(provider id, what it may call the model), the likeliest first."""
        found = [] if route.seller is None else [(route.seller, ref)]
        prefix, slash, rest = ref.partition("/")
        prefixed = self._snapshot.provider_prefix(prefix) if slash and rest else None
        if prefixed is not None and route.may_be(prefixed):
            found.append((prefixed, rest))
        if not found and not route.own_name:
            resource = ref.lower().startswith("arn:") or prefix.lower() in PATH_PREFIXES
            maker = self._snapshot.provider_of(ref) if not slash or resource else None
            found += [(maker, ref)] if maker is not None else []
        return found

    def _find(self, sellers: Iterable[tuple[str, str]]) -> SnapshotModel | None:
        models = (self._snapshot.find(seller, ref) for seller, ref in sellers)
        return next((model for model in models if model is not None), None)

    def _matching(
        self,
        route: _Route,
        refs: list[str],
        sellers: Mapping[str, list[tuple[str, str]]],
        models: Mapping[str, SnapshotModel | None],
        tier_key: str,
    ) -> tuple[OverlayEntry, ...]:
        matching: dict[OverlayEntry, None] = {}
        for ref in refs:
            asked, answered = models[ref], models[refs[0]]
            if ref != refs[0] and asked is not None and answered is not None and asked.info is not answered.info:
                continue
            pairs = route.overlay_names(ref, sellers[ref])
            for entry in self._overlays:
                if entry.service_tier == tier_key and any(entry.matches(names, name) for names, name in pairs):
                    matching.setdefault(entry)
        return tuple(matching)

    def _unknown(self, route: _Route, ref: str, sellers: list[tuple[str, str]]) -> Charge:
        if sellers:
            return calculator.unpriced(Reason.UNKNOWN_MODEL, f"{sellers[0][0]}/{ref}"[:_SHOWN], self.version)
        host = f", host {route.host}" if route.host else ""
        detail = f"provider {route.label or 'not named'}{host}, model {ref}"
        return calculator.unpriced(Reason.UNKNOWN_PROVIDER, detail[: 2 * _SHOWN], self.version)


@dataclass(frozen=True, slots=True)
class _Route:
    """Who is paid, as far as provider name and host tell.

    ``seller`` is a snapshot id; ``own_name`` a name that the snapshot does not know; ``written`` the span's own word.
    """

    seller: str | None
    own_name: str
    host: str
    host_known: bool
    written: str

    @property
    def label(self) -> str:
        return self.seller or self.written

    def may_be(self, prefixed: str) -> bool:
        """Whether a ``provider/model`` string can say that ``prefixed`` is paid.

        A gateway is called through another provider's SDK at a host that nobody knows; a known host is believed.
        """
        if self.seller is None:
            return not self.own_name
        return self.seller == prefixed or (self.seller in SPOKEN_BY_OTHERS and not self.host_known)

    def overlay_names(self, ref: str, sellers: Iterable[tuple[str, str]]) -> list[tuple[frozenset[str] | None, str]]:
        """What overlays may call the provider and the model; None: any provider, so that the model alone decides."""
        pairs = [(self._names(seller), name) for seller, own in sellers for name in dict.fromkeys((own, ref))]
        if pairs:
            return list(pairs)
        prefix, slash, rest = ref.partition("/")
        prefixed = [(self._names(prefix), rest)] if slash and not self.own_name else []
        return [(self._names("") or None, ref), *prefixed]

    def _names(self, seller: str) -> frozenset[str]:
        # The span's own word too: it is what the log and the report tell people to write into their file.
        return frozenset(plain(name) for name in (seller, self.own_name, self.host, self.written) if name)


def _choose(
    overlays: tuple[OverlayEntry, ...],
    model: SnapshotModel | None,
    tier: Tier,
    label: str,
    version: str,
    at_ns: int,
) -> Price | Charge:
    for entry in overlays:
        if entry.active(at_ns):
            return entry.price
    try:
        price = model.price(at_ns, tier) if model is not None else None
    except ValueError as error:
        return calculator.unpriced(Reason.NO_RATE, f"{label}: {error}", version, tier.pricing_model)
    if price is not None:
        return price
    missing = f"service tier {tier.name!r:.40}" if tier.key else "the time of the call"
    return calculator.unpriced(Reason.NO_RATE, f"{label} has no price for {missing}", version, tier.pricing_model)


def _constant(charge: Charge) -> _Timeline:
    return _Timeline((), (), lambda _: charge)


class _Timeline:
    """One question's answers over time. They only change at ``instants`` and, daily, at ``times`` (ns, inclusive), so
    that one answer worked out anywhere between two edges holds everywhere between them."""

    __slots__ = ("_cells", "_choose", "_instants", "_times")

    def __init__(
        self, instants: tuple[int, ...], times: tuple[int, ...], choose: Callable[[int], Price | Charge]
    ) -> None:
        self._instants = instants
        self._times = times
        self._choose = choose
        self._cells: dict[int, Price | Charge] = {}

    def at(self, at_ns: int) -> Price | Charge:
        cell = bisect_right(self._instants, at_ns) if self._instants else 0
        if self._times:
            cell += (len(self._instants) + 1) * bisect_right(self._times, at_ns % _DAY_NS)
        found = self._cells.get(cell)
        if found is None:
            found = self._cells[cell] = self._choose(at_ns)
        return found
