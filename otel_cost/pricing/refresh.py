"""Fresh price data through the updater of ``genai-prices``: on request, or every so often where that is switched on.

Nothing here runs, and nothing is fetched, unless somebody asks: ``otel-cost prices update``, or ``prices.refresh``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from otel_cost import semconv, shield
from otel_cost.errors import ConfigError, PricesUnavailable
from otel_cost.forking import after_fork_in_child
from otel_cost.pricing.catalog import Catalog
from otel_cost.pricing.pricer import Pricer
from otel_cost.pricing.snapshot import Snapshot
from otel_cost.pricing.snapshot_file import FetchedPrices, digest_of, read

_log = logging.getLogger(semconv.LOGGER)
_SITE: Final = "pricing.refresh"


def fetch(url: str = "") -> FetchedPrices:
    """Download price data now, from ``url`` or from where ``genai-prices`` has its own.

    Raises:
        PricesUnavailable: the network, the server or the data is to blame; the text says which.
    """
    import httpx2
    from genai_prices.update_prices import UpdatePrices

    updater = UpdatePrices(url=url) if url else UpdatePrices()
    try:
        fetched = updater.fetch()
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise PricesUnavailable(f"{updater.url}: cannot be fetched: {str(error) or type(error).__name__}") from error
    except (ValueError, TypeError) as error:
        raise PricesUnavailable(f"{updater.url}: is not price data: {str(error).splitlines()[0]:.200}") from error
    if fetched is None or not fetched.providers:
        raise PricesUnavailable(f"{updater.url}: has no prices")
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return FetchedPrices(fetched.providers, now, updater.url, digest_of(fetched.providers))


def snapshot_in(path: Path | None) -> Snapshot:
    """The data at ``path``, or the packaged data where there is none; why that is so is logged."""
    if path is not None:
        try:
            fetched = read(path)
            return Snapshot.of(fetched.providers, fetched.digest)
        except PricesUnavailable as error:
            _log.warning("the packaged price data is used: %s", error)
    return Snapshot.load()


class Refresher:
    """Replaces a pricer's catalog every ``every_s`` seconds, from a daemon thread that starts once prices are there.

    A failure keeps the prices that are in use, and is logged when it begins. A forked child goes on by itself.

    Args:
        pricer: Whose catalog is replaced.
        renew: Fetches and builds the next catalog; may raise PricesUnavailable, or ConfigError.
        every_s: Seconds between two attempts.
    """

    def __init__(self, pricer: Pricer, renew: Callable[[], Catalog], every_s: float) -> None:
        self._pricer = pricer
        self._renew = renew
        self._every_s = every_s
        self._running = False
        self._failing = False
        self._stop = threading.Event()
        after_fork_in_child(self._continue_in_child)

    def start(self) -> None:
        """Begin once prices have been loaded. Does not load them."""
        self._pricer.on_ready(self._begin)

    def stop(self) -> None:
        """No attempt begins after this."""
        self._stop.set()

    def refresh_now(self) -> bool:
        """One attempt. Whether it brought prices."""
        try:
            catalog = self._renew()
        except (PricesUnavailable, ConfigError) as error:
            if not self._failing:
                _log.warning("prices were not refreshed, those of %s stay in use: %s", self._in_use(), error)
            self._failing = True
            return False
        self._failing = False
        before = self._in_use()
        self._pricer.replace(catalog)
        if catalog.version != before:
            _log.info("prices are those of %s now, not of %s", catalog.version, before)
        return True

    def _in_use(self) -> str:
        catalog = self._pricer.catalog(0)
        return catalog.version if catalog is not None else "none"

    def _begin(self, _catalog: Catalog) -> None:
        self._running = True
        threading.Thread(target=self._run, args=(self._stop,), name="otel-cost-refresh", daemon=True).start()

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._every_s):
            shield.run(_SITE, False, self.refresh_now)

    def _continue_in_child(self) -> None:
        stopped = self._stop.is_set()
        self._stop = threading.Event()
        if stopped:
            self._stop.set()
        elif self._running:
            threading.Thread(target=self._run, args=(self._stop,), name="otel-cost-refresh", daemon=True).start()
