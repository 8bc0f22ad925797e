"""What is read from Cohere's answers."""

from __future__ import annotations

from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import cohere as sdk
from otel_cost_instrumentation._request import Request

UNIT = semconv.UNIT_PREFIX


@pytest.mark.parametrize(
    ("units", "found"),
    [
        ({"input_tokens": 7.0, "output_tokens": 0}, {semconv.USAGE_INPUT_TOKENS: 7, semconv.USAGE_OUTPUT_TOKENS: 0}),
        ({"search_units": 2}, {UNIT + "rerank_searches": 2}),
        ({"images": 3}, {UNIT + "requests": 3}),
        (
            {"input_tokens": 5, "image_tokens": 90, "images": 1},
            {semconv.USAGE_INPUT_TOKENS: 95, semconv.USAGE_IMAGE_INPUT: 90},
        ),
        ({"input_tokens": 1.5, "output_tokens": True}, {}),
        (None, {}),
    ],
)
def test_what_is_billed(units: Any, found: dict[str, int]) -> None:
    usage = {"billed_units": units, "tokens": {"input_tokens": 999, "output_tokens": 999}, "cached_tokens": 998}

    assert sdk.billed(usage) == found


def test_a_whole_answer_of_either_version() -> None:
    units = {"billed_units": {"input_tokens": 7, "output_tokens": 2}}
    newer = sdk.answer({"data": {"id": "c", "finish_reason": "COMPLETE", "usage": units}})
    older = sdk.answer({"data": {"response_id": "c", "finish_reason": "COMPLETE", "meta": units}})

    assert newer == older
    assert (newer[semconv.RESPONSE_ID], newer[semconv.USAGE_INPUT_TOKENS]) == ("c", 7)


def test_a_stream_of_the_older_version() -> None:
    heard = Text()
    reader = sdk.EventReader(heard)
    reader.read({"event_type": "text-generation", "text": "hi"})
    assert not heard.empty
    assert not reader.final

    reader.read({"event_type": "stream-end", "response": {"meta": {"billed_units": {"input_tokens": 7}}, "text": "hi"}})

    assert reader.final
    assert reader.attributes()[semconv.USAGE_INPUT_TOKENS] == 7


def test_a_stream_that_ends_in_an_error_says_so() -> None:
    reader = sdk.EventReader(Text())
    reader.read({"type": "message-end", "delta": {"finish_reason": "ERROR"}})

    assert reader.attributes()[semconv.ERROR_TYPE] == "ERROR"


def test_arguments_that_the_sdk_leaves_out_are_not_sent() -> None:
    """The client hands on ``...`` for every argument that the app did not give."""
    read = next(method.read for method in sdk.PROVIDER.methods if method.name == "RawBaseCohere.chat")
    left_out: Any = dict.fromkeys(("model", "tools", "conversation_id", "max_tokens", "chat_history"), ...)
    request = read(None, (), {"message": "hi", **left_out})

    assert isinstance(request, Request)
    assert request.prompt is not None
    assert (request.prompt.tools, request.prompt.unseen, request.max_output_tokens) == (False, (), None)
