"""Price files as they come from people and other tools: what is read, and what is refused with a word on where."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError
from otel_cost.pricing.documents import read_document
from otel_cost.pricing.overlay import load_overlays


def read(tmp_path: Path, content: str | bytes, name: str = "prices.yaml") -> object:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(path)


@pytest.mark.parametrize(
    ("written", "value"),
    [("0", 0), ("12", 12), ("+12", 12), ("-3", -3), ("200_000", 200_000), ("0.5", Decimal("0.5")), ("1.0e+3", 1000)],
)
def test_decimal_numbers_are_numbers(tmp_path: Path, written: str, value: object) -> None:
    assert read(tmp_path, f"n: {written}") == {"n": value}


@pytest.mark.parametrize("written", ["1:30", "010", "0x10", "0b11", "00", "0_10"])
def test_what_yaml_takes_for_another_base_stays_text(tmp_path: Path, written: str) -> None:
    """YAML 1.1 reads 1:30 as 90 and 010 as 8: no price means that."""
    assert read(tmp_path, f"n: {written}") == {"n": written}


def test_a_price_in_base_sixty_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{provider: p, model: m, per_1m: {input: 1:30}}]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prices\.yaml: prices\[0\] \(p/m\): per_1m\.input: expected USD.*'1:30'"):
        load_overlays([path])


def test_an_impossible_date_is_an_error_of_its_entry(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text("prices: [{provider: p, model: m, from: 2026-02-30, per_1m: {input: 1}}]", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prices\[0\] \(p/m\): from: expected a date.*'2026-02-30'"):
        load_overlays([path])


@pytest.mark.parametrize("name", ["prices.yaml", "prices.json"])
def test_a_byte_order_mark_is_no_content(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, b'\xef\xbb\xbf{"a": 1}', name) == {"a": 1}


@pytest.mark.parametrize("name", ["prices.yaml", "prices.json"])
@pytest.mark.parametrize("content", ["[" * 5000 + "]" * 5000, "[" * 5000])
def test_a_file_nested_without_end_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.*: is nested too deeply"):
        read(tmp_path, content, name)


@pytest.mark.parametrize("text", ["&a [*a, {prompt: 1, completion: 1}]", "&a [{models: *a}, {prompt: 1}]"])
def test_a_list_that_contains_itself_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"prices\.yaml: contains itself"):
        load_overlays([path])


def test_a_merged_mapping_may_be_merged_again(tmp_path: Path) -> None:
    text = "a: {<<: &r {<<: {input: 1, output: 3}, input: 2}}\nb: *r\nc: {<<: *r, input: 5}"
    assert read(tmp_path, text) == {
        "a": {"input": 2, "output": 3},
        "b": {"input": 2, "output": 3},
        "c": {"input": 5, "output": 3},
    }


@pytest.mark.parametrize(
    ("name", "content"), [("p.json", '{"a": 1, "b": {"c": 1, "c": 2}}'), ("p.yaml", "b: {c: 1, c: 2}")]
)
def test_a_key_that_is_there_twice_is_refused(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name}.*key 'c' is there twice"):
        read(tmp_path, content, name)
