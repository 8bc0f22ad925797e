"""The one reader of all dialects.

It runs for every GenAI span while that ends: it goes over the attributes that are there, not over all that could be (a
span has a dozen, a dialect a hundred names), and what a dialect does not need costs it nothing.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, cast

from otel_cost.dialects.base import Dialect, Emitter, Guess, Names, Reading, Variant, ours
from otel_cost.errors import InvalidUsage
from otel_cost.model import Usage

_JSON_AT_MOST: Final = 100_000
"""Longer JSON (characters) is left alone: usage is small, and what is in there is somebody else's."""
_DEPTH_AT_MOST: Final = 4
_LITERAL_AT_MOST: Final = 5_000
_BRACKETS_AT_MOST: Final = 50
"""Bounds on Python literals (characters, opening brackets): their parser was made for trusted text."""


def pick(emitter: Emitter, version: str, kind: str, attributes: Mapping[str, object]) -> Emitter:
    """The variant of ``emitter`` that wrote a span, itself when none fits."""
    for variant in emitter.variants:
        if _fits(variant, version, kind, attributes):
            return variant.emitter
    return emitter


def _fits(variant: Variant, version: str, kind: str, attributes: Mapping[str, object]) -> bool:
    if variant.kinds and kind not in variant.kinds:
        return False
    if not _carries(variant.having, variant.lacking, attributes):
        return False
    if not (variant.since or variant.before):
        return True
    numbers = _numbers(version)
    return bool(numbers) and numbers >= variant.since and (not variant.before or numbers < variant.before)


def _carries(having: frozenset[str], lacking: frozenset[str], attributes: Mapping[str, object]) -> bool:
    return not (having and having.isdisjoint(attributes)) and lacking.isdisjoint(attributes)


@lru_cache(maxsize=1024)
def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: ``2.1b0`` is (2, 1)."""
    found: list[int] = []
    for part in version.split("."):
        digits = part[: next((at for at, letter in enumerate(part) if not letter.isdecimal()), len(part))]
        if not digits or len(digits) > 9:
            break
        found.append(int(digits))
        if digits != part:
            break
    return tuple(found)


def unfolded(attributes: Mapping[str, object], names: Names) -> Mapping[str, object]:
    """``attributes`` with what the JSON in ``names`` says beside it. What is none is left as it is."""
    found: dict[str, object] = {}
    for name in names:
        text = attributes.get(name)
        if isinstance(text, str) and len(text) <= _JSON_AT_MOST:
            try:
                found.update(_leaves(name, _parsed(text), _DEPTH_AT_MOST))
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return {**attributes, **found} if found else attributes


def _parsed(text: str) -> object:
    """JSON, or what ``str()`` makes of a dict, which is all that some emitters write.

    Raises:
        ValueError, SyntaxError, RecursionError, MemoryError: it is neither.
    """
    if not text.startswith("{'"):
        return json.loads(text)
    if len(text) > _LITERAL_AT_MOST or sum(map(text.count, "([{")) > _BRACKETS_AT_MOST:
        raise ValueError("more than a usage can be")
    return ast.literal_eval(text)


def _leaves(name: str, value: object, depth: int) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        if depth:
            for key, inner in cast("dict[str, object]", value).items():
                yield from _leaves(f"{name}.{key}", inner, depth - 1)
    elif not isinstance(value, list):
        yield name, value


def read_span(emitter: Emitter, attributes: Mapping[str, object]) -> Reading:
    """Read one span's attributes by the emitter's dialect. Never raises: contradictions are ``Reading.problem``."""
    dialect = emitter.dialect
    found, counts = _first_of(dialect.targets, attributes)
    get = found.get
    provider = _text(get("provider", ""))
    operation = _text(get("operation", ""))
    model = _text(get("request_model", ""))
    streaming = "streaming" in found and _flag(found["streaming"])
    usage, problem = _usage(dialect, provider, counts, found, attributes) if counts else (None, "")
    estimated = ""
    if dialect.guesses:
        estimated = _doubt(dialect.guesses, provider.lower(), streaming, model, attributes)
    if not estimated and "estimated" in found and _flag(found["estimated"]):
        estimated = _SAID
    return Reading(
        dialect.name,
        emitter.layer,
        dialect.operations.get(operation, operation),
        dialect.providers.get(provider, provider),
        model,
        _text(get("response_model", "")),
        usage,
        problem,
        _text(get("response_id", "")),
        _text(get("service_tier", "")),
        _text(get("server_address", "")),
        streaming,
        _text(get("finish_reasons", "")),
        estimated,
        emitter.follows,
    )


_SAID: Final = "the instrumentation says that it estimated the counts"


def _first_of(
    targets: Mapping[str, tuple[str, int, bool]], attributes: Mapping[str, object]
) -> tuple[dict[str, object], dict[str, object]]:
    """Field, and unit, to the value of its first present name."""
    found: dict[str, object] = {}
    counts: dict[str, object] = {}
    places: dict[str, int] = {}
    for name, value in attributes.items():
        target = targets.get(name)
        if target is not None and value is not None and value != "":
            what, place, is_count = target
            if what not in places or place < places[what]:
                places[what] = place
                (counts if is_count else found)[what] = value
    return found, counts


def _usage(
    dialect: Dialect,
    provider: str,
    counts: dict[str, object],
    found: Mapping[str, object],
    attributes: Mapping[str, object],
) -> tuple[Usage | None, str]:
    try:
        if dialect.corrected:
            _make_inclusive(dialect, provider.lower(), counts, found.get("total"), attributes)
        usage = Usage.of(counts)
    except InvalidUsage as error:
        return None, str(error)
    if "unbilled" in found and _flag(found["unbilled"]):
        usage = Usage.of(dict.fromkeys(usage.counts, 0))
    return usage, ""


def _make_inclusive(
    dialect: Dialect, provider: str, counts: dict[str, object], total: object, attributes: Mapping[str, object]
) -> None:
    """Totals made inclusive, where the emitter leaves parts out of them."""
    for name, unit in dialect.added.items():
        # What our own instrumentor wrote is complete: it saw the answer itself.
        if attributes.get(name) is not None and ours(unit) not in attributes:
            counts.setdefault(unit, 0)
            _add(counts, unit, {unit: attributes[name]})
    for whole, parts, providers in dialect.outside:
        if _applies(providers, provider):
            _add(counts, whole, {part: counts[part] for part in parts if part in counts})
    if total is not None and "input_tokens" in counts and _applies(dialect.output_is_rest, provider):
        rest = _count("output_tokens", total) - _count("input_tokens", counts["input_tokens"])
        counts["output_tokens"] = max(rest, _count("output_tokens", counts.get("output_tokens", 0)))


def _applies(providers: frozenset[str], provider: str) -> bool:
    return "*" in providers or provider in providers


def _add(counts: dict[str, object], whole: str, parts: Mapping[str, object]) -> None:
    if whole in counts:
        # Validated one by one first, so that a bad part is named and not hidden in a sum.
        counts[whole] = _count(whole, counts[whole]) + sum(_count(unit, value) for unit, value in parts.items())


def _count(unit: str, value: object) -> int:
    return Usage.of({unit: value}).get(unit)


def _doubt(
    guesses: tuple[Guess, ...], provider: str, streaming: bool, model: str, attributes: Mapping[str, object]
) -> str:
    """Why the counts are not to be trusted; empty when they are."""
    for guess in guesses:
        if (
            _applies(guess.providers, provider)
            and guess.streaming in (None, streaming)
            and _carries(guess.having, guess.lacking, attributes)
            and not (guess.sure and _bare(model).startswith(guess.sure))
            and (not guess.only or _bare(model).startswith(guess.only))
            and (guess.saying is None or attributes.get(guess.saying[0]) in guess.saying[1])
        ):
            return guess.why
    return ""


_REGION: Final = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|global)\.")


def _bare(model: str) -> str:
    """A model without path and region: ``models/gemini-2.0-flash`` is ``gemini-2.0-flash``."""
    return _REGION.sub("", model.rsplit("/", 1)[-1].lower())


def _flag(value: object) -> bool:
    """Some emitters write ``"False"``."""
    return value == 1 or (isinstance(value, str) and value.lower() == "true")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        items: tuple[object, ...] = tuple(value)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
        return ",".join(str(item) for item in items)
    return str(value)
