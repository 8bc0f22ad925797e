"""From the price in a list to the price that is paid: the rules of ``adjustments`` applied, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final

from otel_cost.model import PricingModel
from otel_cost.pricing.adjustments import PROVISIONED, UPLIFT, Adjustment
from otel_cost.pricing.rates import Price, RateCard, scaled

_WHOLE: Final = Fraction(1)


def adjusted(price: Price, rules: Sequence[Adjustment], share: Fraction = _WHOLE, tier: str = "") -> Price:
    """``price`` under ``rules`` (one of each kind at most), of which a deployment tier pays ``share``.

    The price's id names every rule; it is free where nothing is left to pay, and provisioned where a rule says so.
    """
    if not rules and share == 1:
        return price
    listed, paid = price.card, price.card
    labels: list[str] = []
    for rule in rules:
        labels.append(rule.label)
        paid = scaled(paid, rule.factor_of)
        if rule.kind == UPLIFT:
            listed = paid
    if share != 1:
        labels.append(f"tier:{tier}")
        paid = scaled(paid, lambda _: share)
    model = _pricing_model(price, rules, paid)
    list_card = None if paid.levels == listed.levels else listed
    return replace(price, id="+".join((price.id, *labels)), card=paid, list_card=list_card, pricing_model=model)


def _pricing_model(price: Price, rules: Sequence[Adjustment], paid: RateCard) -> PricingModel:
    if any(rule.kind == PROVISIONED for rule in rules):
        return PricingModel.PROVISIONED
    return PricingModel.FREE if paid.free else price.pricing_model
