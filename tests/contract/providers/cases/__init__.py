"""How each provider module's SDK is driven through the common scenarios: one module a provider.

Each declares ``CASES``, and ``wires`` where the stand-in has to be taught its wire format: a function from a path to
its ``Wire``, or None; and ``PRICES``, entries of an overlay, where what it calls has no price. Modules are found by
being here.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Final

from otel_cost.demo.provider import known_wire
from otel_cost.demo.wire import Finder
from tests.contract.providers.cases.base import STAND_INS, Case, Client, first_of

__all__ = ["CASES", "PRICES", "STAND_INS", "WIRES", "Case", "Client"]

_modules: Final[tuple[ModuleType, ...]] = tuple(
    importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
    if module.name != "base"
)
CASES: Final[tuple[Case, ...]] = tuple(case for module in _modules for case in module.CASES)
WIRES: Final[Finder] = first_of(*(module.wires for module in _modules if hasattr(module, "wires")), known_wire)
"""All wire formats that the cases need."""
PRICES: Final[tuple[Mapping[str, object], ...]] = tuple(
    entry for module in _modules for entry in getattr(module, "PRICES", ())
)
