"""Reading usage as each emitter writes it."""

from __future__ import annotations

import math

import pytest

from otel_cost import dialects, semconv
from otel_cost.dialects import Reading
from otel_cost.model import Layer, Usage
from otel_cost.units import UNITS
from tests.support.world import FRAMEWORK, OFFICIAL, chat

LLMETRY = "opentelemetry.instrumentation.openai.v1"


def read(scope: str, kind: str = "CLIENT", **attributes: object) -> Reading:
    reading = dialects.read(scope, kind, {name.replace("__", "."): value for name, value in attributes.items()})
    assert reading is not None
    return reading


def test_units_are_those_of_the_price_data() -> None:
    from genai_prices.data_units import unit_data

    assert {name: frozenset(unit["dimensions"].items()) for name, unit in unit_data.items()} == UNITS


def test_conventional_names_old_and_new() -> None:
    for cache_write in (semconv.USAGE_CACHE_WRITE, semconv.USAGE_CACHE_CREATION):
        reading = read(
            OFFICIAL,
            **chat(),
            gen_ai__usage__input_tokens=100,
            gen_ai__usage__output_tokens=10,
            **{semconv.USAGE_CACHE_READ: 40, cache_write: 20, semconv.USAGE_REASONING: 5},
        )
        assert reading.usage == Usage.of(
            {
                "input_tokens": 100,
                "output_tokens": 10,
                "cache_read_tokens": 40,
                "cache_write_tokens": 20,
                "output_reasoning_tokens": 5,
            }
        )


def test_an_explicit_zero_is_a_zero_and_absence_is_not() -> None:
    zero = read(OFFICIAL, **chat(), gen_ai__usage__input_tokens=0, gen_ai__usage__output_tokens=0)
    assert zero.usage is not None
    assert zero.usage.input_tokens == 0
    assert read(OFFICIAL, **chat()).usage is None


def test_layers() -> None:
    assert read(OFFICIAL, **chat()).layer is Layer.WIRE
    assert read(FRAMEWORK, **chat()).layer is Layer.FRAMEWORK
    assert read(OFFICIAL, **chat(operation="invoke_agent")).layer is Layer.AGENT
    assert read("somebody.else", "CLIENT", **chat()).layer is Layer.WIRE
    assert read("somebody.else", "INTERNAL", **chat()).layer is Layer.FRAMEWORK


def test_openllmetry_bedrock_leaves_cached_tokens_out_of_input() -> None:
    usage = {semconv.USAGE_INPUT_TOKENS: 100, semconv.USAGE_OUTPUT_TOKENS: 1, semconv.USAGE_CACHE_READ: 900}
    for provider, expected in (("aws.bedrock", 1000), ("anthropic", None)):
        reading = read(LLMETRY.replace("openai.v1", "bedrock"), **chat(provider=provider), **usage)
        if expected is None:  # inclusive: 900 of 100 cannot be
            assert reading.usage is None
            assert "900" in reading.problem
        else:
            assert reading.usage is not None
            assert reading.usage.input_tokens == expected


@pytest.mark.parametrize(
    "count",
    [-1, 1.5, math.nan, math.inf, True, "many", 2**60, [1]],
    ids=repr,
)
def test_counts_that_are_none_are_named(count: object) -> None:
    reading = read(OFFICIAL, **chat(), gen_ai__usage__input_tokens=count)
    assert reading.usage is None
    assert "input_tokens" in reading.problem


def test_whole_numbers_written_as_doubles_are_counts() -> None:
    reading = read(OFFICIAL, **chat(), gen_ai__usage__input_tokens=100.0)
    assert reading.usage is not None
    assert reading.usage.input_tokens == 100


def test_the_answered_tier_is_read_and_the_requested_one_is_not() -> None:
    assert read(OFFICIAL, **chat(), **{semconv.OPENAI_RESPONSE_SERVICE_TIER: "flex"}).service_tier == "flex"
    assert read(OFFICIAL, **chat(), **{semconv.OPENAI_REQUEST_SERVICE_TIER: "flex"}).service_tier == ""


def test_plain_spans_are_not_read() -> None:
    assert dialects.read("app", "CLIENT", {"http.request.method": "GET"}) is None
    assert dialects.read(OFFICIAL, "CLIENT", {"server.address": "x"}) is None


def test_hostile_values_do_no_harm() -> None:
    reading = read(OFFICIAL, **chat(model="\0" * 10), gen_ai__response__model=["a", 1], gen_ai__response__id=7)
    assert reading.model_answered == "a,1"
    assert reading.response_id == "7"
