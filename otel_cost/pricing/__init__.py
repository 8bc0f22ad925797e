"""What calls cost: ``Catalog`` prices usage, ``Pricer`` loads a catalog in the background.

Importing this package imports neither the price data nor pydantic nor YAML; loading a catalog does.
"""

from otel_cost.pricing.catalog import Catalog, PriceQuery
from otel_cost.pricing.configured import load_catalog, pricer_of
from otel_cost.pricing.pricer import Pricer

__all__ = ["Catalog", "PriceQuery", "Pricer", "load_catalog", "pricer_of"]
