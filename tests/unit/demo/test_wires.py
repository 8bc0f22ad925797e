"""The stand-in speaks other formats than its own: by the path, in other framings, with other bodies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import httpx
import pytest

from otel_cost.demo.directives import Json, Told, read
from otel_cost.demo.provider import StandInProvider, known_wire
from otel_cost.demo.wire import Frame, Payload, Wire
from tests.recorded.exchanges import _payloads
from tests.support.wires.framing import AwsEvents, Form, JsonLines


class Echo(Wire):
    """Answers with the model that the path names and the body that it got."""

    def __init__(self, model: str = "", streaming: bool = False) -> None:
        self.model = model
        self.streaming = streaming

    def streams(self, body: Mapping[str, object]) -> bool:
        return self.streaming

    def told(self, body: Mapping[str, object], extra: str) -> Told:
        return read(str(body.get("text", "")) + extra, messages=1)

    def answer(self, body: Mapping[str, object], told: Told) -> Json | Payload:
        return {"model": self.model, "body": body}

    def events(self, body: Mapping[str, object], told: Told) -> Iterator[Frame]:
        yield "start", {"model": self.model}
        yield "", "end"

    def error(self, status: int, message: str) -> Json:
        return {"code": status}


class Lines(JsonLines, Echo): ...


class Binary(AwsEvents, Echo): ...


class Upload(Form, Echo): ...


class Speech(Echo):
    def answer(self, body: Mapping[str, object], told: Told) -> Payload:
        return Payload(b"\0sound", "audio/mpeg")


class Listing(Echo):
    method = "GET"


def _wires(path: str) -> Wire | None:
    head, _, verb = path.partition(":")
    kinds = {"lines": Lines, "binary": Binary, "upload": Upload, "speech": Speech, "listing": Listing, "echo": Echo}
    kind = kinds.get(head.strip("/").partition("/")[0])
    return kind(head.rpartition("/")[2], verb == "stream") if kind else known_wire(path)


@pytest.fixture
def url() -> Iterator[str]:
    with StandInProvider(wires=_wires) as provider:
        yield provider.base_url


def test_a_path_may_say_the_model_and_whether_to_stream(url: str) -> None:
    whole = httpx.post(f"{url}/echo/m1", json={"a": 1})
    streamed = httpx.post(f"{url}/echo/m1:stream", json={})

    assert whole.json() == {"model": "m1", "body": {"a": 1}}
    assert streamed.text == 'event: start\ndata: {"model": "m1"}\n\ndata: end\n\n'
    assert httpx.post(f"{url}/v1/embeddings", json={"input": "x"}).json()["object"] == "list"
    assert httpx.post(f"{url}/elsewhere", json={}).status_code == 404


def test_a_stream_of_lines(url: str) -> None:
    answer = httpx.post(f"{url}/lines/m1:stream", json={})

    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.text == '{"model": "m1"}\nend\n'


def test_a_stream_of_aws_messages(url: str) -> None:
    answer = httpx.post(f"{url}/binary/m1:stream", json={})

    assert [*_payloads(answer.content)] == [b'{"model": "m1"}', b"end"]
    assert b":event-type\x07\x00\x05start" in answer.content


def test_a_form_with_a_file(url: str) -> None:
    answer = httpx.post(f"{url}/upload/m1", data={"model": "m2"}, files={"file": ("a.wav", b"RIFF", "audio/wav")})

    assert answer.json()["body"] == {"model": "m2", "file": 4}


def test_an_answer_of_bytes(url: str) -> None:
    answer = httpx.post(f"{url}/speech/m1", json={})

    assert (answer.content, answer.headers["content-type"]) == (b"\0sound", "audio/mpeg")


def test_an_endpoint_has_one_method(url: str) -> None:
    assert httpx.get(f"{url}/listing/m1").json() == {"model": "m1", "body": {}}
    assert httpx.post(f"{url}/listing/m1", json={}).status_code == 404
    assert httpx.get(f"{url}/echo/m1").status_code == 404


def test_equal_requests_are_attempts_where_the_sdk_does_not_count(url: str) -> None:
    asked = [("error:500*2", 500), ("error:500*2", 500), ("other error:500*1", 500), ("error:500*2", 200)]

    told = [httpx.post(f"{url}/echo/m1", json={"text": text}).status_code for text, _ in asked]

    assert told == [status for _, status in asked]
    assert json.loads(httpx.post(f"{url}/echo/m1", content=b"[]").content) == {"code": 400}
