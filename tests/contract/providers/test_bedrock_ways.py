"""Ways of calling Bedrock beside Claude and Nova: bodies of every maker, headers, caches, other services of AWS."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from aiobotocore.session import get_session
from botocore.config import Config
from botocore.response import StreamingBody

from otel_cost import semconv
from otel_cost.demo.provider import StandInProvider
from tests.contract.providers.answering import Answers, answering
from tests.contract.providers.seen import TOTALS, attributes_of, ended, only_span, status, totals
from tests.support.wires.framing import AwsEvents
from tests.support.world import World

KEYS: Any = {"region_name": "us-east-1", "aws_access_key_id": "none", "aws_secret_access_key": "none"}
CLAUDE = "anthropic.claude-3-5-haiku-20241022-v1:0"
CACHED = {"max_tokens": 9, "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}
CACHED_ANSWER = {
    "usage": {
        "input_tokens": 4,
        "output_tokens": 50,
        "cache_creation_input_tokens": 18131,
        "cache_read_input_tokens": 7,
    }
}
HEADERS = {"x-amzn-bedrock-input-token-count": "1000", "x-amzn-bedrock-output-token-count": "200"}


@contextmanager
def client_of(answer: Any, service: str = "bedrock-runtime", **headers: str) -> Iterator[tuple[Any, Answers]]:
    with answering(answer) as server:
        server.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        client = boto3.client(
            service, endpoint_url=server.url, config=Config(retries={"total_max_attempts": 1}), **KEYS
        )
        yield client, server
        client.close()


def _invoke(client: Any, body: Any, model: str = CLAUDE) -> Any:
    return client.invoke_model(modelId=model, body=json.dumps(body))["body"]


BODIES = [
    ("anthropic.claude-3-haiku-20240307-v1:0", {"usage": {"input_tokens": 1000, "output_tokens": 200}}),
    ("amazon.nova-lite-v1:0", {"usage": {"inputTokens": 1000, "outputTokens": 200, "cacheReadInputTokenCount": 0}}),
    (
        "amazon.titan-text-express-v1",
        {"inputTextTokenCount": 1000, "results": [{"tokenCount": 120}, {"tokenCount": 80}]},
    ),
    ("meta.llama3-70b-instruct-v1:0", {"prompt_token_count": 1000, "generation_token_count": 200}),
    ("mistral.mistral-large-2402-v1:0", {"usage": {"prompt_tokens": 1000, "completion_tokens": 200}}),
]


@pytest.mark.parametrize(("model", "answer"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_without_headers_the_body_tells(model: str, answer: Any, world: World) -> None:
    with client_of(answer) as (client, _):
        assert json.loads(_invoke(client, {"prompt": "hi"}, model).read()) == answer

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)


def test_where_headers_tell_all_the_body_is_not_touched(world: World) -> None:
    """Cohere's and older Mistral's bodies have no counts."""
    with client_of({"text": "hi"}, **HEADERS) as (client, _):
        body = _invoke(client, {"prompt": "hi"}, "mistral.mistral-large-2402-v1:0")

        assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)
        assert type(body) is StreamingBody
        assert type(body._raw_stream).__module__.startswith("urllib3")
        assert body.read()


READS: dict[str, Callable[[Any], bytes]] = {
    "read": lambda body: body.read(),
    "read in parts": lambda body: b"".join(iter(lambda: body.read(7), b"")),
    "read as long as it is": lambda body: body.read(100_000),
    "chunks": lambda body: b"".join(body.iter_chunks(5)),
    "iterated": lambda body: b"".join(body),
    "lines": lambda body: b"".join(body.iter_lines()),
    "readlines": lambda body: b"".join(body.readlines()),
    "block": lambda body: body.__enter__().read(),
}


@pytest.mark.parametrize("how", READS)
def test_what_was_cached_is_read_while_the_app_reads(how: str, world: World) -> None:
    """The headers leave it out."""
    with client_of(CACHED_ANSWER, **(HEADERS | {"x-amzn-bedrock-input-token-count": "4"})) as (client, _):
        body = _invoke(client, CACHED)
        assert type(body) is StreamingBody
        assert not world.finished()
        assert json.loads(READS[how](body)) == CACHED_ANSWER

    span = only_span(world)
    assert (status(span), totals(span)) == ("priced", (4 + 18131 + 7, 50))
    assert attributes_of(span)[semconv.USAGE_CACHE_WRITE] == 18131


def test_a_body_that_nobody_reads_leaves_what_was_cached_unknown(world: World) -> None:
    with client_of(CACHED_ANSWER, **HEADERS) as (client, _):
        body = _invoke(client, CACHED)
        body.close()

    span = ended(world)
    assert (status(span), totals(span)) == ("estimated", TOTALS)
    assert "body" in attributes_of(span)[semconv.DETAIL]


def test_of_a_request_in_a_file_the_body_is_heard(world: World) -> None:
    """The file is the SDK's to read, so that nobody knows whether it asks for anything to be cached."""
    with client_of(CACHED_ANSWER, **HEADERS) as (client, _):
        client.invoke_model(modelId=CLAUDE, body=io.BytesIO(json.dumps(CACHED).encode()))["body"].read()

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", (18142, 50))


def test_a_dropped_body_is_settled(world: World) -> None:
    with client_of(CACHED_ANSWER) as (client, _):
        body = _invoke(client, CACHED)
        raw = body._raw_stream.__wrapped__
        del body
        assert status(ended(world)) == "unpriced"
        raw.close()


async def test_an_async_body_is_read_while_the_app_reads(world: World) -> None:
    with answering(CACHED_ANSWER) as server:
        async with get_session().create_client("bedrock-runtime", endpoint_url=server.url, **KEYS) as client:
            answer = await client.invoke_model(modelId=CLAUDE, body=json.dumps(CACHED))
            parts = [part async for part in answer["body"].iter_chunks(5)]

    assert json.loads(b"".join(parts)) == CACHED_ANSWER
    assert (status(only_span(world)), totals(only_span(world))) == ("priced", (18142, 50))


def test_embeddings(world: World) -> None:
    """amazon.titan-embed-text-v2: 0.02 USD for a million tokens (genai-prices 0.2.3)."""
    with client_of({"embedding": [0.5]}, **{"x-amzn-bedrock-input-token-count": "1000000"}) as (client, _):
        _invoke(client, {"inputText": "hi"}, "amazon.titan-embed-text-v2:0").read()

    found = attributes_of(only_span(world))
    assert (found[semconv.OPERATION_NAME], found[semconv.COST_AMOUNT]) == ("embeddings", 0.02)


def test_pictures_are_not_estimated(world: World) -> None:
    with client_of({"images": ["aGk="]}) as (client, _):
        _invoke(
            client, {"taskType": "TEXT_IMAGE", "textToImageParams": {"text": "a cat"}}, "amazon.nova-canvas-v1:0"
        ).read()

    assert (status(only_span(world)), attributes_of(only_span(world))[semconv.REASON]) == ("unpriced", "no_usage")


CONVERSED = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
    "stopReason": "end_turn",
    "metrics": {"latencyMs": 1},
    "usage": {"inputTokens": 100, "outputTokens": 200, "totalTokens": 1200, "cacheReadInputTokens": 600},
}
CONVERSED["usage"] |= {"cacheWriteInputTokens": 300, "cacheDetails": [{"ttl": "1h", "inputTokens": 300}]}  # type: ignore[operator]


def _converse(client: Any, model: str = CLAUDE) -> Any:
    return client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}])


def test_cached_tokens_are_added_to_converses_input(world: World) -> None:
    with client_of(CONVERSED) as (client, _):
        _converse(client)

    found = attributes_of(only_span(world))
    assert totals(only_span(world)) == TOTALS
    assert (found[semconv.USAGE_CACHE_READ], found[semconv.USAGE_CACHE_WRITE]) == (600, 300)
    assert found[semconv.ANTHROPIC_CACHE_1H] == 300


@pytest.mark.parametrize(
    ("more", "tier"),
    [
        ({"serviceTier": {"type": "default"}}, None),
        ({"serviceTier": {"type": "priority"}}, "priority"),
        ({"performanceConfig": {"latency": "optimized"}}, "latency_optimized"),
    ],
)
def test_what_costs_more_is_not_priced_like_the_rest(more: dict[str, Any], tier: str | None, world: World) -> None:
    with client_of({**CONVERSED, **more}) as (client, _):
        _converse(client)

    found = attributes_of(only_span(world))
    assert found.get(semconv.SERVICE_TIER) == tier
    assert status(only_span(world)) == ("unpriced" if tier else "priced")


@pytest.mark.parametrize(
    ("model", "found"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "priced"),
        ("arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.amazon.nova-lite-v1:0", "priced"),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0", "priced"),
        ("arn:aws:bedrock:us-east-1:012345678901:provisioned-model/abcdefghijkl", "unpriced"),
        ("arn:aws:bedrock:us-east-1:012345678901:application-inference-profile/abcdefghijkl", "unpriced"),
    ],
)
def test_models_by_every_kind_of_id(model: str, found: str, world: World) -> None:
    with client_of(CONVERSED) as (client, _):
        _converse(client, model)

    assert status(only_span(world)) == found


METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1000, "outputTokenCount": 200}}
STREAMED = [
    ("amazon.titan-text-express-v1", [{"outputText": "hi"}, {"outputText": "!", **METRICS}]),
    ("amazon.nova-lite-v1:0", [{"contentBlockDelta": {"delta": {"text": "hi"}}}, {"messageStop": {}, **METRICS}]),
    ("meta.llama3-70b-instruct-v1:0", [{"generation": "hi"}, {"generation": "", **METRICS}]),
    ("mistral.mistral-large-2402-v1:0", [{"outputs": [{"text": "hi"}]}, {"outputs": [{"text": ""}], **METRICS}]),
    ("cohere.command-r-v1:0", [{"text": "hi"}, {"is_finished": True, **METRICS}]),
]


@pytest.mark.parametrize(("model", "chunks"), STREAMED, ids=lambda value: value if isinstance(value, str) else "")
def test_streams_of_every_maker(model: str, chunks: list[Any], world: World) -> None:
    wire: Any = AwsEvents.frame
    body = b"".join(wire(None, "chunk", {"bytes": b64encode(json.dumps(chunk).encode()).decode()}) for chunk in chunks)
    with client_of(body, content_type=AwsEvents.stream_type) as (client, _):
        answer = client.invoke_model_with_response_stream(modelId=model, body='{"prompt": "hi"}')
        assert [json.loads(event["chunk"]["bytes"]) for event in answer["body"]] == chunks

    if not model.startswith("cohere"):  # the price list has no Cohere models of Bedrock's
        assert status(only_span(world)) == "priced"
    assert totals(only_span(world)) == TOTALS


def test_an_answer_that_names_the_last_events_field_is_not_over(world: World) -> None:
    """Asked about Bedrock, a model writes such words."""
    said = {"outputText": "see amazon-bedrock-invocationMetrics", "index": 0}
    last = {"outputText": ".", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 1000, "outputTokenCount": 200}}
    wire: Any = AwsEvents.frame
    chunks = [b64encode(json.dumps(chunk).encode()).decode() for chunk in (said, last)]
    body = b"".join(wire(None, "chunk", {"bytes": chunk}) for chunk in chunks)
    with client_of(body, content_type=AwsEvents.stream_type) as (client, _):
        answer = client.invoke_model_with_response_stream(
            modelId="amazon.titan-text-express-v1", body='{"inputText": "hi"}'
        )
        assert len(list(answer["body"])) == 2

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)


def test_other_services_are_let_through(world: World) -> None:
    with client_of({}, "dynamodb") as (client, server):
        client.put_item(TableName="t", Item={"k": {"S": "v"}})

    assert server.paths
    assert not world.finished()


def test_counting_tokens_is_free(world: World) -> None:
    with client_of({"inputTokens": 5}) as (client, _):
        client.count_tokens(modelId=CLAUDE, input={"converse": {"messages": []}})

    assert not world.finished()


def _conversed(client: Any) -> Any:
    return client.converse_stream(modelId=CLAUDE, messages=[{"role": "user", "content": [{"text": "hi"}]}])["stream"]


def _invoked(client: Any) -> Any:
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    return client.invoke_model_with_response_stream(modelId=CLAUDE, body=json.dumps(body))["body"]


@pytest.mark.parametrize("stream", [_conversed, _invoked])
def test_a_stream_is_told_with_its_last_event(
    stream: Callable[[Any], Any], server: StandInProvider, world: World
) -> None:
    """Before the app has it: other instrumentation ends its span there, and knows less."""
    client = boto3.client("bedrock-runtime", endpoint_url=server.base_url, **KEYS)
    told = [len(world.finished()) for _ in stream(client)]
    client.close()

    assert told == [0] * (len(told) - 1) + [1]
    assert status(only_span(world)) == "priced"
