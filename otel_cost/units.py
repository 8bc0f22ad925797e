"""The units that usage is counted in, and which of them are parts of which.

Names and dimensions are those of the ``genai-prices`` price data (a test compares them with the installed release), so
that a count finds its rate without a translation. A unit is a part of another when it has all of the other's
dimensions and more: ``cache_read_tokens`` (input, cache read) is a part of ``input_tokens`` (input).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

_MODALITIES: Final = ("text", "audio", "image", "video")
_CACHE: Final = (
    ("read", (("token_type", "cache_read"),)),
    ("write", (("token_type", "cache_write"),)),
    ("write_5m", (("token_type", "cache_write"), ("cache_ttl", "5m"))),
    ("write_1h", (("token_type", "cache_write"), ("cache_ttl", "1h"))),
)

Dimensions = frozenset[tuple[str, str]]


def _token_units() -> dict[str, Dimensions]:
    tokens = ("family", "tokens")
    into, out = ("direction", "input"), ("direction", "output")
    units: dict[str, Dimensions] = {
        "input_tokens": frozenset({tokens, into}),
        "output_tokens": frozenset({tokens, out}),
        "input_tool_tokens": frozenset({tokens, into, ("token_type", "tool")}),
        "output_reasoning_tokens": frozenset({tokens, out, ("token_type", "reasoning")}),
        "output_citation_tokens": frozenset({tokens, out, ("token_type", "citation")}),
    }
    for name, extra in _CACHE:
        units[f"cache_{name}_tokens"] = frozenset({tokens, into, *extra})
    for modality in _MODALITIES:
        kind = ("modality", modality)
        units[f"input_{modality}_tokens"] = frozenset({tokens, into, kind})
        units[f"output_{modality}_tokens"] = frozenset({tokens, out, kind})
        units[f"input_{modality}_tool_tokens"] = frozenset({tokens, into, kind, ("token_type", "tool")})
        for part in ("reasoning", "citation"):
            units[f"output_{modality}_{part}_tokens"] = frozenset({tokens, out, kind, ("token_type", part)})
        for name, extra in _CACHE:
            units[f"cache_{modality}_{name}_tokens"] = frozenset({tokens, into, kind, *extra})
    return units


def _other_units() -> dict[str, Dimensions]:
    into, out = ("direction", "input"), ("direction", "output")
    audio_time = frozenset({("family", "durations"), ("modality", "audio")})
    pages = frozenset({("family", "document_pages"), into})
    return {
        "input_characters": frozenset({("family", "characters"), into}),
        "input_text_messages": frozenset({("family", "messages"), into, ("modality", "text")}),
        "audio_seconds": audio_time,
        "input_audio_seconds": audio_time | {into},
        "output_audio_seconds": audio_time | {out},
        "input_pixels": frozenset({("family", "pixels"), into}),
        "input_document_pages": pages,
        "input_annotated_document_pages": pages | {("page_type", "annotated")},
        "rerank_searches": frozenset({("family", "rerank")}),
        **{
            unit: frozenset({("family", "tool_calls"), ("tool_type", tool)})
            for unit, tool in (
                ("web_searches", "web_search"),
                ("social_searches", "social_search"),
                ("storage_searches", "storage_search"),
                ("code_executions", "code_execution"),
            )
        },
        "requests": frozenset({("family", "requests")}),
    }


UNITS: Final[dict[str, Dimensions]] = {**_token_units(), **_other_units()}
"""Unit name to its dimensions, as (dimension, value) pairs."""

WHOLES: Final[dict[str, tuple[str, ...]]] = {
    unit: tuple(whole for whole, dimensions in UNITS.items() if dimensions < UNITS[unit]) for unit in UNITS
}
"""Unit name to the units that it is a part of."""

MAX_COUNT: Final = 10**12
"""No count may be larger: no call is that large, and millions of such counts still sum to 64 bits."""


def cost_part(unit: str) -> str:
    """Which of the five disjoint parts of a charge a unit's cost belongs to."""
    dimensions = dict(UNITS[unit])
    if dimensions.get("family") != "tokens":
        return "other"
    token_type = dimensions.get("token_type", "")
    return token_type if token_type.startswith("cache_") else dimensions["direction"]


_TOKEN_TYPES: Final = (
    # (type, its unit, the parts that have a type of their own)
    ("input", "input_tokens", ("cache_read_tokens", "cache_write_tokens")),
    ("cache_read", "cache_read_tokens", ()),
    ("cache_write", "cache_write_tokens", ()),
    ("output", "output_tokens", ("output_reasoning_tokens",)),
    ("reasoning", "output_reasoning_tokens", ()),
)


def disjoint_tokens(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Token counts by type, so that they can be summed: cached tokens are taken out of input, reasoning out of output.
    Types without tokens are left out."""
    for token_type, unit, parts in _TOKEN_TYPES:
        count = counts.get(unit, 0)
        for part in parts:
            count -= counts.get(part, 0)
        if count > 0:
            yield token_type, count
