"""One way of asking a provider, told by its fields: from a request's body to a :class:`Request`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from otel_cost import semconv
from otel_cost.estimating import Text
from otel_cost_instrumentation._estimates import Prompt, Written
from otel_cost_instrumentation._read import Attributes, Names, count, numbers, text, text_bytes
from otel_cost_instrumentation._request import Arguments, Reader, Request


class Server(NamedTuple):
    """Who is asked. ``provider`` is empty where its host is not known."""

    provider: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    Attributes:
        inputs: Fields of the body that are sent as tokens; none where tokens are not what is billed.
        tools: The field with the tools that are offered.
        limits: Fields with the limit of the output for one choice, the first that is there counts; below 0 is none.
        unseen: Fields that stand for more than they say.
    """

    operation: str
    answer: Callable[[object], Attributes]
    reader: Callable[[Text], Reader]
    written: Written
    inputs: tuple[str, ...] = ()
    tools: str = "tools"
    limits: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()

    def request(
        self,
        server: Server,
        body: Mapping[str, object],
        arguments: Arguments,
        *,
        settings: object = None,
        stream: bool = False,
        lazy: bool = False,
    ) -> Request:
        """``settings``: where temperature and limits are, if not in the body itself."""
        settings = body if settings is None else settings
        told = (count(settings, name) for name in self.limits)
        limit = next((number for number in told if number is not None and number >= 0), None)
        choices = count(body, "n") or 1
        return Request(
            operation=self.operation,
            provider=server.provider,
            model=text(body, "model"),
            address=server.address,
            port=server.port,
            answer=self.answer,
            reader=self.reader,
            arguments=arguments,
            parameters=_parameters(body, settings, limit, choices, stream),
            written=self.written,
            prompt=self._prompt(body),
            input_bytes=text_bytes(*[body.get(name) for name in (*self.inputs, self.tools)]),
            max_output_tokens=limit,
            choices=choices,
            lazy=lazy,
        )

    def _prompt(self, body: Mapping[str, object]) -> Prompt | None:
        if not self.inputs:
            return None
        return Prompt.of(
            *(body.get(name) for name in self.inputs),
            tools=body.get(self.tools),
            conversation=self.operation == semconv.OP_CHAT,
            unseen=[name for name in self.unseen if body.get(name)],
            answered=self.operation != semconv.OP_EMBEDDINGS,
        )


_PARAMETERS: Final[Names] = {semconv.REQUEST_TEMPERATURE: "temperature", semconv.REQUEST_TOP_P: "top_p"}


def _parameters(
    body: Mapping[str, object], settings: object, limit: int | None, choices: int, stream: bool
) -> Attributes:
    found = numbers(settings, _PARAMETERS)
    tier = text(body, "service_tier")
    if limit is not None:
        found[semconv.REQUEST_MAX_TOKENS] = limit
    if choices != 1:
        found[semconv.REQUEST_CHOICE_COUNT] = choices
    if stream:
        found[semconv.REQUEST_STREAM] = True
    if tier and tier != "auto":
        found[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
    return found


def no_text(answer: object) -> tuple[str, ...]:
    """Of an answer whose text is not billed."""
    return ()
