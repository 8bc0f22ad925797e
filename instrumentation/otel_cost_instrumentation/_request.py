"""What a provider module reads: one call's arguments (:class:`Request`) and its streamed answer (:class:`Reader`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, NamedTuple, Protocol

from otel_cost import semconv
from otel_cost.estimating import Estimator, Text, framing_of
from otel_cost.model import PlannedCall
from otel_cost_instrumentation._estimates import Prompt, Written, prompt_tokens
from otel_cost_instrumentation._read import Attributes, text_bytes
from otel_cost_instrumentation._stream import Watcher, watched

Arguments = Mapping[str, object]
_NOTHING: Final[Attributes] = {}


class Reader(Protocol):
    """Reads one streamed answer, chunk by chunk. Keeps counts, names and ids; generated text goes to the
    :class:`~otel_cost.estimating.Text` that it was made with, which counts it."""

    @property
    def final(self) -> bool:
        """Whether the provider's own, final usage has arrived."""
        ...

    def read(self, chunk: object, /) -> bool:
        """Take one chunk in. False when the app did not ask for it, so that it is kept from the app."""
        ...

    def attributes(self) -> Attributes:
        """What is known so far."""
        ...


def _nothing_written(answer: object) -> None:
    return None


class Request(NamedTuple):
    """What a provider module read from one call's arguments, before it is sent.

    Attributes:
        answer: From a complete answer (SDK object or decoded JSON) to attributes.
        reader: Makes the reader of a streamed answer.
        arguments: Keyword arguments to call the SDK with: the app's own, perhaps with a request for usage added.
        parameters: Conventional attributes of request parameters.
        sent: Fields of the body with what is sent as tokens.
        max_output_tokens: The request's own limit for one choice; None where it has none.
        prompt: What is sent as tokens, for when the provider does not count it; None where that says too little.
        written: From a complete answer to its text, for the same.
        lazy: What is returned is a generator, and the request goes out when it is asked for its first chunk.
        watch: From what the SDK returned to what the app gets, when that has yet to be read; None when it is complete.
        accepted: Usage that is certain as soon as the provider has answered, whatever it answered.
        spent: It asks for an answer that was made before: no budget can spare that any more.
        told_again: Whoever asks gets the same answer and its usage again: charged once per response id.
        headers: From the HTTP response's headers to attributes; the answer's own count for more.
        parses_raw: It is a call of a library that reads the raw responses of an SDK under it.
    """

    operation: str
    provider: str
    model: str
    address: str
    port: int
    answer: Callable[[object], Attributes]
    reader: Callable[[Text], Reader]
    arguments: Arguments
    parameters: Attributes
    sent: tuple[object, ...] = ()
    max_output_tokens: int | None = None
    choices: int = 1
    written: Written = _nothing_written
    prompt: Prompt | None = None
    lazy: bool = False
    watch: Callable[[object, Watcher], object | None] = watched
    accepted: Attributes = _NOTHING
    spent: bool = False
    told_again: bool = False
    headers: Callable[[object], Attributes] | None = None
    parses_raw: bool = False

    @property
    def input_bytes(self) -> int:
        """UTF-8 bytes of the text that is sent. Counted when asked for: prompts are long, and only budgets ask."""
        return text_bytes(*self.sent)

    def planned(self, estimator: Estimator) -> PlannedCall:
        """What budgets are asked about. The prompt is only counted if one of them reserves."""
        return PlannedCall(
            provider=self.provider,
            model=self.model,
            operation=self.operation,
            input_bytes=self.input_bytes + self._framing(),
            max_output_tokens=self.max_output_tokens,
            choices=self.choices,
            service_tier=str(self.parameters.get(semconv.OPENAI_REQUEST_SERVICE_TIER, "")),
            count_input=partial(self._input_tokens, estimator) if estimator.tokenizes else None,
        )

    def _framing(self) -> int:
        """Tokens that the provider adds to what is sent, which has no bytes for them."""
        if self.prompt is None:
            return 0
        return framing_of(self.model, conversation=self.prompt.conversation, tools=self.prompt.tools)

    def _input_tokens(self, estimator: Estimator) -> int | None:
        if self.prompt is None:
            return None
        return prompt_tokens(estimator, self.prompt, self.model)[0].tokens

    def attributes(self) -> Attributes:
        """What is known when the span starts."""
        known: Attributes = {
            semconv.OPERATION_NAME: self.operation,
            **self.parameters,
        }
        if self.address:  # a gateway may keep it to itself until it answers
            known[semconv.SERVER_ADDRESS] = self.address
            known[semconv.SERVER_PORT] = self.port
        if self.model:  # an agent's is known to the provider alone
            known[semconv.REQUEST_MODEL] = self.model
        if self.provider:
            known[semconv.PROVIDER_NAME] = self.provider
        return known
