"""Reading foreign values, and the size of what is sent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from otel_cost_instrumentation import _read


class Block(BaseModel):
    type: str
    text: str


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("four", 4),
        ("é", 2),
        ("\ud800", 3),
        (None, 0),
        ([{"role": "user", "content": "12345678"}], 4 + 4 + 7 + 8),
        ([1, 2, 3], 12),
        ("data:image/png;base64," + "A" * 100_000, 6_000),
        ({"type": "base64", "data": "A" * 100_000}, 8 + 6_000),
        (Block(type="text", text="12345678"), 12),
        (object(), 0),
    ],
)
def test_text_bytes(value: object, size: int) -> None:
    assert _read.text_bytes(value) == size


def test_a_generator_is_left_for_the_app() -> None:
    messages = (message for message in [{"content": "x"}])

    assert _read.text_bytes(messages) == 0
    assert list(messages) == [{"content": "x"}]


@pytest.mark.parametrize(("seen", "tokens"), [(0, 0), (1, 1), (4, 1), (5, 2)])
def test_estimated_tokens(seen: int, tokens: int) -> None:
    assert _read.estimated_tokens(seen) == tokens


@pytest.mark.parametrize(
    "value", [{"a": {"b": 3}}, SimpleNamespace(a=SimpleNamespace(b=3)), {"a": SimpleNamespace(b=3)}]
)
def test_fields_of_objects_and_of_json_read_alike(value: object) -> None:
    assert _read.count(value, "a", "b") == 3
    assert _read.count(value, "a", "missing", "b") is None
    assert _read.text(value, "a", "b") == ""


@pytest.mark.parametrize("value", [True, 1.5, "3", None, object()])
def test_only_whole_numbers_are_counts(value: object) -> None:
    assert _read.count({"n": value}, "n") is None
