"""Whether this server is to be sent anything, and the word that it is about to stop."""

from __future__ import annotations

import threading

from otel_cost.errors import LedgerError
from otel_cost.ledger.base import Ledger
from otel_cost.pricing import Pricer


class Readiness:
    """Any thread."""

    def __init__(self, ledger: Ledger, pricer: Pricer) -> None:
        self._ledger = ledger
        self._pricer = pricer
        self._stopping = threading.Event()

    @property
    def stopping(self) -> bool:
        """Whether the server has been told to stop: what lasts (a stream of events) ends now."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """The server was told to stop: it answers what it has, and is not to be sent more."""
        self._stopping.set()

    def missing(self) -> str:
        """Why nothing is to be sent here now; empty where all is well."""
        if self.stopping:
            return "the server is stopping"
        if not self._pricer.ready():
            return "the prices are not loaded yet"
        try:
            self._ledger.check()
        except LedgerError:
            return "the ledger cannot be read right now"
        return ""
