"""Chunks that are a word and nothing else are read in a shorter way: nothing may get lost by it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from openai._models import construct_type
from openai.types.chat import ChatCompletionChunk

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._openai_streams import ChatReader

Json = dict[str, object]
Make = Callable[[Json], object]


def _as_object(chunk: Json) -> object:
    return construct_type(type_=ChatCompletionChunk, value=chunk)


def _as_json(chunk: Json) -> object:
    return chunk


def _chunk(delta: Json, *, finish_reason: str | None = None, **more: object) -> Json:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


@pytest.fixture(params=[_as_object, _as_json], ids=["sdk", "json"])
def make(request: pytest.FixtureRequest) -> Make:
    return request.param  # type: ignore[no-any-return]


def _heard(make: Make, *chunks: Json) -> tuple[ChatReader, int]:
    heard = Text()
    reader = ChatReader(heard)
    for chunk in (_chunk({"role": "assistant", "content": ""}), *chunks):
        assert reader.read(make(chunk))
    return reader, heard.tokens(None, 100)


def _alone(text: str) -> int:
    heard = Text()
    heard.add(text)
    return heard.tokens(None, 100)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a word"},
        {"content": "a word", "role": "assistant"},
        {"content": None, "refusal": "a word"},
        {"content": "a ", "reasoning_content": "word"},
        {"content": "", "reasoning": "a word"},
        {"tool_calls": [{"index": 0, "function": {"name": "a ", "arguments": "word"}}]},
    ],
)
def test_all_that_a_delta_says_is_counted(make: Make, delta: Json) -> None:
    assert _heard(make, _chunk(delta))[1] == _alone("a word")


def test_every_choice_is_counted(make: Make) -> None:
    both = _chunk({"content": "a "})
    both["choices"] = [*_chunk({"content": "a "})["choices"], *_chunk({"content": "word"})["choices"]]  # type: ignore[misc]
    assert _heard(make, both)[1] == _alone("a word")


def test_a_service_tier_that_shows_in_the_middle_counts(make: Make) -> None:
    reader, _ = _heard(make, _chunk({"content": "a"}, service_tier="flex"), _chunk({"content": "b"}))
    assert reader.attributes()[semconv.OPENAI_RESPONSE_SERVICE_TIER] == "flex"


def test_usage_and_the_reason_of_the_end_are_read_beside_a_word(make: Make) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    reader, _ = _heard(make, _chunk({"content": "a"}, finish_reason="length"), _chunk({"content": "b"}, usage=usage))
    assert reader.final
    found = reader.attributes()
    assert found[semconv.USAGE_OUTPUT_TOKENS] == 4
    assert found[semconv.RESPONSE_FINISH_REASONS] == ["length"]
