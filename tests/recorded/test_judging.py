"""The comparison itself, on made-up exchanges: it sees a wrong count, a wrong price and a call that nobody noticed.

These run without the recordings.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.recorded import replay
from tests.recorded.answers import answer_of
from tests.recorded.exchanges import Exchange, read_exchange
from tests.recorded.explained import Explained
from tests.recorded.judging import Outcome, Verdict, judge, table

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
COMPLETION = {"id": "c1", "created": 1_750_000_000, "model": "gpt-4o-2024-08-06", "choices": [], "usage": USAGE}
MESSAGE_USAGE = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 500}


def exchange(
    body: str | Mapping[str, Any] = COMPLETION,
    *,
    provider: str = "openai",
    host: str = "api.openai.com",
    path: str = "/v1/chat/completions",
    **request: Any,
) -> Exchange:
    asked = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}], **request}
    said: dict[str, Any] = {"id": f"{provider}#0", "provider": provider, "host": host, "path": path, "query": ""}
    said |= {"request": asked, "content_type": "", "streaming": False}
    return read_exchange(json.dumps({**said, "body": body if isinstance(body, str) else json.dumps(body)}))


def anthropic_stream() -> Exchange:
    model = "claude-3-5-haiku-20241022"
    events = (
        {"type": "message_start", "message": {"id": "m1", "model": model, "usage": MESSAGE_USAGE}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 70}},
        {"type": "message_stop"},
    )
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    more = {"model": model, "max_tokens": 9, "stream": True}
    return exchange(body, provider="anthropic", host="api.anthropic.com", path="/v1/messages", **more)


@pytest.fixture(autouse=True)
def _instrumented() -> Iterator[None]:
    with replay.instrumented():
        yield


def test_a_call_that_lands_as_the_provider_said_is_exact() -> None:
    judged = judge(exchange())

    assert judged.verdict is Verdict.EXACT
    assert judged.bill_nano == 1000 * 2500 + 100 * 10_000  # $2.50 and $10 per million tokens


def test_a_stream_is_the_sum_of_what_it_said() -> None:
    judged = judge(anthropic_stream())

    assert judged.verdict is Verdict.EXACT
    assert judged.answer.counts == {"input_tokens": 510, "output_tokens": 70, "cache_read_tokens": 500}
    assert judged.bill_nano == 10 * 800 + 500 * 80 + 70 * 4000  # $0.80, $0.08 and $4 per million tokens


def test_another_count_is_wrong() -> None:
    judged = judge(exchange())
    answer = replace(judged.answer, counts={**judged.answer.counts, "input_tokens": 1001})

    assert replace(judged, answer=answer).verdict is Verdict.WRONG


def test_another_amount_is_wrong() -> None:
    judged = judge(exchange())

    assert judged.bill_nano is not None
    assert replace(judged, bill_nano=judged.bill_nano + 1).verdict is Verdict.WRONG


def test_an_estimate_is_wrong() -> None:
    judged = judge(exchange())
    assert judged.seen is not None

    assert replace(judged, seen=replace(judged.seen, status="estimated")).verdict is Verdict.WRONG


def test_a_model_without_a_price_is_missing() -> None:
    judged = judge(exchange({**COMPLETION, "model": "no-such-model"}, model="no-such-model"))

    assert judged.verdict is Verdict.MISSING
    assert judged.reason == "unknown_model"
    assert judged.bill_nano is None


def test_a_tier_without_a_price_of_its_own_has_no_bill() -> None:
    """The price list itself would answer with the standard price."""
    judged = judge(exchange({**COMPLETION, "service_tier": "no-such-tier"}))

    assert judged.bill_nano is None
    assert (judged.verdict, judged.reason) == (Verdict.MISSING, "no_rate")


def test_a_call_that_nobody_noticed_is_missing_unless_its_endpoint_is_still_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.recorded.judging.NOT_YET", frozenset({"completions"}))
    noticed = judge(exchange())
    elsewhere = replace(noticed.exchange, path="/v1/completions")

    assert replace(noticed, seen=None).verdict is Verdict.MISSING
    assert replace(noticed, seen=None, exchange=elsewhere).verdict is Verdict.NOT_YET


def test_the_request_goes_to_the_recorded_host_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SDK that asked for something else than was recorded would not be answered."""
    monkeypatch.setattr(Exchange, "endpoint", "embeddings")

    with pytest.raises(AssertionError):
        judge(exchange(input="hi"))


def test_bodies_are_read_in_every_form_that_they_were_recorded_in() -> None:
    payload = b'{"usage":{}}'
    message = struct.pack(">III", 16 + len(payload), 0, 0) + payload + b"sum!"
    one = exchange()

    assert len(replace(one, body=message * 2).documents) == 2
    assert len(replace(one, body=b'[{"a": 1}\n, {"b": 2}]').documents) == 2
    assert len(replace(one, body=b'data: {"a": 1}\n\ndata: {"b": 2}\n\ndata: [DONE]\n').documents) == 2
    assert len(replace(one, body=b'{"a": 1}\n{"b": 2}\n').documents) == 2
    assert replace(one, body=b'{\n  "a": 1\n}').documents == ({"a": 1},)


def test_what_gemini_leaves_out_of_its_candidates_is_added() -> None:
    usage = {"promptTokenCount": 75, "candidatesTokenCount": 414, "toolUsePromptTokenCount": 573}
    usage |= {"thoughtsTokenCount": 117, "totalTokenCount": 1179}
    path = "/v1beta/models/gemini-2.5-flash:generateContent"
    answer = answer_of(exchange({"usageMetadata": usage}, provider="gemini", path=path))

    assert (answer.counts["input_tokens"], answer.counts["output_tokens"]) == (75 + 573, 414 + 117)
    assert answer.counts["input_tokens"] + answer.counts["output_tokens"] == answer.total


def test_an_explanation_explains_only_its_own_verdict_and_reason() -> None:
    missing = judge(exchange({**COMPLETION, "model": "no-such-model"}, model="no-such-model"))
    entry = Explained("openai", "no-such-*", "unknown_model", "made up")

    assert entry.explains(missing)
    assert not replace(entry, reason="no_rate").explains(missing)
    assert not replace(entry, verdict=Verdict.WRONG).explains(missing)
    assert not replace(entry, provider="azure").covers(missing)
    assert not replace(entry, ids="elsewhere*").covers(missing)


def test_the_table_has_a_row_for_each_kind_of_call_and_a_total() -> None:
    exact: Outcome = judge(exchange())
    lines = table([exact, exact, judge(anthropic_stream())]).splitlines()

    assert [line.split()[:5] for line in lines[1:]] == [
        ["anthropic", "messages", "stream", "anthropic", "1"],
        ["openai", "chat/completions", "-", "openai", "2"],
        ["total", "3", "0", "0", "0"],
    ]
