"""Estimates hold for any text: whole, never negative, never less for more, the same however it comes in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_cost.estimating import Estimator, Text, installed_tokenizer

ANY = st.text(st.characters(), max_size=2000)
"""Lone surrogates included."""
MODELS = st.one_of(st.text(max_size=20), st.sampled_from(["gpt-4o", "claude-opus-4-5", "o3", "mistral-large"]))
PLAIN = Estimator()
READING = Estimator(installed_tokenizer())


@given(ANY, ANY, ANY, MODELS)
def test_more_text_is_never_fewer_tokens(before: str, text: str, after: str, model: str) -> None:
    less = PLAIN.estimate_tokens(text, model).tokens
    more = PLAIN.estimate_tokens(before + text + after, model).tokens

    assert 0 <= less <= more
    assert type(less) is int


@given(st.lists(ANY, max_size=20), MODELS)
def test_the_pieces_in_which_it_comes_do_not_matter(pieces: list[str], model: str) -> None:
    streamed = PLAIN.text()
    for piece in pieces:
        streamed.add(piece)

    # A character that was cut in two weighs differently; texts without halves are the same.
    if not any("\ud800" <= char <= "\udfff" for piece in pieces for char in piece):
        assert PLAIN.tokens_of(streamed, model) == PLAIN.estimate_tokens("".join(pieces), model)


@given(ANY, MODELS)
def test_a_tokenizer_never_fails_on_a_text(text: str, model: str) -> None:
    tokens = READING.estimate_tokens(text, model).tokens

    assert type(tokens) is int
    assert tokens >= 0


@given(ANY, MODELS, st.booleans(), st.booleans())
def test_a_prompt_is_never_less_than_its_text(text: str, model: str, conversation: bool, tools: bool) -> None:
    prompt = Text()
    prompt.add(text)

    found = PLAIN.prompt_tokens_of(prompt, model, conversation=conversation, tools=tools)

    assert found.tokens >= PLAIN.estimate_tokens(text, model).tokens
