"""LiteLLM's spend logs, row by row: read with the columns of its release 1.106."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_cost import semconv
from otel_cost.ended import EndedSpan
from otel_cost.importing import litellm
from otel_cost.importing.calls import Costs
from otel_cost.importing.values import BadRow

_ROW: dict[str, Any] = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "api_key": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
    "spend": 0.00036,
    "total_tokens": 1200,
    "prompt_tokens": 1000,
    "completion_tokens": 200,
    "startTime": "2026-10-05T10:00:00.500Z",
    "endTime": "2026-10-05T10:00:02.500Z",
    "completionStartTime": "2026-10-05T10:00:01Z",
    "model": "gpt-4o-mini",
    "custom_llm_provider": "openai",
    "api_base": "https://api.openai.com/v1",
    "user": "internal",
    "end_user": "ada",
    "team_id": "t1",
    "metadata": {
        "user_api_key_team_alias": "search",
        "user_api_key_alias": "prod",
        "usage_object": {"prompt_tokens": 1000, "prompt_tokens_details": {"cached_tokens": 400}},
        "spend_logs_metadata": {"feature": "chat", "own": "x"},
    },
    "cache_hit": "False",
    "request_tags": ["a", "b"],
    "session_id": "s1",
}


def _call(costs: Costs = Costs.OURS, **changed: object) -> EndedSpan:
    (call,) = litellm.calls({**_ROW, **changed}, costs)
    assert isinstance(call, EndedSpan)
    return call


def test_a_row_says_what_its_call_was() -> None:
    call = _call()
    assert call.attributes[semconv.PROVIDER_NAME] == "openai"
    assert call.attributes[semconv.USAGE_INPUT_TOKENS] == 1000
    assert call.attributes[semconv.REQUEST_STREAM] is True
    assert call.attributes[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] == 0.5
    assert (call.end_ns - call.start_ns) == 2 * 10**9
    assert dict(call.labels) == {
        "team": "search", "user": "ada", "session": "s1", "key_alias": "prod", "tags": "a,b", "feature": "chat",
    }  # fmt: skip


def test_a_csv_row_says_the_same() -> None:
    """A database writes objects as JSON, times without a zone, and numbers as text."""
    as_text = {
        name: json.dumps(value) if isinstance(value, dict | list) else str(value) for name, value in _ROW.items()
    }
    as_text["startTime"] = "2026-10-05 10:00:00.5"
    (call,) = litellm.calls(as_text, Costs.OURS)
    assert isinstance(call, EndedSpan)
    same = _call()
    assert {**call.attributes, "litellm.cost.total": 0} == {**same.attributes, "litellm.cost.total": 0}
    assert (call.trace_id, call.start_ns, call.labels) == (same.trace_id, same.start_ns, same.labels)


def test_the_provider_before_the_slash_is_taken_off_where_a_column_names_it() -> None:
    assert _call(model="openai/gpt-4o").attributes[semconv.REQUEST_MODEL] == "gpt-4o"
    assert _call(model="bedrock/us.x", custom_llm_provider="").attributes[semconv.REQUEST_MODEL] == "bedrock/us.x"
    kept = _call(model="meta-llama/Llama-3", custom_llm_provider="together_ai")
    assert kept.attributes[semconv.REQUEST_MODEL] == "meta-llama/Llama-3"


def test_counts_of_nothing_are_no_usage() -> None:
    """Never a silent $0: the columns' default is 0."""
    call = _call(prompt_tokens=0, completion_tokens=0, total_tokens=0)
    assert semconv.USAGE_INPUT_TOKENS not in call.attributes


def test_a_failure_has_its_error() -> None:
    metadata = {"status": "failure", "error_information": {"error_class": "RateLimitError"}}
    assert _call(metadata=metadata).error == "RateLimitError"
    assert _call(status="failure").error == "_OTHER"
    assert _call(status="success").error == ""


def test_what_nobody_knows_about_the_cache_is_an_estimate() -> None:
    assert _call(metadata={}).attributes[semconv.USAGE_ESTIMATED] is True
    assert semconv.USAGE_ESTIMATED not in _call().attributes
    assert semconv.USAGE_ESTIMATED not in _call(metadata={}, call_type="aembedding").attributes
    assert semconv.USAGE_ESTIMATED not in _call(metadata={}, cache_hit="True").attributes


def test_what_asks_no_model_is_no_call() -> None:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "spend": 0}
    for call_type in ("alist_input_items", "vector_store_file_delete", "afile_content", "adelete_responses"):
        assert litellm.calls({**_ROW, **nothing, "call_type": call_type}, Costs.OURS) == (), call_type
    for call_type in ("acompletion", "aresponses", "aimage_generation", "", "acreate_speech"):
        assert len(litellm.calls({**_ROW, **nothing, "call_type": call_type}, Costs.OURS)) == 1, call_type
    assert len(litellm.calls({**_ROW, "call_type": "afile_content"}, Costs.OURS)) == 1, "it says what it cost"


def test_their_figure_is_a_second_opinion_or_the_charge() -> None:
    assert _call().attributes["litellm.cost.total"] == 0.00036
    theirs = _call(Costs.THEIRS).attributes
    assert theirs[semconv.CHARGE_AMOUNT_NANO] == 360_000
    assert "litellm.cost.total" not in theirs
    assert semconv.STATUS not in _call(Costs.THEIRS, spend=0).attributes, "0 is written for not known, too"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"request_id": ""}, "no request_id"),
        ({"startTime": "yesterday"}, "startTime is 'yesterday'"),
        ({"startTime": None}, "no startTime"),
        ({"startTime": "2300-01-01"}, "1970 and 2116"),
        ({"spend": -1}, "spend is -1"),
        ({"spend": "much"}, "no amount"),
    ],
)
def test_a_row_that_cannot_be_booked_says_why(changed: dict[str, object], said: str) -> None:
    with pytest.raises(BadRow, match=said):
        litellm.calls({**_ROW, **changed}, Costs.OURS)
