"""What is charged, where more than one figure is known; and how far the others are from it.

Which figure is charged
-----------------------
``ours`` (the default)
    Our price. Where it is not known (unpriced, or only estimated, or 0 because the call failed) the bill that the
    provider itself states, if that is above 0.
``provider``
    The bill that the provider states, a bill of 0 included; ours where it states none.
``any``
    Like ``ours``; where neither is there, what somebody else wrote, as an estimate.

What somebody else wrote is never charged otherwise, and their 0 never at all.

What is compared
----------------
Each opinion with what is charged; one of others also with the list price, as nobody else knows of discounts. A
duplicate's with what that span would cost by itself: its money is elsewhere. It disagrees when it is farther off than
the floor *and* than the tolerance, as a share of what it is compared with.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Final

from otel_cost import semconv
from otel_cost.config import SecondOpinionSettings
from otel_cost.model import (
    MAX_OPINION_NANO,
    NANO,
    Charge,
    CostRecord,
    Opinion,
    OpinionKind,
    OpinionSource,
    Reason,
    Status,
)
from otel_cost.pricing.calculator import share_out
from otel_cost.settings_values import parse_percent

_log = logging.getLogger(semconv.LOGGER)
_UNSETTLED: Final = (Reason.PRICES_LOADING, Reason.FAULT)


class Weigher:
    """Weighs records' opinions by the settings. Thread-safe; never raises."""

    def __init__(self, settings: SecondOpinionSettings) -> None:
        self._prefer = settings.prefer
        self._tolerance = Fraction(parse_percent(settings.tolerance))
        self._floor_nano = int(settings.floor_usd * NANO)
        self._told: set[OpinionSource] = set()

    def weigh(self, record: CostRecord, own: Charge | None = None) -> CostRecord:
        """``record`` with the charge that the settings prefer, and its opinions compared with that.

        The figure that had to give way, ours, becomes an opinion. ``own``: see :meth:`compare`.
        """
        if not record.opinions:
            return record
        self._tell(record.opinions)
        taken = self._taken(record)
        return self.compare(record if taken is None else _charged(record, taken), own)

    def compare(self, record: CostRecord, own: Charge | None = None) -> CostRecord:
        """``record`` with its opinions compared with what it was charged; where it carries no money, with ``own``."""
        charge = record.charge if record.charge.status.counted else own
        if charge is None or not charge.status.counted:
            return record
        return replace(record, opinions=tuple(self._compared(opinion, charge) for opinion in record.opinions))

    def _taken(self, record: CostRecord) -> Opinion | None:
        charge = record.charge
        if charge.reason in _UNSETTLED or not (charge.status.counted or charge.status is Status.UNPRICED):
            return None
        bill = _first(record.opinions, OpinionKind.PROVIDER)
        if bill is not None and (self._prefer == "provider" or (bill.amount_nano and not _is_known(charge))):
            return bill
        if self._prefer == "any" and charge.status is Status.UNPRICED:
            return _first(record.opinions, OpinionKind.FOREIGN)
        return None

    def _compared(self, opinion: Opinion, charge: Charge) -> Opinion:
        if opinion.amount_nano is None:
            return opinion
        against = charge.amount_nano
        if opinion.source.kind is OpinionKind.FOREIGN:
            against = min((against, charge.list_nano), key=lambda nano: abs(nano - (opinion.amount_nano or 0)))
        if against > MAX_OPINION_NANO:
            return opinion
        off = abs(opinion.amount_nano - against)
        return replace(
            opinion, against_nano=against, disagrees=off > self._floor_nano and off > self._tolerance * against
        )

    def _tell(self, opinions: Iterable[Opinion]) -> None:
        for opinion in opinions:
            if opinion.amount_nano is None and opinion.source not in self._told:
                self._told.add(opinion.source)
                _log.warning("a cost from %s is no amount of money, and is not used (said once)", opinion.source)


def _first(opinions: Iterable[Opinion], kind: OpinionKind) -> Opinion | None:
    known = (opinion for opinion in opinions if opinion.amount_nano is not None and opinion.source.kind is kind)
    return next(known, None)


def _is_known(charge: Charge) -> bool:
    """Whether our figure is a price: neither an estimate, nor the rule that a failed call costs nothing."""
    return charge.status is Status.PRICED and charge.reason is not Reason.FAILED


def _charged(record: CostRecord, taken: Opinion) -> CostRecord:
    """``record`` charged as ``taken`` says, in the proportions of our own figure where there is one."""
    ours, nano = record.charge, taken.amount_nano or 0
    others = tuple(opinion for opinion in record.opinions if opinion is not taken)
    if _is_known(ours) or ours.status is Status.ESTIMATED:
        others = (Opinion(OpinionSource.OTEL_COST, min(ours.amount_nano, MAX_OPINION_NANO)), *others)
    billed = taken.source.kind is OpinionKind.PROVIDER
    weights = ours.parts if any(ours.parts) else (0, 0, 0, 0, 1)
    into, out, read, write, other = share_out(nano, weights)
    charge = Charge(
        status=Status.PRICED if billed else Status.ESTIMATED,
        reason=(None if nano else Reason.FREE) if billed else Reason.SECOND_OPINION,
        detail=_detail(ours),
        amount_nano=nano,
        list_nano=ours.list_nano if _is_known(ours) else nano,
        parts=(into, out, read, write, other),
        pricing_model=ours.pricing_model,
        source=f"{taken.source.kind.value}:{taken.source.value}",
    )
    return replace(record, charge=charge, opinions=others)


def _detail(ours: Charge) -> str:
    """Why there is no price of ours, or which one had to give way."""
    if ours.status is Status.UNPRICED:
        return f"{ours.reason}: {ours.detail}" if ours.detail else str(ours.reason)
    return f"instead of {ours.price_id}" if ours.price_id else ours.detail
