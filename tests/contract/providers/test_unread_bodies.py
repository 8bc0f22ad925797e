"""``with_streaming_response``: the app reads the body of a whole answer itself, by whatever method it likes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from otel_cost import semconv
from otel_cost_instrumentation import _body
from tests.contract.providers.answering import answering
from tests.contract.providers.cases import Case
from tests.contract.providers.conftest import ClientMaker
from tests.contract.providers.seen import TOTALS, USAGE, attributes_of, case_totals, ended, only_span, status, totals
from tests.support.world import World

READ: dict[str, Callable[[Any], object]] = {
    "json": lambda raw: raw.json(),
    "read": lambda raw: json.loads(raw.read()),
    "text": lambda raw: json.loads(raw.text()),
    "iter_bytes": lambda raw: json.loads(b"".join(raw.iter_bytes())),
    "iter_lines": lambda raw: json.loads("".join(raw.iter_lines())),
    "parse": lambda raw: raw.parse().model_dump(mode="json"),
}


class _Unread:
    """A part of a client, with the other kind of response behind ``with_raw_response``."""

    def __init__(self, part: Any) -> None:
        self._part = part

    def __getattr__(self, name: str) -> Any:
        if name == "with_raw_response":
            return self._part.with_streaming_response
        return _Unread(getattr(self._part, name))


def _unread(case: Case, client: Any) -> Any:
    assert case.raw
    return case.raw(_Unread(client), USAGE, False)


def _check_right(world: World, case: Case) -> None:
    span = ended(world)
    assert (status(span), totals(span)) == ("priced", case_totals(case))


@pytest.mark.needs("raw")
@pytest.mark.parametrize("how", READ)
def test_a_body_that_is_read_is_priced(case: Case, how: str, client_of: ClientMaker, world: World) -> None:
    with _unread(case, client_of(case)) as raw:
        assert not world.finished()
        answer: Any = READ[how](raw)

    assert answer["model"] == case.model
    _check_right(world, case)


@pytest.mark.needs("raw")
@pytest.mark.parametrize("how", ["json", "read", "text", "parse"])
async def test_an_async_body_that_is_read_is_priced(
    case: Case, how: str, async_client_of: ClientMaker, world: World
) -> None:
    async with _unread(case, async_client_of(case)) as raw:
        await getattr(raw, how)()

    _check_right(world, case)


@pytest.mark.needs("raw")
async def test_async_bytes_are_priced(case: Case, async_client_of: ClientMaker, world: World) -> None:
    async with _unread(case, async_client_of(case)) as raw:
        assert json.loads(b"".join([part async for part in raw.iter_bytes()]))["model"] == case.model

    _check_right(world, case)


@pytest.mark.needs("raw")
def test_a_body_that_nobody_reads_says_so(case: Case, client_of: ClientMaker, world: World) -> None:
    with _unread(case, client_of(case)):
        pass

    span = only_span(world)
    assert (status(span), attributes_of(span)[semconv.REASON]) == ("unpriced", "no_usage")


def test_the_bytes_are_the_wires(world: World) -> None:
    """A compressed body reaches the app as it came."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 200}
    packed = gzip.compress(json.dumps({"id": "c", "model": "gpt-4o", "choices": [], "usage": usage}).encode())
    with answering(packed) as server, openai.OpenAI(base_url=server.url, api_key="none") as client:
        server.headers["content-encoding"] = "gzip"
        messages: Any = [{"role": "user", "content": "x"}]
        with client.chat.completions.with_streaming_response.create(model="gpt-4o", messages=messages) as raw:
            assert b"".join(raw.http_response.iter_raw()) == packed

    assert (status(only_span(world)), totals(only_span(world))) == ("priced", TOTALS)


@pytest.mark.needs("raw")
def test_of_a_huge_body_nothing_is_kept(
    case: Case, client_of: ClientMaker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_body, "_LARGEST", 10)
    with _unread(case, client_of(case)) as raw:
        assert json.loads(b"".join(raw.iter_bytes()))["model"] == case.model

    assert (status(ended(world)), totals(ended(world))) == ("unpriced", (None, None))
