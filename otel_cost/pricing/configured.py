"""Prices as the settings say: the one place that turns ``Config`` into a catalog."""

from __future__ import annotations

from otel_cost.config import Config
from otel_cost.pricing.catalog import Catalog
from otel_cost.pricing.pricer import Pricer
from otel_cost.settings_values import parse_duration


def load_catalog(config: Config) -> Catalog:
    """The price data with the overlays and the deployment tier of ``config``; takes up to a second.

    Raises:
        ConfigError: an overlay or the tier is wrong.
    """
    from otel_cost.pricing.refresh import snapshot_in

    prices = config.prices
    return Catalog.load(prices.files, prices.overlay, tier=config.tier, snapshot=snapshot_in(prices.snapshot))


def pricer_of(config: Config, loaded: Catalog | None = None) -> Pricer:
    """Prices that load when they are first needed (or are ``loaded``), and refresh themselves where that is set.

    Overlays are read when prices load, and again when they refresh.
    """
    pricer = Pricer(lambda: loaded if loaded is not None else load_catalog(config))
    if config.prices.refresh != "off":
        from otel_cost.pricing.refresh import Refresher

        Refresher(pricer, lambda: refreshed_catalog(config), parse_duration(config.prices.refresh)).start()
    return pricer


def refreshed_catalog(config: Config, url: str = "") -> Catalog:
    """The same over price data that is fetched now, and kept in ``prices.snapshot`` where that is set.

    Raises:
        PricesUnavailable: it could not be fetched, or not be kept.
        ConfigError: as :func:`load_catalog`.
    """
    from otel_cost.pricing import snapshot_file
    from otel_cost.pricing.refresh import fetch
    from otel_cost.pricing.snapshot import Snapshot

    fetched = fetch(url)
    prices = config.prices
    if prices.snapshot is not None:
        snapshot_file.write(prices.snapshot, fetched)
    snapshot = Snapshot.of(fetched.providers, fetched.digest)
    return Catalog.load(prices.files, prices.overlay, tier=config.tier, snapshot=snapshot)
