"""Token counts without a provider: by a tokenizer, by the characters, and what a model's family makes of them."""

from __future__ import annotations

import sys

import pytest

from otel_cost import estimating
from otel_cost.estimating import HEURISTIC, SAMPLE, TOKENIZER, Estimator, Text, installed_tokenizer
from tests.benchmarks.scripts_of_the_world import O200K_TOKENS, SENTENCES

PLAIN = Estimator()


@pytest.mark.parametrize("script", SENTENCES)
def test_the_heuristic_is_near_for_every_script(script: str) -> None:
    """FEATURES E3: within a fifth of what the vocabulary says, where four bytes a token are up to 127 % off."""
    estimate = PLAIN.estimate_tokens(SENTENCES[script], "gpt-4o")

    assert estimate.method == HEURISTIC
    assert estimate.tokens == pytest.approx(O200K_TOKENS[script], rel=0.2)


def test_the_tokenizer_of_the_extra_counts_as_the_vocabulary_does() -> None:
    pytest.importorskip("rs_bpe")
    exact = Estimator(installed_tokenizer())

    found = {script: exact.estimate_tokens(text, "gpt-4o") for script, text in SENTENCES.items()}

    assert {script: estimate.tokens for script, estimate in found.items()} == O200K_TOKENS
    assert {estimate.method for estimate in found.values()} == {TOKENIZER}
    assert exact.estimate_tokens("a\ud800b", "gpt-4o").tokens > 0  # half a character, which no tokenizer takes


def test_an_app_without_the_extra_has_no_tokenizer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimating, "_PACKAGE", "no_such_package")

    assert installed_tokenizer() is None


def test_nothing_is_loaded_before_it_is_needed() -> None:
    loaded: list[int] = []

    def load() -> estimating.Tokenizer:
        loaded.append(1)
        return len

    estimator = Estimator(load)
    text = estimator.text()
    text.add("12345")
    assert estimator.tokens_of(text, "gpt-4o", roughly=True).method == HEURISTIC
    assert not loaded

    assert estimator.tokens_of(text, "gpt-4o") == (5, TOKENIZER)
    assert estimator.estimate_tokens("123", "gpt-4o").tokens == 3
    assert loaded == [1]


def test_a_tokenizer_that_is_not_what_it_was_is_done_without() -> None:
    def load() -> estimating.Tokenizer:
        raise ImportError("a wheel for another Python")

    assert Estimator(load).estimate_tokens("word", "gpt-4o").method == HEURISTIC


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gpt-4o", 210),
        ("openai/o3-mini", 210),
        ("us.anthropic.claude-opus-4-5-20251101-v1:0", 252),
        ("Mistral-Large", 273),
        ("my-deployment", 231),
        ("", 231),
    ],
)
def test_families_cut_text_differently(model: str, tokens: int) -> None:
    estimate = PLAIN.estimate_tokens("a" * 1000, model)

    assert estimate.tokens == tokens
    assert ("x 1." in estimate.method) == (tokens != 210)


def test_a_prompt_is_more_than_its_words() -> None:
    text = Text()
    text.add("a" * 1000)

    def prompt(model: str, conversation: bool, tools: bool) -> int:
        return PLAIN.prompt_tokens_of(text, model, conversation=conversation, tools=tools).tokens

    assert prompt("gpt-4o", False, False) == 210
    assert prompt("gpt-4o", True, False) == 215
    assert prompt("gpt-4o", True, True) == 235
    assert prompt("claude-opus-4-5", True, True) == 252 + 5 + 340


def test_a_long_text_is_judged_by_its_beginning() -> None:
    read: list[int] = []

    def tokenizer(text: str) -> int:
        read.append(len(text))
        return len(text) // 2

    estimator = Estimator(lambda: tokenizer)
    estimate = estimator.estimate_tokens("abcd" * SAMPLE, "gpt-4o")

    assert read == [SAMPLE]
    assert estimate.tokens == 2 * SAMPLE


def test_a_stream_is_not_kept() -> None:
    text = Text()
    kept = Text(keep=10)
    for _ in range(1000):
        text.add("a piece of it " * 20)
        kept.add("a piece of it " * 20)

    assert _held(text) < 5_000
    assert _held(kept) < 5_000


def _held(text: Text) -> int:
    values = [getattr(text, name) for name in Text.__slots__]
    return sum(sys.getsizeof(value) for value in values) + sum(
        len(piece) for value in values if isinstance(value, list) for piece in value
    )
