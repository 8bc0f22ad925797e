"""Token counts of a call whose provider left them out, from what was sent and what came back.

Nothing is counted while the provider may still say. What was sent is referred to until the call ends, and no longer;
of what streams in only counts are kept, and a bounded beginning where a tokenizer could read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from otel_cost import semconv
from otel_cost.estimating import Estimate, Estimator, Text
from otel_cost_instrumentation._read import FILE_TOKENS, Attributes, Unread, count, sent

Written = Callable[[object], Iterable[str] | None]
"""From a complete answer to the text that was generated; None where there is no answer in it (yet)."""


class Prompt(NamedTuple):
    """What one request sends as tokens.

    Attributes:
        values: Fields of the body: text, or what contains it.
        conversation: They are messages, not plain text.
        tools: Any are offered.
        unseen: Names of fields that stand for more than they say (earlier turns that the provider has).
        answered: The answer is generated text, which is billed as well.
    """

    values: tuple[object, ...] = ()
    conversation: bool = False
    tools: bool = False
    unseen: tuple[str, ...] = ()
    answered: bool = True

    @classmethod
    def of(
        cls,
        *values: object,
        conversation: bool = True,
        tools: object = None,
        unseen: Iterable[str] = (),
        answered: bool = True,
    ) -> Prompt:
        """Lists are copied: apps go on with theirs while an answer streams in."""
        held = [tuple(value) if isinstance(value, list) else value for value in (*values, tools)]
        return cls(tuple(held), conversation, bool(tools), tuple(unseen), answered)

    def missing(self, known: Attributes) -> bool:
        """Whether ``known`` lacks a count of the call. An explicit zero is a count."""
        return semconv.USAGE_INPUT_TOKENS not in known or (self.answered and semconv.USAGE_OUTPUT_TOKENS not in known)


class Estimates:
    """Fills in the counts of one call. Not thread-safe."""

    __slots__ = ("_estimator", "_model", "_prompt", "heard")

    def __init__(self, estimator: Estimator, prompt: Prompt | None, model: str) -> None:
        self._estimator = estimator
        self._prompt = prompt
        self._model = model
        self.heard = estimator.text()
        """The answer so far, where it streams in."""

    def forget(self) -> None:
        """The call is over: nothing of what was sent or heard is referred to any more."""
        self._prompt = None
        self.heard = Text()

    def of_answer(self, known: Attributes, answer: object, written: Written) -> Attributes:
        """What is missing in ``known`` of a whole ``answer``."""
        prompt = self._prompt
        if prompt is None or not prompt.missing(known):
            return {}
        pieces = written(answer)
        if pieces is None:
            return {}
        text = self._estimator.text()
        for piece in pieces:
            text.add_apart(piece)
        return self._fill(prompt, known, text)

    def of_stream(self, known: Attributes, *, final: bool, roughly: bool) -> Attributes:
        """What is missing in ``known`` of a stream: the whole input, and the output that was seen. ``final``: it told
        all that it will. ``roughly``: at little cost, as this is not the last word."""
        prompt = self._prompt
        if prompt is None or (final and not prompt.missing(known)):
            return {}
        if not final and semconv.USAGE_OUTPUT_TOKENS in known:
            # What was told on the way is a part, or a placeholder.
            told = count(known, semconv.USAGE_OUTPUT_TOKENS) or 0
            rest = {name: value for name, value in known.items() if name != semconv.USAGE_OUTPUT_TOKENS}
            return self._fill(prompt, rest, self.heard, roughly, at_least=told)
        return self._fill(prompt, known, self.heard, roughly)

    def _fill(
        self, prompt: Prompt, known: Attributes, heard: Text, roughly: bool = False, at_least: int = 0
    ) -> Attributes:
        model = known.get(semconv.RESPONSE_MODEL)
        model = model if isinstance(model, str) and model else self._model
        found: Attributes = {semconv.USAGE_ESTIMATED: True}
        how: list[str] = []
        if semconv.USAGE_INPUT_TOKENS not in known:
            sending, unseen = self._input(prompt, model, roughly)
            found[semconv.USAGE_INPUT_TOKENS] = sending.tokens
            how.append(f"input {sending.method}{unseen}")
        if prompt.answered and semconv.USAGE_OUTPUT_TOKENS not in known:
            output = self._estimator.tokens_of(heard, model, roughly=roughly)
            found[semconv.USAGE_OUTPUT_TOKENS] = max(at_least, output.tokens)
            how.append(f"output {output.method}")
        found[semconv.USAGE_ESTIMATED_HOW] = "otel-cost counted: " + "; ".join(how)
        return found

    def _input(self, prompt: Prompt, model: str, roughly: bool) -> tuple[Estimate, str]:
        """The tokens of the prompt, and what of it could not be seen."""
        estimate, files = prompt_tokens(self._estimator, prompt, model, roughly=roughly)
        unseen = [f"files: {files}, taken for {FILE_TOKENS} tokens each"] if files else []
        unseen += [f"not what {name} stands for" for name in prompt.unseen]
        return estimate, "".join(f", {part}" for part in unseen)


def prompt_tokens(estimator: Estimator, prompt: Prompt, model: str, *, roughly: bool = False) -> tuple[Estimate, int]:
    """The tokens of a prompt, and the files in it that were taken for some."""
    text, files = estimator.text(), 0
    for piece in sent(*prompt.values):
        if isinstance(piece, Unread):
            text.add_tokens(piece.tokens)
            files += piece.file
        else:
            text.add_apart(piece)
    estimate = estimator.prompt_tokens_of(
        text, model, conversation=prompt.conversation, tools=prompt.tools, roughly=roughly
    )
    return estimate, files
