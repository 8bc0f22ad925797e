"""The ``genai-prices`` snapshot, read through its public types. The only module that imports that package.

Importing it takes 0.2-1 s and some 40 MB, so it happens in :meth:`Snapshot.load` and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from otel_cost.model import PricingModel
from otel_cost.pricing.providers import ALIASES, PREFIX_NAMES, plain
from otel_cost.pricing.rates import Price, RateCard, UnitPrice, compile_card
from otel_cost.pricing.tiers import Tier
from otel_cost.units import UNITS

if TYPE_CHECKING:
    from genai_prices.types import (
        ConditionalPrice,
        ModelInfo,
        ModelPrice,
        PriceVariant,
        Provider,
        StartDateConstraint,
        TieredPrices,
        TimeOfDateConstraint,
    )

SOURCE: Final = "genai-prices"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NS: Final = 86_400 * 10**9
_FIRST_DAY: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH).days
_LAST_DAY: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH).days
_FREE_SUFFIX: Final = ":free"
_MAX_REF: Final = 512  # a Bedrock ARN has about 200 characters; regular expressions never see more than this
_MINIMUM_SECONDS: Final[Mapping[tuple[str, str], int]] = {
    # billed audio is at least this long, as in genai-prices 0.2.3 (ModelInfo.calc_price)
    ("groq", "whisper-large-v3"): 10,
    ("groq", "whisper-large-v3-turbo"): 10,
}


class Snapshot:
    """Providers and models of the installed ``genai-prices``. Immutable and thread-safe once loaded."""

    def __init__(self, providers: list[Provider], units: Mapping[str, tuple[str, int]], version: str) -> None:
        self.version = version
        self._providers = {provider.id: provider for provider in providers}
        self._all = providers
        self._units = units
        self._ids = {plain(provider.id): provider.id for provider in providers}
        self._owner = {id(model): provider.id for provider in providers for model in provider.models}

    @classmethod
    def load(cls) -> Snapshot:
        """Import the packaged data and wrap it. Slow: call it off the app's own threads."""
        from genai_prices.data import providers

        return cls.of(providers)

    @classmethod
    def of(cls, providers: list[Provider], digest: str = "") -> Snapshot:
        """Wrap providers that were fetched; ``digest`` tells this data from other data in versions and price ids."""
        from importlib.metadata import version

        from genai_prices.data_units import unit_data

        units = {str(raw.get("price_key", unit)): (unit, int(raw["per"])) for unit, raw in unit_data.items()}
        return cls(providers, units, version("genai-prices") + (f"+data:{digest}" if digest else ""))

    def models(self) -> Iterator[SnapshotModel]:
        """Every model of every provider that sells it in its own list."""
        for provider in self._all:
            for info in provider.models:
                yield SnapshotModel(provider.id, provider.id, info, self._units)

    def provider_named(self, name: str) -> str | None:
        """The id for a provider's name: exact, alias, or by the snapshot's own looser rules."""
        name = plain(name)
        found = self._ids.get(name) or self._known(ALIASES.get(name))
        if found or not name:
            return found
        if "azure" in name:
            # The snapshot's rules would take "azure-openai-eu" for openai.
            return self._known("azure")
        matches = (p.id for p in self._all if p.provider_match is not None and p.provider_match.is_match(name))
        return next(matches, None)

    def provider_prefix(self, prefix: str) -> str | None:
        """The id that stands before the slash of a ``provider/model`` string: exact ids and unmistakable aliases."""
        prefix = plain(prefix)
        return self._ids.get(prefix) or (self._known(ALIASES[prefix]) if prefix in PREFIX_NAMES else None)

    def provider_at(self, host: str) -> str | None:
        """The id of the provider whose API is at ``host``. Patterns that need a URL's path never match."""
        if not host or len(host) > _MAX_REF:
            return None
        url = f"https://{host}/"
        return next((p.id for p in self._all if re.match(p.api_pattern, url)), None)

    def provider_of(self, model: str) -> str | None:
        """The id of the provider that makes ``model``, by the model's name alone."""
        ref = model.lower()
        if not ref or len(ref) > _MAX_REF:
            return None
        return next((p.id for p in self._all if p.model_match is not None and p.model_match.is_match(ref)), None)

    def find(self, provider_id: str, model: str) -> SnapshotModel | None:
        """The model that ``provider_id`` calls ``model``, or that of a provider whose models it resells."""
        provider = self._providers.get(provider_id)
        if provider is None or not model or len(model) > _MAX_REF:
            return None
        info = provider.find_model(model, all_providers=self._all)
        if info is None:
            return None
        return SnapshotModel(provider.id, self._owner[id(info)], info, self._units)

    def _known(self, provider_id: str | None) -> str | None:
        return provider_id if provider_id in self._providers else None


@dataclass(frozen=True, slots=True)
class SnapshotModel:
    """A model as one provider sells it. ``owner`` is the provider in whose list the price stands."""

    seller: str
    owner: str
    info: ModelInfo
    units: Mapping[str, tuple[str, int]]

    def edges(self) -> tuple[set[int], set[int]]:
        """When prices may change: instants in UTC ns, and times of day in ns after midnight UTC. All inclusive."""
        from genai_prices.types import StartDateConstraint

        instants: set[int] = set()
        times: set[int] = set()
        for constraint in self._constraints():
            if isinstance(constraint, StartDateConstraint):
                day = datetime.combine(constraint.start_date, time(), UTC)
                instants.add((day - _EPOCH) // timedelta(days=1) * _DAY_NS)
            else:
                times |= {_time_of_day_ns(constraint.start_time), _time_of_day_ns(constraint.end_time)}
        return instants, times

    def since(self, at_ns: int) -> int | None:
        """Since when the price at ``at_ns`` is the price, in UTC ns; None where nothing else is known of before."""
        past = [instant for instant in self.edges()[0] if instant <= at_ns]
        return max(past, default=None)

    def service_tiers(self) -> tuple[str, ...]:
        """The service tiers, the standard one apart, that have a price of their own here."""
        if self.seller != self.owner:
            return ()
        named = {name for variant in self.info.price_variants or () for name in map(_tier_name, variant.when.items())}
        return tuple(sorted(named - {"", "default"}))

    def price(self, at_ns: int, tier: Tier) -> Price | None:
        """The price at ``at_ns`` for calls of ``tier``; None when the tier has no price of its own here.

        Raises:
            ValueError: the snapshot's own data is ambiguous, see :func:`otel_cost.pricing.rates.gaps`.
        """
        at = _utc(at_ns)
        # Variants are the seller's own offers: genai-prices does not apply them to a reseller's calls either.
        context = tier.context if self.seller == self.owner else {}
        variant = self._variant(at, context)
        if variant is None and not tier.is_standard(self.seller):
            return None
        card = self._card(self.info.get_prices(at, context), at)
        model = PricingModel.FREE if card.free else tier.pricing_model
        return Price(self._id(at, tier, variant), SOURCE, card, model, self.info.context_window)

    def _card(self, prices: ModelPrice, at: datetime) -> RateCard:
        by_unit: dict[str, UnitPrice] = {}
        for key, value in vars(prices).items():
            unit, per = self.units.get(key, ("", 1))
            if value is not None and unit in UNITS:
                by_unit[unit] = _unit_price(value, per)
        if not by_unit and self.info.id.endswith(_FREE_SUFFIX):
            # An empty price list means "unknown" on its own; with this suffix it is the provider's word for free.
            by_unit = {"input_tokens": UnitPrice(Fraction(0)), "output_tokens": UnitPrice(Fraction(0))}
        return compile_card(by_unit, minimum_seconds=_MINIMUM_SECONDS.get((self.seller, self.info.id), 0))

    def _id(self, at: datetime, tier: Tier, variant: PriceVariant | None) -> str:
        base = f"{self.owner}/{self.info.id}{_since(self._conditional(at))}"
        if variant is None or tier.standard:
            return base
        return f"{base}+{tier.name}{_since(variant)}"

    def _conditional(self, at: datetime) -> ConditionalPrice | None:
        prices = self.info.prices if isinstance(self.info.prices, list) else []
        active = (p for p in reversed(prices) if p.constraint is None or p.constraint.active(at))
        return next(active, prices[0] if prices else None)

    def _variant(self, at: datetime, context: Mapping[str, str]) -> PriceVariant | None:
        for variant in self.info.price_variants or ():
            if variant.constraint is not None and not variant.constraint.active(at):
                continue
            if all(context.get(key) == value for key, value in variant.when.items()):
                return variant
        return None

    def _constraints(self) -> list[StartDateConstraint | TimeOfDateConstraint]:
        prices = self.info.prices if isinstance(self.info.prices, list) else []
        conditions = (*prices, *(self.info.price_variants or ()))
        return [condition.constraint for condition in conditions if condition.constraint is not None]


def _since(condition: ConditionalPrice | PriceVariant | None) -> str:
    """The part of a price id that tells apart the prices of one model: since when, or from what time of day."""
    from genai_prices.types import StartDateConstraint

    constraint = condition.constraint if condition is not None else None
    if constraint is None:
        return ""
    if isinstance(constraint, StartDateConstraint):
        return f"@{constraint.start_date}"
    return f"@T{_time_of_day(constraint.start_time):%H:%M}Z"


def _tier_name(condition: tuple[str, str]) -> str:
    key, value = condition
    return value if (key, value) == ("processing", "batch") or key in ("service_tier", "speed") else ""


def _utc(at_ns: int) -> datetime:
    """The instant to the microsecond, rounded down; days outside the calendar become its first or last one."""
    day, within = divmod(at_ns, _DAY_NS)
    return _EPOCH + timedelta(days=min(max(day, _FIRST_DAY), _LAST_DAY), microseconds=within // 1000)


def _time_of_day(value: time) -> datetime:
    """``value`` on the first day in UTC or a neighbour of it; without an offset it is UTC."""
    return datetime.combine(_EPOCH.date(), value, value.tzinfo or UTC).astimezone(UTC)


def _time_of_day_ns(value: time) -> int:
    return (_time_of_day(value) - _EPOCH) // timedelta(microseconds=1) * 1000 % _DAY_NS


def _unit_price(value: Decimal | TieredPrices, per: int) -> UnitPrice:
    if isinstance(value, Decimal):
        return UnitPrice(Fraction(value) / per)
    tiers = tuple((tier.start, Fraction(tier.price) / per) for tier in value.tiers)
    return UnitPrice(Fraction(value.base) / per, tiers)
