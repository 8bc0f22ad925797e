"""What may stand in a price file beside ``prices``: each section has its reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from otel_cost.pricing import adjustments, schedules, unit_prices
from otel_cost.pricing.adjustments import Adjustment, Alias, Fee
from otel_cost.pricing.documents import as_mapping
from otel_cost.pricing.reading import Place
from otel_cost.pricing.schedules import Schedule
from otel_cost.pricing.unit_prices import Display, UnitRate

SECTIONS: Final = ("aliases", "adjustments", "provisioned", "tiers", "tools", "resources", "display", "schedules")


@dataclass(frozen=True, slots=True)
class Sections:
    """The rules of one file, or of all of them; those that win first."""

    aliases: tuple[Alias, ...] = ()
    adjustments: tuple[Adjustment, ...] = ()
    fees: tuple[Fee, ...] = ()
    tiers: Mapping[str, Fraction] = field(default_factory=dict)
    tools: tuple[UnitRate, ...] = ()
    resources: tuple[UnitRate, ...] = ()
    display: Display | None = None
    schedules: tuple[Schedule, ...] = ()

    def under(self, later: Sections) -> Sections:
        """Both together; ``later`` wins. Provisioned throughput of a name that ``later`` has too is replaced by it."""
        again = {rule.label for rule in later.adjustments if rule.kind == adjustments.PROVISIONED}
        kept = [rule for rule in self.adjustments if rule.label not in again]
        names = {fee.name for fee in later.fees}
        return Sections(
            aliases=tuple(sorted((*self.aliases, *later.aliases), key=Alias.rank, reverse=True)),
            adjustments=tuple(sorted((*kept, *later.adjustments), key=Adjustment.rank, reverse=True)),
            fees=(*(fee for fee in self.fees if fee.name not in names), *later.fees),
            tiers={**self.tiers, **later.tiers},
            tools=tuple(sorted((*self.tools, *later.tools), key=UnitRate.rank, reverse=True)),
            resources=tuple(sorted((*self.resources, *later.resources), key=UnitRate.rank, reverse=True)),
            display=later.display or self.display,
            schedules=tuple(sorted((*self.schedules, *later.schedules), key=Schedule.rank, reverse=True)),
        )


def read_sections(document: object, source: str, layer: int) -> Sections:
    """The rules of one document; none where it has another shape.

    Raises:
        ConfigError: an entry is wrong; the text names the file, the entry, the key, and what is allowed.
    """
    data = as_mapping(document)
    if data is None or "model" in data or not any(name in data for name in SECTIONS):
        return Sections()  # a single price has aliases of its own

    def place(name: str) -> Place:
        return Place(source, name)

    rules, more_aliases, fees = adjustments.read_provisioned(data.get("provisioned", ()), place("provisioned"), layer)
    named = adjustments.read_aliases(data.get("aliases", ()), place("aliases"), layer)
    stated = adjustments.read_adjustments(data.get("adjustments", ()), place("adjustments"), layer)
    return Sections(
        aliases=(*named, *more_aliases),
        adjustments=(*stated, *rules),
        fees=fees,
        tiers=adjustments.read_tiers(data.get("tiers", {}), place("tiers")),
        tools=unit_prices.read_rates(data.get("tools", {}), place("tools"), layer),
        resources=unit_prices.read_rates(data.get("resources", {}), place("resources"), layer),
        display=unit_prices.read_display(data["display"], place("display")) if "display" in data else None,
        schedules=schedules.read(data.get("schedules", ()), place("schedules"), layer),
    )
