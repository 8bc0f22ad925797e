"""A made-up SDK and its provider module, for what is the same for all providers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._base import Inside, Method, Provider
from otel_cost_instrumentation._estimates import Prompt
from otel_cost_instrumentation._read import Attributes, totals
from otel_cost_instrumentation._request import Request

NAME = "made_up_sdk"
WORD = "words"
"""Five small letters: 1.05 tokens of gpt-4o, by the heuristic."""
PROMPT = WORD * 10
SEARCHES = semconv.UNIT_PREFIX + "web_searches"


class Client:
    """What the SDK's users call."""

    def __init__(self, answer: Callable[[], object]) -> None:
        self.answer = answer

    def ask(self, model: str) -> object:
        return self._send()

    async def ask_async(self, model: str) -> object:
        return self._send()

    def _send(self) -> object:
        return self._make()

    def _make(self) -> object:
        return self.answer()


class Reader:
    """Reads chunks that are numbers of words; a dict is the usage."""

    def __init__(self, heard: Text) -> None:
        self.heard = heard
        self.usage: dict[str, int] = {}

    @property
    def final(self) -> bool:
        return bool(self.usage)

    def read(self, chunk: object) -> bool:
        if isinstance(chunk, dict):
            self.usage = chunk
        elif isinstance(chunk, int):
            self.heard.add(WORD * chunk)
        else:
            raise TypeError(f"a chunk nobody expected: {chunk!r}")
        return True

    def attributes(self) -> Attributes:
        return answer(self.usage)


def answer(found: object) -> Attributes:
    names = {semconv.USAGE_INPUT_TOKENS: "input", semconv.USAGE_OUTPUT_TOKENS: "output", SEARCHES: "searches"}
    return totals(found, names)


def written(found: object) -> list[str] | None:
    said = found.get("said") if isinstance(found, dict) else None
    return None if said is None else [WORD * said]


def read(client: object, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Request | None:
    model = str(args[0])
    if model == "none of ours":
        return None
    return Request(
        operation=semconv.OP_CHAT,
        provider="openai",
        model=model,
        address="api.example",
        port=443,
        answer=answer,
        reader=Reader,
        arguments=kwargs,
        parameters={},
        sent=("x" * 40,),
        written=written,
        prompt=Prompt.of(PROMPT, conversation=False),
    )


def provider(*, inside: Inside | None = None, name: str = "Client.ask", asynchronous: bool = False) -> Provider:
    method = Method(module=NAME, name=name, read=read, asynchronous=asynchronous, inside=inside)
    return Provider("made_up", (method,))


def module() -> ModuleType:
    """A fresh copy of the SDK: nothing in it is wrapped."""
    made = ModuleType(NAME)
    made.Client = type("Client", (), dict(vars(Client)))  # type: ignore[attr-defined]
    return made


class Importing:
    """Lets ``import made_up_sdk`` find a fresh copy."""

    def __init__(self) -> None:
        self.made = module()

    def __enter__(self) -> ModuleType:
        sys.modules[NAME] = self.made
        return self.made

    def __exit__(self, *raised: object) -> None:
        sys.modules.pop(NAME, None)


def chunks(*sizes: object) -> Iterator[object]:
    yield from sizes
