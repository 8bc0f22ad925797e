"""Counts that were estimated are ``estimated``, in the app as in the server, and say by whom and how."""

from __future__ import annotations

import pytest

from otel_cost import semconv
from otel_cost.config import Config
from otel_cost.ended import EndedSpan
from otel_cost.matching import Matcher
from otel_cost.model import CostRecord, Reason, Status
from otel_cost.pipeline import Pipeline
from tests.support.world import OFFICIAL, PRICES, chat

HOW = "otel-cost counted: output by its characters"


@pytest.fixture(params=[False, True], ids=["app", "server"])
def pipeline(request: pytest.FixtureRequest) -> Pipeline:
    PRICES.catalog(30)
    return Pipeline(config=Config(), pricer=PRICES, takers=(), matcher=Matcher(), adopt=request.param)


def _settled(pipeline: Pipeline, **attributes: object) -> CostRecord:
    usage = {semconv.USAGE_INPUT_TOKENS: 1000, semconv.USAGE_OUTPUT_TOKENS: 100}
    record = pipeline.process(
        EndedSpan(
            trace_id="1" * 32,
            span_id="2" * 16,
            parent_span_id="",
            name="chat",
            kind="CLIENT",
            scope=OFFICIAL,
            scope_version="",
            start_ns=1_800_000_000 * 10**9,
            end_ns=1_800_000_001 * 10**9,
            attributes={**chat(), **usage, **attributes},
            resource={},
        )
    )
    assert record is not None
    return record


def test_an_estimate_says_how_it_came_about(pipeline: Pipeline) -> None:
    """FEATURES E3"""
    charge = _settled(pipeline, **{semconv.USAGE_ESTIMATED: True, semconv.USAGE_ESTIMATED_HOW: HOW}).charge

    assert (charge.status, charge.reason, charge.detail) == (Status.ESTIMATED, Reason.USAGE_ESTIMATED, HOW)
    assert charge.amount_nano == 1000 * 2_500 + 100 * 10_000  # gpt-4o: 2.50 and 10 USD a million


def test_an_emitter_that_only_says_that_it_estimated_is_named(pipeline: Pipeline) -> None:
    charge = _settled(pipeline, **{semconv.USAGE_ESTIMATED: True}).charge

    assert charge.status is Status.ESTIMATED
    assert OFFICIAL in charge.detail


def test_an_estimate_that_was_taken_back_is_priced(pipeline: Pipeline) -> None:
    charge = _settled(pipeline, **{semconv.USAGE_ESTIMATED: False, semconv.USAGE_ESTIMATED_HOW: ""}).charge

    assert (charge.status, charge.reason, charge.detail) == (Status.PRICED, None, "")


def test_an_estimate_of_an_unknown_model_has_no_price(pipeline: Pipeline) -> None:
    charge = _settled(pipeline, **{semconv.USAGE_ESTIMATED: True, semconv.REQUEST_MODEL: "nobody-knows-this"}).charge

    assert (charge.status, charge.reason) == (Status.UNPRICED, Reason.UNKNOWN_MODEL)
