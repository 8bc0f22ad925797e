"""Reading foreign values, and the size of what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr

from otel_cost_instrumentation import _read


class Block(BaseModel):
    type: str
    text: str


class Thoughts(BaseModel):
    encrypted_content: str


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
        (
            {"type": "input_audio", "input_audio": {"format": "wav", "data": "A" * 100_000}},
            4 + 11 + 11 + 10 + 3 + 6_000,
        ),
        ({"type": "reasoning", "encrypted_content": "A" * 100_000}, 4 + 9 + 17),
        ({"type": "redacted_thinking", "data": "A" * 100_000}, 4 + 17 + 4),
        ({"type": "thinking", "thinking": "12345678", "signature": "A" * 1000}, 4 + 8 + 8 + 8 + 9),
        ({"type": "image_generation_call", "result": "A" * 100_000}, 4 + 21 + 6 + 6_000),
        ({"type": "file", "file": {"file_data": "A" * 100_000}}, 4 + 4 + 4 + 9 + 6_000),
        ({"type": "object", "properties": {"data": {"type": "string"}}}, 4 + 6 + 10 + 4 + 4 + 6),
        (Thoughts(encrypted_content="A" * 1000), 0),
        ({"type": "data", "data": "12345678"}, 4 + 4 + 4 + 8),
        (Block(type="text", text="12345678"), 12),
        (object(), 0),
    ],
)
def test_text_bytes(value: object, size: int) -> None:
    assert _read.text_bytes(value) == size


def test_a_cycle_is_given_up_on() -> None:
    """The SDK will refuse it itself."""
    loop: dict[str, object] = {"parameters": "12345678"}
    loop["properties"] = [loop, loop]

    assert 8 <= _read.text_bytes(loop) < 10_000_000


def test_only_so_much_is_looked_at() -> None:
    """What is left out makes a reservation smaller; looking at all of it would hold the app up."""
    looked: list[int] = []

    class Noticing(list[object]):
        def __iter__(self) -> Iterator[object]:
            looked.append(1)
            return super().__iter__()

    _read.text_bytes([Noticing([str(index)]) for index in range(200_000)])

    assert 10_000 <= len(looked) <= 100_000


def test_a_large_text_is_one_item() -> None:
    assert _read.text_bytes({"content": "A" * 10_000_000}) == 7 + 10_000_000


def test_a_generator_is_left_for_the_app() -> None:
    messages = (message for message in [{"content": "x"}])

    assert _read.text_bytes(messages) == 0
    assert list(messages) == [{"content": "x"}]


@pytest.mark.parametrize(
    ("block", "files"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}, 1),
        ({"type": "input_image", "image_url": "https://x/a.png"}, 1),
        ({"type": "input_file", "file_id": "file-1"}, 1),
        ({"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}, 1),
        ({"type": "text", "text": "see https://x/a.png"}, 0),
        ({"type": "search_result", "title": "A", "url": "https://x"}, 0),
        ({"type": "string", "properties": {"url": {"type": "string"}, "id": {"type": "string"}}}, 0),
    ],
)
def test_files_that_are_only_named_are_files(block: object, files: int) -> None:
    found = [piece for piece in _read.sent(block) if isinstance(piece, _read.Unread)]

    assert found == [_read.Unread(_read.FILE_TOKENS, file=True)] * files


def test_names_that_only_machines_read_are_no_text() -> None:
    call = {"role": "tool", "tool_call_id": "call_9fY2kD", "content": "12"}

    assert sorted(map(str, _read.sent(call))) == ["12", "content", "role", "tool", "tool_call_id"]


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


def test_what_a_model_keeps_to_itself_is_found_as_well() -> None:
    class Answer(BaseModel):
        model_config = ConfigDict(extra="allow")
        _hidden: dict[str, int] = PrivateAttr(default_factory=lambda: {"tokens": 3})
        known: int = 1

    answer = Answer.model_validate({"more": 2})
    assert [_read.count(answer, *path) for path in (("known",), ("more",), ("_hidden", "tokens"))] == [1, 2, 3]
    assert (_read.field(answer, "less"), _read.field(answer, "_less")) == (None, None)
