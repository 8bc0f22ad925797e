"""What every shape of a price file is parsed to: everything checked but the consistency of the rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from otel_cost.pricing.reading import Place
from otel_cost.pricing.windows import Window

PER: Final[Mapping[str, int]] = {"per_1m": 10**6, "per_1k": 10**3, "per_token": 1, "per_unit": 1}
"""Keys of rate tables, and how many base units their USD are for."""
SHORT_UNITS: Final[Mapping[str, str]] = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_5m": "cache_write_5m_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "reasoning": "output_reasoning_tokens",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """One price. ``rates`` are USD per base unit; ``above[n]`` those that differ once the input is above ``n`` tokens.

    ``origin`` and ``checked`` say where the figures are from and when that was last looked at. ``lenient``: an entry of
    somebody else's file that cannot be told apart is left out instead of refused. ``derived`` are the units whose rate
    that file does not state here, but for the model in general.
    """

    place: Place
    provider: str
    model: str
    rates: Mapping[str, Fraction]
    above: Mapping[int, Mapping[str, Fraction]] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    from_ns: int | None = None
    until_ns: int | None = None
    window: Window | None = None
    service_tier: str = ""
    context_window: int | None = None
    origin: str = ""
    checked: str = ""
    lenient: bool = False
    derived: frozenset[str] = frozenset()
