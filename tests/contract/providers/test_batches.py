"""Results of batches: each request is charged at the price of batches, once, when its result is downloaded."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import otel_cost
from otel_cost import semconv
from otel_cost_instrumentation import _downloads
from otel_cost_instrumentation._once import Once
from tests.contract.providers.answering import Answers, answering
from tests.contract.providers.seen import attributes_of
from tests.support.world import World

GPT, CLAUDE = "gpt-4o", "claude-sonnet-4-5"
GPT_PRICE, CLAUDE_PRICE = 0.00225, 0.003
"""1,000 tokens in and 200 out: gpt-4o at 1.25 and 5, claude-sonnet-4-5 at 1.50 and 7.50 USD per million tokens in a
batch (genai-prices 0.2.3)."""


def _gpt(number: int, **changed: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
    body = {"id": f"chatcmpl-{number}", "object": "chat.completion", "model": GPT, "choices": [], "usage": usage}
    response = {"status_code": 200, "request_id": "r", "body": body | changed}
    return {"id": f"batch_req_{number}", "custom_id": f"c{number}", "response": response, "error": None}


def _claude(number: int, kind: str = "succeeded") -> dict[str, Any]:
    usage = {"input_tokens": 1000, "output_tokens": 200, "service_tier": "batch"}
    message = {"id": f"msg_{number}", "type": "message", "model": CLAUDE, "content": [], "usage": usage}
    result = {"type": kind, **({"message": message} if kind == "succeeded" else {})}
    return {"custom_id": f"c{number}", "result": result}


def _lines(*lines: Any) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


FAILED = {
    "id": "batch_req_9",
    "custom_id": "c9",
    "response": {"status_code": 400, "body": {"error": {"message": "no"}}},
    "error": None,
}
EXPIRED = {"id": "batch_req_8", "custom_id": "c8", "response": None, "error": {"code": "batch_expired"}}
GPTS = _lines(_gpt(1), FAILED, EXPIRED, _gpt(2))
CLAUDES = _lines(_claude(1), _claude(3, "errored"), _claude(4, "expired"), _claude(2))


@pytest.fixture
def server(world: World) -> Iterator[Answers]:
    with answering(GPTS) as server:
        server.headers["content-type"] = "application/octet-stream"
        yield server


@pytest.fixture
def client(server: Answers) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


READ: dict[str, Callable[[openai.OpenAI, Path], bytes]] = {
    "content": lambda client, _: client.files.content("file-1").content,
    "text": lambda client, _: client.files.content("file-1").text.encode(),
    "raw": lambda client, _: client.files.with_raw_response.content("file-1").content,
    "streamed": lambda client, at: _streamed(client, at),
    "bytes": lambda client, _: _parts(client),
}


def _streamed(client: openai.OpenAI, at: Path) -> bytes:
    with client.files.with_streaming_response.content("file-1") as response:
        response.stream_to_file(at)
    return at.read_bytes()


def _parts(client: openai.OpenAI) -> bytes:
    with client.files.with_streaming_response.content("file-1") as response:
        return b"".join(response.iter_bytes())


@pytest.mark.parametrize("read", READ.values(), ids=READ)
def test_results_of_openai_are_charged(
    read: Callable[..., bytes], client: openai.OpenAI, world: World, tmp_path: Path
) -> None:
    assert read(client, tmp_path / "out") == GPTS

    assert world.statuses() == ["priced"] * 2
    assert world.spend() == pytest.approx(2 * GPT_PRICE, abs=1e-12)
    found = attributes_of(world.finished()[0])
    assert (found[semconv.PRICING_MODEL], found[semconv.RESPONSE_ID]) == ("batch", "chatcmpl-1")


def test_downloaded_again_they_are_not_charged_again(client: openai.OpenAI, server: Answers, world: World) -> None:
    client.files.content("file-1")
    server.say(_lines(_gpt(2), _gpt(3)))
    client.files.content("file-1")

    assert [attributes_of(span)[semconv.RESPONSE_ID] for span in world.finished()] == [
        *("chatcmpl-1", "chatcmpl-2", "chatcmpl-3")
    ]


async def test_results_are_charged_beside_an_event_loop(
    server: Answers, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_downloads, "_SMALL", 10)
    async with openai.AsyncOpenAI(base_url=server.url, api_key="none") as client:
        with otel_cost.labels(team="search"):
            assert (await client.files.content("file-1")).content == GPTS

    assert [attributes_of(span)["otel_cost.team"] for span in world.finished()] == ["search"] * 2


OTHERS: dict[str, bytes] = {
    "binary": b"\x89PNG\r\n",
    "empty": b"",
    "input of a batch": _lines({"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": {}}),
    "training": _lines({"messages": []}),
    "broken": b'{"custom_id": "c", "response": {',
}


@pytest.mark.parametrize("content", OTHERS.values(), ids=OTHERS)
def test_other_files_are_files(content: bytes, client: openai.OpenAI, server: Answers, world: World) -> None:
    server.say(content)

    assert client.files.content("file-1").content == content

    assert not world.finished()


def test_every_kind_of_request_is_charged(client: openai.OpenAI, server: Answers, world: World) -> None:
    """Embeddings have no price of their own in a batch (genai-prices 0.2.3), which is said; moderations are free."""
    embedding: dict[str, Any] = {"object": "list", "model": "text-embedding-3-small", "data": [], "id": None}
    embedded = _gpt(1, **embedding, usage={"prompt_tokens": 1000, "total_tokens": 1000})
    answered = _gpt(2, object="response", id="resp_1", usage={"input_tokens": 1000, "output_tokens": 200})
    moderated = _gpt(3, object=None, model="omni-moderation-latest", usage=None)
    server.say(_lines(embedded, answered, moderated))
    client.files.content("file-1")

    spans = [attributes_of(span) for span in world.finished()]
    assert [span[semconv.OPERATION_NAME] for span in spans] == ["embeddings", "chat"]
    assert (spans[0][semconv.REASON], spans[1][semconv.COST_AMOUNT]) == ("no_rate", pytest.approx(GPT_PRICE, abs=1e-12))


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _batch(server: Answers) -> dict[str, Any]:
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "results_url": f"{server.url}/v1/messages/batches/msgbatch_1/results",
    }


@pytest.fixture
def claude(server: Answers, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[anthropic.Anthropic]:
    tracing: Any = {"tracer_provider": world.provider}
    with anthropic.Anthropic(base_url=server.url, api_key="none", max_retries=0, open_telemetry=tracing) as client:
        server.say(_batch(server))
        batch = client.messages.batches.retrieve("msgbatch_1")
        monkeypatch.setattr(client.messages.batches, "retrieve", lambda **_: batch)
        server.say(CLAUDES)
        yield client


def _charged(world: World) -> list[Any]:
    spans = [attributes_of(span) for span in world.finished()]
    return [span[semconv.RESPONSE_ID] for span in spans if span.get(semconv.STATUS) == "priced"]


def test_results_of_anthropic_are_charged(claude: anthropic.Anthropic, world: World) -> None:
    kinds = [line.result.type for line in claude.messages.batches.results("msgbatch_1")]

    assert kinds == ["succeeded", "errored", "expired", "succeeded"]
    assert _charged(world) == ["msg_1", "msg_2"]
    assert world.spend() == pytest.approx(2 * CLAUDE_PRICE, abs=1e-12)


def test_results_that_were_not_read_are_charged_when_they_are(claude: anthropic.Anthropic, world: World) -> None:
    for _ in claude.messages.batches.results("msgbatch_1"):
        break
    assert _charged(world) == ["msg_1"]

    list(claude.messages.batches.results("msgbatch_1"))

    assert _charged(world) == ["msg_1", "msg_2"]


def test_raw_results_are_charged(claude: anthropic.Anthropic, world: World) -> None:
    with claude.messages.batches.with_streaming_response.results("msgbatch_1") as raw:
        assert b"".join(raw.iter_bytes()) == CLAUDES

    assert _charged(world) == ["msg_1", "msg_2"]


async def test_async_results_are_charged(server: Answers, world: World) -> None:
    server.say(_batch(server))
    async with anthropic.AsyncAnthropic(base_url=server.url, api_key="none") as client:
        batches = client.messages.batches
        batch = await batches.retrieve("msgbatch_1")

        async def known(**_: Any) -> Any:
            return batch

        batches.retrieve = known  # type: ignore[method-assign, assignment]
        server.say(CLAUDES)
        async for _ in await batches.results("msgbatch_1"):
            pass

    assert _charged(world) == ["msg_1", "msg_2"]


def test_what_is_remembered_is_bounded() -> None:
    once = Once(remembered=2)
    one, other = once.teller(), once.teller()
    assert [one.first(key) for key in ("a", "b", "c")] == [True] * 3

    assert [other.first(key) for key in ("c", "b", "a")] == [False, False, True]
