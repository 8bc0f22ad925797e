"""What a question about a price is answered from: the names of the model, and all that may be its price over time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from otel_cost.model import Charge, Reason
from otel_cost.pricing import adjustments, calculator
from otel_cost.pricing.adjustments import Adjustment
from otel_cost.pricing.effective import adjusted
from otel_cost.pricing.overlay import OverlayEntry
from otel_cost.pricing.rates import Price
from otel_cost.pricing.route import Pairs
from otel_cost.pricing.snapshot import SnapshotModel
from otel_cost.pricing.tiers import Tier
from otel_cost.pricing.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name under which the called model may have a price."""

    ref: str
    sellers: list[tuple[str, str]]
    pairs: Pairs
    """What rules may call it."""
    stated: Pairs
    """What prices of one's own may call it."""
    model: SnapshotModel | None
    told: str
    """The name for people, with what it stands for where it is an alias."""


def worth_asking(candidates: list[Candidate]) -> list[Candidate]:
    """Without the requested model where the snapshot knows it as another one than that which answered."""
    if not candidates:
        return []
    answered = candidates[0]
    return [answered] + [
        asked
        for asked in candidates[1:]
        if asked.model is None or answered.model is None or asked.model.info is answered.model.info
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a question's answers are chosen from."""

    entries: tuple[OverlayEntry, ...]
    model: SnapshotModel | None
    tier: Tier
    rules: tuple[Adjustment, ...]
    share: Fraction
    deployment: str
    label: str
    version: str

    def timeline(self) -> Timeline:
        instants, times = self.model.edges() if self.model is not None else (set[int](), set[int]())
        dated: list[OverlayEntry | Adjustment] = [*self.entries, *self.rules]
        instants.update(edge for part in dated for edge in (part.from_ns, part.until_ns) if edge is not None)
        windows = dict.fromkeys(part.window for part in dated if part.window is not None)
        return Timeline(tuple(sorted(instants)), tuple(sorted(times)), self.at, tuple(windows))

    def at(self, at_ns: int) -> Price | Charge:
        found = self.stated(at_ns)
        if isinstance(found, Charge):
            return found
        return adjusted(found, adjustments.best(self.rules, at_ns), self.share, self.deployment)

    def stated(self, at_ns: int) -> Price | Charge:
        """The price that holds then, before the rules."""
        for entry in self.entries:
            if entry.active(at_ns):
                return entry.price
        try:
            price = self.model.price(at_ns, self.tier) if self.model is not None else None
        except ValueError as error:
            return self._no_rate(f"{self.label}: {error}")
        if price is not None:
            return price
        missing = f"service tier {self.tier.name!r:.40}" if self.tier.key else "the time of the call"
        return self._no_rate(f"{self.label} has no price for {missing}")

    def _no_rate(self, detail: str) -> Charge:
        return calculator.unpriced(Reason.NO_RATE, detail, self.version, self.tier.pricing_model)
