"""Rules that change prices instead of stating them: aliases, uplifts, discounts, mark-ups, provisioned throughput, and
the share that a deployment tier pays::

    aliases:
      - {provider: azure, model: prod-chat, is: gpt-4o}            # a deployment; is: {provider: ..., model: ...} too
    adjustments:
      - {provider: openai, model: "gpt-5*", host: eu.api.openai.com, uplift: 10%, units: ["*_tokens"], source: ...}
      - {provider: openai, discount: 15%, from: 2026-07-01, source: our contract}
      - {markup: 5%}                                               # everything, charged on inside the company
    provisioned:
      - {name: claude-eu, provider: aws, model: "arn:*:provisioned-model/abc", is: anthropic.claude-sonnet-4-5,
         usd_per_hour: 22, units: 2, from: 2026-01-01, until: 2026-07-01}
    tiers: {development: 0, staging: 0.5, production: 1}           # OTEL_COST_TIER picks one: what share it pays

An uplift is part of the list price; discounts, mark-ups, provisioned throughput and the tier only of the effective one.
Of each kind the most specific rule applies, and one at most: uplift, then discount, then mark-up. Calls on provisioned
throughput cost nothing more (effective 0); what they would have cost on demand stays as their list price, and the fixed
fee is a :class:`Fee`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeVar

from otel_cost.pricing import reading, windows
from otel_cost.pricing.documents import as_mapping, as_sequence
from otel_cost.pricing.draft import SHORT_UNITS
from otel_cost.pricing.providers import canonical, public_host
from otel_cost.pricing.reading import Place
from otel_cost.pricing.tiers import Tier
from otel_cost.pricing.windows import Window
from otel_cost.units import UNITS

ANY: Final = "*"
UPLIFT, DISCOUNT, MARKUP, PROVISIONED = KINDS = ("uplift", "discount", "markup", "provisioned")
TIERS: Final[Mapping[str, Fraction]] = {"development": Fraction(0), "production": Fraction(1)}
"""Deployment tiers that are known without a word in a file."""
_WILDCARD: Final = re.compile(r"[*?\[]")
_MATCH_KEYS: Final = ("provider", "model")
_RULE_KEYS: Final = (
    *_MATCH_KEYS,
    "host",
    "service_tier",
    "from",
    "until",
    *windows.KEYS,
    *KINDS[:3],
    "units",
    "source",
    "checked",
)
_PROVISIONED_KEYS: Final = ("name", *_MATCH_KEYS, "is", "usd_per_hour", "units", "from", "until", "source")
_ALIAS_KEYS: Final = (*_MATCH_KEYS, "is", "source", "checked")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Providers and models by name. ``provider`` is as names are compared, or "*"; models are lower-case globs."""

    provider: str
    models: tuple[str, ...]
    globs: tuple[re.Pattern[str], ...] = field(compare=False, repr=False)

    @classmethod
    def of(cls, provider: str, models: Iterable[str]) -> Pattern:
        names = tuple(model.lower() for model in models)
        written = ANY if provider == ANY else canonical(provider)
        return cls(
            written, names, tuple(re.compile(fnmatch.translate(name)) for name in names if _literal(name) != name)
        )

    def matches(self, providers: frozenset[str] | None, model: str) -> bool:
        """Whether this means ``model`` of a provider known by these names (None: of any)."""
        if providers is not None and self.provider not in (*providers, ANY):
            return False
        ref = model.lower()
        return ref in self.models or any(glob.fullmatch(ref) for glob in self.globs)

    def overlaps(self, other: Pattern) -> bool:
        """Whether a name stands in both, letter by letter."""
        return self.provider == other.provider and not set(self.models).isdisjoint(other.models)

    def rank(self) -> tuple[bool, int, bool]:
        """The larger is the more specific: exact before pattern, longer, named provider."""
        literals = [_literal(model) for model in self.models]
        exact = all(literal == model for literal, model in zip(literals, self.models, strict=True))
        return (exact, min(map(len, literals)), self.provider != ANY)


def _literal(model: str) -> str:
    """What stands before the first wildcard."""
    return _WILDCARD.split(model, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name of a model. ``target_provider`` is "" where the model stays with the provider that was called."""

    pattern: Pattern
    target_provider: str
    target_model: str
    layer: int
    index: int
    place: Place = field(compare=False, repr=False)

    def rank(self) -> tuple[object, ...]:
        return (self.layer, *self.pattern.rank(), self.index)

    def same_calls(self, other: Alias) -> bool:
        return self.pattern.overlaps(other.pattern)


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A factor on the rates of some units (None: of all). Times are UTC ns: ``from_ns`` inclusive, ``until_ns`` not."""

    kind: str
    factor: Fraction
    label: str
    pattern: Pattern
    host: str
    service_tier: str | None
    from_ns: int | None
    until_ns: int | None
    window: Window | None
    units: tuple[str, ...] | None
    origin: str
    layer: int
    index: int
    place: Place = field(compare=False, repr=False)

    def matches(self, pairs: Iterable[tuple[frozenset[str] | None, str]], host: str, service_tier: str) -> bool:
        """Whether this applies to a call that ``pairs`` of provider names and a model stand for."""
        if self.service_tier not in (None, service_tier):
            return False
        if self.host != ANY and not fnmatch.fnmatchcase(host, self.host):
            return False
        return any(self.pattern.matches(names, model) for names, model in pairs)

    def active(self, at_ns: int) -> bool:
        if (self.from_ns is not None and at_ns < self.from_ns) or (
            self.until_ns is not None and at_ns >= self.until_ns
        ):
            return False
        return self.window is None or self.window.active(at_ns)

    def factor_of(self, unit: str) -> Fraction:
        return self.factor if self.units is None or unit in self.units else Fraction(1)

    def rank(self) -> tuple[object, ...]:
        start = self.from_ns if self.from_ns is not None else -(2**63)
        exact, length, named = self.pattern.rank()
        special = (self.host != ANY, named, self.service_tier is not None, self.window is not None)
        return (self.layer, exact, length, *special, start, self.index)

    def same_calls(self, other: Adjustment) -> bool:
        mine, others = ((r.kind, r.host, r.service_tier, r.from_ns, r.window) for r in (self, other))
        return mine == others and self.pattern.overlaps(other.pattern)


_Rule = TypeVar("_Rule", Alias, Adjustment)


@dataclass(frozen=True, slots=True)
class Fee:
    """A fixed price for provisioned throughput, in exact USD per hour. Times are UTC ns; None is unbounded."""

    name: str
    provider: str
    usd_per_hour: Fraction
    from_ns: int | None
    until_ns: int | None

    def meets(self, other: Fee) -> bool:
        """Whether there is a moment at which both are paid."""
        return all(
            one.from_ns is None or two.until_ns is None or one.from_ns < two.until_ns
            for one, two in ((self, other), (other, self))
        )


def read_aliases(value: object, place: Place, layer: int) -> tuple[Alias, ...]:
    """Raises ConfigError where an entry is wrong, like all readers here."""
    found: list[Alias] = []
    for index, (data, where) in enumerate(_items(value, place, _ALIAS_KEYS)):
        provider, model = _target(data, where)
        pattern = Pattern.of(
            reading.text(data, "provider", where, ANY), reading.text_or_texts(data, "model", where, "")
        )
        if not all(pattern.models):
            raise where.error("model: missing")
        made = Alias(pattern, provider, model, layer, index, where)
        _refuse_twin(made, found)
        found.append(made)
    return tuple(found)


def read_adjustments(value: object, place: Place, layer: int) -> tuple[Adjustment, ...]:
    found: list[Adjustment] = []
    for index, (data, where) in enumerate(_items(value, place, _RULE_KEYS)):
        made = _adjustment(data, where, layer, index)
        _refuse_twin(made, found)
        found.append(made)
    return tuple(found)


def read_provisioned(
    value: object, place: Place, layer: int
) -> tuple[tuple[Adjustment, ...], tuple[Alias, ...], tuple[Fee, ...]]:
    """What a provisioned model is in terms of the other rules: a factor of 0, perhaps another name, and a fee."""
    rules: list[Adjustment] = []
    aliases: list[Alias] = []
    fees: list[Fee] = []
    for index, (data, where) in enumerate(_items(value, place, _PROVISIONED_KEYS)):
        name = reading.text(data, "name", where)
        provider = reading.text(data, "provider", where)
        pattern = Pattern.of(provider, reading.text_or_texts(data, "model", where, ""))
        if not all(pattern.models):
            raise where.error("model: missing")
        start, end = reading.period(data, where)
        hourly = reading.usd(data.get("usd_per_hour"), "usd_per_hour", where) * (
            reading.whole(data, "units", where) or 1
        )
        origin = reading.text(data, "source", where, "")
        rules.append(Adjustment(
            PROVISIONED, Fraction(0), f"{PROVISIONED}:{name}", pattern, ANY, None, start, end, None, None, origin,
            layer, index, where,
        ))  # fmt: skip
        if "is" in data:
            aliases.append(Alias(pattern, *_target(data, where), layer, index, where))
        made = Fee(name, canonical(provider), hourly, start, end)
        twin = next((rules[n].place for n, fee in enumerate(fees) if fee.name == name and fee.meets(made)), None)
        if twin is not None:
            raise where.error(f"name: {name!r:.40} is paid for at the same time by {twin}")
        fees.append(made)
    return tuple(rules), tuple(aliases), tuple(fees)


def read_tiers(value: object, place: Place) -> dict[str, Fraction]:
    table = reading.mapping(value, place, "a mapping such as {development: 0, production: 1}")
    return {name.lower(): reading.amount(share, name, place, maximum=100) for name, share in table.items()}


def best(adjustments: Sequence[Adjustment], at_ns: int) -> tuple[Adjustment, ...]:
    """Those that apply at ``at_ns``: at most one of each kind, in the order of ``KINDS``. ``adjustments``: by rank."""
    chosen: dict[str, Adjustment] = {}
    for adjustment in adjustments:
        if adjustment.kind not in chosen and adjustment.active(at_ns):
            chosen[adjustment.kind] = adjustment
    return tuple(chosen[kind] for kind in KINDS if kind in chosen)


def _items(value: object, place: Place, keys: Sequence[str]) -> Iterable[tuple[Mapping[str, object], Place]]:
    items = as_sequence(value)
    if items is None:
        raise place.error("expected a list")
    for index, item in enumerate(items):
        where = Place(place.source, f"{place.path}[{index}]")
        data = reading.mapping(item, where, f"a mapping of {', '.join(keys)}")
        reading.refuse_unknown(data, keys, where)
        yield data, where


def _target(data: Mapping[str, object], place: Place) -> tuple[str, str]:
    target = as_mapping(data.get("is"))
    if target is None:
        return "", reading.text(data, "is", place)
    inner = place.within("is")
    reading.refuse_unknown(target, _MATCH_KEYS, inner)
    return reading.text(target, "provider", inner, ""), reading.text(target, "model", inner)


def _adjustment(data: Mapping[str, object], place: Place, layer: int, index: int) -> Adjustment:
    kinds = [kind for kind in KINDS[:3] if kind in data]
    if len(kinds) != 1:
        raise place.error(f"expected exactly one of {', '.join(KINDS[:3])}, found {', '.join(kinds) or 'none'}")
    (kind,) = kinds
    change = reading.share(data[kind], kind, place, maximum=100 if kind == DISCOUNT else 1000)
    start, end = reading.period(data, place)
    tier = reading.text(data, "service_tier", place) if "service_tier" in data else None
    return Adjustment(
        kind=kind,
        factor=1 - change if kind == DISCOUNT else 1 + change,
        label=f"{kind}:{_percent(change)}",
        pattern=Pattern.of(
            reading.text(data, "provider", place, ANY), reading.text_or_texts(data, "model", place, ANY)
        ),
        host=_host(data, place),
        service_tier=tier if tier is None else Tier.of(tier).key,
        from_ns=start,
        until_ns=end,
        window=windows.read(data, place),
        units=_units(data, place),
        origin=reading.text(data, "source", place, ""),
        layer=layer,
        index=index,
        place=place,
    )


def _refuse_twin(made: _Rule, others: Iterable[_Rule]) -> None:
    """Two rules of one file that nothing ranks."""
    for other in others:
        if made.rank()[:-1] == other.rank()[:-1] and made.same_calls(other):
            raise made.place.error(
                f"conflicts with {other.place}: both are for the same calls, and neither is more exact"
            )


def _host(data: Mapping[str, object], place: Place) -> str:
    """The host as calls have it, also where a whole address is written."""
    written = reading.text(data, "host", place, ANY).lower()
    host = written if "[" in written else public_host(written)
    if not host:
        raise place.error(
            f"host: expected a host that others reach too, such as eu.api.openai.com, not {written!r:.60}"
        )
    return host


def _units(data: Mapping[str, object], place: Place) -> tuple[str, ...] | None:
    if "units" not in data:
        return None
    found: set[str] = set()
    for pattern in reading.texts(data, "units", place, "units or patterns of them"):
        matching = fnmatch.filter(UNITS, SHORT_UNITS.get(pattern, pattern))
        if not matching:
            raise place.error(f"units: nothing is called {pattern!r}; units: {', '.join(UNITS)}")
        found.update(matching)
    return tuple(sorted(found))


def _percent(share: Fraction) -> str:
    return f"{float(share * 100):.10g}%"
