"""The resolved prices: the snapshot and the overlays over it, compiled when a model is first seen.

Whose price applies, first match wins:

1. an overlay for the answered model, then one for the requested model, unless the snapshot knows the two as different
   models (a router that answered with a cheaper model than was asked for is not charged for the one asked for);
2. the snapshot's price of the answered model, then of the requested one.

An alias in an overlay replaces a name before anything is looked up; the rules of ``adjustments`` then change the price
that was found.

Everything goes by the time the call started. A service tier other than the standard one needs a price of its own: where
there is none, the call is unpriced (``no_rate``) and the detail names the tier; the standard price would be a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Final, TypeVar

from otel_cost.errors import ConfigError
from otel_cost.model import Charge, Reason, Usage
from otel_cost.pricing import adjustments, calculator, schedules
from otel_cost.pricing.adjustments import Adjustment
from otel_cost.pricing.choice import Candidate, Choice, worth_asking
from otel_cost.pricing.overlay import NOTHING, OverlayEntry, Overlays, load_overlays, load_supplement
from otel_cost.pricing.overlay import SOURCE as OVERLAY
from otel_cost.pricing.providers import (
    NO_EVIDENCE,
    PATH_PREFIXES,
    SPOKEN_BY_OTHERS,
    canonical,
    plain,
    public_host,
    resource_model,
)
from otel_cost.pricing.rates import Price
from otel_cost.pricing.route import Pairs, Route
from otel_cost.pricing.schedules import Schedule, SoFar
from otel_cost.pricing.snapshot import SOURCE, Snapshot, SnapshotModel
from otel_cost.pricing.tiers import Tier
from otel_cost.pricing.timeline import Timeline
from otel_cost.pricing.unit_prices import UnitRate

_MAX_RESOLVED: Final = 8192
"""Distinct questions that are remembered. Past that all are forgotten: names come from outside and have no bound."""
_MAX_NAMES: Final = 2048
"""Characters of a question beyond which it is not remembered."""
_TIER: Final = "+tier:"
_Question = tuple[str, str, str, str, str]
_Answer = TypeVar("_Answer")
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

    ``version`` names the data: ``"genai-prices 0.2.3+supplement:12ab34cd"``, and ``"+overlay:ab12cd34"`` after it where
    there are overlays, with hashes of their content. A deployment tier is named too.
    """

    def __init__(
        self, snapshot: Snapshot, overlays: Overlays = NOTHING, *, supplement: Overlays = NOTHING, tier: str = ""
    ) -> None:
        """
        Args:
            snapshot: The packaged or a refreshed price list.
            overlays: Prices and rules over it.
            supplement: What comes between the two.
            tier: The deployment tier (``development``, ``production``, or one that an overlay names); "" is none.

        Raises:
            ConfigError: the tier is not known.
        """
        self.snapshot = snapshot
        self.overlays = supplement.under(overlays)
        self.tier = tier.strip().lower()
        self.version = _version(snapshot, supplement, overlays, self.tier)
        self._share = _share(self.tier, self.overlays)
        self._resolved: dict[_Question, Timeline] = {}
        self._under: dict[_Question, tuple[Schedule, ...]] = {}

    @classmethod
    def load(
        cls,
        overlay_files: Sequence[Path] = (),
        inline: Sequence[Mapping[str, object]] = (),
        *,
        tier: str = "",
        snapshot: Snapshot | None = None,
    ) -> Catalog:
        """Read the overlays and import the snapshot (unless one is given); takes up to a second.

        Later files win over earlier ones, and ``inline`` documents (one entry, or any shape of a file) over files.

        Raises:
            ConfigError: an overlay is wrong; the text names the file, the entry, the key, and what is allowed.
        """
        overlays = load_overlays(overlay_files, inline)
        return cls(snapshot or Snapshot.load(), overlays, supplement=load_supplement(), tier=tier)

    def price(self, usage: Usage, query: PriceQuery, so_far: SoFar | None = None) -> Charge:
        """What ``usage`` cost, or why that is not known. Any thread; never raises, never blocks on I/O.

        ``so_far`` is what was used before in the period of :meth:`schedule`. Without it a schedule does not apply, and
        the call costs what it would without: an allowance that may be used up is none.
        """
        found = self.resolve(query)
        if isinstance(found, Price):
            if so_far is not None and (schedule := self.schedule(query)) is not None:
                return schedules.charge(found, usage, self.version, schedule, so_far)
            return calculator.charge(found, usage, self.version)
        return found if usage.counts else calculator.unpriced(Reason.NO_USAGE, "", self.version)

    def resolve(self, query: PriceQuery) -> Price | Charge:
        """The price that applies, or the unpriced charge that says why there is none."""
        key = (query.provider, query.model, query.service_tier, query.server_address, query.requested_model)
        timeline = self._resolved.get(key)
        if timeline is None:
            timeline = self._timeline(query)
            _remember(self._resolved, key, timeline)
        return timeline.at(query.at_ns)

    def resolve_model(self, model: SnapshotModel, at_ns: int) -> Price | Charge:
        """The standard price of a model of the snapshot, under the overlays and rules that are for its own name."""
        pairs: Pairs = [(frozenset({canonical(model.seller)}), model.info.id)]
        candidate = Candidate(model.info.id, [(model.seller, model.info.id)], pairs, pairs, model, model.info.id)
        return self._choice([candidate], "", Tier.of(""), model.seller).at(at_ns)

    def rules(self, query: PriceQuery) -> tuple[Adjustment, ...]:
        """The rules that change the price of what ``query`` names, at its time."""
        route = self._route(query.provider, public_host(query.server_address))
        candidates = self._candidates(query, route)
        if not candidates:
            return ()
        choice = self._choice(candidates, route.host, Tier.of(query.service_tier), route.seller or "")
        return adjustments.best(choice.rules, query.at_ns)

    def stated(self, query: PriceQuery) -> Price | Charge:
        """The price that applies before any rule or deployment tier changes it, or why there is none."""
        found = self.resolve(query)
        if isinstance(found, Charge):
            return found
        route = self._route(query.provider, public_host(query.server_address))
        tier = Tier.of(query.service_tier)
        return self._choice(self._candidates(query, route), route.host, tier, route.seller or "").stated(query.at_ns)

    def schedule(self, query: PriceQuery) -> Schedule | None:
        """The schedule that the call is under, if any: what was used under it before decides what the call costs."""
        if not self.overlays.sections.schedules:
            return None
        key = (query.provider, query.model, "", query.server_address, query.requested_model)
        under = self._under.get(key)
        if under is None:
            under = self._schedules(query)
            _remember(self._under, key, under)
        return next((schedule for schedule in under if schedule.active(query.at_ns)), None)

    def edges(self, query: PriceQuery) -> tuple[int, ...]:
        """When the price of what ``query`` names may change for good, UTC ns, ascending."""
        return self._timeline(query).instants

    def service_tiers(self, query: PriceQuery) -> tuple[str, ...]:
        """The service tiers that may have a price of their own for what ``query`` names."""
        candidates = self._candidates(query, self._route(query.provider, public_host(query.server_address)))
        known = {tier for c in candidates if c.model is not None for tier in c.model.service_tiers()}
        own = {e.service_tier for e in self.overlays.entries for c in candidates for p in c.stated if e.matches(*p)}
        return tuple(sorted(known | own))

    def tool(self, name: str, at_ns: int) -> Charge | None:
        """What one call of the tool ``name`` cost; None where no overlay prices it: most tools cost nothing."""
        rate = _rate(self.overlays.sections.tools, name, at_ns)
        if rate is None:
            return None
        return calculator.fixed(rate.usd, self._share, f"tools/{rate.name}", self.version, OVERLAY)

    def resource(self, name: str, quantity: Decimal | Fraction | int, at_ns: int) -> Charge:
        """What ``quantity`` of the resource ``name`` cost, in the unit that its name says (``cpu_core_hour``).

        Unpriced where no overlay prices it (``no_rate``), or where the quantity is negative or no number.
        """
        rate = _rate(self.overlays.sections.resources, name, at_ns)
        if rate is None:
            return calculator.unpriced(Reason.NO_RATE, f"resources: {name!r:.80} has no price", self.version)
        if (isinstance(quantity, Decimal) and not quantity.is_finite()) or quantity < 0:
            return calculator.unpriced(Reason.INVALID_USAGE, f"{name} is {quantity}", self.version)
        usd = rate.usd * Fraction(quantity)
        return calculator.fixed(usd, self._share, f"resources/{rate.name}", self.version, OVERLAY)

    def _timeline(self, query: PriceQuery) -> Timeline:
        route = self._route(query.provider, public_host(query.server_address))
        candidates = self._candidates(query, route)
        if not candidates:
            return Timeline.constant(calculator.unpriced(Reason.NO_MODEL, "", self.version))
        choice = self._choice(candidates, route.host, Tier.of(query.service_tier), route.seller or "", route.label)
        if not choice.entries and choice.model is None:
            return Timeline.constant(self._unknown(route, candidates[0]))
        return choice.timeline()

    def _schedules(self, query: PriceQuery) -> tuple[Schedule, ...]:
        route = self._route(query.provider, public_host(query.server_address))
        pairs = [pair for candidate in self._candidates(query, route) for pair in candidate.pairs]
        return tuple(s for s in self.overlays.sections.schedules if any(s.pattern.matches(*pair) for pair in pairs))

    def _candidates(self, query: PriceQuery, route: Route) -> list[Candidate]:
        refs = [ref for ref in dict.fromkeys((query.model.strip(), query.requested_model.strip())) if ref]
        return worth_asking([self._candidate(route, ref) for ref in refs])

    def _choice(self, candidates: list[Candidate], host: str, tier: Tier, seller: str, label: str = "") -> Choice:
        known = next((candidate.model for candidate in candidates if candidate.model is not None), None)
        tier_key = "" if tier.is_standard(known.seller if known is not None else seller) else tier.name
        entries = self._entries(candidates, tier_key)
        rules = self._rules(candidates, host, tier_key)
        shown = f"{label or seller}/{candidates[0].ref}"[:_SHOWN]
        return Choice(entries, known, tier, rules, self._share, self.tier, shown, self.version)

    def _route(self, provider: str, host: str) -> Route:
        name = plain(provider)
        named = None if name in NO_EVIDENCE else self.snapshot.provider_named(name)
        by_host = self.snapshot.provider_at(host)
        host_decides = by_host is not None and (named is None or named in SPOKEN_BY_OTHERS)
        seller = by_host if host_decides else named
        own_name = name if named is None and name not in NO_EVIDENCE else ""
        return Route(seller, own_name, host, by_host is not None, provider.strip(), believed=not host_decides)

    def _candidate(self, route: Route, ref: str) -> Candidate:
        sellers = self._sellers(route, ref)
        pairs = route.overlay_names(ref, sellers)
        alias = next((a for a in self.overlays.sections.aliases if any(a.pattern.matches(*p) for p in pairs)), None)
        told = ref[:_SHOWN]
        if alias is not None:
            provider, target = alias.target_provider, alias.target_model
            sellers = self._sellers_of(provider, target) if provider else self._sellers(route, target)
            named: Pairs = [(frozenset({canonical(provider)}), target)] if provider else []
            pairs = [*pairs, *(named or route.overlay_names(target, sellers))]
            told = f"{told} (alias of {provider}{'/' if provider else ''}{target})"
        found = (self.snapshot.find(seller, name) for seller, name in sellers)
        model = next((model for model in found if model is not None), None)
        return Candidate(ref, sellers, pairs, [*pairs, *route.advised_names(ref)], model, told)

    def _sellers_of(self, provider: str, model: str) -> list[tuple[str, str]]:
        named = self.snapshot.provider_named(provider)
        return [] if named is None else [(named, model)]

    def _sellers(self, route: Route, ref: str) -> list[tuple[str, str]]:
        """(provider id, what it may call the model), the likeliest first."""
        inner = resource_model(ref)
        names = [ref, inner] if inner else [ref]
        found = [] if route.seller is None else [(route.seller, name) for name in names]
        prefix, slash, rest = ref.partition("/")
        prefixed = self.snapshot.provider_prefix(prefix) if slash and rest else None
        if prefixed is not None and route.may_be(prefixed):
            found.append((prefixed, rest))
        if not found and not route.own_name:
            resource = ref.lower().startswith("arn:") or prefix.lower() in PATH_PREFIXES
            maker = self.snapshot.provider_of(ref) if not slash or resource else None
            found += [(maker, name) for name in names] if maker is not None else []
        return found

    def _entries(self, candidates: Iterable[Candidate], tier_key: str) -> tuple[OverlayEntry, ...]:
        matching: dict[OverlayEntry, None] = {}
        for candidate in candidates:
            for entry in self.overlays.entries:
                if entry.service_tier == tier_key and any(entry.matches(*pair) for pair in candidate.stated):
                    matching.setdefault(entry)
        return tuple(matching)

    def _rules(self, candidates: Iterable[Candidate], host: str, tier_key: str) -> tuple[Adjustment, ...]:
        pairs = [pair for candidate in candidates for pair in candidate.pairs]
        return tuple(rule for rule in self.overlays.sections.adjustments if rule.matches(pairs, host, tier_key))

    def _unknown(self, route: Route, candidate: Candidate) -> Charge:
        if candidate.sellers:
            detail = f"{candidate.sellers[0][0]}/{candidate.told}"
            return calculator.unpriced(Reason.UNKNOWN_MODEL, detail[: 2 * _SHOWN], self.version)
        host = f", host {route.host}" if route.host else ""
        detail = f"provider {route.label or 'not named'}{host}, model {candidate.told}"
        return calculator.unpriced(Reason.UNKNOWN_PROVIDER, detail[: 2 * _SHOWN], self.version)


def _remember(answers: dict[_Question, _Answer], key: _Question, answer: _Answer) -> None:
    if sum(map(len, key)) > _MAX_NAMES:
        return
    if len(answers) >= _MAX_RESOLVED:
        answers.clear()
    answers[key] = answer


def deployment_tier_in(version: str) -> str:
    """The deployment tier that a catalog of this ``version`` prices for; "" where none."""
    return version.partition(_TIER)[2]


def _version(snapshot: Snapshot, supplement: Overlays, overlays: Overlays, tier: str) -> str:
    return "".join(
        (
            f"{SOURCE} {snapshot.version}",
            f"+supplement:{supplement.fingerprint()}" if supplement else "",
            f"+overlay:{overlays.fingerprint()}" if overlays else "",
            f"{_TIER}{tier}" if tier else "",
        )
    )


def _rate(rates: Iterable[UnitRate], name: str, at_ns: int) -> UnitRate | None:
    return next((rate for rate in rates if rate.matches(name) and rate.active(at_ns)), None)


def _share(tier: str, overlays: Overlays) -> Fraction:
    known = {**adjustments.TIERS, **overlays.sections.tiers}
    if tier and tier not in known:
        raise ConfigError(f"tier: {tier!r} is not known; allowed: {', '.join(sorted(known))}, or what tiers: names")
    return known[tier] if tier else Fraction(1)
