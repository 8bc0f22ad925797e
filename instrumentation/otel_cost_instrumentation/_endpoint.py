"""One way of asking a provider, told by its fields: from a request's body to a :class:`Request`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Final

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation import _written as written
from otel_cost_instrumentation._address import Server
from otel_cost_instrumentation._estimates import Prompt, Written
from otel_cost_instrumentation._read import Attributes, Names, count, field, numbers, texts
from otel_cost_instrumentation._request import Arguments, Reader, Request

_NUMBERS: Final[Names] = {semconv.REQUEST_TEMPERATURE: "temperature", semconv.REQUEST_TOP_P: "top_p"}
_STRINGS: Final[Names] = {semconv.OPENAI_REQUEST_SERVICE_TIER: "service_tier"}
_AUTO: Final = "auto"
"""What leaves a choice to the provider says nothing."""
_TALK: Final = frozenset({semconv.OP_CHAT, semconv.OP_GENERATE_CONTENT})


def _nothing_yet(body: Mapping[str, object]) -> Attributes:
    return {}


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """Names of fields are looked up in the request's body.

    Attributes:
        written: From a complete answer to its text; :func:`_written.nothing` where tokens are not what is billed.
        inputs: Fields that are sent as tokens; none where tokens are not what is billed.
        tools: Fields with the tools that are offered.
        unseen: Fields that stand for more than they say.
        settings: Fields with objects in which numbers, limits and choices are looked for as well.
        numbers: Attributes of request parameters that are numbers, by their fields.
        strings: The same for strings, of the body alone.
        limits: Fields with the limit of the output for one choice, the first that is there counts; below 0 is none.
        choices: Fields with the number of answers that are wanted.
        accepted: From the body to usage that is certain as soon as the provider has answered.
    """

    operation: str
    answer: Callable[[object], Attributes]
    reader: Callable[[Text], Reader]
    written: Written
    inputs: tuple[str, ...] = ()
    tools: tuple[str, ...] = ("tools",)
    unseen: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    numbers: Names = dataclasses.field(default_factory=lambda: _NUMBERS)
    strings: Names = dataclasses.field(default_factory=lambda: _STRINGS)
    limits: tuple[str, ...] = ()
    choices: tuple[str, ...] = ("n",)
    accepted: Callable[[Mapping[str, object]], Attributes] = _nothing_yet

    def request(
        self,
        server: Server,
        body: Mapping[str, object],
        arguments: Arguments,
        *,
        model: str,
        stream: bool = False,
        lazy: bool = False,
    ) -> Request:
        places = (body, *[field(body, name) for name in self.settings]) if self.settings else (body,)
        limit = _first(places, self.limits)
        choices = _first(places, self.choices) or 1
        return Request(
            operation=self.operation,
            provider=server.provider,
            model=model,
            address=server.address,
            port=server.port,
            answer=self.answer,
            reader=self.reader,
            arguments=arguments,
            parameters=self._parameters(places, limit, choices, stream),
            written=self.written,
            prompt=self._prompt(body),
            sent=tuple([body.get(name) for name in (*self.inputs, *self.tools)]),
            max_output_tokens=limit,
            choices=choices,
            accepted=self.accepted(body),
            lazy=lazy,
        )

    def _parameters(self, places: tuple[object, ...], limit: int | None, choices: int, stream: bool) -> Attributes:
        found = texts(places[0], self.strings)
        if _AUTO in found.values():
            found = {name: value for name, value in found.items() if value != _AUTO}
        for place in places:
            found.update(numbers(place, self.numbers))
        if limit is not None:
            found[semconv.REQUEST_MAX_TOKENS] = limit
        if choices != 1:
            found[semconv.REQUEST_CHOICE_COUNT] = choices
        if stream:
            found[semconv.REQUEST_STREAM] = True
        return found

    def _prompt(self, body: Mapping[str, object]) -> Prompt | None:
        if not self.inputs or self.written is written.nothing:
            return None
        return Prompt.of(
            *(body.get(name) for name in self.inputs),
            tools=next((body[name] for name in self.tools if body.get(name)), None),
            conversation=self.operation in _TALK,
            unseen=[name for name in self.unseen if body.get(name)],
            answered=self.operation != semconv.OP_EMBEDDINGS,
        )


def _first(places: tuple[object, ...], names: tuple[str, ...]) -> int | None:
    """The first whole number among ``names``, wherever it is; one below 0 is none."""
    for name in names:
        for place in places:
            number = count(place, name)
            if number is not None and number >= 0:
                return number
    return None


def no_text(answer: object) -> tuple[str, ...]:
    """Of an answer whose text is not billed."""
    return ()
