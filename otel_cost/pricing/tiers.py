"""Service tiers: what the answer said about how a call was processed, and which price that picks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otel_cost.model import PricingModel

_STANDARD: Final = frozenset({"", "auto", "default", "standard", "on_demand", "on-demand"})
_AT_STANDARD_PRICE: Final[Mapping[str, frozenset[str]]] = {
    # Groq bills flex like on-demand (console.groq.com/docs/flex-processing).
    "groq": frozenset({"flex"}),
}
_PRICING_MODELS: Final[Mapping[str, PricingModel]] = {
    "batch": PricingModel.BATCH,
    "flex": PricingModel.FLEX,
    "priority": PricingModel.PRIORITY,
    "fast": PricingModel.PRIORITY,
    "provisioned": PricingModel.PROVISIONED,
    "provisioned_throughput": PricingModel.PROVISIONED,
    "reserved": PricingModel.PROVISIONED,
}


@dataclass(frozen=True, slots=True)
class Tier:
    """A service tier by its name as answered, in lower case. ``standard`` ones cost the model's plain price."""

    name: str

    @classmethod
    def of(cls, answered: str) -> Tier:
        return cls(answered.strip().lower())

    @property
    def standard(self) -> bool:
        return self.name in _STANDARD

    @property
    def key(self) -> str:
        """The same for all names of the standard tier: ""."""
        return "" if self.standard else self.name

    @property
    def pricing_model(self) -> PricingModel:
        return _PRICING_MODELS.get(self.name, PricingModel.ON_DEMAND)

    @property
    def context(self) -> Mapping[str, str]:
        """The price context of ``genai-prices``, which files batch and Anthropic's fast mode under other keys."""
        if not self.name:
            return {}
        if self.name == "batch":
            return {"processing": "batch"}
        return {"service_tier": self.name, **({"speed": "fast"} if self.name == "fast" else {})}

    def is_standard(self, provider: str) -> bool:
        """Whether ``provider`` bills this tier at the standard price."""
        return self.standard or self.name in _AT_STANDARD_PRICE.get(provider, ())
