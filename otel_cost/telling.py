"""What the log says of charges: each at debug level, and once for each kind of call that has no price."""

from __future__ import annotations

import logging
from typing import Final

from otel_cost import semconv
from otel_cost.model import CostRecord, Kind, Reason, Status

_log = logging.getLogger(semconv.LOGGER)
_charges_log = logging.getLogger(semconv.LOGGER_CHARGES)
_WANTS_PRICE: Final = (Reason.UNKNOWN_MODEL, Reason.UNKNOWN_PROVIDER, Reason.NO_RATE)
_TOLD_AT_MOST: Final = 1000


class Teller:
    """Thread-safe as far as it matters: a warning may come twice when two threads are the first."""

    def __init__(self) -> None:
        self._told: set[tuple[str, str, str]] = set()

    def tell(self, record: CostRecord) -> None:
        charge = record.charge
        if _charges_log.isEnabledFor(logging.DEBUG):
            _charges_log.debug(
                "%s %s/%s %s usd=%s reason=%s key=%s",
                charge.status, record.provider, record.model, record.operation, charge.usd, charge.reason, record.key,
            )  # fmt: skip
        if charge.status is Status.UNPRICED:
            self._tell_unpriced(record)

    def _tell_unpriced(self, record: CostRecord) -> None:
        charge = record.charge
        what = (record.provider, record.model, str(charge.reason))
        if what in self._told or len(self._told) >= _TOLD_AT_MOST:
            return
        self._told.add(what)
        advice = _advice(record) if charge.reason in _WANTS_PRICE else ""
        _log.warning(
            "unpriced, not counted as 0: provider %r, model %r: %s%s%s (said once)",
            record.provider, record.model, charge.reason, f" ({charge.detail})" if charge.detail else "", advice,
        )  # fmt: skip


def _advice(record: CostRecord) -> str:
    if record.kind is Kind.LLM:
        provider = record.provider or "<provider>"
        rates = "per_1m: {input: <USD>, output: <USD>}"
        entry = f"prices: [{{provider: {provider}, model: {record.model or '<model>'}, {rates}}}]"
    else:
        section = "tools" if record.kind is Kind.TOOL else "resources"
        entry = f"{section}: {{{record.model or '<name>'}: <USD>}}"
    return f". To add a price, name a file in OTEL_COST_PRICES with: {entry}"
