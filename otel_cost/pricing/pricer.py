"""Prices that load in the background, so that neither start-up nor a provider call waits for them."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Final

from otel_cost import semconv, shield
from otel_cost.errors import ConfigError
from otel_cost.pricing.catalog import Catalog

_log = logging.getLogger(semconv.LOGGER)
_FORK_WAIT_S: Final = 5.0


class Pricer:
    """Loads a catalog once, on a daemon thread, and hands it out. Any thread may call anything.

    A load that fails is final for the process: it is logged once, ``catalog()`` gives None at once, ``failed()`` is
    true and no callback runs, so that calls stay visibly unpriced instead of being priced without the user's overlays.

    Fork: a fork waits for a running load (at most ``fork_wait_s`` seconds), because a child of a half-done import can
    never finish it; the child then shares the loaded prices. If the wait ends first, the child loads anew. Callbacks
    that had not run yet run in the child too, each at most once in a process.
    """

    def __init__(self, load: Callable[[], Catalog], *, fork_wait_s: float = _FORK_WAIT_S) -> None:
        self._load = load
        self._fork_wait_s = fork_wait_s
        self._catalog: Catalog | None = None
        self._started = False
        self._held = False
        self._callbacks: deque[Callable[[Catalog], None]] = deque()
        self._renew_locks()
        self._watch_forks()

    def start_loading(self) -> None:
        """Start the loader if it has not been started in this process. Returns at once."""
        with self._lock:
            if self._started:
                return
            self._started = True
        threading.Thread(target=self._run, name="otel-cost-prices", daemon=True).start()

    def ready(self) -> bool:
        return self._catalog is not None

    def failed(self) -> bool:
        """Whether loading has ended without a catalog."""
        return self._settled.is_set() and self._catalog is None

    def catalog(self, timeout_s: float | None = None) -> Catalog | None:
        """The catalog; starts loading if need be. Waits for it at most ``timeout_s`` seconds (None: as long as it
        takes; 0: not at all). None when the time is over or the load has failed."""
        if self._catalog is None:
            self.start_loading()
            self._settled.wait(timeout_s)
        return self._catalog

    def replace(self, catalog: Catalog) -> None:
        """Hand out ``catalog`` from now on. Charges that were made keep the price that they name."""
        with self._lock:
            self._catalog = catalog
            self._settled.set()

    def on_ready(self, callback: Callable[[Catalog], None]) -> None:
        """Call ``callback`` once: from the loader's thread when prices are there, or at once if they are.

        Does not start the load. What the callback raises is logged and goes no further. Dropped if the load has failed.
        """
        with self._lock:
            catalog = self._catalog
            if catalog is None:
                if not self._settled.is_set():
                    self._callbacks.append(callback)
                return
        shield.run("pricing.on_ready", None, callback, catalog)

    def _run(self) -> None:
        catalog: Catalog | None = None
        with self._loading:
            try:
                catalog = shield.run("pricing.load", None, self._load_or_log)
            finally:
                self._settle(catalog)
        self._call_back()

    def _settle(self, catalog: Catalog | None) -> None:
        with self._lock:
            self._catalog = catalog
            if catalog is None:
                self._callbacks.clear()
            self._settled.set()

    def _load_or_log(self) -> Catalog | None:
        try:
            return self._load()
        except ConfigError as error:
            _log.error("otel-cost has no prices, calls stay unpriced until this is mended and restarted: %s", error)
            return None

    def _call_back(self) -> None:
        catalog = self._catalog
        while catalog is not None:
            try:
                # Taken out before it runs, so that it cannot run again, neither here nor in a child.
                callback = self._callbacks.popleft()
            except IndexError:
                return
            shield.run("pricing.on_ready", None, callback, catalog)

    def _renew_locks(self) -> None:
        self._lock = threading.Lock()
        self._loading = threading.RLock()  # re-entrant: a load that forks must not wait for itself
        self._settled = threading.Event()

    def _before_fork(self) -> None:
        self._held = self._loading.acquire(timeout=self._fork_wait_s)
        self._lock.acquire()

    def _after_in_parent(self) -> None:
        self._lock.release()
        if self._held:
            self._loading.release()

    def _after_in_child(self) -> None:
        settled = self._settled.is_set()
        self._renew_locks()
        if settled or self._catalog is not None:
            self._settled.set()
            if self._callbacks:
                threading.Thread(target=self._call_back, name="otel-cost-prices", daemon=True).start()
        elif self._started:
            self._started = False
            self.start_loading()

    def _watch_forks(self) -> None:
        if not hasattr(os, "register_at_fork"):
            return
        # Hooks cannot be unregistered: they hold the pricer weakly.
        reference = weakref.ref(self)

        def hook(call: Callable[[Pricer], None]) -> Callable[[], None]:
            def run() -> None:
                pricer = reference()
                if pricer is not None:
                    call(pricer)

            return run

        os.register_at_fork(
            before=hook(Pricer._before_fork),
            after_in_parent=hook(Pricer._after_in_parent),
            after_in_child=hook(Pricer._after_in_child),
        )
