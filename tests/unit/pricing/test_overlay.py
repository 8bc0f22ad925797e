from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from otel_cost.errors import ConfigError
from otel_cost.pricing.overlay import OverlayEntry, load_overlays

from .conftest import ns

FULL = """
prices:
  - provider: OpenAI
    model: gpt-x*
    aliases: [prod-chat]
    from: 2026-01-01
    until: 2026-07-01T00:00:00+02:00
    per_1m: {input: 2.5, output: 1.0e+1, cache_read: 0.1}
    per_1k: {web_searches: 10}
    per_unit: {requests: 1e-6}
    context_window: 200000
"""


def read(tmp_path: Path, text: str, name: str = "prices.yaml") -> tuple[OverlayEntry, ...]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return load_overlays([path]).entries


def test_the_full_shape(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, FULL)
    assert (entry.provider, entry.model, entry.aliases) == ("openai", "gpt-x*", ("prod-chat",))
    assert (entry.from_ns, entry.until_ns) == (ns(2026, 1, 1), ns(2026, 6, 30, 22))
    assert dict(entry.rates) == {
        "input_tokens": Fraction(25, 10**7),
        "output_tokens": Fraction(1, 10**5),
        "cache_read_tokens": Fraction(1, 10**7),
        "web_searches": Fraction(1, 100),
        "requests": Fraction(1, 10**6),
    }
    assert entry.price.context_window == 200_000


def test_one_entry_by_itself_may_have_aliases() -> None:
    document = {"provider": "p", "model": "m", "aliases": ["a"], "per_1m": {"input": 1}}
    overlays = load_overlays(inline=[document])
    assert [entry.aliases for entry in overlays.entries] == [("a",)]
    assert overlays.sections.aliases == ()


def test_the_same_in_json(tmp_path: Path) -> None:
    text = """{"prices": [{"provider": "OpenAI", "model": "gpt-x*", "aliases": ["prod-chat"], "from": "2026-01-01",
        "until": "2026-07-01T00:00:00+02:00", "per_1m": {"input": 2.5, "output": 1.0e+1, "cache_read": 0.1},
        "per_1k": {"web_searches": 10}, "per_unit": {"requests": 1e-6}, "context_window": 200000}]}"""
    assert read(tmp_path, text, "prices.json") == read(tmp_path, FULL)


def test_digits_past_the_usual_precision_are_kept(tmp_path: Path) -> None:
    (entry,) = read(
        tmp_path, "prices: [{provider: a, model: m, per_token: {input: 123456789.000000000000000000000001}}]"
    )
    assert dict(entry.rates) == {"input_tokens": 123456789 + Fraction(1, 10**24)}


@pytest.mark.parametrize("written", ["0", "0.0", "0e999999999", "0e-999999999"])
def test_zero_however_written_is_zero(tmp_path: Path, written: str) -> None:
    (entry,) = read(tmp_path, f"prices: [{{provider: a, model: m, per_1m: {{input: {written}}}}}]")
    assert dict(entry.rates) == {"input_tokens": 0}


@pytest.mark.parametrize("written", ["0.1", "1e-1", "'0.1'", "0.10", "1_0.0e-2"])
def test_numbers_never_become_floats(tmp_path: Path, written: str) -> None:
    (entry,) = read(tmp_path, f"prices: [{{provider: a, model: m, per_1m: {{input: {written}}}}}]")
    assert dict(entry.rates) == {"input_tokens": Fraction(1, 10**7)}


def test_the_nested_shape_is_per_thousand(tmp_path: Path) -> None:
    entries = read(
        tmp_path, '{"openai": {"gpt-4": {"prompt": 0.03, "completion": 0.06}, "b": {"prompt": 0}}}', "p.json"
    )
    assert {entry.model: dict(entry.rates) for entry in entries} == {
        "gpt-4": {"input_tokens": Fraction(3, 10**5), "output_tokens": Fraction(6, 10**5)},
        "b": {"input_tokens": Fraction(0)},
    }


def test_an_empty_file_has_no_prices(tmp_path: Path) -> None:
    assert read(tmp_path, "# nothing yet\n") == ()


@pytest.mark.parametrize(
    ("pattern", "model", "matches"),
    [
        ("gpt-x", "GPT-X", True),
        ("gpt-x", "gpt-x-1", False),
        ("gpt-x*", "gpt-x-1", True),
        ("*-turbo", "gpt-turbo", True),
        ("gpt-?", "gpt-44", False),
        ("a.b", "axb", False),
    ],
)
def test_models_are_exact_prefix_or_glob(pattern: str, model: str, matches: bool) -> None:
    (entry,) = load_overlays(inline=[{"provider": "p", "model": pattern, "per_1m": {"input": 1}}]).entries
    assert entry.matches(frozenset({"p"}), model) is matches


def test_within_a_layer_the_more_specific_wins_then_the_later_start() -> None:
    rate = {"provider": "p", "per_1m": {"input": 1}}
    document = {
        "prices": [
            {**rate, "model": "gpt-4o", "from": "2026-05-01"},
            {**rate, "model": "gpt-4o"},
            {**rate, "model": "gpt-4*"},
            {**rate, "model": "gpt-*"},
            {**rate, "model": "gpt-*", "provider": "*"},
        ]
    }
    ordered = load_overlays(inline=[document]).entries
    assert [entry.index for entry in ordered] == [0, 1, 2, 3, 4]


def test_a_later_layer_wins_even_with_a_pattern(tmp_path: Path) -> None:
    rate = {"provider": "p", "per_1m": {"input": 1}}
    path = tmp_path / "p.yaml"
    path.write_text("prices: [{provider: p, model: m, per_1m: {input: 1}}]", encoding="utf-8")
    ordered = load_overlays([path], [{**rate, "model": "m"}, {**rate, "model": "*"}]).entries
    assert [(entry.layer, entry.model) for entry in ordered] == [(3, "*"), (2, "m"), (1, "m")]


def test_the_fingerprint_is_the_same_in_every_process() -> None:
    overlays = load_overlays(inline=[{"provider": "p", "model": "m", "per_1m": {"input": 1, "output": 2}}])
    assert overlays.fingerprint() == "0f672e17"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("prices: 3", ["prices", "expected a list"]),
        ("- 3", ["prices[0]", "expected a mapping"]),
        ("hello", ["no known shape"]),
        ("{a: 1}", ["no known shape"]),
        ("{prices: [], price: 1}", ["unknown key 'price'", "allowed: prices"]),
        ("- {provider: p, model: m, per_1m: {input: 1}, form: 2026-01-01}", ["prices[0] (p/m)", "'form'", "from"]),
        ("- {model: m, per_1m: {input: 1}}", ["prices[0] (?/m)", "provider: expected a text"]),
        ("- {provider: p, model: 4, per_1m: {input: 1}}", ["model: expected a text, not 4"]),
        ("- {provider: p, model: m}", ["no rate", "per_1m, per_1k, per_token"]),
        ("- {provider: p, model: m, per_1m: {}}", ["no rate"]),
        ("- {provider: p, model: m, per_1m: 3}", ["per_1m: expected a mapping"]),
        ("- {provider: p, model: m, per_1m: {inptu: 3}}", ["per_1m: unknown unit 'inptu'", "allowed: input, output"]),
        ("- {provider: p, model: m, per_1m: {input: 3}, per_1k: {input: 3}}", ["per_1k.input", "already"]),
        ("- {provider: p, model: m, per_1m: {input: 3, input_tokens: 3}}", ["per_1m.input_tokens", "already"]),
        ("- {provider: p, model: m, per_1m: {input: -1}}", ["per_1m.input: expected USD from 0", "-1"]),
        ("- {provider: p, model: m, per_1m: {input: .nan}}", ["per_1m.input: expected USD"]),
        ("- {provider: p, model: m, per_1m: {input: .inf}}", ["per_1m.input: expected USD"]),
        ("- {provider: p, model: m, per_1m: {input: true}}", ["per_1m.input: expected USD", "True"]),
        ("- {provider: p, model: m, per_1m: {input: 2 dollars}}", ["per_1m.input: expected USD", "2 dollars"]),
        ("- {provider: p, model: m, per_1m: {input: 1.0e+999999999}}", ["per_1m.input: expected USD"]),
        ("- {provider: p, model: m, per_1m: {input: 1.0e-999999999}}", ["per_1m.input", "decimal places"]),
        ("- {provider: p, model: m, per_1m: {cache_read: 1}}", ["prices[0] (p/m)", "input_tokens", "needs one too"]),
        ("- {provider: p, model: m, per_1m: {input: 1}, from: soon}", ["from: expected a date", "soon"]),
        ("- {provider: p, model: m, per_1m: {input: 1}, from: 12}", ["from: expected a date", "12"]),
        (
            "- {provider: p, model: m, per_1m: {input: 1}, from: 2026-02-30}",
            ["prices[0] (p/m)", "from", "a date or a time"],
        ),
        (
            "- {provider: p, model: m, per_1m: {input: 1}, from: 2026-01-01, until: 2026-01-01}",
            ["until: must be after"],
        ),
        ("- {provider: p, model: m, per_1m: {input: 1}, aliases: x}", ["aliases: expected a list"]),
        ("- {provider: p, model: m, per_1m: {input: 1}, aliases: [1]}", ["aliases: expected a list"]),
        ("- {provider: p, model: m, per_1m: {input: 1}, context_window: 1.5}", ["context_window: expected a whole"]),
        ("{openai: {gpt-4: {prompt: 1, inputs: 2}}}", ["openai.gpt-4", "'inputs'", "allowed: prompt, completion"]),
        ("{openai: {gpt-4: 3}}", ["openai.gpt-4", "USD per 1,000 tokens"]),
        ("{openai: {gpt-4: {}}}", ["openai.gpt-4", "no rate"]),
        ("prices: [\n", ["line 2", "is not YAML"]),
        ("a: {b: {prompt: 1}}\na: {c: {prompt: 1}}", ["line 2", "key 'a' is there twice"]),
        ("!!python/object/apply:os.getcwd []", ["line 1", "is not YAML"]),
    ],
)
def test_errors_name_the_file_the_entry_the_key_and_what_is_allowed(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    for part in (str(tmp_path / "prices.yaml"), *parts):
        assert part in str(caught.value)
    assert len(str(caught.value)) < 2500


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("{", "is not JSON"),
        ('{"a": 1, "a": 2}', "key 'a' is there twice"),
        ('[{"provider": "p", "model": "m", "per_1m": {"input": NaN}}]', "NaN is not a number"),
    ],
)
def test_errors_in_json(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(ConfigError, match=part):
        read(tmp_path, text, "prices.json")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_overlays([tmp_path / "absent.yaml"])
    (tmp_path / "latin.yaml").write_bytes(b"\xe9")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_overlays([tmp_path / "latin.yaml"])


def test_an_inline_document_is_named_in_errors() -> None:
    with pytest.raises(ConfigError, match=r"inline prices, number 2: \(p/m\): no rate"):
        load_overlays(inline=[{"prices": []}, {"provider": "p", "model": "m", "per_1m": {}}])


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ("weekdays: []", r"weekdays: the list is empty"),
        ("weekdays: [monkey]", r"weekdays: 'monkey' is no day"),
        ("aliases: [' ']", r"aliases: expected a list of model names"),
        ("from: '0001-01-01T00:00:00+14:00'", r"from: expected a date"),
        ("until: '9999-12-31T23:59:59-14:00'", r"until: expected a date"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(tmp_path: Path, more: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"prices\.yaml: prices\[0\] \(p/m\): {text}"):
        read(tmp_path, f"- {{provider: p, model: m, per_1m: {{input: 1}}, {more}}}")


def test_blanks_around_names_and_long_days_do_no_harm(tmp_path: Path) -> None:
    (entry,) = read(
        tmp_path,
        "- {provider: p, model: m, per_1m: {input: 1}, aliases: [' a '], weekdays: [Tues, saturday], checked: }",
    )
    assert entry.aliases == ("a",)
    assert entry.window is not None
    assert entry.window.weekdays == {1, 5}
    assert entry.checked == ""


def test_no_two_prices_have_the_same_id(tmp_path: Path) -> None:
    """A charge remembers its price by that id."""
    text = """
    - {provider: p, model: m, per_1m: {input: 1}}
    - {provider: p, model: m, from: 2026-07-01, per_1m: {input: 2}}
    - {provider: p, model: m, from: 2026-07-01T12:00:00, per_1m: {input: 3}}
    """
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(text, encoding="utf-8")
    second.write_text("- {provider: p, model: m, until: 2026-07-01, per_1m: {input: 4}}", encoding="utf-8")
    ids = [entry.price.id for entry in load_overlays([first, second]).entries]
    assert len(set(ids)) == len(ids) == 4
    assert {"overlay/p/m@2026-07-01", "overlay/p/m@2026-07-01T12:00:00Z"} <= set(ids)
